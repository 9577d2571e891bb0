import { strict as assert } from "node:assert";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, describe, test } from "node:test";

import { App, Lazy } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import * as lambda from "aws-cdk-lib/aws-lambda";

import { ExampleStack } from "../example/app";
import { FUNCTIONS, PARAMETER_NAMES, SECRET_PARAMETERS } from "../lib";
import { programs } from "./programs";

type Json = Record<string, any>;

const source: Json = JSON.parse(fs.readFileSync(path.resolve(__dirname, "../../template.json"), "utf8"));

/** What must not be given when the stack is deployed, because versions and CodeDeploy rest on its value. */
const SET_BY_THE_CONSTRUCT = ["Deployment", "Release"];

const bootstraps = programs();

/** Synthesises the example over programs with this text. */
function synthesise(program = "program", parameters = {}): { stack: ExampleStack; json: Json } {
  const stack = new ExampleStack(new App(), "afferent", { bootstraps: bootstraps.with(program), parameters });
  return { stack, json: Template.fromStack(stack).toJSON() };
}

/** Without what the construct is there to change: where code lies, and versions named after it. */
function comparable(resources: Json): Json {
  const text = JSON.stringify(resources).replace(/(FunctionVersion)[0-9a-f]{10}/g, "$1");
  const copy: Json = JSON.parse(text);
  for (const resource of Object.values(copy)) {
    if (resource.Type === "AWS::Lambda::Function") {
      delete resource.Properties.Code;
      resource.Properties.Tags = resource.Properties.Tags?.filter((tag: Json) => tag.Key !== "product");
    }
  }
  return copy;
}

after(bootstraps.remove);

