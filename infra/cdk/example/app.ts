/**
 * Afferent with an app of one's own beside it: an alarm, and a reader of the records.
 *
 * npm run build && npx cdk deploy --app "node dist/example/app.js" --parameters WithingsClientId=...
 */
import { App, Stack, StackProps, Tags, Validations } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as iam from "aws-cdk-lib/aws-iam";

import { Afferent, AfferentProps } from "../lib";

/** The stack. */
export class ExampleStack extends Stack {
  public readonly afferent: Afferent;

  constructor(app: App, id: string, props: StackProps & AfferentProps = {}) {
    super(app, id, props);
    this.afferent = new Afferent(this, "Afferent", props);

    const reader = new iam.Role(this, "Reader", { assumedBy: new iam.ServicePrincipal("ecs-tasks.amazonaws.com") });
    this.afferent.tables.records.grantStreamRead(reader);
    Validations.of(reader).acknowledge({
      id: "AwsSolutions-IAM5[Resource::*]",
      reason: "dynamodb:ListStreams, which the CDK adds for readers of a stream, knows no single stream.",
    });

    new cloudwatch.Alarm(this, "ManyPulls", {
      alarmDescription: "Thousands of notifications wait to be pulled.",
      metric: this.afferent.queues.pulls.metricApproximateNumberOfMessagesVisible(),
      threshold: 5000,
      evaluationPeriods: 5,
    });
    Tags.of(this).add("product", "health");
  }
}

if (require.main === module) {
  const app = new App();
  new ExampleStack(app, "afferent", { parameters: { withingsLimit: 120 } });
}
