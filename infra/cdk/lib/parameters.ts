// Derived from infra/template.yaml by infra/checks/derived.py: UPDATE=1 make check-template.

/** The template's parameters. What is left out has the template's default. */
export interface AfferentParameters {
  /**
   * Who gets a letter when an alarm rings and when it is over, and about costs. Empty is nobody: others may
   * subscribe to the topic of alarms.
   * @default ""
   */
  readonly alarmEmail?: string;
  /**
   * Whether there are alarms, a dashboard and saved queries. They cost about 10 $ a month. "false" is for stacks
   * that nobody watches.
   * @default "true"
   */
  readonly alarms?: "true" | "false";
  /**
   * The same for api. With a function URL it is the only limit on what strangers may start.
   * @default ""
   */
  readonly apiConcurrency?: string;
  /**
   * What the page that leads people to Withings calls your app. Empty is "the app that sent you here".
   * Characters at most: 80.
   * @default ""
   */
  readonly appName?: string;
  /**
   * Must be the architecture that the bootstraps were built for (make build builds arm64).
   * @default "arm64"
   */
  readonly architecture?: "arm64" | "x86_64";
  /**
   * The same on sweeps, backfills and the care of accounts, each with up to 5 messages.
   * At least 2.
   * At most 1000.
   * @default 4
   */
  readonly backfillConcurrency?: number;
  /**
   * How far back a person is read who has connected for the first time, in days (0 is not at all).
   * @default "90"
   */
  readonly backfillDays?: string;
  /**
   * The layer with the collector, for every function. None when empty.
   * @default ""
   */
  readonly collectorLayerArn?: string;
  /**
   * Who gets the letters about endpoints without a contact of their own. Empty is nobody.
   * @default ""
   */
  readonly contact?: string;
  /**
   * Whether DynamoDB refuses to delete the tables. "false" only for stacks meant to be thrown away.
   * @default "true"
   */
  readonly deletionProtection?: "true" | "false";
  /**
   * Seconds that an endpoint has for a whole request, from looking up its name to the end of its answer.
   * At least 1.
   * At most 12.
   * @default 10
   */
  readonly deliveryDeadlineSeconds?: number;
  /**
   * Days that deliveries and their attempts are kept after they have ended.
   * At least 1.
   * At most 365.
   * @default 30
   */
  readonly deliveryRetentionDays?: number;
  /**
   * How calls move from the old functions to the new ones. But for AllAtOnce, alarms take them back meanwhile.
   * @default "Canary10Percent5Minutes"
   */
  readonly deployment?: "AllAtOnce" | "Canary10Percent5Minutes" | "Linear10PercentEvery1Minute";
  /**
   * ARNs of the KMS keys that such queues are encrypted by, where they are not encrypted by SQS itself. The key's
   * own policy must allow it too.
   * @default "arn:aws:kms:us-east-1:000000000000:key/none"
   */
  readonly destinationKeyArns?: string[];
  /**
   * ARNs of the SQS queues that endpoints may name as their destination. The queue's own policy must allow it too.
   * @default "arn:aws:sqs:us-east-1:000000000000:none"
   */
  readonly destinationQueueArns?: string[];
  /**
   * Dispatchers at work at once, each with up to 10 deliveries. 2 is the least that Lambda accepts.
   * At least 2.
   * At most 1000.
   * @default 50
   */
  readonly dispatcherConcurrency?: number;
  /**
   * Networks that endpoints may be in although they are not public, as CIDRs ("10.0.0.0/8,fd00::/8"); there also
   * by plain http. Empty is none. Whoever may register endpoints can then reach these networks.
   * @default ""
   */
  readonly endpointNetworks?: string;
  /**
   * Ports that endpoints may be at, also as ranges ("443,8443,9000-9100").
   * @default "443,8443"
   */
  readonly endpointPorts?: string;
  /**
   * Days that events are kept in the journal, can be asked for and can be sent again. A change counts from then
   * on.
   * At least 7.
   * At most 3650.
   * @default 90
   */
  readonly eventsRetentionDays?: number;
  /**
   * Fanouts at work at once on each shard of the stream of records. Changes of one person keep their order.
   * At least 1.
   * At most 10.
   * @default 1
   */
  readonly fanoutParallelization?: number;
  /**
   * How requests reach ingest and api: by a function URL for each, which costs nothing, or by one HTTP API, which
   * throttles, logs accesses and can have a domain of its own. A change gives new addresses.
   * @default "url"
   */
  readonly frontDoor?: "url" | "http-api";
  /**
   * Requests at once that it lets through.
   * At least 1.
   * At most 5000.
   * @default 1000
   */
  readonly httpApiBurst?: number;
  /**
   * Requests per second that the HTTP API lets through, notifications and the API's own each.
   * At least 1.
   * At most 10000.
   * @default 500
   */
  readonly httpApiRate?: number;
  /**
   * Messages that SQS keeps in flight for the queue of deliveries. To be changed only together with that quota of
   * your account. (At a quarter of it long waits leave the queue, at half of it all but the shortest.)
   * At least 1000.
   * @default 120000
   */
  readonly inFlightLimit?: number;
  /**
   * Concurrency that is reserved for ingest, and its limit: whatever else the account runs, notifications are
   * taken. Empty reserves none.
   * @default ""
   */
  readonly ingestConcurrency?: string;
  /**
   * Hours that the Kinesis stream keeps a change.
   * At least 24.
   * At most 8760.
   * @default 24
   */
  readonly kinesisRetentionHours?: number;
  /**
   * A KMS key of yours, in this region, that encrypts tables, queues, secrets, logs, the topic of the alarms and
   * the Kinesis stream. Its policy must allow that (docs/deploying.md). Empty is AWS's own keys. For good, once it
   * is set.
   * @default ""
   */
  readonly kmsKeyArn?: string;
  /**
   * Whether categories 98 to 100 are subscribed to, which need a contract with Withings (Live Sync).
   * @default "false"
   */
  readonly liveSync?: "true" | "false";
  /**
   * Least severe level that the functions log. Not less than INFO, because metrics are written in the log.
   * @default "INFO"
   */
  readonly logLevel?: "DEBUG" | "INFO";
  /**
   * Days that CloudWatch keeps the functions' logs.
   * @default 30
   */
  readonly logRetentionDays?: 1 | 3 | 5 | 7 | 14 | 30 | 60 | 90 | 120 | 150 | 180 | 365 | 400 | 545 | 731 | 1096 | 1827 | 2192 | 2557 | 2922 | 3288 | 3653;
  /**
   * Sender of the letters about failing endpoints: an address that is verified at SES in this region, or whose
   * domain is. Empty sends none.
   * @default ""
   */
  readonly mailFrom?: string;
  /**
   * Memory of each function in MB. CPU comes with it (1,769 MB is one full core).
   * At least 128.
   * At most 3008.
   * @default 256
   */
  readonly memorySize?: number;
  /**
   * Dollars a month that this AWS account is meant to cost; a letter goes to AlarmEmail when it will be more. 0 is
   * no such letter.
   * At least 0.
   * At most 1000000.
   * @default 0
   */
  readonly monthlyBudget?: number;
  /**
   * What happens to a person's data when they have unlinked the application at Withings.
   * @default "keep"
   */
  readonly onUnlink?: "keep" | "erase";
  /**
   * Where functions built with the feature otel send their spans, such as http://localhost:4318 for a collector in
   * a layer (docs/tracing.md). Nowhere when empty.
   * @default ""
   */
  readonly otlpEndpoint?: string;
  /**
   * Fetchers at work at once on what was notified, each with up to 10 messages. Enough for some thousand calls a
   * minute; with a lower limit of Withings more of them would only wait for it.
   * At least 2.
   * At most 1000.
   * @default 2
   */
  readonly pullsConcurrency?: number;
  /**
   * Hours without any notification after which an alarm rings. 0 is never, for people who all sleep at once.
   * At least 0.
   * At most 24.
   * @default 0
   */
  readonly quietHours?: number;
  /**
   * What they must name to take it (sts:ExternalId). Needed with ReaderPrincipals.
   * @default ""
   */
  readonly readerExternalId?: string;
  /**
   * Who of other accounts may take the role that reads records and their stream: ARNs of accounts (…:root) or
   * roles, separated by commas. Empty makes no such role.
   * @default ""
   */
  readonly readerPrincipals?: string;
  /**
   * Whether changes of records go to a Kinesis stream too, for more readers than the table's own stream takes. It
   * has a price per hour, idle or not.
   * @default "off"
   */
  readonly recordsKinesis?: "off" | "on";
  /**
   * Where Withings sends people back to, exactly as it is registered there. Empty is v1/oauth/callback at the
   * address of the API. To be set if the API has a domain of its own.
   * @default ""
   */
  readonly redirectUrl?: string;
  /**
   * What this deployment is called. Must be another one at each deployment, because the functions are published
   * anew by it, and parameters reach them no other way. (make deploy gives the time.)
   * @default "0"
   */
  readonly release?: string;
  /**
   * Age in days at which a token pair is renewed although nothing asked for it (it dies after a year).
   * At least 1.
   * At most 300.
   * @default 30
   */
  readonly renewAfterDays?: number;
  /**
   * Hours that a retraction waits that would take away much at once, unless an operator lets it through.
   * At least 1.
   * At most 8760.
   * @default 168
   */
  readonly retractionHoldHours?: number;
  /**
   * Where your team reads docs/runbooks, with a slash at its end. Alarms and the dashboard link there; when it is
   * empty they only name the pages.
   * @default ""
   */
  readonly runbooksUrl?: string;
  /**
   * Whether one Withings account may be connected for two users.
   * @default "allow"
   */
  readonly sharedAccounts?: "allow" | "refuse";
  /**
   * Whether the samples of ECGs and stethoscope recordings are read (one call and up to 100 KB each).
   * @default "true"
   */
  readonly signals?: "true" | "false";
  /**
   * Whether the functions run. stopped makes or leaves all of them as make stop does: no queue and no stream is
   * read, ingest, keeper and api are not invoked. For a stack that is to be looked at first (docs/restoring.md).
   * @default "started"
   */
  readonly standing?: "started" | "stopped";
  /**
   * Whether these reads include the series of days and nights, which cost a call each.
   * @default "true"
   */
  readonly sweepDetails?: "true" | "false";
  /**
   * The same for all there is.
   * @default "365d"
   */
  readonly sweepEverything?: string;
  /**
   * The same for the last months.
   * @default "60d/7d"
   */
  readonly sweepMonth?: string;
  /**
   * How far back, and how often, the last days are read whole and compared.
   * @default "3d/1d"
   */
  readonly sweepRecent?: string;
  /**
   * How often a person's services are asked for what was modified, even if no notification came.
   * @default "1d"
   */
  readonly sweepUpdates?: string;
  /**
   * Least severe level of what Lambda itself logs about invocations. INFO adds two lines to each (start and
   * report); what fails or times out is logged at WARN too.
   * @default "WARN"
   */
  readonly systemLogLevel?: "DEBUG" | "INFO" | "WARN";
  /**
   * Active lets X-Ray record invocations: in each second the first, and one of twenty of the others. PassThrough
   * records none that nobody else has begun to.
   * @default "PassThrough"
   */
  readonly tracing?: "PassThrough" | "Active";
  /**
   * Where people consent, without a slash at its end. Empty is the page of the region.
   * @default ""
   */
  readonly withingsAccountUrl?: string;
  /**
   * Base URL of Withings' API, without a slash at its end. Empty is that of the region.
   * @default ""
   */
  readonly withingsApiUrl?: string;
  /**
   * Requests per 60 s that Withings allows your application (120 on the free plan).
   * At least 2.
   * At most 30000.
   * @default 120
   */
  readonly withingsLimit?: number;
  /**
   * Withings' cloud: eu is the public one, us the one for medical customers. Accounts and user ids belong to one.
   * @default "eu"
   */
  readonly withingsRegion?: "eu" | "us";
}

