"""Windows events as JSON or XML, one a line: evtx renderings, winlogbeat, NXLog and flat recordings; Sysmon for Linux.

Every event data value is a column winlog.event_data.NAME, verbatim; ECS columns are filled besides, from the
tables of _windows_map.py. https://www.elastic.co/guide/en/beats/winlogbeat/current/exported-fields-winlog.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from collectors.formats import _times
from collectors.formats import _windows_derive as derive
from collectors.formats import _windows_styles as styles
from collectors.formats._frames import Shape, by_value, constant, endpoints, finished, gather, typed, unblanked
from collectors.formats._json import Digger, Record, leftovers, records, sample, series, strings
from collectors.formats._text import decode_line
from collectors.formats._windows_map import DATASETS, HASHED, LEVELS, SERVICE, TABLES, Kind
from soc_core.protocols import Context, Fault, Ints, Parsed
from soc_core.schema import SCHEMA

DATA = derive.DATA
LINUX = "linux-sysmon"
Key = tuple[str, str, str]
Columns = dict[str, pl.Series]
WORDS = {word: number for number, word in reversed(LEVELS.items()) if number != "0"}
WORDS |= {"informational": "4", "info": "4"}
NESTED = frozenset({dict, list})
NAMED = ("source.", "destination.", "user.", "group.")  # where a dash stands for nobody


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; records are taken together by channel and event id. Others are faults."""
    found, faults = _read(lines, ctx.encoding)
    groups: dict[Key, list[int]] = {}
    for number, record in enumerate(found):
        if record is None:
            continue
        key = styles.place(record)
        if key is None:
            faults.append(Fault(number, "JSON, but no Windows event"))
        else:
            groups.setdefault(key, []).append(number)
    shapes: list[Shape] = []
    for style in styles.STYLES:
        mine = {key: numbers for key, numbers in groups.items() if key[0] == style}
        if mine:
            shapes += _style(style, mine, found, ctx)
    return gather(finished(shapes), faults)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of the lines that are Windows events, in JSON or XML."""
    found = [record for record in sample(lines) if styles.place(record)]
    xml = sum(line.lstrip()[:6] == b"<Event" for line in lines)
    return 0.98 * (len(found) + xml) / max(len(lines), 1)


def _read(lines: Sequence[bytes], encoding: str) -> tuple[list[Record | None], list[Fault]]:
    if not any(line[:1] == b"<" for line in lines):
        return records(lines, encoding)
    found: list[Record | None] = [None] * len(lines)
    rest = [n for n, line in enumerate(lines) if line[:1] != b"<"]
    faults = []
    for number, line in enumerate(lines):
        if line[:1] == b"<":
            found[number] = styles.from_xml(decode_line(line, encoding) or "")
            if found[number] is None:
                faults.append(Fault(number, "not a well-formed event in XML"))
    read, more = records([lines[n] for n in rest], encoding)
    for number, record in zip(rest, read, strict=True):
        found[number] = record
    return found, faults + [Fault(rest[fault.line], fault.reason) for fault in more]


def _style(style: str, groups: dict[Key, list[int]], found: Sequence[Record | None], ctx: Context) -> list[Shape]:
    """The events of one way of writing. What all groups share becomes columns for all at once, then is cut.

    Everything is taken out of the records group by group, while they are in the processor's cache.
    """
    told: dict[str, list[Any]] = {}
    rest: list[Record | None] = []
    held: list[Columns] = []
    at = 0
    for numbers in groups.values():
        rows = [found[n] or {} for n in numbers]
        digger = Digger(rows)
        data = styles.data(style, digger)
        for name, values in styles.system(style, digger).items():
            before = told.setdefault(name, [])
            before += [None] * (at - len(before))
            before += values
        rest += styles.rest(style, digger)
        held.append(_data(data, rest, at))
        at += len(rows)
    shared = _system({name: values + [None] * (at - len(values)) for name, values in told.items()},
        "UTC" if style != "flat" else ctx.timezone)
    left = leftovers(rest)
    if left is not None:
        shared["overflow"] = left
    shapes: list[Shape] = []
    at = 0
    for (key, numbers), columns in zip(groups.items(), held, strict=True):
        mine = {name: whole.slice(at, len(numbers)) for name, whole in shared.items()}
        mine = {name: one for name, one in mine.items() if one.null_count() < len(numbers)}
        shapes += _group(key, mine | columns, np.array(numbers, dtype=np.int64))
        at += len(numbers)
    return shapes


def _group(key: Key, columns: Columns, numbers: Ints) -> list[Shape]:
    """The events of one channel and id, as one shape or, where a value decides more, a few."""
    style, channel, code = key
    service = _service(channel, columns)
    kind = TABLES[service].get(code) if service in TABLES else None
    if style == "flat":
        _untangle(columns, service)
    columns["winlog.channel"] = constant("winlog.channel", channel, len(numbers))
    linux = LINUX in channel.lower() or _provider(columns).lower() == LINUX
    if kind is not None:
        _mapped(columns, kind, code, service)
    if service != "security":
        columns.pop("event.outcome", None)
    if linux:
        derive.add(columns, "user.name", DATA + "User", lambda t: t)
    if service == "sysmon" and linux and code in ("1", "5") and DATA + "LogonId" in columns:
        columns["sysmon.logon_id"] = columns[DATA + "LogonId"]
    _ends(columns)
    variants = _variants(columns, kind, code, service, linux)
    if len(variants) == 1 and len(variants[0][0]) == len(numbers):
        return [Shape(numbers, columns, variants[0][1])]
    frame = pl.DataFrame([one.alias(name) for name, one in columns.items()])
    return [
        Shape(numbers[chosen], {one.name: one for one in frame[chosen].iter_columns()}, fixed)
        for chosen, fixed in variants
    ]


def _ends(columns: Columns) -> None:
    """The addresses and names of both ends, where there is one."""
    sides = [name for name in ("source.address", "destination.address") if name in columns]
    if sides:
        frame = pl.DataFrame([columns[name].alias(name) for name in (*sides, "source.domain", "destination.domain")
            if name in columns])
        columns |= {one.name: one for one in endpoints(frame).iter_columns()}


def _system(told: dict[str, list[Any]], timezone: str) -> Columns:
    """What every event has beside its data, and what follows from that alone."""
    columns: Columns = {}
    for name, values in told.items():
        if name == "stamp":
            columns["@timestamp"] = _times.iso(strings("@timestamp", values), timezone)
        else:
            made = series(name, values)
            if made is not None:
                columns[name] = made
    if "winlog.computer_name" in columns:
        columns["host.name"] = columns["winlog.computer_name"].alias("host.name")
    if "winlog.keywords" in columns:
        derive.add(columns, "event.outcome", "winlog.keywords", derive.outcome)
    if "winlog.level" in columns:
        columns["winlog.level"] = by_value(columns["winlog.level"], lambda t: WORDS.get(t.lower(), t))
        derive.add(columns, "log.level", "winlog.level", LEVELS.get)
    return columns


def _provider(columns: Columns) -> str:
    held = columns.get("event.provider")
    return (held[0] or "") if held is not None and len(held) else ""


def _service(channel: str, columns: Columns) -> str:
    known = SERVICE.get(channel.lower(), "")
    if not known and ("sysmon" in channel.lower() or (not channel and "Sysmon" in _provider(columns))):
        return "sysmon"
    return known


def _untangle(columns: Columns, service: str) -> None:
    """NXLog's own EventType hides that of the event, which then only the message still tells."""
    name = DATA + "EventType"
    held = columns.get(name)
    if held is None or not set(held.to_list()) & styles.NXLOG_TYPES:
        return
    values = [None if value in styles.NXLOG_TYPES else value for value in held.to_list()]
    if service == "sysmon" and "message" in columns:
        told = columns["message"].str.extract(r"(?m)^EventType: (\w+)").to_list()
        values = [value or other for value, other in zip(values, told, strict=True)]
    columns[name] = pl.Series(name, values, dtype=pl.String)
    if columns[name].null_count() == len(values):
        del columns[name]


