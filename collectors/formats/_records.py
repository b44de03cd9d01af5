"""Records of name and value, as devices write them, to columns; what has no column goes whole to the overflow.

A format maps its own names to columns; the first of several names for one column wins, the others stay in the
overflow, row by row, so that no event depends on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import polars as pl

from collectors.formats._access_log import url_parts
from collectors.formats._device import opened
from collectors.formats._document import stamps
from collectors.formats._frames import Piece, by_value, endpoints, finish, gather, under
from collectors.formats._json import Record, series
from soc_core.protocols import Context, Fault, Ints, Parsed
from soc_core.schema import SCHEMA

NOBODY = frozenset({"", "-", "n/a", "(null)", "null", "none", "unknown", "(empty)", "<unknown>"})
PROTOCOLS = {
    "1": "icmp", "2": "igmp", "4": "ipv4", "6": "tcp", "17": "udp", "41": "ipv6", "47": "gre", "50": "esp",
    "51": "ah", "58": "ipv6-icmp", "89": "ospf", "103": "pim", "112": "vrrp", "132": "sctp",
}
NAMED = frozenset(PROTOCOLS.values()) | {"eigrp", "icmp6", "icmpv6", "rsvp", "udplite", "dccp"}
ALLOWED = frozenset((
    "accept", "accepted", "allow", "allowed", "permit", "permitted", "pass", "passed", "passthrough", "forward",
    "built", "alert", "detect", "detected", "允许", "放行", "通过",
))
DENIED = frozenset((
    "deny", "denied", "drop", "dropped", "block", "blocked", "reject", "rejected", "reset", "reset-both",
    "reset-client", "reset-server", "discard", "prevent", "prevented", "quarantine", "block-url", "drop-icmp",
    "block-ip", "block-continue", "drop-session", "clear_session", "拒绝", "阻断", "丢弃", "拦截", "禁止",
))
UNIT = {"source.bytes": "bytes", "source.packets": "packets"}


def verdict(word: str | None) -> tuple[str, ...]:
    """("allowed",), ("denied",) or () for what a device says it did."""
    lower = (word or "").strip().lower()
    return ("allowed",) if lower in ALLOWED else ("denied",) if lower in DENIED else ()


def mapped(row: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Record, Record]:
    """(columns, the rest): a record's values under column names, and what has none."""
    found: Record = {}
    rest: Record = {}
    for name, value in row.items():
        column = names.get(name)
        if column is None or column in found or value == "":
            rest[name] = value
        else:
            found[column] = value
    return found, rest


def pieces(
    rows: Ints, head: pl.DataFrame, records: Sequence[tuple[Record, Record]], space: str,
    kind: Callable[[Record, Record], Hashable], fixed: Callable[[Any], Mapping[str, Any]], timezone: str,
) -> Iterator[Piece]:
    """Records of one kind become one piece: `records[i]` is (columns, rest) of the line `rows[i]`.

    The rest goes to the overflow below `space`. `fixed` gives what is true of every event of a kind. Columns of the
    header serve where the record is silent.
    """
    groups: dict[Hashable, list[int]] = {}
    for place, (found, rest) in enumerate(records):
        groups.setdefault(kind(found, rest), []).append(place)
    for name, places in groups.items():
        mine = head if len(places) == head.height else head[places]
        held = [records[place] for place in places]
        yield rows_to_piece(rows[np.array(places)], held, space, fixed(name), timezone, mine)


def rows_to_piece(
    rows: Ints, records: Sequence[tuple[Record, Record]], space: str, fixed: Mapping[str, Any], timezone: str,
    head: pl.DataFrame | None = None,
) -> Piece:
    """Records of which the same is true, as one piece."""
    frame = _frame([found for found, _ in records], [rest for _, rest in records], space, timezone)
    frame = frame if head is None else under(frame, head.iter_columns())
    return Piece(rows, finish(polished(frame), fixed))


def _frame(found: Sequence[Record], rest: Sequence[Record], space: str, timezone: str) -> pl.DataFrame:
    columns = []
    for name in dict.fromkeys(name for record in found for name in record):
        made = series(name, [record.get(name) for record in found])
        if made is None:
            continue
        if SCHEMA.dtype(name) == pl.Datetime("us", "UTC"):
            made = stamps(made, timezone)
        columns.append(made.alias(name))
    left = [orjson.dumps({space: one}).decode() if one else None for one in rest]
    if any(left):
        columns.append(pl.Series("overflow", left, dtype=pl.String))
    return pl.DataFrame(columns, height=len(found))


