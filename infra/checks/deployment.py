"""What must hold of the front door, of a key of the operator's own and of readers of the stream."""

import re
from collections.abc import Iterator

from stack import Stack, listed, rule, target

# What CloudFormation calls a thing, by the property that names it.
NAMES = {
    "AlarmName",
    "DashboardName",
    "FunctionName",
    "LogGroupName",
    "QueueName",
    "TableName",
    "TopicName",
}

# What `Name` names, where it is no part of something else.
NAMED_BY_NAME = {
    "AWS::ApiGatewayV2::Api",
    "AWS::Kinesis::Stream",
    "AWS::Logs::QueryDefinition",
    "AWS::Scheduler::Schedule",
    "AWS::SecretsManager::Secret",
}

# What API Gateway may write of an access: neither path nor query nor anything of the caller.
LOGGED = {
    "error.responseType",
    "httpMethod",
    "integrationLatency",
    "requestId",
    "requestTimeEpoch",
    "responseLatency",
    "responseLength",
    "routeKey",
    "status",
}

# What a key must be usable for, by the type of what it encrypts and the property that names it.
KEY_OF = {
    "AWS::DynamoDB::Table": ("SSESpecification", "KMSMasterKeyId"),
    "AWS::Kinesis::Stream": ("StreamEncryption", "KeyId"),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::SecretsManager::Secret": ("KmsKeyId",),
}

READERS = {
    "RecordsTable": {
        "dynamodb:DescribeStream",
        "dynamodb:DescribeTable",
        "dynamodb:GetItem",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        "dynamodb:Query",
    },
    "RecordsKinesisStream": {
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamConsumer",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kinesis:RegisterStreamConsumer",
        "kinesis:SubscribeToShard",
    },
    "KmsKeyArn": {"kms:Decrypt", "kms:DescribeKey"},
}


@rule
def nothing_refers_to_what_is_not_made(stack: Stack) -> Iterator[str]:
    there = set(stack.template["Resources"]) | set(stack.parameters)
    for section in ("Resources", "Outputs"):
        for name, item in stack.template[section].items():
            for reference in _references(item):
                if reference not in there and not reference.startswith("AWS::"):
                    yield f"{name}: refers to {reference}, which is not there"


@rule
def whatever_wakes_a_function_calls_its_alias(stack: Stack) -> Iterator[str]:
    aliases = stack.of_type("AWS::Lambda::Alias")
    for kind, property_name in (
        ("AWS::Lambda::EventSourceMapping", "FunctionName"),
        ("AWS::Lambda::Permission", "FunctionName"),
        ("AWS::ApiGatewayV2::Integration", "IntegrationUri"),
    ):
        for name, item in stack.of_type(kind).items():
            if target(item["Properties"][property_name]) not in aliases:
                yield f"{name}: calls the unpublished function"
    for name, item in stack.of_type("AWS::Scheduler::Schedule").items():
        if target(item["Properties"]["Target"]["Arn"]) not in aliases:
            yield f"{name}: calls the unpublished function"
    # A URL names function and alias apart, and so does not wait for the alias by itself.
    for name, item in stack.of_type("AWS::Lambda::Url").items():
        alias = _alias_of_url(stack, item)
        if alias is None:
            yield f"{name}: calls the unpublished function"
        elif alias not in listed(item.get("DependsOn", [])):
            yield f"{name}: may be made before {alias}"


@rule
def there_is_one_front_door(stack: Stack) -> Iterator[str]:
    urls, apis = stack.of_type("AWS::Lambda::Url"), stack.of_type("AWS::ApiGatewayV2::Api")
    wanted = (0, 1) if stack.value({"Ref": "FrontDoor"}) == "http-api" else (2, 0)
    if (len(urls), len(apis)) != wanted:
        yield f"{len(urls)} function URLs and {len(apis)} HTTP APIs"
    for name, url in urls.items():
        # Lambda Developer Guide, "Control access to Lambda function URLs": both, since October 2025.
        permissions = [
            item["Properties"]
            for item in stack.of_type("AWS::Lambda::Permission").values()
            if target(item["Properties"]["FunctionName"]) == _alias_of_url(stack, url)
        ]
        have = {(each["Action"], each.get("FunctionUrlAuthType"), each.get("InvokedViaFunctionUrl")) for each in permissions}
        if have != {("lambda:InvokeFunctionUrl", "NONE", None), ("lambda:InvokeFunction", None, True)}:
            yield f"{name}: answers 403, or more is permitted than calling it: {have}"


