"""Conditions read word by word, into pySigma's own tree.

Sigma Rules Specification 2.1, "Condition": or binds least, then and, then not, then `x of`, then brackets. pySigma's
own grammar takes `not` out of the middle of a word: a search identifier `notepad` becomes `not epad`; and it reads the
patterns of `x of` as regular expressions.
"""

from __future__ import annotations

import re
from typing import Any

from sigma.conditions import ConditionAND, ConditionIdentifier, ConditionNOT, ConditionOR, ConditionSelector
from sigma.exceptions import SigmaConditionError
from sigma.rule import SigmaDetections

WORD = re.compile(r"\(|\)|[^\s()]+")
DEEPEST = 100


class Selector(ConditionSelector):
    """`1 of`, `any of` and `all of`: in a pattern only * is special."""

    def resolve_referenced_detections(self, detections: SigmaDetections) -> list[ConditionIdentifier]:
        wanted = "*" if self.pattern == "them" else self.pattern
        shape = re.compile(".*".join(map(re.escape, wanted.split("*"))))
        hidden = () if wanted.startswith("_") else ("_",)
        return [
            ConditionIdentifier([name]) for name in detections.detections
            if shape.fullmatch(name) and not name.startswith(hidden)
        ]


class Words:
    """The words of a condition, taken from the front."""

    def __init__(self, text: str) -> None:
        self.text, self.depth = text, 0
        self.left: list[str] = WORD.findall(text)

    @property
    def next(self) -> str:
        return self.left[0] if self.left else ""

    def take(self) -> str:
        if not self.left:
            raise SigmaConditionError(f"the condition '{self.text}' ends too early")
        return self.left.pop(0)

    def either(self) -> Any:
        items = [self.both()]
        while self.next.lower() == "or":
            self.take()
            items.append(self.both())
        return items[0] if len(items) == 1 else ConditionOR(items)

    def both(self) -> Any:
        items = [self.one()]
        while self.next.lower() == "and":
            self.take()
            items.append(self.one())
        return items[0] if len(items) == 1 else ConditionAND(items)

    def one(self) -> Any:
        self.depth += 1
        if self.depth > DEEPEST:
            raise SigmaConditionError(f"the condition is nested more than {DEEPEST} deep")
        word = self.take()
        if word.lower() == "not":
            found: Any = ConditionNOT([self.one()])
        elif word == "(":
            found = self.either()
            if self.take() != ")":
                raise SigmaConditionError(f"a bracket is not closed in the condition '{self.text}'")
        elif self.next.lower() == "of":
            self.take()
            if word.lower() not in ("1", "any", "all"):
                raise SigmaConditionError(f"'{word} of' is no quantifier: 1 of, any of, all of")
            found = Selector([word.lower(), self.take()])
        elif word in (")", "|") or word.lower() in ("and", "or", "of"):
            raise SigmaConditionError(f"'{word}' stands where a search identifier should, in '{self.text}'")
        else:
            found = ConditionIdentifier([word])
        self.depth -= 1
        return found


def parse(text: Any, detections: SigmaDetections) -> Any:
    """The condition over its detections, as pySigma gives it. Raises SigmaConditionError."""
    if not isinstance(text, str):
        raise SigmaConditionError("the condition must be a text")
    if "|" in text:
        raise SigmaConditionError("the pipe in conditions has been replaced by Sigma correlations")
    words = Words(text)
    found = words.either()
    if words.left:
        raise SigmaConditionError(f"'{words.next}' is one word too many in the condition '{text}'")
    return found.postprocess(detections, source=None)
