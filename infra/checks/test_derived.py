"""What is derived from the template and kept in the repository says what the template says."""

import os

import derived
import pytest
import review
import template

TRANSLATED = template.translate(template.source())


@pytest.mark.parametrize("path", derived.DERIVED)
def test_the_file_says_what_the_template_says(path: str) -> None:
    file, expected = derived.ROOT / path, derived.DERIVED[path](TRANSLATED)
    if os.environ.get("UPDATE"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(expected)
    assert file.is_file() and file.read_text() == expected, f"{path} differs: UPDATE=1 make check-template"


def test_a_permission_more_is_one_line_more() -> None:
    changed = template.source()
    statement = changed["Resources"]["KeeperRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    statement.append({"Effect": "Allow", "Action": "sqs:PurgeQueue", "Resource": {"Fn::GetAtt": "PullsQueue.Arn"}})
    before = review.digest(TRANSLATED).splitlines()
    after = review.digest(template.translate(changed)).splitlines()
    assert [line for line in after if line not in before] == ["    allow sqs:PurgeQueue PullsQueue.Arn"]


def test_a_default_a_condition_and_a_deleted_property_are_seen() -> None:
    before = review.digest(TRANSLATED)
    for change in (
        lambda t: t["Parameters"]["LogRetentionDays"].update(Default=1),
        lambda t: t["Resources"]["PullsQueue"].update(Condition="Never"),
        lambda t: t["Resources"]["RecordsTable"].pop("DeletionPolicy"),
        lambda t: t["Outputs"].pop("ApiUrl"),
    ):
        changed = template.translate(template.source())
        change(changed)
        assert review.digest(changed) != before


def test_what_stands_under_a_condition_is_told_with_it() -> None:
    statement = {"Sid": "Open", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": {"Ref": "KmsKeyArn"}}
    nothing = {"Ref": "AWS::NoValue"}
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Statement": []},
            "Policies": [{"PolicyDocument": {"Statement": [{"Fn::If": ["HasKey", statement, nothing]}]}}],
        },
    }
    lines = review.digest({"Resources": {"Role": role}}).splitlines()
    assert "    allow kms:Decrypt KmsKeyArn (Open) if HasKey" in lines


def test_no_secret_can_be_given_to_the_construct_as_a_value() -> None:
    typescript = derived.cdk_parameters(TRANSLATED)
    interface, rest = typescript.split("export const SECRET_PARAMETERS", 1)
    for name, item in TRANSLATED["Parameters"].items():
        camel = name[0].lower() + name[1:]
        assert (f" {camel}:" in interface or f" {camel}?:" in interface) != derived.is_hidden(item)
        assert not derived.is_hidden(item) or f'"{name}"' in rest
