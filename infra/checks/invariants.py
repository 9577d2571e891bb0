"""What must hold of the translated template, and no linter knows. The rules of delivery have a file of their own."""

from collections.abc import Iterator

import variables
from stack import Stack, retention, rule, short, target

XRAY = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}

# CodeDeploy asks for alarms by a list of names.
OF_NO_RESOURCE = {"cloudwatch:DescribeAlarms"}

# What Lambda itself does in the name of a function that reads a stream.
STREAM = {"dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords", "dynamodb:ListStreams"}

# Who may read or write a table. Tokens, endpoint secrets and API keys stay with those who need them.
TABLE_USERS = {
    "RecordsTable": {"fetcher", "fanout", "keeper", "api"},
    "EventsTable": {"fanout", "dispatcher", "keeper", "api"},
    "DeliveriesTable": {"fanout", "dispatcher", "keeper", "api"},
    "NotificationsTable": {"fetcher", "keeper", "api"},
    "ConnectionsTable": {"fetcher", "keeper", "api"},
    "EndpointsTable": {"fanout", "dispatcher", "keeper", "api"},
    # keeper revokes the keys of a person who was erased.
    "KeysTable": {"keeper", "api"},
}

# Tables whose items never expire: the records are the truth, and stay.
EVERLASTING = {"RecordsTable"}


@rule
def there_are_six_functions_named_after_the_stack(stack: Stack) -> Iterator[str]:
    if set(stack.functions()) != set(variables.FUNCTIONS):
        yield f"the functions are {sorted(stack.functions())}, not {sorted(variables.FUNCTIONS)}"
    for name, item in stack.functions().items():
        if item["Properties"]["Runtime"] != "provided.al2023" or item["Properties"]["Handler"] != "bootstrap":
            yield f"{name}: not a bootstrap on provided.al2023"


@rule
def every_function_has_exactly_the_variables_that_its_code_reads(stack: Stack) -> Iterator[str]:
    for name in stack.functions():
        found, read = set(stack.variables(name)), stack.read.get(name, set())
        for variable in sorted(read - found - set(variables.NOT_SET)):
            yield f"{name}: its code reads {variable}, which the template does not set"
        for variable in sorted(found - read):
            yield f"{name}: the template sets {variable}, which its code does not read"
        for variable in sorted(set(variables.NOT_SET) - read):
            yield f"{name}: its code does not read {variable}, which is listed as knowingly not set"


@rule
def a_role_reaches_what_the_variables_name_and_nothing_else(stack: Stack) -> Iterator[str]:
    for name, item in stack.functions().items():
        named = {target(value) for value in stack.variables(name).values()}
        reached = {
            target(resource)
            for action, resource in stack.actions(target(item["Properties"]["Role"]))
            if action.startswith(("dynamodb:", "secretsmanager:", "sqs:")) and action not in STREAM
        }
        # Lambda receives, deletes and gives up in the role's name, so of queues only the named ones are asked for.
        # Customers' queues are named by their endpoints.
        queues = set(stack.of_type("AWS::SQS::Queue")) | {"DestinationQueueArns"}
        resources = set(stack.template["Resources"])
        for resource in sorted((named & resources) - reached):
            yield f"{name}: a variable names {resource}, which its role may not touch"
        for resource in sorted(reached - named - queues, key=str):
            yield f"{name}: its role reaches {resource}, which no variable names"


