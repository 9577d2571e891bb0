"""Reads the template, and translates it to the plain CloudFormation that AWS will see."""

import copy
import functools
import os
import pathlib

# The translator asks boto3 for a region, and for nothing else: it makes no calls.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

PATH = pathlib.Path(__file__).parents[1] / "template.yaml"


@functools.cache
def _read() -> dict:
    return yaml_parse(PATH.read_text())


def source() -> dict:
    """A copy of the template as it is written, for the taking."""
    return copy.deepcopy(_read())


def translate(template: dict, given: dict[str, object] | None = None) -> dict:
    """The template without SAM. The code need not be built: the translator gets a place in S3 instead of a folder.

    `given` are values of parameters. SAM itself reads some of them.
    """
    template = copy.deepcopy(template)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    # The map would turn names of AWS's managed policies into ARNs. We use none.
    return Translator({}, Parser()).translate(template, dict(given or {}))
