import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";

import { CfnResource, Fn, Stack, Token, Validations } from "aws-cdk-lib";
import * as codedeploy from "aws-cdk-lib/aws-codedeploy";
import * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as assets from "aws-cdk-lib/aws-s3-assets";
import * as sqs from "aws-cdk-lib/aws-sqs";
import { CfnInclude } from "aws-cdk-lib/cloudformation-include";
import { Construct } from "constructs";

import { ACKNOWLEDGED } from "./acknowledged";
import { AfferentParameters, PARAMETER_NAMES } from "./parameters";

/** The functions, by the names of their programs. */
export const FUNCTIONS = ["ingest", "fetcher", "fanout", "dispatcher", "keeper", "api"] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** The tables, by the last part of their names. */
export const TABLES = ["records", "events", "deliveries", "notifications", "connections", "endpoints", "keys"] as const;
export type TableName = (typeof TABLES)[number];

/** The queues, and the template's names of them. */
export const QUEUES = {
  pulls: "PullsQueue",
  pullsDead: "PullsDeadQueue",
  backfill: "BackfillQueue",
  backfillDead: "BackfillDeadQueue",
  deliveries: "DeliveriesQueue",
  deliveriesDead: "DeliveriesDeadQueue",
  fanoutFailures: "FanoutFailuresQueue",
} as const;
export type QueueName = keyof typeof QUEUES;

/** The value of `deployment` that does without CodeDeploy. */
const ALL_AT_ONCE = "AllAtOnce";

export interface AfferentProps {
  /**
   * The template's parameters, but for those that are secrets: see `SECRET_PARAMETERS`. Two differ from the template:
   *
   * - `release` need not be another one at each deployment: what is made of the programs, the template and the other
   *   values is added to it.
   * - `deployment` must be known when the app is synthesised, because the stack without CodeDeploy has other resources.
   */
  readonly parameters?: AfferentParameters;
  /**
   * The folder that `make build` fills: `<folder>/<function>/bootstrap`.
   * @default - target/lambda of the repository that this file is in
   */
  readonly bootstraps?: string;
}

/**
 * Afferent as a construct: the resources of `infra/template.yaml` under the same logical ids, so that a stack made by
 * SAM can go on under the CDK and the other way round. One to a stack, because the stack's name is in all names.
 *
 * The tables, queues and functions are there as constructs, for an app's own readers, alarms and permissions. What is
 * granted on them to others is in the other's policy; nothing here is changed by it.
 */
export class Afferent extends Construct {
  /** The included template, for what has no construct here: `afferent.template.getResource("ApiLog")`. */
  public readonly template: CfnInclude;
  /** The tables. `records` has the stream that apps follow; DynamoDB serves two readers, of which fanout is one. */
  public readonly tables: Readonly<Record<TableName, dynamodb.ITable>>;
  /** The queues. Whoever sends to one commands a function; to read one takes messages from it. */
  public readonly queues: Readonly<Record<QueueName, sqs.IQueue>>;
  /** The functions. */
  public readonly functions: Readonly<Record<FunctionName, lambda.IFunction>>;

