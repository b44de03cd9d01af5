"""All tests of one field, put to one value at once: which of them are true of it.

A value is a text, None (the field is absent), or a tuple of texts of which any may satisfy a test.
"""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from detections.sigma import multi
from detections.sigma.fold import fold
from detections.sigma.multi import EngineName, Expression
from detections.sigma.patterns import Patterns
from detections.sigma.terms import Part, Test

Value = str | tuple[str, ...] | None
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge, "neq": operator.ne,
}


def number(text: str) -> float | None:
    """The decimal number that a text is, else None. Hexadecimal never equals decimal."""
    try:
        return float(text) if text.isascii() and "_" not in text and text[-1:].isdigit() else None
    except ValueError:
        return None


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a text is, an IPv4 one written as IPv6 unwrapped, else None."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def moment(text: str) -> datetime | None:
    """The time that a text is, in the zone it is written in, else None."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def time_part(at: datetime, unit: str) -> int:
    """One part of a time, as a number; weeks are ISO 8601."""
    return at.isocalendar().week if unit == "week" else int(getattr(at, unit))


def folded(parts: Sequence[Part]) -> tuple[Part, ...]:
    return tuple(fold(part) if isinstance(part, str) else part for part in parts)


class Judge:
    """The tests of one field, numbered as given. `decode` = "url" also tries the text decoded once and twice."""

    def __init__(self, tests: Sequence[tuple[int, Test]], engine: EngineName, folder: Path | None, decode: str = ""):
        def of(kind: str) -> list[tuple[int, tuple[Any, ...]]]:
            return [(n, test.value) for n, test in tests if test.kind == kind]

        self.decode = decode
        self.nothing = frozenset(n for n, _ in of("absent"))
        self.something = [n for n, _ in of("present")]
        self.plain = Patterns([(n, folded(value)) for n, value in of("text")], engine, folder)
        cased = of("cased")
        self.cased = Patterns(cased, engine, folder) if cased else None
        regexes = of("regex")
        self.regex_numbers = [n for n, _ in regexes]
        self.regexes = multi.expressions([Expression(*v) for _, v in regexes], engine, folder) if regexes else None
        self.networks = [(n, ipaddress.ip_network(value[0])) for n, value in of("cidr")]
        self.compares = [(n, COMPARE[value[0]], float(value[1])) for n, value in of("compare")]
        self.times = [(n, value[0], value[1]) for n, value in of("time")]

    def judge(self, value: Value) -> frozenset[int]:
        """Numbers of the tests that are true of the value."""
        if value is None:
            return self.nothing
        out = list(self.something)
        for text in value if isinstance(value, tuple) else (value,):
            self._text(text, out)
            if self.decode and ("%" in text or "+" in text):
                self._decoded(text, out)
        return frozenset(out)

    def _decoded(self, text: str, out: list[int]) -> None:
        once = unquote(text.replace("+", " "), errors="replace")
        self._text(once, out)
        if "%" in once:
            self._text(unquote(once, errors="replace"), out)

    def _text(self, text: str, out: list[int]) -> None:
        low = fold(text)
        self.plain.find(low, low.encode("utf-8", "replace"), out)
        self.rest(text, out)

    def rest(self, text: str, out: list[int]) -> None:
        """Append what else than plain patterns is true of a text."""
        if self.cased is not None or self.regexes is not None:
            data = text.encode("utf-8", "replace")
            if self.cased is not None:
                self.cased.find(text, data, out)
            if self.regexes is not None:
                out += [self.regex_numbers[n] for n in self.regexes.scan(data)]
        if self.networks or self.compares or self.times:
            self._typed(text, out)

    def _typed(self, text: str, out: list[int]) -> None:
        if self.networks and (found := address(text)) is not None:
            out += [n for n, network in self.networks if found in network]
        if self.compares and (size := number(text)) is not None:
            out += [n for n, compare, bound in self.compares if compare(size, bound)]
        if self.times and (at := moment(text)) is not None:
            out += [n for n, unit, wanted in self.times if time_part(at, unit) == wanted]


class Pairs:
    """Tests that compare one field with another; a value is the pair of both fields' values."""

    def __init__(self, tests: Sequence[tuple[int, str]]) -> None:
        self.tests = tests

    def judge(self, value: tuple[Value, Value]) -> frozenset[int]:
        left, right = (_texts(side) for side in value)
        return frozenset(n for n, how in self.tests if any(_alike(a, b, how) for a in left for b in right))


def _texts(value: Value) -> tuple[str, ...]:
    return () if value is None else tuple(map(fold, value)) if isinstance(value, tuple) else (fold(value),)


def _alike(left: str, right: str, how: str) -> bool:
    match how:
        case "startswith":
            return left.startswith(right)
        case "endswith":
            return left.endswith(right)
        case "contains":
            return right in left
    return left == right
