"""Cisco: system messages of ASA, FTD, PIX and FWSM firewalls, and of IOS, IOS XE and NX-OS.

The tables of messages are in _asa.py and _ios.py. A message that no row knows is an event all the same, with its
number, severity and text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import polars as pl

from collectors.formats import _asa, _ios
from collectors.formats._device import opened, share
from collectors.formats._frames import Piece, finish, gather
from collectors.formats._records import polished, verdict
from collectors.formats._text import Shape, match
from soc_core.protocols import Context, Fault, Ints, Parsed

SYSLOG_MARKS = (" %", ">%", "%ASA-", "%FTD-", "%PIX-")
FIREWALL = r"%(?:ASA|FTD|PIX|FWSM)-(?:[a-z]+-)?\d-\d{6}\b"
ROUTER = r"%[A-Z][A-Z0-9_]*(?:-[A-Z0-9_]+)*-(?:[A-Z]{2}\d{1,2}-)?[0-7]-[A-Z0-9_]+: "
BODY = (
    Shape("", r"^%(?P<product>ASA|FTD|PIX|FWSM)-(?:[a-z]+-)?(?P<event.severity>\d)-(?P<event.code>\d{6}):? ?"
          r"(?P<message>(?s:.*))$"),
    Shape("", r"^%(?P<facility>[A-Z][A-Z0-9_]*(?:-[A-Z0-9_]+)*?)-(?:[A-Z]{2}\d{1,2}-)?(?P<event.severity>[0-7])-"
              r"(?P<mnemonic>[A-Z0-9_]+): +(?P<message>(?s:.*))$"),
)
PAIR = re.compile(r"(?:^|, )([A-Z][A-Za-z0-9_]{1,40}): ")
EVENTS = {  # of Firepower's own messages 430001 to 430005
    "SrcIP": "source.address", "SrcPort": "source.port", "DstIP": "destination.address", "DstPort": "destination.port",
    "Protocol": "network.transport", "AccessControlRuleAction": "event.action", "InlineResult": "event.action",
    "AccessControlRuleName": "rule.name", "Message": "rule.name", "SID": "rule.id", "Classification": "rule.category",
    "IngressInterface": "observer.ingress.interface.name", "EgressInterface": "observer.egress.interface.name",
    "IngressZone": "observer.ingress.zone", "EgressZone": "observer.egress.zone", "User": "user.name",
    "ApplicationProtocol": "network.protocol", "URL": "url.original", "InitiatorBytes": "source.bytes",
    "ResponderBytes": "destination.bytes", "InitiatorPackets": "source.packets", "DNSQuery": "dns.question.name",
    "ResponderPackets": "destination.packets", "FileName": "file.name", "FileSHA256": "file.hash.sha256",
}
TOLD = Shape("", r"^[A-Z]\w+: .*?, (?:SrcIP|InstanceID|DeviceUUID): ", _asa.NET | {"event.type": ["connection"]})
PLAIN: dict[str, Any] = {"event.category": ["host"], "event.type": ["info"]}
ABSENT = "no system message of Cisco"


class Family(NamedTuple):
    """A product line: its messages, module, product and kind of device."""

    shapes: tuple[Shape, ...]
    module: str
    space: str
    kind: str


WALL = Family((TOLD, *_asa.SHAPES), "cisco", "asa", "firewall")
ROUTE = Family(_ios.SHAPES, "cisco", "ios", "router")


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each line with a message of Cisco's is one event; others are faults."""
    found, faults = opened(lines, ctx, f"{FIREWALL}|{ROUTER}", ABSENT)
    pieces: list[Piece] = []
    for one in found:
        for shape, rows, groups in match(one.body, BODY):
            if shape is None:
                faults += [Fault(int(line), ABSENT) for line in one.rows[rows]]
                continue
            head = one.head[rows].with_columns(groups["message"], groups["event.severity"])
            wall = shape is BODY[0]
            column = groups["product"] if wall else groups["facility"]
            if not wall:
                head = head.with_columns((column + "-" + groups["mnemonic"]).alias("event.code"))
            else:
                head = head.with_columns(groups["event.code"])
            for name in column.unique(maintain_order=True):
                mine = np.flatnonzero((column == name).to_numpy())
                pieces += _family(one.rows[rows[mine]], head[mine], WALL if wall else ROUTE, name)
    return gather(pieces, faults)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with a message of Cisco's; a facility may be another maker's, so routers a little less."""
    return 0.02 * share(lines, FIREWALL) + 0.96 * share(lines, f"{FIREWALL}|{ROUTER}")


def _family(lines: Ints, head: pl.DataFrame, family: Family, name: str) -> Iterator[Piece]:
    """The messages of one product or facility, each kind through its shape."""
    for shape, rows, groups in match(head["message"], family.shapes):
        frame = head[rows]
        fixed = _fixed(family, name) | PLAIN
        if shape is not None:
            frame = _told(frame) if shape is TOLD else _shaped(frame, groups, family.space)
            fixed |= shape.constants
        extra = (shape.constants.get("sigma.logsource", []) if shape else [])
        fixed["sigma.logsource"] = list(dict.fromkeys([*_tags(family, name), *extra]))
        yield Piece(lines[rows], finish(polished(frame), fixed))


def _shaped(frame: pl.DataFrame, groups: pl.DataFrame, space: str) -> pl.DataFrame:
    known = [one for one in groups.iter_columns()
             if not one.name.endswith("_") and not one.name.startswith(f"{space}.")]
    frame = frame.with_columns(known)
    if "way_" in groups.columns:
        frame = _turned(frame, groups)
    if "event.action" in groups.columns:
        frame = frame.with_columns(groups["event.action"].str.to_lowercase())
        if "rule.name" in groups.columns:
            kinds = [["connection", *verdict("allowed" if word == "est-allowed" else word)]
                     for word in groups["event.action"]]
            frame = frame.with_columns(pl.Series("event.type", kinds, dtype=pl.List(pl.String)))
    left = groups.select([name for name in groups.columns if name.startswith(f"{space}.")])
    if left.width:
        frame = frame.with_columns(_overflow(left, space))
    return frame


def _turned(frame: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """The message names the far end first: of an outbound connection that is the destination."""
    out = (groups["way_"] == "outbound").fill_null(False)
    swapped = []
    pairs = [("source.address", "destination.address"), ("source.port", "destination.port"),
             ("observer.ingress.interface.name", "observer.egress.interface.name")]
    for one, other in pairs:
        known = [name for name in (one, other) if name in frame.columns]
        if known:
            frame = frame.with_columns(
                pl.lit(None, frame.schema[known[0]]).alias(name) for name in (one, other) if name not in known)
            swapped += [pl.select(pl.when(out).then(frame[b]).otherwise(frame[a])).to_series().alias(a)
                        for a, b in ((one, other), (other, one))]
    words = {"inbound": "inbound", "outbound": "outbound"}
    way = groups["way_"].replace_strict(words, default=None, return_dtype=pl.String)
    return frame.with_columns(swapped).with_columns(way.alias("network.direction"))


def _told(frame: pl.DataFrame) -> pl.DataFrame:
    """Firepower's events: names and values; the first of a name counts, as later ones may stand in an address."""
    columns: dict[str, list[str | None]] = {}
    left = []
    for place, text in enumerate(frame["message"].to_list()):
        rest = {}
        marks = list(PAIR.finditer(text))
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        for mark, stop in zip(marks, ends, strict=True):
            name, value = mark[1], text[mark.end() : stop]
            column = EVENTS.get(name)
            held = columns.setdefault(column, [None] * frame.height) if column else None
            if held is not None and held[place] is None:
                held[place] = value
            else:
                rest[name] = value
        left.append(orjson.dumps({"cisco": {"ftd": rest}}).decode() if rest else None)
    made = [pl.Series(name, values, dtype=pl.String) for name, values in columns.items()]
    if "event.action" in columns:
        kinds = [["connection", *verdict(word)] for word in columns["event.action"]]
        made.append(pl.Series("event.type", kinds, dtype=pl.List(pl.String)))
    return frame.with_columns(made).with_columns(pl.Series("overflow", left, dtype=pl.String))


def _overflow(left: pl.DataFrame, space: str) -> pl.Series:
    rows = []
    for row in left.iter_rows(named=True):
        kept = {name.removeprefix(f"{space}."): value for name, value in row.items() if value}
        rows.append(orjson.dumps({"cisco": {space: kept}}).decode() if kept else None)
    return pl.Series("overflow", rows, dtype=pl.String)


def _tags(family: Family, name: str) -> list[str]:
    if family is WALL:
        return ["/firewall/", "cisco//"]
    return ["cisco//", "cisco//syslog", *(f"cisco//{one}" for one in _ios.SERVICES.get(name, ())),
            *(["/firewall/"] if name in ("SEC", "IPV6_ACL", "FW", "ACLLOG") else [])]


def _fixed(family: Family, name: str) -> dict[str, Any]:
    return {
        "event.kind": "event", "event.module": "cisco", "service.type": "cisco", "observer.vendor": "Cisco",
        "observer.product": name if family is WALL else "IOS", "observer.type": family.kind,
        "event.dataset": f"cisco.{name.lower() if family is WALL else 'ios'}",
    }