@rule
def a_role_sends_only_where_the_function_does(stack: Stack) -> Iterator[str]:
    for name, item in stack.functions().items():
        named = {target(value) for value in stack.variables(name).values()}
        if name == "dispatcher":
            # It consumes its own queue and writes to customers' only: see the next rule.
            named = {"DestinationQueueArns"}
        for _, source, function, _ in stack.sources("dynamodb"):
            if function is item["Properties"]:
                named.add(target(source.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")))
        for action, resource in stack.actions(target(item["Properties"]["Role"])):
            if action == "sqs:SendMessage" and target(resource) not in named:
                yield f"{name}: may send to {target(resource)}, which no variable names"


@rule
def what_expires_is_forgotten(stack: Stack) -> Iterator[str]:
    for name, item in stack.of_type("AWS::DynamoDB::Table").items():
        ttl = item["Properties"].get("TimeToLiveSpecification", {})
        if name in EVERLASTING:
            if ttl:
                yield f"{name}: forgets"
        elif ttl != {"AttributeName": "expires_at", "Enabled": True}:
            yield f"{name}: keeps for ever what expired"


@rule
def keeper_may_measure_what_it_tops_up_and_what_is_in_flight(stack: Stack) -> Iterator[str]:
    keeper = target(stack.functions()["keeper"]["Properties"]["Role"])
    have = {target(resource) for action, resource in stack.actions(keeper) if action == "sqs:GetQueueAttributes"}
    if have != {"BackfillQueue", "DeliveriesQueue"}:
        yield f"keeper: may measure {sorted(have, key=str)}, not BackfillQueue and DeliveriesQueue"


@rule
def no_variable_holds_a_secret(stack: Stack) -> Iterator[str]:
    hidden = {name for name, item in stack.parameters.items() if str(item.get("NoEcho")).lower() == "true"}
    # A hash of the callback secret: it opens nothing, it is hidden only so that no one works on it.
    hidden -= {"CallbackSecretSha256"}
    for name, item in stack.functions().items():
        text = str(item["Properties"].get("Environment"))
        for parameter in sorted(hidden):
            if f"'{parameter}'" in text or f"${{{parameter}}}" in text:
                yield f"{name}: a variable shows {parameter}"


@rule
def queues_hide_a_message_for_six_timeouts(stack: Stack) -> Iterator[str]:
    # AWS: Using Lambda with Amazon SQS: "at least six times the function timeout", and the batching window on top.
    for name, source, function, queue in stack.sources("sqs"):
        need = 6 * function["Timeout"] + source.get("MaximumBatchingWindowInSeconds", 0)
        if queue.get("VisibilityTimeout", 30) < need:
            yield f"{name}: visibility {queue.get('VisibilityTimeout', 30)} s, needs {need} s"


@rule
def queues_hide_a_message_longer_than_a_function_runs(stack: Stack) -> Iterator[str]:
    # AWS: CreateEventSourceMapping refuses anything else.
    for name, _source, function, queue in stack.sources("sqs"):
        if queue.get("VisibilityTimeout", 30) <= function["Timeout"]:
            yield f"{name}: the function may run {function['Timeout']} s, the message is hidden for less"


@rule
def dead_letters_outlive_their_source(stack: Stack) -> Iterator[str]:
    queues = stack.of_type("AWS::SQS::Queue")
    for name, _source, _function, queue in stack.sources("sqs"):
        dead = target(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
        if dead not in queues:
            yield f"{name}: its queue has no dead-letter queue"
        elif retention(queues[dead]["Properties"]) <= retention(queue):
            yield f"{name}: {dead} forgets before its source"


@rule
def messages_are_received_five_times_before_they_are_dead(stack: Stack) -> Iterator[str]:
    # AWS: Using Lambda with Amazon SQS, "at least 5", because throttled batches count as received.
    for name, _source, _function, queue in stack.sources("sqs"):
        if queue.get("RedrivePolicy", {}).get("maxReceiveCount", 0) < 5:
            yield f"{name}: fewer than 5 receives"


@rule
def dead_letter_queues_take_only_their_source(stack: Stack) -> Iterator[str]:
    queues = stack.of_type("AWS::SQS::Queue")
    for name, item in queues.items():
        dead = target(item["Properties"].get("RedrivePolicy", {}).get("deadLetterTargetArn"))
        if dead is None:
            continue
        policy = queues[dead]["Properties"].get("RedriveAllowPolicy", {})
        arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:" + item["Properties"]["QueueName"]["Fn::Sub"]
        if policy.get("redrivePermission") != "byQueue" or policy.get("sourceQueueArns") != [{"Fn::Sub": arn}]:
            yield f"{dead}: its RedriveAllowPolicy does not name {name} alone"


@rule
def queues_are_encrypted(stack: Stack) -> Iterator[str]:
    for name, item in stack.of_type("AWS::SQS::Queue").items():
        properties = item["Properties"]
        if properties.get("SqsManagedSseEnabled") is not True and not properties.get("KmsMasterKeyId"):
            yield f"{name}: not encrypted"


@rule
def every_event_source_takes_partial_responses(stack: Stack) -> Iterator[str]:
    for name, item in stack.of_type("AWS::Lambda::EventSourceMapping").items():
        if item["Properties"].get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name}: one bad message would fail its whole batch"


@rule
def every_queue_has_a_maximum_concurrency(stack: Stack) -> Iterator[str]:
    for name, source, _function, _queue in stack.sources("sqs"):
        maximum = stack.value(source.get("ScalingConfig", {}).get("MaximumConcurrency"))
        if not isinstance(maximum, int) or not 2 <= maximum <= 1000:
            yield f"{name}: its maximum concurrency is {maximum}, not 2 to 1000"


@rule
def the_stream_is_tried_until_it_forgets(stack: Stack) -> Iterator[str]:
    streams = list(stack.sources("dynamodb"))
    if len(streams) != 1:
        yield f"{len(streams)} readers of the stream; DynamoDB serves two, and one place is for others"
    for name, source, _function, _table in streams:
        failures = source.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if target(failures) not in stack.of_type("AWS::SQS::Queue"):
            yield f"{name}: nobody hears of records that were given up"
        if source.get("BisectBatchOnFunctionError") is not True:
            yield f"{name}: one bad record would hold up its batch"
        if source.get("MaximumRecordAgeInSeconds") != 23 * 3600:
            yield f"{name}: not tried until 23 h, an hour before the stream forgets"
        if source.get("MaximumRetryAttempts") != -1:
            yield f"{name}: a number of tries would end an outage before 23 h"
        if source.get("StartingPosition") != "TRIM_HORIZON":
            yield f"{name}: records written while it is being created would be missed"


@rule
def every_function_logs_json_where_logs_expire(stack: Stack) -> Iterator[str]:
    groups = stack.of_type("AWS::Logs::LogGroup")
    for name, item in stack.functions().items():
        logging = item["Properties"].get("LoggingConfig", {})
        group = groups.get(target(logging.get("LogGroup")), {}).get("Properties", {})
        if group.get("LogGroupName") != {"Fn::Sub": f"/aws/lambda/${{AWS::StackName}}-{name}"}:
            yield f"{name}: no log group of its own"
        if not isinstance(stack.value(group.get("RetentionInDays")), int):
            yield f"{name}: its logs never expire"
        if logging.get("LogFormat") != "JSON":
            yield f"{name}: does not log JSON"


@rule
def tables_survive_accidents(stack: Stack) -> Iterator[str]:
    for name, item in stack.of_type("AWS::DynamoDB::Table").items():
        properties = item["Properties"]
        if properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled") is not True:
            yield f"{name}: cannot be restored to a point in time"
        if str(stack.value(properties.get("DeletionProtectionEnabled"))).lower() != "true":
            yield f"{name}: can be deleted by one call"
        if properties.get("SSESpecification", {}).get("SSEEnabled") is not True:
            yield f"{name}: not encrypted by a key of the account"
        if properties.get("BillingMode") != "PAY_PER_REQUEST":
            yield f"{name}: costs while idle"
        if item.get("DeletionPolicy") != "Retain" or item.get("UpdateReplacePolicy") != "Retain":
            yield f"{name}: goes with the stack"


@rule
def sealing_keys_outlive_the_stack(stack: Stack) -> Iterator[str]:
    for name, item in stack.of_type("AWS::SecretsManager::Secret").items():
        made_here = "GenerateSecretString" in item["Properties"]
        if made_here and (item.get("DeletionPolicy") != "Retain" or item.get("UpdateReplacePolicy") != "Retain"):
            yield f"{name}: goes with the stack, and what it sealed is lost"


@rule
def every_function_has_a_role_of_its_own(stack: Stack) -> Iterator[str]:
    roles = [target(item["Properties"]["Role"]) for item in stack.functions().values()]
    for role in roles:
        if roles.count(role) > 1 or role not in stack.of_type("AWS::IAM::Role"):
            yield f"{role}: shared, or not in this template"
    ours = set(stack.of_type("AWS::IAM::ManagedPolicy"))
    for name, role in stack.of_type("AWS::IAM::Role").items():
        if not {target(policy) for policy in role["Properties"].get("ManagedPolicyArns", [])} <= ours:
            yield f"{name}: managed policies of AWS allow their actions on every resource of the account"


@rule
def no_role_reaches_beyond_its_resources(stack: Stack) -> Iterator[str]:
    for role, actions, resources in stack.statements():
        for action in actions:
            if "*" in action:
                yield f"{role}: {action}"
        for resource in resources:
            text = resource if isinstance(resource, str) else str(resource.get("Fn::Sub", ""))
            if "*" in text.removesuffix("/index/*") and not actions <= XRAY | OF_NO_RESOURCE:
                yield f"{role}: {sorted(actions)} on {text}"


@rule
def ingest_only_sends_to_the_pulls(stack: Stack) -> Iterator[str]:
    role = target(stack.functions()["ingest"]["Properties"]["Role"])
    for action, resource in stack.actions(role):
        allowed = {
            "sqs:SendMessage": "PullsQueue",
            "logs:CreateLogStream": "IngestLog",
            "logs:PutLogEvents": "IngestLog",
            "kms:Decrypt": "KmsKeyArn",
            "kms:GenerateDataKey": "KmsKeyArn",
        }
        if action not in XRAY and allowed.get(action) != target(resource):
            yield f"{role}: {action} on {resource}"


@rule
def tables_are_touched_only_by_those_who_need_them(stack: Stack) -> Iterator[str]:
    for name, item in stack.functions().items():
        for action, resource in stack.actions(target(item["Properties"]["Role"])):
            table = target(resource)
            if action.startswith("dynamodb:") and name not in TABLE_USERS.get(table, set()):
                yield f"{name}: {action} on {table}"
            # The endpoints are few; no other table is.
            if action == "dynamodb:Scan" and table != "EndpointsTable":
                yield f"{name}: reads all of {table}"


@rule
def consumers_may_receive_and_delete(stack: Stack) -> Iterator[str]:
    # The event source does these three in the role's name.
    need = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    for name, source, function, _queue in stack.sources("sqs"):
        queue = target(source["EventSourceArn"])
        have = {action for action, resource in stack.actions(target(function["Role"])) if target(resource) == queue}
        if not need <= have:
            yield f"{name}: lacks {sorted(need - have)}"


@rule
def the_dispatcher_alone_sets_when_a_message_returns(stack: Stack) -> Iterator[str]:
    # ChangeMessageVisibility is its code's own call; the event source makes none.
    for name, item in stack.functions().items():
        actions = stack.actions(target(item["Properties"]["Role"]))
        found = {target(resource) for action, resource in actions if action == "sqs:ChangeMessageVisibility"}
        if found != ({"DeliveriesQueue"} if name == "dispatcher" else set()):
            yield f"{name}: sets when messages of {sorted(found, key=str)} return"


@rule
def only_ingest_and_api_are_open_to_the_world(stack: Stack) -> Iterator[str]:
    doors = [item["Properties"]["TargetFunctionArn"] for item in stack.of_type("AWS::Lambda::Url").values()]
    doors += [item["Properties"]["IntegrationUri"] for item in stack.of_type("AWS::ApiGatewayV2::Integration").values()]
    open_ones = sorted(short(stack.function(door)["Properties"]["FunctionName"]) for door in doors)
    if open_ones != ["api", "ingest"]:
        yield f"open to the world: {open_ones}"
