"""A slow, obvious reading of Sigma 2.1: one rule, one event, straight from the specification and the raw YAML.

It shares no code with the engine. `lookup(field)` gives the values of a field as a list of texts, or None where the
event has no such field; `texts` is the whole event for keywords.
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

Lookup = Callable[[str], "list[str] | None"]
DASHES = "-/–—―"
WILD = {"*": ".*", "?": "."}


@lru_cache(maxsize=1 << 16)
def fold(text: str) -> str:
    """Simple case folding, character by character."""
    out = []
    for char in text:
        folded = char.casefold()
        if len(folded) != 1:
            folded = char.lower()
        out.append(folded if len(folded) == 1 else char)
    return "".join(out)


def text_of(value: Any) -> str:
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def tokens(text: str) -> list[tuple[str, bool]]:
    """(character, is a wildcard), with the escapes of the specification resolved."""
    out: list[tuple[str, bool]] = []
    at = 0
    while at < len(text):
        char, after = text[at], text[at + 1 : at + 2]
        if char == "\\" and after and after in "*?\\":
            out.append((after, False))
            at += 2
            continue
        out.append((char, char in WILD))
        at += 1
    return out


Tokens = tuple[tuple[str, bool], ...]


@cache
def glob(pattern: Tokens, cased: bool) -> re.Pattern[str]:
    body = "".join(WILD[c] if wild else re.escape(c if cased else fold(c)) for c, wild in pattern)
    return re.compile(rf"\A{body}\Z", re.DOTALL)


@cache
def regex(pattern: str, flags: str) -> re.Pattern[str]:
    number = re.ASCII
    for flag in flags:
        number |= {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}[flag]
    return re.compile(pattern, number)


ONE_CHARACTER = {True: "*"}
STAR = ("*", True)


def encode(value: Tokens, how: str) -> bytes:
    raw = "".join(char for char, _ in value)
    return raw.encode({"wide": "utf-16-le", "utf16le": "utf-16-le", "utf16be": "utf-16-be"}[how])


def expand(value: Any, modifiers: list[str]) -> list[tuple[str, Any]]:
    """A raw value and its modifiers → alternatives, each (kind, argument); any of them may match."""
    if value is None:
        return [("absent", None)]
    if "re" in modifiers:
        flags = "".join(
            {"i": "i", "ignorecase": "i", "m": "m", "multiline": "m", "s": "s", "dotall": "s"}.get(m, "")
            for m in modifiers
        )
        return [("regex", (str(value), "".join(sorted(set(flags)))))]
    if "exists" in modifiers:
        return [("present" if value else "absent", None)]
    if "cidr" in modifiers:
        return [("cidr", ipaddress.ip_network(value))]
    part = next((name for name in ("minute", "hour", "day", "week", "month", "year") if name in modifiers), "")
    for name in ("lt", "lte", "gt", "gte"):
        if name in modifiers:
            return [(f"{part} {name}".strip(), float(value))]
    if part:
        return [(part, int(value))]
    if "fieldref" in modifiers:
        how = [m for m in modifiers if m in ("startswith", "endswith", "contains")]
        return [("field", (str(value), how))]
    found: list[Tokens] = [tuple(tokens(text_of(value)))]
    raw: list[bytes] | None = None
    for name in modifiers:
        if name == "windash":
            found = [v for each in found for v in windash(each)]
        elif name in ("wide", "utf16le", "utf16be", "utf16"):
            mark = b"\xff\xfe" if name == "utf16" else b""
            raw = [mark + encode(each, "wide" if name == "utf16" else name) for each in found]
            found = [tuple((chr(byte), False) for byte in each) for each in raw]
        elif name in ("base64", "base64offset"):
            plain = raw or ["".join(c for c, _ in each).encode() for each in found]
            texts = [
                t
                for each in plain
                for t in (offsets(each) if name == "base64offset" else [base64.b64encode(each).decode()])
            ]
            found, raw = [tuple((c, False) for c in text) for text in texts], None
        elif name in ("contains", "startswith", "endswith"):
            head = (STAR,) if name != "startswith" else ()
            tail = (STAR,) if name != "endswith" else ()
            found = [head + each + tail for each in found]
    return [("cased" if "cased" in modifiers else "text", each) for each in found]


def windash(value: Tokens) -> list[Tokens]:
    """Every permutation of dashes that begin a word: not after a word character, before one."""
    text = "".join(char if not wild else "\0" for char, wild in value)
    places = [at for at, (char, wild) in enumerate(value) if not wild and char in DASHES and opens(text, at)]
    out = []
    for combination in itertools.product(DASHES, repeat=len(places)):
        copy = list(value)
        for place, dash in zip(places, combination, strict=True):
            copy[place] = (dash, False)
        out.append(tuple(copy))
    return out


def opens(text: str, at: int) -> bool:
    def word(char: str) -> bool:
        return char.isalnum() or char == "_"

    return not (at > 0 and word(text[at - 1])) and at + 1 < len(text) and word(text[at + 1])


def offsets(raw: bytes) -> list[str]:
    """The characters of Base64 that depend on the value alone, for each of three places in the stream."""
    out = []
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        first = -(-shift * 8 // 6)
        last = (shift + len(raw)) * 8 // 6
        out.append(whole[first:last])
    return out


@lru_cache(maxsize=None, typed=True)
def alternatives(value: Any, modifiers: tuple[str, ...], anywhere: bool) -> list[tuple[str, Any]]:
    """`expand`, with patterns made ready; `anywhere` is how a keyword stands in a text."""
    out = []
    for kind, argument in expand(value, list(modifiers)):
        if kind in ("text", "cased"):
            out.append((kind, glob((STAR, *argument, STAR) if anywhere else argument, kind == "cased")))
        else:
            out.append((kind, argument))
    return out


def matches(kind: str, argument: Any, value: str, lookup: Lookup) -> bool:
    match kind:
        case "text":
            return argument.match(fold(value)) is not None
        case "cased":
            return argument.match(value) is not None
        case "regex":
            return regex(*argument).search(value) is not None
        case "cidr":
            return in_network(value, argument)
        case "lt" | "lte" | "gt" | "gte":
            return compares(kind, value, argument)
        case "field":
            return any(alike(fold(value), fold(other), argument[1]) for other in lookup(argument[0]) or [])
    part, _, how = kind.partition(" ")
    found = time_part(part, value)
    return found is not None and (compares(how, str(found), argument) if how else found == argument)


def in_network(value: str, network: Any) -> bool:
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return found in network


def compares(kind: str, value: str, bound: float) -> bool:
    if not re.fullmatch(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", value, re.ASCII) or not value[-1].isdigit():
        return False
    found = float(value)
    return {"lt": found < bound, "lte": found <= bound, "gt": found > bound, "gte": found >= bound}[kind]


def alike(left: str, right: str, how: list[str]) -> bool:
    if "startswith" in how:
        return left.startswith(right)
    if "endswith" in how:
        return left.endswith(right)
    return right in left if "contains" in how else left == right


def time_part(part: str, value: str) -> int | None:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return int(at.isocalendar()[1] if part == "week" else getattr(at, part))


def item(key: str, raw: Any, lookup: Lookup, texts: list[str]) -> bool:
    """One `field|modifiers: value(s)`."""
    field, *modifiers = key.split("|")
    values = raw if isinstance(raw, list) else [raw]
    if field:
        found, how = lookup(field), tuple(modifiers)
        one = [any(holds(k, a, found, lookup) for k, a in alternatives(value, how, False)) for value in values]
    else:
        one = [keyword(value, texts, modifiers) for value in values]
    result = all(one) if "all" in modifiers else any(one)
    return not result if "neq" in modifiers else result


def holds(kind: str, argument: Any, found: list[str] | None, lookup: Lookup) -> bool:
    if kind == "absent":
        return found is None
    if kind == "present":
        return found is not None
    return found is not None and any(matches(kind, argument, value, lookup) for value in found)


def keyword(value: Any, texts: list[str], modifiers: list[str]) -> bool:
    return any(
        matches(kind, argument, text, lambda _: None)
        for kind, argument in alternatives(value, tuple(modifiers), True) for text in texts
    )


def selection(node: Any, lookup: Lookup, texts: list[str]) -> bool:
    """A search identifier: a map joins with and, a list with or, scalars are keywords."""
    if isinstance(node, dict):
        return all(item(key, value, lookup, texts) for key, value in node.items())
    if isinstance(node, list):
        return any(selection(each, lookup, texts) for each in node)
    return keyword(node, texts, [])


def condition(text: str, detection: dict[str, Any], value: Callable[[str], bool]) -> bool:
    """or binds least, then and, then not, then `x of`, then brackets."""
    words = re.findall(r"\(|\)|[^\s()]+", text)
    names = [name for name in detection if name not in ("condition", "timeframe")]

    def some(how: str, pattern: str) -> bool:
        shape = ".*" if pattern == "them" else pattern.replace("*", ".*")
        wanted = [name for name in names if re.fullmatch(shape, name) and not name.startswith("_")]
        return (all if how == "all" else any)(value(name) for name in wanted)

    def operand() -> bool:
        word = words.pop(0)
        if word == "(":
            result = either()
            assert words.pop(0) == ")"
            return result
        if word == "not":
            return not operand()
        if words and words[0] == "of":
            words.pop(0)
            return some(word, words.pop(0))
        return value(word)

    def both() -> bool:
        result = operand()
        while words and words[0] == "and":
            words.pop(0)
            right = operand()
            result = result and right
        return result

    def either() -> bool:
        result = both()
        while words and words[0] == "or":
            words.pop(0)
            right = both()
            result = result or right
        return result

    result = either()
    assert not words, f"condition not read to its end: {text}"
    return result


def fires(rule: dict[str, Any], lookup: Lookup, texts: list[str]) -> bool:
    """Whether the rule's condition is met by the event (its log source is judged elsewhere)."""
    detection = rule["detection"]
    known: dict[str, bool] = {}

    def value(name: str) -> bool:
        if name not in known:
            known[name] = selection(detection[name], lookup, texts)
        return known[name]

    conditions = detection["condition"]
    conditions = conditions if isinstance(conditions, list) else [conditions]
    return any(condition(text, detection, value) for text in conditions)