@rule
def the_http_api_throttles_and_keeps_paths_to_itself(stack: Stack) -> Iterator[str]:
    for name, stage in stack.of_type("AWS::ApiGatewayV2::Stage").items():
        properties = stage["Properties"]
        text = properties["AccessLogSettings"]["Format"]
        for variable in re.findall(r"\$context\.([A-Za-z.]+)", text):
            if variable not in LOGGED:
                yield f"{name}: logs {variable}"
        if not re.fullmatch(r'\{("\w+":"\$context\.[A-Za-z.]+",\s?)*"\w+":"\$context\.[A-Za-z.]+"\}', text):
            yield f"{name}: logs no JSON of its context"
        routes = {item["Properties"]["RouteKey"] for item in stack.of_type("AWS::ApiGatewayV2::Route").values()}
        limits = {"$default": properties["DefaultRouteSettings"], **properties["RouteSettings"]}
        for route in sorted(routes | set(limits)):
            have = set(limits.get(route, {}))
            if not {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= have or route not in routes:
                yield f"{name}: {route} has no limits of its own"
        if properties["StageName"] != "$default":
            yield f"{name}: its name is in the path, which no function takes off"
    for name, item in stack.of_type("AWS::ApiGatewayV2::Integration").items():
        function = stack.function(item["Properties"]["IntegrationUri"])["Properties"]
        if item["Properties"].get("PayloadFormatVersion") != "2.0":
            yield f"{name}: calls the function otherwise than a function URL does"
        if item["Properties"]["TimeoutInMillis"] < 1000 * function["Timeout"]:
            yield f"{name}: hangs up before the function does"
    for name, item in stack.of_type("AWS::Lambda::Permission").items():
        by_gateway = item["Properties"]["Principal"] == "apigateway.amazonaws.com"
        if by_gateway and "HttpApi" not in _references(item["Properties"].get("SourceArn")):
            yield f"{name}: any API of anybody may call it"


@rule
def only_the_door_is_reserved_and_only_if_it_is_asked_for(stack: Stack) -> Iterator[str]:
    for name, item in stack.functions().items():
        found = stack.value(item["Properties"].get("ReservedConcurrentExecutions"))
        asked = {"ingest": "IngestConcurrency", "api": "ApiConcurrency"}.get(name)
        wanted = (stack.value({"Ref": asked}) or None) if asked else None
        # Of a stack that is stopped, see above.
        if found != wanted and found != 0:
            yield f"{name}: reserves {found}, not {wanted}"


@rule
def queues_are_spoken_to_by_tls(stack: Stack) -> Iterator[str]:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "sqs:*"}
    deny["Condition"] = {"Bool": {"aws:SecureTransport": "false"}}
    closed = set()
    for name, item in stack.of_type("AWS::SQS::QueuePolicy").items():
        for queue in map(target, item["Properties"]["Queues"]):
            for statement in listed(item["Properties"]["PolicyDocument"]["Statement"]):
                if statement["Effect"] != "Deny":
                    yield f"{name}: lets somebody in"
                if {**deny, "Resource": {"Fn::GetAtt": [queue, "Arn"]}}.items() <= statement.items():
                    closed.add(queue)
    for queue in sorted(set(stack.of_type("AWS::SQS::Queue")) - closed):
        yield f"{queue}: may be spoken to in the clear"


@rule
def a_key_of_the_operator_s_own_encrypts_everything_or_nothing(stack: Stack) -> Iterator[str]:
    own = bool(stack.value({"Ref": "KmsKeyArn"}))
    for kind, path in KEY_OF.items():
        for name, item in stack.of_type(kind).items():
            key = item["Properties"]
            for step in path:
                key = key.get(step, {})
            if (key == {"Ref": "KmsKeyArn"}) != own:
                yield f"{name}: its key is {key or 'one of AWS'}"
    for name, role in stack.of_type("AWS::IAM::Role").items():
        for policy in role["Properties"].get("Policies", []):
            yield from _keys_of(name, policy["PolicyDocument"])
    for name, policy in stack.of_type("AWS::IAM::ManagedPolicy").items():
        yield from _keys_of(name, policy["Properties"]["PolicyDocument"])
    if own:
        for name, item in stack.functions().items():
            role = target(item["Properties"]["Role"])
            if ("kms:Decrypt", {"Ref": "KmsKeyArn"}) not in list(stack.actions(role)):
                yield f"{role}: may not use the key"
    for role, actions, resources in stack.statements():
        mine = resources != [{"Ref": "DestinationKeyArns"}]
        if mine and not own and any(action.startswith("kms:") for action in actions):
            yield f"{role}: may use a key, and there is none"


@rule
def readers_read_records_and_nothing_else(stack: Stack) -> Iterator[str]:
    policies = stack.of_type("AWS::IAM::ManagedPolicy")
    if list(policies) != ["RecordsReaderPolicy"]:
        yield f"managed policies: {sorted(policies)}"
    for name, policy in policies.items():
        reached = set()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    reached.add(target(resource))
                    if statement["Effect"] != "Allow" or action not in READERS.get(target(resource), set()):
                        yield f"{name}: {statement['Effect']} {action} on {resource}"
        if ("RecordsKinesisStream" in reached) != (stack.value({"Ref": "RecordsKinesis"}) == "on"):
            yield f"{name}: the Kinesis stream is not what it was asked to be"


