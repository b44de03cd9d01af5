"""Regular expressions as Lucene reads them, and pySigma's Lucene backend with what a keyword field needs.

Lucene's expressions match the whole value, know neither anchors nor \\b nor flags, and take more characters for
operators. Texts within them are written letter by letter, so nothing of a rule is ever read as syntax by mistake.
https://lucene.apache.org/core/9_12_0/core/org/apache/lucene/util/automaton/RegExp.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined]  # the parser that the standard library has
from re import _parser as parser  # type: ignore[attr-defined]  # as above
from typing import Any, ClassVar

from sigma.backends.elasticsearch.elasticsearch_lucene import LuceneBackend
from sigma.conversion.state import ConversionState
from sigma.types import SigmaString

from detections.sigma.fold import fold
from detections.sigma.limits import INCONVERTIBLE

LAST = 0x10FFFF
WORD = ((48, 57), (65, 90), (95, 95), (97, 122))
CATEGORIES = {
    codes.CATEGORY_DIGIT: ((48, 57),),
    codes.CATEGORY_SPACE: ((9, 10), (12, 13), (32, 32)),  # as RE2 and Hyperscan have it
    codes.CATEGORY_WORD: WORD,
}
OPPOSITES = {
    codes.CATEGORY_NOT_DIGIT: codes.CATEGORY_DIGIT, codes.CATEGORY_NOT_SPACE: codes.CATEGORY_SPACE,
    codes.CATEGORY_NOT_WORD: codes.CATEGORY_WORD,
}
MOST_TIMES = 60  # a search for hundreds of repetitions finds nothing in Lucene, without an error
ANYTHING, NEW_LINE = ".*", 10
Ranges = Sequence[tuple[int, int]]


class Inconvertible(ValueError):
    """What a query cannot ask; the text says why."""


class Backend(LuceneBackend):
    """pySigma's backend; blanks of any kind are escaped, not quoted, so that a value is always one term.

    But what begins with < or > would be a range, escaped or not; a keyword in quotation marks is one term, too.
    https://www.elastic.co/docs/reference/query-languages/query-dsl/query-dsl-query-string-query#_reserved_characters
    """

    add_escaped: ClassVar[str] = LuceneBackend.add_escaped + "\t\n\r\u3000"

    def convert_value_str(self, s: SigmaString, state: ConversionState) -> str:
        if not s.contains_special() and (plain := "".join(map(str, s.s))).startswith(("<", ">")):
            return '"' + re.sub(r'(["\\])', r"\\\1", plain) + '"'
        text = s.convert(self.escape_char, self.wildcard_multi, self.wildcard_single, self.add_escaped, "")
        return str(text) or '""'


def letter(code: int) -> str:
    """One character of an expression, outside a class or within one. pySigma writes slashes."""
    char = chr(code)
    if char == "\\":
        return "[\\\\]"  # before the closing slash of a query's expression, \\\\/ would be read as an escaped slash
    return char if char.isalnum() or code > 127 or char == "/" else "\\" + char


def literal(text: str) -> str:
    """The text itself."""
    return "".join(letter(ord(char)) for char in text)


@lru_cache(maxsize=8192)
def either_case(char: str) -> str:
    """The characters that are the same without case."""
    return some([(ord(each), ord(each)) for each in _cases(char)])


@lru_cache(maxsize=8192)
def _cases(char: str) -> tuple[str, ...]:
    low = fold(char)
    return tuple(sorted({char, low, *(each for each in (char.upper(), low.upper(), *FOLDED.get(low, ()))
                                      if len(each) == 1 and fold(each) == low)}))


def _folded() -> dict[str, list[str]]:
    """Folded character → the others that fold to it."""
    found: dict[str, list[str]] = {}
    for code in range(128, 0x1FFFF):
        low = fold(chr(code))
        if low != chr(code):
            found.setdefault(low, []).append(chr(code))
    return found


FOLDED = _folded()


def some(ranges: Ranges, but: bool = False) -> str:
    """A class of characters."""
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1] and not but:
        return letter(ranges[0][0])

    def one(code: int) -> str:
        return "\\\\" if code == 92 else letter(code)

    parts = [one(low) if low == high else f"{one(low)}-{one(high)}" for low, high in ranges]
    return f"[{'^' if but else ''}{''.join(parts)}]"


def outside(ranges: Ranges) -> list[tuple[int, int]]:
    """All other characters."""
    found, at = [], 0
    for low, high in sorted(ranges):
        if low > at:
            found.append((at, low - 1))
        at = max(at, high + 1)
    return [*found, (at, LAST)] if at <= LAST else found


def translated(expression: str, flags: str) -> str:
    """An expression that is searched for, as one that the whole value matches. Raises Inconvertible."""
    number = sum({"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}[flag] for flag in flags)
    try:
        tree = parser.parse(expression, number | re.ASCII)
    except (re.error, RecursionError, OverflowError):
        raise Inconvertible(INCONVERTIBLE["regex"]) from None
    return _Writer().sequence(list(tree), tree.state.flags, True, True)


class _Writer:
    """Writes a parsed expression. `start`, `end`: whether the part may stand anywhere before, behind."""

    def sequence(self, items: list[Any], flags: int, start: bool, end: bool) -> str:
        first, last = 0, len(items)
        before = after = ""
        if start:
            before, first = self._edge(items, flags, ANYTHING, 0)
        if end:
            after, last = self._edge(items, flags, ANYTHING, -1)
        if first > last:  # one anchor is both ends
            last = first
        inner = items[first:last]
        out = []
        for place, item in enumerate(inner):
            opens = start and before == "" and first == 0 and place == 0
            closes = end and after == "" and last == len(items) and place == len(inner) - 1
            out.append(self._item(item, flags, opens, closes))
        return before + "".join(out) + after or "()"  # nothing at all must be written, too

    def _edge(self, items: list[Any], flags: int, free: str, side: int) -> tuple[str, int]:
        """What stands before (side 0) or behind (side -1) the items, and where those begin or end."""
        whole = 0 if side == 0 else len(items)
        inside = whole + (1 if side == 0 else -1)
        if not items:
            return free, whole
        op, value = items[side]
        if op in (codes.SUBPATTERN, codes.BRANCH):
            return "", whole  # its alternatives decide
        if op is not codes.AT:
            return free, whole
        fixed = {0: (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING), -1: (codes.AT_END, codes.AT_END_STRING)}[side]
        if value in fixed:
            if value in (codes.AT_BEGINNING, codes.AT_END) and flags & re.MULTILINE:
                return (f"({free}\n)?" if side == 0 else f"(\n{free})?"), inside
            return "", inside
        if value is codes.AT_BOUNDARY and len(items) > 1 and _wordy(items[1 if side == 0 else -2], flags):
            other = some(WORD, but=True)
            return (f"({free}{other})?" if side == 0 else f"({other}{free})?"), inside
        raise Inconvertible(INCONVERTIBLE["regex"])

    def _item(self, item: Any, flags: int, start: bool, end: bool) -> str:
        op, value = item
        if op is codes.SUBPATTERN:
            _, add, less, inner = value
            return f"({self.sequence(list(inner), (flags | add) & ~less, start, end)})"
        if op is codes.BRANCH:
            return "(" + "|".join(self.sequence(list(each), flags, start, end) for each in value[1]) + ")"
        if op in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            return self._repeated(value, flags)
        if op is codes.LITERAL:
            return either_case(chr(value)) if flags & re.IGNORECASE else letter(value)
        if op is codes.NOT_LITERAL:
            return some([(ord(each), ord(each)) for each in _cases(chr(value))] if flags & re.IGNORECASE
                        else [(value, value)], but=True)
        if op is codes.ANY:
            return "." if flags & re.DOTALL else some([(NEW_LINE, NEW_LINE)], but=True)
        if op is codes.IN:
            return self._class(value, flags)
        raise Inconvertible(INCONVERTIBLE["regex"])

    def _repeated(self, value: Any, flags: int) -> str:
        low, high, inner = value
        if low > MOST_TIMES or (high is not codes.MAXREPEAT and high > MOST_TIMES):
            raise Inconvertible(INCONVERTIBLE["repeat"])
        body = f"({self.sequence(list(inner), flags, False, False)})"
        if high is codes.MAXREPEAT:
            return body + {0: "*", 1: "+"}.get(low, f"{{{low},}}")
        return body + ("?" if (low, high) == (0, 1) else f"{{{low},{high}}}")

    def _class(self, items: list[Any], flags: int) -> str:
        ranges: list[tuple[int, int]] = []
        but = False
        for op, value in items:
            if op is codes.NEGATE:
                but = True
            elif op is codes.LITERAL:
                ranges.append((value, value))
            elif op is codes.RANGE:
                ranges.append(value)
            elif value in CATEGORIES:
                ranges += CATEGORIES[value]
            elif value in OPPOSITES:
                ranges += outside(CATEGORIES[OPPOSITES[value]])
            else:
                raise Inconvertible(INCONVERTIBLE["regex"])
        if flags & re.IGNORECASE:
            ranges += [(ord(other), ord(other)) for low, high in ranges if high - low < 128
                       for code in range(low, high + 1) for other in _cases(chr(code))]
        return some(sorted(set(ranges)), but)


def _wordy(item: Any, flags: int) -> bool:
    """Whether the item is one character, or more, of a word for sure."""
    op, value = item
    if op is codes.LITERAL:
        return any(low <= value <= high for low, high in WORD)
    if op in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        return bool(value[0] > 0 and len(value[2]) == 1 and _wordy(value[2][0], flags))
    if op is codes.IN:
        return all(
            (kind is codes.CATEGORY and inner in (codes.CATEGORY_WORD, codes.CATEGORY_DIGIT))
            or (kind is codes.LITERAL and any(low <= inner <= high for low, high in WORD))
            or (kind is codes.RANGE and any(low <= inner[0] and inner[1] <= high for low, high in WORD))
            for kind, inner in value
        )
    return False