/**
 * Parameters that are secrets. They stay parameters of the stack (`cdk deploy --parameters Name=value`), because a
 * value in code would stand in the synthesised template in the clear.
 */
export const SECRET_PARAMETERS = ["CallbackSecretSha256", "CallbackUrl", "WithingsClientId", "WithingsClientSecret"] as const;

/** The template's names of the parameters. */
export const PARAMETER_NAMES: Readonly<Record<keyof AfferentParameters, string>> = {
  alarmEmail: "AlarmEmail",
  alarms: "Alarms",
  apiConcurrency: "ApiConcurrency",
  appName: "AppName",
  architecture: "Architecture",
  backfillConcurrency: "BackfillConcurrency",
  backfillDays: "BackfillDays",
  collectorLayerArn: "CollectorLayerArn",
  contact: "Contact",
  deletionProtection: "DeletionProtection",
  deliveryDeadlineSeconds: "DeliveryDeadlineSeconds",
  deliveryRetentionDays: "DeliveryRetentionDays",
  deployment: "Deployment",
  destinationKeyArns: "DestinationKeyArns",
  destinationQueueArns: "DestinationQueueArns",
  dispatcherConcurrency: "DispatcherConcurrency",
  endpointNetworks: "EndpointNetworks",
  endpointPorts: "EndpointPorts",
  eventsRetentionDays: "EventsRetentionDays",
  fanoutParallelization: "FanoutParallelization",
  frontDoor: "FrontDoor",
  httpApiBurst: "HttpApiBurst",
  httpApiRate: "HttpApiRate",
  inFlightLimit: "InFlightLimit",
  ingestConcurrency: "IngestConcurrency",
  kinesisRetentionHours: "KinesisRetentionHours",
  kmsKeyArn: "KmsKeyArn",
  liveSync: "LiveSync",
  logLevel: "LogLevel",
  logRetentionDays: "LogRetentionDays",
  mailFrom: "MailFrom",
  memorySize: "MemorySize",
  monthlyBudget: "MonthlyBudget",
  onUnlink: "OnUnlink",
  otlpEndpoint: "OtlpEndpoint",
  pullsConcurrency: "PullsConcurrency",
  quietHours: "QuietHours",
  readerExternalId: "ReaderExternalId",
  readerPrincipals: "ReaderPrincipals",
  recordsKinesis: "RecordsKinesis",
  redirectUrl: "RedirectUrl",
  release: "Release",
  renewAfterDays: "RenewAfterDays",
  retractionHoldHours: "RetractionHoldHours",
  runbooksUrl: "RunbooksUrl",
  sharedAccounts: "SharedAccounts",
  signals: "Signals",
  standing: "Standing",
  sweepDetails: "SweepDetails",
  sweepEverything: "SweepEverything",
  sweepMonth: "SweepMonth",
  sweepRecent: "SweepRecent",
  sweepUpdates: "SweepUpdates",
  systemLogLevel: "SystemLogLevel",
  tracing: "Tracing",
  withingsAccountUrl: "WithingsAccountUrl",
  withingsApiUrl: "WithingsApiUrl",
  withingsLimit: "WithingsLimit",
  withingsRegion: "WithingsRegion",
};