def _data(data: Iterable[tuple[str, Sequence[Any]]], rest: list[Record | None], at: int) -> Columns:
    """winlog.event_data.*; names with spaces under two names; nested values to the overflow, from row `at` on."""
    columns: Columns = {}
    for name, values in data:
        made = strings(DATA + name, values)
        if made.null_count() == len(made):
            continue
        if not NESTED.isdisjoint(map(type, values)):
            for number, value in enumerate(values, at):
                if type(value) in NESTED:
                    rest[number] = (rest[number] or {}) | {f"{DATA}{name}": value}
        if name.endswith("LogonId"):
            made = by_value(made, derive.logon_id)
        for written in {name.replace(" ", ""), name.replace(" ", "_")} if " " in name else (name,):
            columns[DATA + written] = made.alias(DATA + written)
    return columns


def _mapped(columns: Columns, kind: Kind, code: str, service: str) -> None:
    """The ECS columns of this event id."""
    for name, column in kind.fields.items():
        held = columns.get(DATA + name)
        if held is None or column in columns:
            continue
        if column.startswith(NAMED) and SCHEMA.dtype(column) == pl.String:
            held = unblanked(held)
        columns[column] = typed(held.alias(column))
    if service == "sysmon":
        derive.accounts(columns)
        derive.hashes(columns, HASHED.get(code, "process"))
    if code == "4688" and service == "security":
        _spawned(columns)
    if (service == "security" and code == "4657") or (service == "sysmon" and code in ("12", "13", "14")):
        derive.registry(columns)
    if service == "sysmon" and code == "22":
        derive.dns(columns)
    if kind.category == "network":
        derive.network(columns)
    derive.names(columns)


