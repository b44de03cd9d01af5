"""Threat indicators as others write them: STIX 2.1 bundles and CSV → indicators, and what could not be taken and why.

STIX: https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html. Of patterns, single comparisons and those joined
by OR are taken, as each side stands for itself; AND, FOLLOWEDBY and qualifiers say more than one value can, and are
refused by name. CSV: a header with `value`, and any of kind, name, level, confidence, techniques, valid_from,
valid_until.
"""

from __future__ import annotations

import csv
import io
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

import orjson

from soc_core import clock
from soc_core.clock import Micros
from soc_core.models import LEVELS, Indicator, Level
from soc_core.state.indicators import indicator_id

COMPARISON = re.compile(
    r"""\s*(?P<path>[a-z0-9-]+:[A-Za-z0-9_.'\-\[\]]+)\s*(?P<op>=|IN)\s*(?P<value>'(?:[^'\\]|\\.)*'|\((?:[^()'\\]|'(?:[^'\\]|\\.)*')*\))\s*""")
TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'")
KINDS = {"ipv4-addr:value": "ip", "ipv6-addr:value": "ip", "domain-name:value": "domain", "url:value": "url"}
DIGITS = {32: "md5", 40: "sha1", 64: "sha256"}
DEFAULT_CONFIDENCE = 50


class Refusal(NamedTuple):
    """What was not taken: where it stands (object id or line), and why."""

    where: str
    reason: str


class Feed(NamedTuple):
    """What a document holds."""

    items: list[Indicator]
    refused: list[Refusal]


def made(value: str, feed: str, at: Micros, level: Level, kind: str = "", **more: Any) -> Indicator:
    """One indicator, its kind told by its value where none is given. Raises ValueError with one clause."""
    text, kind = told(value.strip(), kind)
    facts: dict[str, Any] = {
        "name": "", "confidence": DEFAULT_CONFIDENCE, "techniques": [], "valid_from": 0, "valid_until": None,
        "revoked": False} | more
    if not 0 <= facts["confidence"] <= 100:
        raise ValueError("confidence is 0 … 100")
    if facts["valid_until"] is not None and facts["valid_until"] <= facts["valid_from"]:
        raise ValueError("it ends before it begins")
    return Indicator(id=indicator_id(kind, text, feed), kind=cast(Any, kind), value=text, feed=feed, level=level,
                     created=at, changed=at, matched=None, **facts)


def told(text: str, kind: str = "") -> tuple[str, str]:
    """(value as it is compared, kind). Raises ValueError where they do not fit."""
    if kind not in ("", "ip", "net", "domain", "url", "hash"):
        raise ValueError(f"no kind {kind!r} of indicator; there are ip, net, domain, url and hash")
    if not text or len(text) > 2_000 or not text.isprintable():
        raise ValueError("an indicator has a printable value of at most 2,000 characters")
    if kind in ("", "ip", "net"):
        try:
            net = ipaddress.ip_network(text, strict=False)
        except ValueError:
            if kind:
                raise ValueError(f"not an address or network: {text[:80]}") from None
        else:
            if net.prefixlen == net.max_prefixlen:
                return str(net.network_address), "ip"
            if net.prefixlen < (8 if net.version == 4 else 16):
                raise ValueError(f"{text} is too much of the world for an indicator")
            return str(net), "net"
    if kind == "hash" or (not kind and re.fullmatch(r"[0-9A-Fa-f]+", text) and len(text) in DIGITS):
        if not re.fullmatch(r"[0-9A-Fa-f]+", text) or len(text) not in DIGITS:
            raise ValueError("a hash is of MD5, SHA-1 or SHA-256, in hexadecimal digits")
        return text.lower(), "hash"
    if kind == "url" or (not kind and "://" in text):
        scheme, mark, rest = text.split("#", 1)[0].partition("://")
        if not mark or not rest:
            raise ValueError(f"not a whole URL: {text[:80]}")
        host, slash, path = rest.partition("/")
        return f"{scheme.lower()}://{host.lower()}{slash}{path}", "url"
    name = text.lower().rstrip(".")
    if not re.fullmatch(r"(?!-)[^\s/:@]+\.[^\s/:@.]{2,}", name) or len(name) > 253:
        raise ValueError(f"not a host name: {text[:80]}")
    return name, "domain"


# ---------------------------------------------------------------- CSV