  constructor(scope: Construct, id: string, props: AfferentProps = {}) {
    super(scope, id);
    const parameters = props.parameters ?? {};
    const bootstraps = props.bootstraps ?? path.resolve(packageFolder(), "../../target/lambda");
    const code = byName(FUNCTIONS, (name) => {
      return new assets.Asset(this, `${capital(name)}Code`, { path: path.join(bootstraps, name) });
    });
    const templateFile = path.join(packageFolder(), "template.json");
    const source = fs.readFileSync(templateFile, "utf8");
    const deployment: string = parameters.deployment ?? JSON.parse(source).Parameters.Deployment.Default;
    if (Token.isUnresolved(deployment)) {
      throw new Error("The parameter deployment must be known when the app is synthesised.");
    }
    const given = { ...values(parameters), Deployment: deployment };
    const parts = [source, Stack.of(this).resolve(given), FUNCTIONS.map((name) => code[name].assetHash)];
    const made = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 10);
    const release = parameters.release === undefined ? made : `${parameters.release}-${made}`;
    this.template = new CfnInclude(this, "Template", { templateFile, parameters: { ...given, Release: release } });
    for (const name of FUNCTIONS) {
      this.putCode(name, code[name], made);
      this.deployBy(name, deployment);
    }
    if (deployment === ALL_AT_ONCE) {
      this.remove("ServerlessDeploymentApplication");
    }
    this.tables = byName(TABLES, (name) => this.table(name));
    this.queues = byName(Object.keys(QUEUES) as QueueName[], (name) => this.queue(name));
    this.functions = byName(FUNCTIONS, (name) => this.function(name));
    this.acknowledge();
  }

  /** Sets where a function's code lies. The template itself names a place that is not there. */
  private putCode(name: FunctionName, code: assets.Asset, made: string): void {
    const item = this.resource(`${capital(name)}Function`) as lambda.CfnFunction;
    item.code = { s3Bucket: code.s3BucketName, s3Key: code.s3ObjectKey };
    // CloudFormation publishes a version when it sees one of another name, and fails if Lambda then finds the function
    // as it was. The name is therefore made of the same as `Release`, which is in the function's description.
    const prefix = `${capital(name)}FunctionVersion`;
    for (const version of this.template.node.children) {
      if (version instanceof lambda.CfnVersion && version.node.id.startsWith(prefix)) {
        version.overrideLogicalId(`${prefix}${made}`);
      }
    }
  }

  /** Does what SAM does by the value of `Deployment`. The template here is its translation for the default. */
  private deployBy(name: FunctionName, deployment: string): void {
    const groupId = `${capital(name)}FunctionDeploymentGroup`;
    if (deployment === ALL_AT_ONCE) {
      const alias = this.resource(`${capital(name)}FunctionAliaslive`);
      delete alias.cfnOptions.updatePolicy;
      this.remove(groupId);
    } else {
      const group = this.resource(groupId) as codedeploy.CfnDeploymentGroup;
      group.deploymentConfigName = `CodeDeployDefault.Lambda${deployment}`;
    }
  }

  private remove(logicalId: string): void {
    if (!this.template.node.tryRemoveChild(logicalId)) {
      throw new Error(`The template has no ${logicalId}.`);
    }
  }

  /** Says at the resources which rules of cdk-nag do not fit them, and why. */
  private acknowledge(): void {
    for (const resource of this.template.node.findAll().filter(CfnResource.isCfnResource)) {
      for (const { id, of, reason } of ACKNOWLEDGED) {
        if (of.test(resource.node.id)) {
          Validations.of(resource).acknowledge({ id, reason });
        }
      }
    }
  }

  private table(name: TableName): dynamodb.ITable {
    const item = this.resource(`${capital(name)}Table`) as dynamodb.CfnTable;
    const indexes = Array.isArray(item.globalSecondaryIndexes) ? item.globalSecondaryIndexes : [];
    return dynamodb.Table.fromTableAttributes(this, `${capital(name)}Table`, {
      tableArn: item.attrArn,
      globalIndexes: indexes.map((index) => (index as dynamodb.CfnTable.GlobalSecondaryIndexProperty).indexName),
      ...(item.streamSpecification ? { tableStreamArn: item.attrStreamArn } : {}),
    });
  }

  private queue(name: QueueName): sqs.IQueue {
    const item = this.resource(QUEUES[name]) as sqs.CfnQueue;
    return sqs.Queue.fromQueueAttributes(this, QUEUES[name], { queueArn: item.attrArn, queueUrl: item.ref });
  }

  private function(name: FunctionName): lambda.IFunction {
    const item = this.resource(`${capital(name)}Function`) as lambda.CfnFunction;
    const { partition, region, account } = Stack.of(this);
    // By name, which is text: by GetAtt, a permission of an app's would make the template's resources wait for it.
    const functionName = Fn.sub(`\${AWS::StackName}-${name}`);
    return lambda.Function.fromFunctionAttributes(this, `${capital(name)}Function`, {
      functionArn: item.functionName ? `arn:${partition}:lambda:${region}:${account}:function:${functionName}` : item.attrArn,
      sameEnvironment: true,
    });
  }

  private resource(logicalId: string) {
    return this.template.getResource(logicalId);
  }
}

/** The package's own folder, whether this runs as TypeScript or compiled into `dist/lib`. */
function packageFolder(): string {
  const above = path.resolve(__dirname, "..");
  return path.basename(above) === "dist" ? path.dirname(above) : above;
}

function values(parameters: AfferentParameters): Record<string, unknown> {
  const names = Object.entries(PARAMETER_NAMES) as [keyof AfferentParameters, string][];
  return Object.fromEntries(
    names.filter(([key]) => parameters[key] !== undefined).map(([key, name]) => [name, parameters[key]]),
  );
}

function byName<N extends string, T>(names: readonly N[], make: (name: N) => T): Record<N, T> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<N, T>;
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