def _spawned(columns: Columns) -> None:
    """Security 4688 under the names that process rules use: integrity level, logon id, DOMAIN\\user."""
    for name, source in (("IntegrityLevel", "MandatoryLabel"), ("LogonId", "SubjectLogonId")):
        if DATA + source in columns:
            columns.setdefault(DATA + name, columns[DATA + source].alias(DATA + name))
    if {DATA + "SubjectUserName", DATA + "SubjectDomainName"} <= columns.keys():
        user = pl.concat_str(columns[DATA + "SubjectDomainName"], pl.lit("\\"), columns[DATA + "SubjectUserName"])
        columns.setdefault(DATA + "User", pl.select(user).to_series().alias(DATA + "User"))


def _variants(
    columns: Columns, kind: Kind | None, code: str, service: str, linux: bool
) -> list[tuple[Ints, dict[str, Any]]]:
    """(rows, constants): one for most event ids, several where `split` decides."""
    height = len(columns["winlog.channel"])
    every = np.arange(height, dtype=np.int64)
    product = "linux" if linux else "windows"
    fixed: dict[str, Any] = {
        "event.kind": "event", "event.code": code, "event.module": "sysmon" if linux else "windows",
        "event.dataset": "sysmon.linux" if linux else DATASETS.get(service, "windows.other"),
        "host.os.type": product, "event.category": ["host"], "event.type": ["info"],
    }
    services = [] if linux else ["windows//", *([f"windows//{service}"] if service else [])]
    if kind is None:
        return [(every, fixed | {"sigma.logsource": services or ["linux//"]})]
    fixed |= {"event.action": kind.action, "event.category": [kind.category]}
    cases = {"": (kind.types, kind.sigma)}
    codes = np.array([""] * height, dtype=object)
    if kind.split and kind.variants:
        cases = dict(kind.variants)
        held = columns.get(DATA + kind.split)
        if held is not None:
            codes = np.array([value if value in cases else "" for value in held.to_list()], dtype=object)
    return [
        (rows, fixed | {"event.type": list(types), "sigma.logsource": [f"{product}/{one}/"
            for one in sigma] + services})
        for value, (types, sigma) in cases.items() if len(rows := np.flatnonzero(codes == value))
    ]

