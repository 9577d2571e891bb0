/** A rule of cdk-nag that does not fit, where, and why. */
export interface Acknowledged {
  readonly id: string;
  /** The logical ids that it is acknowledged for; everywhere else it still speaks. */
  readonly of: RegExp;
  readonly reason: string;
}

/** Written down at the resources themselves, so that an app that runs cdk-nag over its stack sees its own findings only. */
export const ACKNOWLEDGED: readonly Acknowledged[] = [
  {
    id: "AwsSolutions-IAM5[Resource::*]",
    of: /^(Ingest|Fetcher|Fanout|Dispatcher|Keeper|Api)Role$/,
    reason:
      "xray:PutTraceSegments and xray:PutTelemetryRecords know no resources. infra/checks refuses any other action on *.",
  },
  {
    id: "AwsSolutions-IAM5[Resource::*]",
    of: /^DeploymentRole$/,
    reason: "cloudwatch:DescribeAlarms, by which CodeDeploy looks at the alarms that roll back, knows no resource.",
  },
  {
    id: "AwsSolutions-IAM5[Resource::<RecordsTable.Arn>/stream/*]",
    of: /^RecordsReaderPolicy$/,
    reason: "dynamodb:ListStreams is asked for by table: IAM sees any stream of it. Only the newest one may be read.",
  },
  {
    id: "AwsSolutions-APIG4",
    of: /^HttpApi(Ingest|Api)Route$/,
    reason: "Withings cannot sign for AWS and apps have keys of ours: the functions themselves let in and refuse.",
  },
  {
    id: "AwsSolutions-KDS3",
    of: /^RecordsKinesisStream$/,
    reason: "The key is aws/kinesis unless KmsKeyArn names another, which is then asked for.",
  },
  {
    id: "AwsSolutions-SMG4",
    of: /^WithingsSecret$/,
    reason: "The client secret is changed in Withings' dashboard, which has no API for it.",
  },
  {
    id: "AwsSolutions-SMG4",
    of: /^Seal(Tokens|Endpoints)Secret$/,
    reason:
      "Rotating a sealing key adds a version beside the old one, which must stay readable: a runbook, not a function.",
  },
  {
    id: "AwsSolutions-SQS3",
    of: /^FanoutFailuresQueue$/,
    reason: "It is a dead-letter queue itself: that of the stream, which names it in its event source.",
  },
];
