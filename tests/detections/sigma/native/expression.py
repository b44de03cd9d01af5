"""A text that a regular expression finds: made by walking the expression."""

from __future__ import annotations

import random
import re
import warnings
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LETTERS = "ax0_ -b/1A.\\"
CLASSES = {"CATEGORY_DIGIT": "0123456789", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "abcxyz019_",
    "CATEGORY_NOT_DIGIT": "axz", "CATEGORY_NOT_SPACE": "axz", "CATEGORY_NOT_WORD": " -."}


def example(expression: str, seed: int = 0) -> str:
    """A text in which the expression is found; the same for the same seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = parser.parse(expression)
    made = _walk(tree, random.Random(seed), {})
    return made


def _walk(items: Any, rng: random.Random, groups: dict[int, str]) -> str:
    return "".join(_one(str(code), value, rng, groups) for code, value in items)


def _one(code: str, value: Any, rng: random.Random, groups: dict[int, str]) -> str:
    if code == "LITERAL":
        return chr(value)
    if code == "NOT_LITERAL":
        return next(letter for letter in LETTERS if ord(letter) != value)
    if code == "ANY":
        return "x"
    if code == "IN":
        return _member(value, rng)
    if code == "BRANCH":
        return _walk(rng.choice(value[1]), rng, groups)
    if code == "SUBPATTERN":
        made = _walk(value[3], rng, groups)
        if value[0] is not None:
            groups[value[0]] = made
        return made
    if code in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = value
        times = least if least or not rng.getrandbits(1) else min(1, most)
        return "".join(_walk(inner, rng, groups) for _ in range(times))
    if code == "GROUPREF":
        return groups.get(value, "")
    if code == "ATOMIC_GROUP":
        return _walk(value, rng, groups)
    return ""  # anchors and assertions


def _member(items: Any, rng: random.Random) -> str:
    deny = str(items[0][0]) == "NEGATE"
    if deny:
        return next((one for one in LETTERS + "cdefgh" if not any(_has(item, one) for item in items[1:])), "~")
    code, value = rng.choice(items)
    if str(code) == "LITERAL":
        return chr(value)
    if str(code) == "RANGE":
        return chr(rng.randint(*value))
    return rng.choice(CLASSES[str(value)])


def _has(item: Any, letter: str) -> bool:
    code, value = item
    if str(code) == "LITERAL":
        return bool(ord(letter) == value)
    if str(code) == "RANGE":
        return bool(value[0] <= ord(letter) <= value[1])
    kind = {"CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w", "CATEGORY_NOT_DIGIT": r"\D",
            "CATEGORY_NOT_SPACE": r"\S", "CATEGORY_NOT_WORD": r"\W"}[str(value)]
    return re.fullmatch(kind, letter) is not None
