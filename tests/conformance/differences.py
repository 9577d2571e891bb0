"""Where a program knowingly does otherwise than AWS: (test, program, what AWS does, where AWS says so).

A test is named with its parameters if only some of them differ. It is expected to fail for that program, strictly:
a difference that is gone must leave this table.
"""

from typing import NamedTuple


class Difference(NamedTuple):
    test: str
    program: str
    aws: str
    source: str


API = "SQS API reference, "
GUIDE = "SQS developer guide, "

DIFFERENCES = [
    # Ours: what Afferent does not use is refused in clear words.
    Difference(
        "test_fifo_queues_can_be_made", "afferent", "has FIFO queues", GUIDE + "Amazon SQS FIFO queues"
    ),
    # moto 5.2.5.
    Difference(
        "test_a_group_and_a_trace_header_are_kept_on_a_standard_queue",
        "moto",
        "answers with MD5OfMessageSystemAttributes",
        API + "SendMessage, Response Elements",
    ),
    Difference(
        "test_the_trace_header_of_a_request_is_that_of_its_message_unless_the_message_has_one",
        "moto",
        "takes X-Amzn-Trace-Id for AWSTraceHeader",
        GUIDE + "Active tracing in Amazon SQS using AWS X-Ray",
    ),
    Difference(
        "test_a_group_has_at_most_128_visible_characters",
        "moto",
        "takes 1 to 128 letters, digits and punctuation marks as MessageGroupId",
        API + "SendMessage, MessageGroupId",
    ),
    Difference(
        "test_a_delay_is_0_to_900_seconds[-1]", "moto", "takes 0 to 900 s", API + "SendMessage, DelaySeconds"
    ),
    Difference(
        "test_characters_outside_xml_are_refused",
        "moto",
        "refuses characters outside #x9 | #xA | #xD | #x20-#xD7FF | #xE000-#xFFFD | #x10000-#x10FFFF",
        API + "SendMessage, InvalidMessageContents",
    ),
    Difference(
        "test_an_empty_body_is_no_body", "moto", "needs at least one character", API + "SendMessage, MessageBody"
    ),
    Difference(
        "test_attributes_count_towards_the_length",
        "moto",
        "counts names, types and values of attributes towards the 1 MiB",
        GUIDE + "Amazon SQS message metadata",
    ),
    Difference(
        "test_more_than_ten_attributes_are_refused",
        "moto",
        "takes up to 10 attributes per message",
        GUIDE + "Amazon SQS message quotas",
    ),
    Difference(
        "test_what_a_receive_asks_for_has_bounds[VisibilityTimeout--1]",
        "moto",
        "takes 0 to 43,200 s",
        GUIDE + "Amazon SQS visibility timeout",
    ),
    Difference(
        "test_quiet_groups_are_served_before_one_with_a_backlog_in_flight",
        "moto",
        "serves quiet tenants first while one has more than 10 % and at least 30 of the messages in flight",
        GUIDE + "How Amazon SQS fair queues work",
    ),
    Difference(
        "test_a_changed_timeout_is_0_to_43200_seconds[-1]",
        "moto",
        "takes 0 to 43,200 s",
        API + "ChangeMessageVisibility, VisibilityTimeout",
    ),
    Difference(
        "test_the_12_hours_count_from_the_receive_and_not_from_the_sending",
        "moto",
        "counts the 12 h from the ReceiveMessage request",
        GUIDE + "Amazon SQS visibility timeout",
    ),
    Difference(
        "test_a_message_that_is_visible_again_has_no_timeout_to_change",
        "moto",
        "answers MessageNotInflight",
        API + "ChangeMessageVisibility, Errors",
    ),
    Difference(
        "test_a_dead_message_tells_where_it_came_from",
        "moto",
        "gives DeadLetterQueueSourceArn",
        API + "ReceiveMessage, MessageSystemAttributeNames",
    ),
    Difference(
        "test_a_redrive_policy_needs_a_queue_that_exists",
        "moto",
        "answers InvalidParameterValue, as for every policy that cannot be",
        "what users of AWS report; the API reference names no code",
    ),
    Difference(
        "test_a_redrive_policy_needs_a_count_from_1_to_1000",
        "moto",
        "takes a maxReceiveCount of 1 to 1,000",
        GUIDE + "Configure a dead-letter queue using the Amazon SQS console",
    ),
    Difference(
        "test_a_redrive_allow_policy_is_kept", "moto", "keeps it", API + "SetQueueAttributes, RedriveAllowPolicy"
    ),
    Difference(
        "test_a_move_task_returns_messages_to_their_source_as_new_ones",
        "moto",
        "has message move tasks",
        GUIDE + "Learn how to configure a dead-letter queue redrive in Amazon SQS",
    ),
    Difference(
        "test_a_move_task_is_listed_with_what_it_moved",
        "moto",
        "has message move tasks",
        API + "ListMessageMoveTasks",
    ),
    Difference(
        "test_only_a_dead_letter_queue_can_be_the_source_of_a_move_task",
        "moto",
        "has message move tasks, from dead-letter queues only",
        API + "StartMessageMoveTask",
    ),
    Difference(
        "test_a_move_task_needs_a_source_that_exists",
        "moto",
        "answers ResourceNotFoundException",
        API + "StartMessageMoveTask, Errors",
    ),
    Difference(
        "test_attributes_have_bounds", "moto", "refuses values out of bounds", API + "SetQueueAttributes, Attributes"
    ),
    Difference(
        "test_an_unknown_attribute_is_refused",
        "moto",
        "answers InvalidAttributeName",
        API + "SetQueueAttributes, Errors",
    ),
    Difference(
        "test_its_name_is_not_free_at_once",
        "moto",
        "keeps a deleted queue's name for 60 s",
        API + "CreateQueue, QueueDeletedRecently",
    ),
]
