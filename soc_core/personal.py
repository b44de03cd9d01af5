"""Personal data in events: which columns hold it, and how it is masked where a person has no need to see it.

Identity numbers are told by GB 11643 (18 digits, a date of birth, check character of ISO 7064 MOD 11-2), mobile phones
by the numbering plan of YD/T 1397 (eleven digits, 13 … 19, also after +86). Masking keeps the length and what serves to
tell two people apart, as GB/T 35273 advises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, NamedTuple

from soc_core import schema

Kind = Literal["name", "phone", "identity"]

PERSONAL: Mapping[str, Kind] = schema.PERSONAL

CANDIDATE = re.compile(r"(?<![0-9A-Za-z.])(?:\d{17}[\dXx]|(?:(?:\+|00)86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4})"
                       r"(?![0-9A-Za-z])(?!\.\d)", re.ASCII)
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECKS = "10X98765432"


class Found(NamedTuple):
    """A piece of personal data in a text: text[start:end]."""

    start: int
    end: int
    kind: Kind


def is_identity(number: str) -> bool:
    """Whether 18 characters are an identity number: date and check character are right."""
    if not re.fullmatch(r"\d{17}[\dXx]", number, re.ASCII):
        return False
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, number, strict=False))
    return born.year >= 1900 and CHECKS[total % 11] == number[-1].upper()


def find(text: str) -> list[Found]:
    """Identity numbers and mobile phones in a text, in order."""
    found = []
    for match in CANDIDATE.finditer(text):
        kind: Kind = "identity" if len(match[0]) == 18 and match[0][:17].isdecimal() else "phone"
        if kind == "phone" or is_identity(match[0]):
            found.append(Found(match.start(), match.end(), kind))
    return found


def masked(text: str, kind: Kind | None = None) -> str:
    """The text with personal data hidden: all of it as one of a kind, or what `find` finds in it."""
    if kind is not None:
        return _hidden(text, kind)
    pieces, at = [], 0
    for start, end, what in find(text):
        pieces += [text[at:start], _hidden(text[start:end], what)]
        at = end
    return "".join([*pieces, text[at:]])


def without(row: Mapping[str, Any]) -> dict[str, Any]:
    """An event (dotted names) as it may be shown: tagged columns masked whole, every other text scanned."""
    return {name: _shown(value, PERSONAL.get(name)) for name, value in row.items()}


def _shown(value: Any, kind: Kind | None) -> Any:
    if isinstance(value, str):
        return masked(value, kind)
    if isinstance(value, list):
        return [_shown(one, kind) for one in value]
    if isinstance(value, dict):
        return {name: _shown(one, kind) for name, one in value.items()}
    return value


def _hidden(text: str, kind: Kind) -> str:
    head, tail = {"name": (1, 0), "phone": (max(len(text) - 8, 0), 4), "identity": (6, 4)}[kind]
    if len(text) <= head + tail:
        return "*" * len(text)
    return text[:head] + "*" * (len(text) - head - tail) + (text[-tail:] if tail else "")
