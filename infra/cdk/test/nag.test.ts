import { strict as assert } from "node:assert";
import { after, test } from "node:test";

import { App } from "aws-cdk-lib";
import * as sqs from "aws-cdk-lib/aws-sqs";
import { AwsSolutionsChecks } from "cdk-nag";

import { ExampleStack } from "../example/app";
import { ACKNOWLEDGED } from "../lib";
import { programs } from "./programs";

const bootstraps = programs();

after(bootstraps.remove);

/** What the rules of AWS Solutions find, as `rule resource`. */
function findings(change?: (stack: ExampleStack) => void): string[] {
  const app = new App();
  const stack = new ExampleStack(app, "afferent", { bootstraps: bootstraps.with("program") });
  change?.(stack);
  const report = new AwsSolutionsChecks(app).validateScope(app);
  return report.violations.flatMap((violation) => {
    const places = violation.violatingResources;
    return places.map((place) => `${violation.ruleName} ${place.constructPath?.split("/").pop()}`);
  });
}

test("cdk-nag finds nothing that is not acknowledged with a reason", () => {
  assert.deepEqual(findings(), []);
});

test("cdk-nag sees what is wrong", () => {
  const found = findings((stack) => new sqs.CfnQueue(stack, "Open", {})).filter((line) => line.endsWith(" Open"));
  assert.deepEqual(found.sort(), ["AwsSolutions-SQS3 Open", "AwsSolutions-SQS4 Open"]);
});

test("every acknowledgement is of a resource that is there", () => {
  const stack = new ExampleStack(new App(), "afferent", { bootstraps: bootstraps.with("program") });
  const ids = stack.afferent.template.node.children.map((child) => child.node.id);
  for (const { id, of, reason } of ACKNOWLEDGED) {
    assert.ok(ids.some((name) => of.test(name)), id);
    assert.ok(reason.endsWith("."), id);
  }
});
