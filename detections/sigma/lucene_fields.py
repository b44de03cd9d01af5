"""Tests of a field as conditions on the fields of our index, for pySigma's Lucene backend.

Which field of the index answers for a column is said in soc_core/store/mapping.py: text in lower case, `.raw` as
written, LEAF for what no field of its own can hold.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression, ConditionNOT, ConditionOR
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SpecialChars,
)

from detections.sigma import lucene
from detections.sigma.fold import fold
from detections.sigma.judge import folded
from detections.sigma.limits import INCONVERTIBLE
from detections.sigma.lucene import Inconvertible, either_case, literal
from detections.sigma.map import SEARCH, Source
from detections.sigma.terms import ANY, ONE, Part, Test
from soc_core.schema import SCHEMA
from soc_core.store.elastic_leaf import NUL, WHOLE
from soc_core.store.mapping import LEAF, LEAF_RAW, LONGEST_REGEX, MICROS, ODD, searched_whole

OVERFLOW = "overflow"
LETTERS = re.compile(r"[^\W\d_]")
NOWHERE = "soc.store.nowhere"  # a field that no event has
OCTET = "([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
JSON_ESCAPED = {"\\": "[\\\\][\\\\]?", '"': '[\\\\]?\\"'}
Condition = Any


def eq(field: str, value: Any) -> Condition:
    return ConditionFieldEqualsValueExpression(field, value)


def either(items: Sequence[Condition]) -> Condition:
    return items[0] if len(items) == 1 else ConditionOR(list(items))


def both(items: Sequence[Condition]) -> Condition:
    return items[0] if len(items) == 1 else ConditionAND(list(items))


def never() -> Condition:
    return eq(NOWHERE, SigmaExists(True))


def _string_of(parts: Sequence[Part]) -> SigmaString:
    value = SigmaString()
    wild = {ANY: SpecialChars.WILDCARD_MULTI, ONE: SpecialChars.WILDCARD_SINGLE}
    value.s = [wild[part] if isinstance(part, int) else part for part in parts]
    return value


def regex(expression: str) -> SigmaRegularExpression:
    if len(expression) > LONGEST_REGEX:
        raise Inconvertible(INCONVERTIBLE["long"])
    return SigmaRegularExpression(expression)


def _pattern(parts: Sequence[Part], form: Callable[[str], str]) -> SigmaRegularExpression:
    """A pattern as an expression, its characters written by `form`."""
    wild = {ANY: ".*", ONE: "."}
    return regex("".join(wild[p] if isinstance(p, int) else "".join(map(form, p)) for p in parts))


def exists(source: Source) -> Condition:
    known = SCHEMA.columns.get(source.column)
    if source.path and source.column != OVERFLOW:
        raise Inconvertible(INCONVERTIBLE["json path"])
    if source.path or known is None:
        return eq(LEAF, _string_of(((source.path or source.column) + NUL, ANY)))
    field = {"date": MICROS + source.column, "ip": f"{source.column}.raw"}.get(known.kind, source.column)
    own = eq(field, SigmaExists(True))
    if known.kind in ("date", "long", "double", "boolean"):
        return own
    return either([own, eq(ODD, _string_of((source.column,)))])


# ---------------------------------------------------------------- one column


def column(source: Source, test: Test) -> Condition:
    """A test of one column, or of a path that nobody declared."""
    if test.kind == "present":
        return exists(source)
    if source.path and source.column != OVERFLOW:
        raise Inconvertible(INCONVERTIBLE["json path"])
    known = SCHEMA.columns.get(source.column)
    if source.path or known is None:
        return _undeclared(source.path or source.column, test)
    match known.kind:
        case "long" | "double" | "boolean":
            return _number(source.column, known.kind, test)
        case "date":
            raise Inconvertible(INCONVERTIBLE["time" if test.kind == "time" else "date"])
    raw = source.column if not searched_whole(source.column, known) else f"{source.column}.raw"
    match test.kind:
        case "text":
            return _text(source.column, raw, folded(test.value))
        case "cased":
            return eq(raw, _pattern(test.value, literal))
        case "regex":
            return _expression(source.column, raw, *test.value)
        case "cidr" if known.kind == "ip":
            return eq(source.column, SigmaCIDRExpression(test.value[0]))
        case "cidr":
            return eq(source.column, regex(_network(test.value[0])))
        case "compare":
            raise Inconvertible(INCONVERTIBLE["number text"])
    raise Inconvertible(INCONVERTIBLE["fieldref" if test.kind == "same" else "time"])


def _text(name: str, raw: str, parts: Sequence[Part]) -> Condition:
    """A pattern for the whole of a text, whatever its case."""
    known = SCHEMA.columns[name]
    if tuple(parts) == (ANY,):
        return exists(Source(name))
    if known.kind == "ip" or raw == name:
        own = eq(raw, _pattern(parts, either_case))
    else:
        own = eq(name, _string_of(parts) if any(parts) else regex("()"))
    return either([own, _leaf_pattern(name, parts)]) if ANY in parts and ".hash." not in name else own


def _expression(name: str, raw: str, expression: str, flags: str) -> Condition:
    """An expression that is looked for. One that is not about case nor anchored is so in pieces of long texts too."""
    wanted = lucene.translated(expression, flags)
    own = eq(raw, regex(wanted))
    caseless = "i" in flags or not LETTERS.search(re.sub(r"\\[dDsSwW]", "", expression))
    if caseless and wanted.startswith(".*") and wanted.endswith(".*"):
        return either([own, eq(LEAF, regex(f"{literal(name + NUL)}.{wanted}"))])
    return own


def _leaf_pattern(path: str, parts: Sequence[Part]) -> Condition:
    """A pattern for an entry of LEAF: where what is too long for its own field stands, piece by piece."""
    head: tuple[Part, ...] = (path + NUL, ONE) if parts and parts[0] == ANY else (path + NUL + WHOLE,)
    tail: tuple[Part, ...] = () if parts and parts[-1] == ANY else (NUL,)
    return eq(LEAF, _string_of(_joined((*head, *parts, *tail))))


def _joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    found: list[Part] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        else:
            found.append(part)
    return tuple(found)


def _undeclared(path: str, test: Test) -> Condition:
    """A test of a field that has no column in the index, only entries."""
    if test.kind == "text":
        parts = folded(test.value)
        return exists(Source(OVERFLOW, path)) if tuple(parts) == (ANY,) else _leaf_pattern(path, parts)
    head = literal(path + NUL)
    if test.kind == "cased":
        return eq(LEAF_RAW, regex(head + _pattern(test.value, literal).regexp.to_plain()))
    if test.kind == "regex":
        return eq(LEAF_RAW, regex(f"{head}({lucene.translated(*test.value)})"))
    if test.kind == "cidr":
        return eq(LEAF_RAW, regex(head + _network(test.value[0])))
    raise Inconvertible(INCONVERTIBLE[{"compare": "number text", "same": "fieldref"}.get(test.kind, "time")])


def _number(name: str, kind: str, test: Test) -> Condition:
    """A test of a number or a truth value; texts that are no such number meet none."""
    if test.kind == "compare" and kind != "boolean":
        op, bound = test.value
        if op == "neq":
            return both([eq(name, SigmaExists(True)), ConditionNOT([eq(name, SigmaNumber(bound))])])
        return eq(name, SigmaCompareExpression(SigmaNumber(bound), CompareOperators[op.upper()]))
    if test.kind not in ("text", "cased"):
        raise Inconvertible(INCONVERTIBLE["fieldref" if test.kind == "same" else "number pattern"])
    parts = tuple(test.value)
    if parts == (ANY,):
        return exists(Source(name))
    if any(isinstance(part, int) for part in parts):
        raise Inconvertible(INCONVERTIBLE["number pattern"])
    text = fold("".join(map(str, parts)))
    if kind == "boolean":
        return eq(name, SigmaBool(text == "true")) if text in ("true", "false") else never()
    if kind == "long":
        plain = text.removeprefix("-")
        whole = plain.isascii() and plain.isdigit() and str(int(text)) == text and -(1 << 63) <= int(text) < 1 << 63
        return eq(name, SigmaNumber(int(text))) if whole else never()
    raise Inconvertible(INCONVERTIBLE["number pattern"])


def _network(text: str) -> str:
    """An expression for the addresses of a network as they are usually written."""
    network = ipaddress.ip_network(text)
    if network.version == 4:
        octets, left, out = network.network_address.packed, network.prefixlen, []
        for octet in octets:
            fixed = min(8, max(0, left))
            left -= 8
            span = 1 << (8 - fixed)
            out.append(OCTET if fixed == 0 else str(octet) if fixed == 8 else
                       "(" + "|".join(map(str, range(octet, octet + span))) + ")")
        return "(::ffff:)?" + "\\.".join(out)
    if network.prefixlen == 128:
        address = network.network_address
        return f"({literal(address.compressed)}|{literal(address.exploded)}|" + literal(
            ":".join(f"{int(part, 16):x}" for part in address.exploded.split(":"))) + ")"
    if 0 < network.prefixlen <= 16:
        first = int.from_bytes(network.network_address.packed[:2], "big")
        span = 1 << (16 - network.prefixlen)
        if first >= 0x1000 and span <= 4096:
            firsts = "|".join(f"{number:04x}" for number in range(first, first + span))
            return f"({firsts}):[0-9a-f:]*"
    raise Inconvertible(INCONVERTIBLE["ipv6"])


# ---------------------------------------------------------------- texts that are read in another way too


def keyword(test: Test) -> Condition:
    """A keyword: in the record, the message, or a JSON record with its escapes undone."""
    if test.kind not in ("text", "cased", "regex"):
        raise Inconvertible(INCONVERTIBLE["number text"])
    found = []
    for source in SEARCH.sources:
        if test.kind == "regex":
            found.append(column(source, test))
            continue
        form = either_case if test.kind == "text" else literal
        parts = folded(test.value) if test.kind == "text" else tuple(test.value)
        found.append(eq(source.column, _pattern(parts, form)))
        if test.kind == "text":
            found.append(_leaf_pattern(source.column, parts))
        if source.column == "event.original" and any('"' in p or "\\" in p for p in parts if isinstance(p, str)):
            escaped = _pattern(parts, _escaped if test.kind == "text" else _escaped_cased)
            found.append(eq(source.column, regex(f"\\{{{escaped.regexp}")))
            if test.kind == "text":
                whole = tuple(p.replace("\\", "\\\\").replace('"', '\\"') if isinstance(p, str) else p for p in parts)
                found.append(_leaf_pattern(source.column, whole))
    return either(found)


def _escaped(char: str) -> str:
    """A character as JSON may have escaped it."""
    return JSON_ESCAPED.get(char) or either_case(char)


def _escaped_cased(char: str) -> str:
    return JSON_ESCAPED.get(char) or literal(char)


def labelled(label: str, source: Source, test: Test) -> list[Condition]:
    """A test of the text LABEL=value, as tests of the value. These columns hold one digest each, without any label."""
    if test.kind == "present":
        return [exists(source)]
    if test.kind not in ("text", "cased"):
        raise Inconvertible(INCONVERTIBLE["number text"])
    head = f"{label}=" if test.kind == "cased" else fold(f"{label}=")
    parts = tuple(test.value if test.kind == "cased" else folded(test.value))
    return [column(source, Test(test.kind, rest)) for rest in _after(head, parts)]


def _after(head: str, parts: tuple[Part, ...]) -> list[tuple[Part, ...]]:
    """What is left of a pattern once it has matched `head`: all that a digest may meet."""
    states = {parts}
    for char in head:
        states = {rest for state in states for rest in _step(char, state)}
    return [state for state in sorted(states, key=repr)
            if not any(isinstance(part, str) and "=" in part for part in state)]


def _step(char: str, parts: tuple[Part, ...]) -> set[tuple[Part, ...]]:
    if not parts:
        return set()
    first, rest = parts[0], parts[1:]
    if first == ANY:
        return {parts} | _step(char, rest)
    if first == ONE:
        return {rest}
    text = str(first)
    return {(text[1:], *rest) if len(text) > 1 else rest} if text[0] == char else set()


def decoded(source: Source, test: Test) -> Condition:
    """A test of a URL as it stands, and decoded once and twice."""
    if test.kind == "present":
        return exists(source)
    if test.kind == "regex":
        raise Inconvertible(INCONVERTIBLE["url regex"])
    if test.kind != "text":
        raise Inconvertible(INCONVERTIBLE["number text"])
    parts = folded(test.value)
    plain = column(source, test)
    if not any(isinstance(part, str) for part in parts):
        return plain
    return either([plain, eq(source.column, _pattern(parts, _percent))])


@lru_cache(maxsize=4096)
def _percent(char: str) -> str:
    """A character as it may stand in a URL; the column is in lower case."""
    ways = {literal(char), *({"\\+"} if char == " " else ())}
    for each in {char, char.upper()}:
        data = each.encode("utf-8", "replace")
        ways.add("".join(f"%(25)?{byte:02x}" for byte in data))
    return f"({'|'.join(sorted(ways))})"