def read_csv(text: str, feed: str, at: Micros, level: Level) -> Feed:
    """A table with a header. Raises ValueError on one without the column `value`."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    known = {"value", "kind", "name", "level", "confidence", "techniques", "valid_from", "valid_until"}
    header = set(rows.fieldnames or ())
    if "value" not in header:
        raise ValueError("the first line names the columns; one of them is `value`")
    if header - known:
        raise ValueError(f"no column {', '.join(sorted(header - known))}; there are {', '.join(sorted(known))}")
    found = Feed([], [])
    for row in rows:
        try:
            found.items.append(_row(row, feed, at, level))
        except ValueError as error:
            found.refused.append(Refusal(f"line {rows.line_num}", str(error)))
    return found


def _row(row: Mapping[str, str | None], feed: str, at: Micros, level: Level) -> Indicator:
    def text(name: str) -> str:
        return (row.get(name) or "").strip()

    given = text("level") or level
    if given not in LEVELS:
        raise ValueError(f"no level {given!r}; there are {', '.join(LEVELS)}")
    confidence = text("confidence") or str(DEFAULT_CONFIDENCE)
    if not confidence.isdecimal():
        raise ValueError("confidence is a number")
    until = text("valid_until")
    return made(
        text("value"), feed, at, given, text("kind"), name=text("name"), confidence=int(confidence),
        techniques=text("techniques").replace(";", " ").split(),
        valid_from=clock.from_text(text("valid_from")) if text("valid_from") else 0,
        valid_until=clock.from_text(until) if until else None)


# ---------------------------------------------------------------- STIX


def read_stix(text: str | bytes, feed: str, at: Micros, level: Level) -> Feed:
    """A bundle, or one object. Raises ValueError when it is no STIX at all."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    objects = document.get("objects", [document]) if isinstance(document, dict) else None
    if not isinstance(objects, list) or not all(isinstance(each, dict) for each in objects):
        raise ValueError("not a STIX bundle: an object with `objects`")
    techniques = _techniques(objects)
    found = Feed([], [])
    for each in objects:
        if each.get("type") != "indicator":
            continue
        where = str(each.get("id") or "an indicator without id")
        try:
            found.items.extend(_indicators(each, techniques.get(where, []), feed, at, level))
        except (ValueError, TypeError) as error:
            found.refused.append(Refusal(where, str(error)))
    return found


def _techniques(objects: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Indicator id → ATT&CK ids of what it indicates."""
    ids = {
        str(each.get("id")): str(reference.get("external_id"))
        for each in objects if each.get("type") == "attack-pattern"
        for reference in each.get("external_references") or ()
        if str(reference.get("source_name", "")).startswith("mitre") and reference.get("external_id")
    }
    found: dict[str, list[str]] = {}
    for each in objects:
        if each.get("type") == "relationship" and each.get("relationship_type") == "indicates":
            target = ids.get(str(each.get("target_ref")))
            if target:
                found.setdefault(str(each.get("source_ref")), []).append(target)
    return found


def _indicators(one: dict[str, Any], techniques: list[str], feed: str, at: Micros, level: Level) -> Iterator[Indicator]:
    if one.get("pattern_type", "stix") != "stix":
        raise ValueError(f"a pattern of type {one.get('pattern_type')}, not stix")
    until = one.get("valid_until")
    facts = {
        "name": str(one.get("name") or "")[:300], "techniques": techniques, "revoked": bool(one.get("revoked")),
        "confidence": int(one.get("confidence", DEFAULT_CONFIDENCE)),
        "valid_from": clock.from_text(str(one["valid_from"])) if one.get("valid_from") else 0,
        "valid_until": clock.from_text(str(until)) if until else None,
    }
    for kind, value in list(pattern(str(one.get("pattern") or ""))):
        yield made(value, feed, at, level, kind, **facts)


def pattern(text: str) -> Iterator[tuple[str, str]]:
    """(kind, value) of each side of a pattern. Raises ValueError on one that is more than a choice of values."""
    rest = text.strip()
    while rest:
        if not rest.startswith("["):
            raise ValueError(f"a pattern that is no choice of values: {rest[:80]}")
        rest = rest[1:]
        while True:
            match = COMPARISON.match(rest)
            if match is None:
                raise ValueError(f"a comparison that is not of one value: {rest[:80]}")
            yield from _compared(match["path"], match["value"])
            rest = rest[match.end() :]
            if not rest.startswith("OR "):
                break
            rest = rest[3:]
        if not rest.startswith("]"):
            raise ValueError(f"a pattern that asks for more than one value: {rest[:80]}")
        rest = rest[1:].strip()
        if rest:
            if not rest.startswith("OR "):
                raise ValueError(f"a pattern that asks for more than one value: {rest[:80]}")
            rest = rest[3:].strip()


def _compared(path: str, given: str) -> Iterator[tuple[str, str]]:
    kind = "hash" if path.startswith("file:hashes") else KINDS.get(path)
    if kind is None:
        raise ValueError(f"{path} is not matched here")
    for value in TEXT.findall(given):
        plain = re.sub(r"\\(.)", r"\1", value)
        yield ("" if kind == "ip" else kind), plain
