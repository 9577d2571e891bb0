"""What must hold of the template so that deliveries arrive where they should, and nowhere else."""

import re
from collections.abc import Iterator

import variables
from stack import Stack, listed, rule, target

# What the two tries of a cycle need of an invocation beside waiting for answers, in seconds: reads, writes, the start.
BESIDE_TRIES = 5

# What these two may do in the table of endpoints: one asks who wants an event, the other notes how an endpoint fares.
# What an owner wants is written by neither.
WITH_ENDPOINTS = {
    "fanout": {"dynamodb:GetItem", "dynamodb:Query"},
    "dispatcher": {"dynamodb:Query", "dynamodb:UpdateItem"},
}


@rule
def a_delivery_leaves_its_message_before_it_is_a_dead_letter(stack: Stack) -> Iterator[str]:
    receives = stack.of_type("AWS::SQS::Queue")["DeliveriesQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
    if receives < variables.most_receives() + 10:
        yield f"a message is dead after {receives} receives; deliveries leave it after {variables.most_receives()}"


@rule
def the_dispatcher_can_never_write_to_a_queue_of_ours(stack: Stack) -> Iterator[str]:
    # Whoever registers an endpoint names its queue. A message in one of ours would be a command to our own functions.
    dispatcher = target(stack.functions()["dispatcher"]["Properties"]["Role"])
    denied = {target(queue) for action, queue in stack.actions(dispatcher, "Deny") if action == "sqs:SendMessage"}
    for queue in sorted(set(stack.of_type("AWS::SQS::Queue")) - denied):
        yield f"dispatcher: not denied to send to {queue}"


@rule
def customers_queues_are_named_one_by_one(stack: Stack) -> Iterator[str]:
    parameter = stack.parameters["DestinationQueueArns"]
    pattern = re.compile(parameter["AllowedPattern"])
    account = "eu-west-1:123456789012"
    for wild in ("*", "arn:aws:sqs:*:*:*", f"arn:aws:sqs:{account}:q*", f"arn:aws:sns:{account}:q"):
        if pattern.fullmatch(wild):
            yield f"DestinationQueueArns may be {wild}"
    if ":000000000000:" not in parameter["Default"]:
        yield "DestinationQueueArns: somebody's queue unless it is set"


@rule
def keys_of_customers_queues_are_named_one_by_one_and_used_through_sqs(stack: Stack) -> Iterator[str]:
    parameter = stack.parameters["DestinationKeyArns"]
    pattern = re.compile(parameter["AllowedPattern"])
    account = "eu-west-1:123456789012"
    for wild in ("*", "arn:aws:kms:*:*:*", f"arn:aws:kms:{account}:key/*", f"arn:aws:kms:{account}:alias/a"):
        if pattern.fullmatch(wild):
            yield f"DestinationKeyArns may be {wild}"
    if ":000000000000:" not in parameter["Default"]:
        yield "DestinationKeyArns: somebody's key unless it is set"
    found = []
    for role in stack.of_type("AWS::IAM::Role").values():
        for policy in role["Properties"].get("Policies", []):
            for statement in listed(policy["PolicyDocument"]["Statement"]):
                if statement.get("Resource") == {"Ref": "DestinationKeyArns"}:
                    found.append((policy["PolicyName"], set(listed(statement["Action"])), statement.get("Condition")))
    through = {"StringLike": {"kms:ViaService": "sqs.*.amazonaws.com"}}
    wanted = [("dispatcher", {"kms:Decrypt", "kms:GenerateDataKey"}, through)]
    if found != wanted:
        yield f"the keys of customers' queues may be used so: {found}"


@rule
def keeper_alone_sends_mail_and_only_as_its_sender(stack: Stack) -> Iterator[str]:
    for name, item in stack.functions().items():
        mail = [
            (action, resource)
            for action, resource in stack.actions(target(item["Properties"]["Role"]))
            if action.startswith("ses:")
        ]
        if name != "keeper" and mail:
            yield f"{name}: may {mail}"
        for action, resource in mail:
            text = resource["Fn::Sub"] if isinstance(resource, dict) else resource
            text = text if isinstance(text, str) else text[0]
            if action != "ses:SendEmail" or not text.endswith((":identity/${MailFrom}", ":identity/${Domain}")):
                yield f"{name}: {action} on {text}"
        if name == "keeper" and not mail:
            yield "keeper: sends no mail"
    pattern = re.compile(stack.parameters["MailFrom"]["AllowedPattern"])
    for wild in ("*@example.org", "?@example.org", "a@*", "${aws:username}@example.org"):
        if pattern.fullmatch(wild):
            yield f"MailFrom may be {wild}, which a policy reads as many"


@rule
def the_tries_of_a_cycle_fit_into_an_invocation(stack: Stack) -> Iterator[str]:
    longest = stack.parameters["DeliveryDeadlineSeconds"]["MaxValue"]
    timeout = stack.functions()["dispatcher"]["Properties"]["Timeout"]
    if timeout < 2 * longest + BESIDE_TRIES:
        yield f"two tries of {longest} s do not fit into {timeout} s"


@rule
def fanout_and_dispatcher_leave_endpoints_as_their_owners_made_them(stack: Stack) -> Iterator[str]:
    for name, allowed in WITH_ENDPOINTS.items():
        role = target(stack.functions()[name]["Properties"]["Role"])
        found = {action for action, resource in stack.actions(role) if target(resource) == "EndpointsTable"}
        for action in sorted(found - allowed):
            yield f"{name}: {action} on EndpointsTable"