describe("the construct", () => {
  test("has every resource, parameter, condition and output of the template under its own name", () => {
    const { json } = synthesise();
    const [ours, theirs] = [comparable(json.Resources), comparable(source.Resources)];
    for (const [name, resource] of Object.entries(theirs)) {
      assert.equal(ours[name]?.Type, (resource as Json).Type, name);
    }
    for (const section of ["Conditions", "Outputs"]) {
      for (const name of Object.keys(source[section] ?? {})) {
        assert.ok(json[section][name], `${section}.${name}`);
      }
    }
    for (const name of Object.keys(source.Parameters).filter((name) => !SET_BY_THE_CONSTRUCT.includes(name))) {
      assert.equal(json.Parameters[name].Type, source.Parameters[name].Type);
      assert.deepEqual(json.Parameters[name].Default, source.Parameters[name].Default);
    }
  });

  test("changes no role, no policy and no queue of the template", () => {
    const { json } = synthesise();
    const untagged = (item: Json) => ({ ...item, Properties: { ...item.Properties, Tags: undefined } });
    for (const [name, resource] of Object.entries(source.Resources as Record<string, Json>)) {
      if (/^AWS::(IAM|SQS|SecretsManager|Lambda::EventSource)/.test(resource.Type)) {
        assert.deepEqual(normal(untagged(json.Resources[name])), normal(untagged(resource)), name);
      }
    }
  });

  test("puts a given value in the place of its parameter", () => {
    const { json } = synthesise("program", { withingsLimit: 300, logLevel: "DEBUG" });
    assert.equal(json.Parameters.WithingsLimit, undefined);
    const variables = json.Resources.FetcherFunction.Properties.Environment.Variables;
    assert.equal(String(variables.WITHINGS_LIMIT), "300");
    assert.equal(json.Resources.FetcherFunction.Properties.LoggingConfig.ApplicationLogLevel, "DEBUG");
  });

  test("knows every parameter, and leaves the secret ones to the stack", () => {
    const known = [...Object.values(PARAMETER_NAMES), ...SECRET_PARAMETERS].sort();
    assert.deepEqual(known, Object.keys(source.Parameters).sort());
    const { json } = synthesise();
    for (const name of SECRET_PARAMETERS) {
      assert.equal(json.Parameters[name].NoEcho, true, name);
    }
  });

  test("takes the code from the built programs, and new code or other values make new versions", () => {
    const [first, second] = [synthesise("one").json, synthesise("two").json];
    const third = synthesise("two", { signals: "false" }).json;
    const key = (json: Json) => json.Resources.IngestFunction.Properties.Code.S3Key;
    assert.match(key(first), /^[0-9a-f]{64}\.zip$/);
    assert.notEqual(key(first), key(second));
    const versions = (json: Json) => named(json, "AWS::Lambda::Version");
    assert.equal(versions(first).length, FUNCTIONS.length);
    assert.ok(versions(first).every((name) => !versions(second).includes(name)));
    assert.ok(versions(second).every((name) => !versions(third).includes(name)));
    for (const alias of Object.values(first.Resources as Record<string, Json>)) {
      if (alias.Type === "AWS::Lambda::Alias") {
        assert.ok(versions(first).includes(alias.Properties.FunctionVersion["Fn::GetAtt"][0]));
      }
    }
  });

  test("publishes a version exactly when its function changes, so that Lambda never refuses one", () => {
    const first = synthesise("one").json;
    const changes: [string, Json, boolean][] = [
      ["one", {}, false],
      ["two", {}, true],
      ["one", { logRetentionDays: 7 }, true],
      ["one", { alarmEmail: "on-call@example.org" }, true],
      ["one", { withingsLimit: 300 }, true],
      ["one", { deployment: "Linear10PercentEvery1Minute" }, true],
      ["one", { release: "2" }, true],
    ];
    for (const [program, parameters, changed] of changes) {
      const second = synthesise(program, parameters).json;
      for (const name of named(first, "AWS::Lambda::Function")) {
        const what = `${name} ${program} ${JSON.stringify(parameters)}`;
        const [before, after] = [first.Resources[name].Properties, second.Resources[name].Properties];
        assert.equal(JSON.stringify(before) !== JSON.stringify(after), changed, what);
        assert.equal(versionOf(first, name) !== versionOf(second, name), changed, what);
      }
    }
  });

  test("names a release as asked, and by what it is made of", () => {
    const described = (json: Json) => JSON.stringify(json.Resources.ApiFunction.Properties.Description);
    assert.match(described(synthesise("one", { release: "1.4" }).json), /release 1\.4-[0-9a-f]{10}\)/);
    assert.match(described(synthesise("one").json), /release [0-9a-f]{10}\)/);
    const either = (parameters: Json) => described(synthesise("one", parameters).json);
    assert.equal(either({ withingsLimit: 300, signals: "false" }), either({ signals: "false", withingsLimit: 300 }));
  });

  const deployments: string[] = source.Parameters.Deployment.AllowedValues;
  for (const deployment of deployments.filter((value) => value !== "AllAtOnce")) {
    test(`moves calls as asked: ${deployment}`, () => {
      const { json } = synthesise("program", { deployment });
      const groups = named(json, "AWS::CodeDeploy::DeploymentGroup");
      assert.equal(groups.length, FUNCTIONS.length);
      for (const name of groups) {
        assert.equal(json.Resources[name].Properties.DeploymentConfigName, `CodeDeployDefault.Lambda${deployment}`);
      }
      const aliases = named(json, "AWS::Lambda::Alias").map((name) => json.Resources[name].UpdatePolicy);
      const used = aliases.map((policy) => policy.CodeDeployLambdaAliasUpdate.DeploymentGroupName.Ref);
      assert.deepEqual(used.sort(), groups.sort());
      assert.deepEqual(named(json, "AWS::CodeDeploy::Application"), ["ServerlessDeploymentApplication"]);
    });
  }

  test("moves calls as asked: AllAtOnce, without CodeDeploy and with all else", () => {
    const { json } = synthesise("program", { deployment: "AllAtOnce" });
    const ofCodeDeploy = (name: string) => source.Resources[name].Type.startsWith("AWS::CodeDeploy::");
    const gone = Object.keys(source.Resources).filter(ofCodeDeploy);
    const left = Object.keys(comparable(source.Resources)).filter((name) => !gone.includes(name));
    const ours = Object.keys(comparable(json.Resources));
    assert.deepEqual(left.filter((name) => !ours.includes(name)), []);
    assert.deepEqual(ours.filter((name) => gone.includes(name)), []);
    const aliases = named(json, "AWS::Lambda::Alias");
    assert.equal(aliases.length, FUNCTIONS.length);
    assert.ok(aliases.every((name) => json.Resources[name].UpdatePolicy === undefined));
    assert.ok(!JSON.stringify(json.Resources).includes("ServerlessDeploymentApplication"));
    assert.deepEqual(json.Conditions.Gradual, { "Fn::Not": [{ "Fn::Equals": ["AllAtOnce", "AllAtOnce"] }] });
  });

  test("moves calls by the template's default if nothing is asked", () => {
    const { json } = synthesise();
    const group = json.Resources.ApiFunctionDeploymentGroup.Properties.DeploymentConfigName;
    assert.equal(group, `CodeDeployDefault.Lambda${source.Parameters.Deployment.Default}`);
    assert.ok(SET_BY_THE_CONSTRUCT.every((name) => json.Parameters[name] === undefined));
  });

  test("refuses a deployment that is only known later", () => {
    const later = Lazy.string({ produce: () => "AllAtOnce" });
    assert.throws(() => synthesise("program", { deployment: later }), /known when the app is synthesised/);
  });

  test("gives an app its tables, queues and functions", () => {
    const { stack, json } = synthesise();
    const policies = Object.values(json.Resources as Record<string, Json>).filter(
      (resource) => resource.Type === "AWS::IAM::Policy" && JSON.stringify(resource.Properties.Roles).includes("Reader"),
    );
    assert.equal(policies.length, 1);
    assert.match(JSON.stringify(policies), /dynamodb:GetRecords.*RecordsTable","StreamArn/);
    const alarms = Template.fromStack(stack).findResources("AWS::CloudWatch::Alarm", {
      Properties: { AlarmDescription: "Thousands of notifications wait to be pulled." },
    });
    const [alarm] = Object.values(alarms);
    assert.match(JSON.stringify(alarm?.Properties.Dimensions), /"QueueName".*"PullsQueue","Arn"/);
    for (const name of FUNCTIONS) {
      assert.ok(stack.afferent.functions[name] instanceof lambda.FunctionBase);
    }
  });
});

/** The logical ids of the resources of a type. */
function named(json: Json, type: string): string[] {
  return Object.keys(json.Resources).filter((name) => json.Resources[name].Type === type);
}

/** The logical id of the version of a function. */
function versionOf(json: Json, name: string): string {
  const [version, ...others] = named(json, "AWS::Lambda::Version").filter((version) => {
    return json.Resources[version].Properties.FunctionName.Ref === name;
  });
  assert.ok(version !== undefined && others.length === 0, name);
  return version;
}

/** The same without the ways to write one thing in two. */
function normal(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.length === 1 ? normal(value[0]) : value.map(normal);
  }
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, normal(item)]));
  }
  return typeof value === "number" || typeof value === "boolean" ? String(value) : value;
}