@rule
def readers_of_other_accounts_are_named_and_name_an_external_id(stack: Stack) -> Iterator[str]:
    wanted = bool(stack.value({"Ref": "ReaderPrincipals"}))
    role = stack.of_type("AWS::IAM::Role").get("RecordsReaderRole")
    if wanted != bool(role):
        yield "RecordsReaderRole: is there without readers, or readers without it"
    if role:
        (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        if statement["Principal"] != {"AWS": {"Fn::Split": [",", {"Ref": "ReaderPrincipals"}]}}:
            yield "RecordsReaderRole: for others than ReaderPrincipals"
        if statement.get("Condition") != {"StringEquals": {"sts:ExternalId": {"Ref": "ReaderExternalId"}}}:
            yield "RecordsReaderRole: without an external id"
        if role["Properties"].get("Policies") or role["Properties"]["ManagedPolicyArns"] != [{"Ref": "RecordsReaderPolicy"}]:
            yield "RecordsReaderRole: may more than readers may"
    pattern = re.compile(stack.parameters["ReaderPrincipals"]["AllowedPattern"])
    for wide in ("*", "arn:aws:iam::*:root", "arn:aws:iam::123456789012:role/*", "123456789012,*"):
        if pattern.fullmatch(wide):
            yield f"ReaderPrincipals may be {wide}"
    assertion = stack.template_rules.get("ReadersNameAnExternalId", {})
    if "ReaderExternalId" not in _references(assertion.get("Assertions")):
        yield "ReaderExternalId may be left empty"


@rule
def what_has_a_name_begins_with_the_stack_s(stack: Stack) -> Iterator[str]:
    for name, item in stack.template["Resources"].items():
        for property_name, value in item.get("Properties", {}).items():
            by_name = property_name == "Name" and item["Type"] in NAMED_BY_NAME
            # A function's name, where it is not the function's own, is a reference.
            if not by_name and (property_name not in NAMES or target(value) in stack.names()):
                continue
            text = value.get("Fn::Sub", "${" + str(value.get("Ref")) + "}") if isinstance(value, dict) else str(value)
            if not re.match(r"(/aws/[a-z]+/)?\$\{AWS::StackName\}", text):
                yield f"{name}: is called {text}, so a second stack could not be made"


@rule
def every_parameter_is_described_and_in_one_group(stack: Stack) -> Iterator[str]:
    groups = stack.template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    for name in sorted(set(grouped) ^ set(stack.parameters)):
        yield f"{name}: is in no group, or is no parameter"
    for name in sorted({name for name in grouped if grouped.count(name) > 1}):
        yield f"{name}: is in two groups"
    for name, item in stack.parameters.items():
        if not item.get("Description"):
            yield f"{name}: is not described"
        constraints = {"AllowedPattern", "AllowedValues", "MinValue", "MaxLength"}
        if not constraints & set(item):
            yield f"{name}: may be anything"


def _alias_of_url(stack: Stack, url: dict) -> str | None:
    """The alias that a function URL calls."""
    called = (target(url["Properties"]["TargetFunctionArn"]), url["Properties"].get("Qualifier"))
    for name, alias in stack.of_type("AWS::Lambda::Alias").items():
        if called == (target(alias["Properties"]["FunctionName"]), alias["Properties"]["Name"]):
            return name
    return None


def _keys_of(name: str, document: dict) -> Iterator[str]:
    for statement in listed(document["Statement"]):
        # Keys of customers' queues are the dispatcher's (see delivery.py).
        others = (name, statement["Resource"]) == ("DispatcherRole", {"Ref": "DestinationKeyArns"})
        if not others and any(action.startswith("kms:") for action in listed(statement["Action"])):
            if statement["Resource"] != {"Ref": "KmsKeyArn"}:
                yield f"{name}: may use {statement['Resource']}"
            if not statement.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService"):
                yield f"{name}: may use the key for texts of its own"


def _references(value: object) -> Iterator[str]:
    """The names that Ref, GetAtt, Sub and DependsOn point to."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in ("Ref", "Fn::GetAtt"):
                yield target({key: item})
            elif key == "DependsOn":
                yield from listed(item)
            elif key == "Fn::Sub":
                text, own = (item, {}) if isinstance(item, str) else item
                yield from (n.split(".")[0] for n in re.findall(r"\$\{([^!}]+)\}", text) if n not in own)
                yield from _references(own)
            else:
                yield from _references(item)
