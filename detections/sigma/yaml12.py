"""YAML 1.2 as the Sigma specification asks for: `no` is a text and 12:30:45 no number; no key is there twice.

PyYAML reads YAML 1.1. Beyond the core schema (https://yaml.org/spec/1.2.2/#103-core-schema) what is compared as text
stays as it is written: numbers with leading zeros, and dates. Every key is a text.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from soc_core import documents

TAG = "tag:yaml.org,2002:"
TEXT = TAG + "str"


class Loader(documents.Loader):
    """That of soc_core/documents.py, by YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 - PyYAML's own attribute

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        for key, _ in node.value if isinstance(node, MappingNode) else ():
            if isinstance(key, ScalarNode) and key.tag != documents.MERGE:
                key.tag = TEXT
        return super().construct_mapping(node, deep)


for _tag, _shape, _first in (
    ("bool", "true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", "[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]*(?:[eE][-+]?[0-9]+)?|[-+]?\.[0-9]+(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("merge", "<<", "<"),
):
    Loader.add_implicit_resolver(TAG + _tag, re.compile(rf"(?:{_shape})\Z"), list(_first))


class Documents:
    """The documents of one text. Raises yaml.YAMLError (or RecursionError, ValueError) where it is no YAML."""

    def __init__(self, text: str) -> None:
        self.loader = Loader(text)
        self.nodes: list[Node] = []
        while self.loader.check_node():
            self.nodes.append(self.loader.get_node())

    def line(self, number: int) -> int:
        """The line on which a document begins."""
        return int(self.nodes[number].start_mark.line) + 1 if number else 1

    def data(self, number: int) -> Any:
        """One document as plain data. Raises yaml.YAMLError."""
        return self.loader.construct_document(self.nodes[number])


def reason(error: BaseException) -> tuple[int, str]:
    """The line that an error of YAML speaks of, 1 where it names none, and what it says."""
    mark = getattr(error, "problem_mark", None) if isinstance(error, yaml.YAMLError) else None
    return mark.line + 1 if mark else 1, f"not YAML: {getattr(error, 'problem', None) or error}"