def polished(frame: pl.DataFrame, cut: bool = False) -> pl.DataFrame:
    """Values in ECS's own form, and what follows from them. `cut`: addresses of requests are in their parts already."""
    for side in ("source", "destination", "client", "server"):
        frame = endpoints(frame, (side,))
    have = set(frame.columns)
    add: list[pl.Series] = []
    beneath: list[pl.Series] = []  # where the record says nothing itself
    add += [by_value(frame[name], mac) for name in ("source.mac", "destination.mac") if name in have]
    if "network.transport" in have:
        add.append(by_value(frame["network.transport"], transport))
        number = {name: code for code, name in PROTOCOLS.items()}
        beneath.append(by_value(add[-1], number.get).alias("network.iana_number"))
    if "source.ip" in have:
        add.append(by_value(frame["source.ip"], lambda ip: "ipv6" if ":" in ip else "ipv4").alias("network.type"))
    add += [by_value(frame[name], _translated) for name in ("source.nat.ip", "destination.nat.ip") if name in have]
    for unit in ("bytes", "packets"):
        if {f"source.{unit}", f"destination.{unit}"} <= have:
            both = frame[f"source.{unit}"].cast(pl.Int64) + frame[f"destination.{unit}"].cast(pl.Int64)
            beneath.append(both.alias(f"network.{unit}"))
    if "url.original" in have and not cut:
        beneath += url_parts(frame["url.original"])
    return under(frame.with_columns([*add, *_people(frame)]), beneath)


def _people(frame: pl.DataFrame) -> list[pl.Series]:
    """related.user without the words that devices write for nobody."""
    names = [name for name in ("user.name", "user.target.name", "user.effective.name", "source.user.name",
        "destination.user.name") if name in frame.columns]
    if not names:
        return []
    rows = []
    for values in zip(*(frame[name].to_list() for name in names), strict=True):
        kept = [value for value in dict.fromkeys(values) if value is not None and value.strip().lower() not in NOBODY]
        rows.append(kept or None)
    return [pl.Series("related.user", rows, dtype=pl.List(pl.String))]


def transport(word: str) -> str | None:
    """tcp for 6, TCP, tcp/443 and the like; None for what is no protocol above IP."""
    lower = word.strip().lower().partition("/")[0]
    if lower.isdecimal():
        return PROTOCOLS.get(lower.lstrip("0"))
    return lower if lower in NAMED else None


def _translated(ip: str) -> str | None:
    return None if ip.strip("0.:") == "" else ip


def mac(text: str) -> str | None:
    digits = "".join(one for one in text if one in "0123456789abcdefABCDEF").upper()
    return "-".join(digits[n : n + 2] for n in range(0, 12, 2)) if len(digits) == 12 else None


Made = tuple[Record, Record]


def parsed(
    lines: Sequence[bytes], ctx: Context, *, mark: str, absent: str, space: str, record: Callable[[str], Made | None],
    kind: Callable[[Record, Record], Hashable], fixed: Callable[[Any], Mapping[str, Any]],
    ours: Callable[[pl.DataFrame, pl.Series], pl.Series] | None = None,
) -> Parsed:
    """Lines of a device whose body is a record: `record` makes (columns, rest) of a body, or None where it is none.

    `ours` says by header and body which lines the device may have written at all.
    """
    found, faults = opened(lines, ctx, mark, absent)
    made: list[Piece] = []
    for one in found:
        known = ours(one.head, one.body).to_list() if ours else [True] * len(one.rows)
        records = [record(text) if mine else None for text, mine in zip(one.body.to_list(), known, strict=True)]
        keep = np.array([place for place, held in enumerate(records) if held is not None], dtype=np.int64)
        faults += [Fault(int(one.rows[place]), absent) for place, held in enumerate(records) if held is None]
        if len(keep):
            made += pieces(one.rows[keep], one.head[keep], [held for held in records if held is not None], space, kind,
                           fixed, ctx.timezone)
    return gather(made, faults)


def outcome(status: Any) -> str | None:
    """What an HTTP status says of the request."""
    try:
        code = int(status)
    except (TypeError, ValueError, OverflowError):
        return None
    return "success" if 100 <= code < 400 else "failure" if 400 <= code < 600 else None
