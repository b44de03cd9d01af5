"""Windows events as JSON or XML, one a line: evtx renderings, winlogbeat, NXLog and flat recordings; Sysmon for Linux.

Every event data value is a column winlog.event_data.NAME, verbatim; ECS columns are filled besides, from the
tables of _windows_map.py. https://www.elastic.co/guide/en/beats/winlogbeat/current/exported-fields-winlog.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import repeat
from operator import itemgetter, methodcaller
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from collectors.formats import _times
from collectors.formats import _windows_cases as cases
from collectors.formats import _windows_derive as derive
from collectors.formats import _windows_styles as styles
from collectors.formats import _windows_tokens as tokens
from collectors.formats._frames import gather
from collectors.formats._json import NESTED, Digger, Flat, Record, blank, leftovers, records, sample, strings
from collectors.formats._lazy import Columns, Derived, First, Listed, Pool, Shape, gathered
from collectors.formats._spans import Cells
from collectors.formats._text import decode_line
from collectors.formats._typed import Joined, of
from collectors.formats._windows_map import HASHED, LEVELS, SERVICE, TABLES, Kind, level
from soc_core.protocols import Context, Fault, Ints, Parsed
from soc_core.schema import SCHEMA
from soc_core.table import Column, Single, Spread, Texts, picked

DATA = derive.DATA
CHUNK = 1024
XML = methodcaller("startswith", b"<")
Key = tuple[str, str]  # channel and event id
Row = tuple[Any, ...]
Kinds = dict[tuple[Any, ...], tuple[list[int], list[Row]]]
EVENT_TYPE = re.compile(r"^EventType: (\w+)", re.M)
NAMED = ("source.", "destination.", "user.", "group.")  # where a dash stands for nobody


class Kin(NamedTuple):
    """Records with the same names on one level: their line numbers and values."""

    names: Sequence[str]
    numbers: list[int]
    rows: list[Row]


class Group(NamedTuple):
    """The events of one channel and id, in one way of writing."""

    key: Key
    numbers: list[int]
    digger: Digger


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; records are taken together by channel and event id. Others are faults."""
    try:
        return _parse(lines, ctx)
    except styles.Wide:
        return _narrowed(lines, ctx)


def _narrowed(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """The lines all of whose names are among those that most lines have; the others are faults."""
    good = np.array(styles.common(_records(lines, ctx.encoding)[0]))
    kept = np.flatnonzero(good)
    parsed = _parse(picked(lines, kept), ctx)
    faults = [Fault(int(kept[fault.line]), fault.reason) for fault in parsed.faults]
    faults += [Fault(number, "has names that few events have, where too many have such")
        for number in np.flatnonzero(~good).tolist()]
    return Parsed(parsed.batch, kept[parsed.line_no], faults)


def _parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    events, left = tokens.read(lines, ctx.timezone, _system)
    shapes = [shape for one in events for shape in _group(
        *one.key, one.columns | {"@timestamp": one.stamp, "overflow": one.overflow}, one.numbers)]
    some = lines if len(left) == len(lines) else picked(lines, left)
    found, faults = _records_of(some, ctx)
    if len(some) < len(lines):
        found = [shape._replace(lines=left[shape.lines]) for shape in found]
        faults = [Fault(int(left[fault.line]), fault.reason) for fault in faults]
    styles.few(set().union(*(shape.columns for shape in [*shapes, *found])))
    return gather(gathered(shapes + found), faults)


def _records_of(lines: Sequence[bytes], ctx: Context) -> tuple[list[Shape], list[Fault]]:
    """Events read line by line."""
    kinds, faults = _read(lines, ctx.encoding)
    flat: dict[Key, list[Kin]] = {}
    nested: dict[str, dict[Key, list[tuple[int, Record]]]] = {}
    for (channel, code, *names), (numbers, rows) in kinds.items():
        if _plainly_flat(channel, code, names, rows):
            flat.setdefault((channel, str(code)), []).append(Kin(names, numbers, rows))
            continue
        for number, row in zip(numbers, rows, strict=True):
            record = dict(zip(names, row, strict=True))
            key = styles.place(record)
            if key is None:
                faults.append(Fault(number, "JSON, but no Windows event"))
            elif key[0] == "flat":
                flat.setdefault(key[1:], []).append(Kin(names, [number], [row]))
            else:
                nested.setdefault(key[0], {}).setdefault(key[1:], []).append((number, record))
    shapes: list[Shape] = []
    styles.few(set().union(*(kin.names for held in flat.values() for kin in held)))
    for style in styles.STYLES:
        groups = [Group(key, [n for n, _ in held], Digger([record for _, record in held]))
            for key, held in nested.get(style, {}).items()]
        if style == "flat":
            groups = [
                Group(key, [n for kin in held for n in kin.numbers], Flat([(kin.names, kin.rows) for kin in held]))
                for key, held in flat.items()
            ]
        if groups:
            shapes += _style(style, groups, ctx)
    return shapes, faults


def _plainly_flat(channel: Any, code: Any, names: Sequence[str], rows: Sequence[Row]) -> bool:
    """Whether all of these are events on one level; of numbers that are equal only one kind is written alike."""
    if type(channel) is not str or not channel or type(code) not in (int, str) or "Event" in names:
        return False
    return type(code) is str or set(map(type, map(itemgetter(names.index("EventID")), rows))) == {int}


def sniff(lines: Sequence[bytes]) -> float:
    """Share of the lines that are Windows events, in JSON or XML."""
    found = [record for record in sample(lines) if styles.place(record)]
    xml = sum(line.lstrip()[:6] == b"<Event" for line in lines)
    return 0.98 * (len(found) + xml) / max(len(lines), 1)


def _read(lines: Sequence[bytes], encoding: str) -> tuple[Kinds, list[Fault]]:
    """Line numbers and values of all records by what tells them apart: channel, event id, names.

    Some lines at a time, so that records are taken apart and forgotten while they are in the processor's cache.
    """
    kinds: Kinds = {}
    faults: list[Fault] = []
    for start in range(0, len(lines), CHUNK):
        found, bad = _records(lines[start : start + CHUNK], encoding)
        faults += [Fault(start + fault.line, fault.reason) for fault in bad]
        for number, record in enumerate(found, start):
            if record is None:
                continue
            key = (record.get("Channel"), record.get("EventID"), *record)
            try:
                numbers, rows = kinds[key]
            except KeyError:
                numbers, rows = kinds[key] = ([], [])
            except TypeError:  # an id that is an object
                numbers, rows = kinds.setdefault((None, None, *record), ([], []))
            numbers.append(number)
            rows.append(tuple(record.values()))
    return kinds, faults


def _records(lines: Sequence[bytes], encoding: str) -> tuple[list[Record | None], list[Fault]]:
    if not any(map(XML, lines)):
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


def _style(style: str, groups: Sequence[Group], ctx: Context) -> list[Shape]:
    """The events of one way of writing."""
    pool = Pool()
    stamps: list[Any] = []
    held: list[tuple[Columns, styles.Data, Digger]] = []
    for group in groups:
        told = styles.system(style, group.digger)
        stamps += told.pop("stamp", ()) or [None] * len(group.numbers)
        made: Columns = {name: pool.column(name, values) for name, values in told.items() if not blank(values)}
        data = [(name, values) for name, values in styles.data(style, group.digger) if not blank(values)]
        held.append((_system(made) | _data(data, pool), data, group.digger))
    at = Spread(_times.iso(strings("@timestamp", stamps), "UTC" if style != "flat" else ctx.timezone), None)
    sources = [(data, digger) for _, data, digger in held]  # not the columns: they hold what is made here
    over = Spread(lambda: _overflow(style, sources), None)
    shapes: list[Shape] = []
    start = 0
    for group, (columns, _, _) in zip(groups, held, strict=True):
        height = len(group.numbers)
        columns["@timestamp"] = at.cut("@timestamp", start, height)
        columns["overflow"] = over.cut("overflow", start, height)
        shapes += _group(style, *group.key, columns, np.array(group.numbers, dtype=np.int64))
        start += height
    return shapes


def _overflow(style: str, groups: Sequence[tuple[styles.Data, Digger]]) -> pl.Series:
    """What no column holds, and event data that is no text, as JSON."""
    left: list[Record | None] = []
    for data, digger in groups:
        at = len(left)
        left += styles.rest(style, digger)
        for name, values in data:
            if not NESTED.isdisjoint(map(type, values)):
                for number, value in enumerate(values, at):
                    if type(value) in NESTED:
                        left[number] = (left[number] or {}) | {f"{DATA}{name}": value}
    made = leftovers(left)
    return made if made is not None else pl.Series("overflow", [None] * len(left), dtype=pl.String)


def _group(style: str, channel: str, code: str, columns: Columns, numbers: Ints) -> list[Shape]:
    """The events of one channel and id, as one shape or, where a value or their provider decides more, a few."""
    makers = cases.makers(channel, columns)
    if isinstance(makers, str):
        return _made(style, channel, code, columns, numbers, makers)
    shapes: list[Shape] = []
    for maker in sorted(set(makers.tolist())):
        chosen = np.flatnonzero(makers == maker)
        some = {name: one.pick(chosen) for name, one in columns.items()}
        shapes += _made(style, channel, code, some, numbers[chosen], maker)
    return shapes


def _made(style: str, channel: str, code: str, columns: Columns, numbers: Ints, maker: str) -> list[Shape]:
    linux = maker == cases.LINUX
    sysmon = "sysmon" in channel.lower() or (not channel and maker)
    service = SERVICE.get(channel.lower(), cases.SYSMON if sysmon else "")
    kind = TABLES[service].get(code) if service in TABLES else None
    if style == "flat":
        _untangle(columns, service)
    columns["winlog.channel"] = Single("winlog.channel", len(numbers), channel)
    if kind is not None:
        _mapped(columns, kind, code, service, linux)
    if service != "security":
        columns.pop("event.outcome", None)
    if linux:
        derive.add(columns, "user.name", DATA + "User", str)
    if service == "sysmon" and linux and code in ("1", "5") and DATA + "LogonId" in columns:
        columns["sysmon.logon_id"] = columns[DATA + "LogonId"].named("sysmon.logon_id")
    derive.ends(columns)
    variants = cases.variants(columns, kind, code, service, linux, len(numbers))
    if len(variants) == 1 and len(variants[0][0]) == len(numbers):
        return [Shape(numbers, columns, variants[0][1])]
    return [
        Shape(numbers[chosen], {name: one.pick(chosen) for name, one in columns.items()}, fixed)
        for chosen, fixed in variants
    ]


def _system(columns: Columns) -> Columns:
    """What follows from what every event has beside its data."""
    if "winlog.computer_name" in columns:
        columns["host.name"] = columns["winlog.computer_name"].named("host.name")
    derive.add(columns, "event.outcome", "winlog.keywords", derive.outcome)
    if "winlog.level" in columns:
        columns["winlog.level"] = Derived("winlog.level", columns["winlog.level"], level)
        derive.add(columns, "log.level", "winlog.level", LEVELS.get)
    return columns


def _untangle(columns: Columns, service: str) -> None:
    """NXLog's own EventType hides that of the event, which then only the message still tells."""
    name = DATA + "EventType"
    held = columns.get(name)
    if held is None:
        return
    message = columns.get("message") if service == "sysmon" else None

    def slowly() -> Column:
        if styles.NXLOG_TYPES.isdisjoint(cases.distinct(held)):
            return held
        return Listed(name, held.height, lambda: _told(held.texts, message.texts if message is not None else None))

    if isinstance(held, Cells) and (message is None or isinstance(message, Cells)):
        columns[name] = tokens.untangled(held, message, EVENT_TYPE, slowly)
    else:
        columns[name] = slowly()


def _told(values: Texts, messages: Texts | None) -> Texts:
    return [
        value if value not in styles.NXLOG_TYPES else told[1]
        if message and "EventType: " in message and (told := EVENT_TYPE.search(message)) else None
        for value, message in zip(values, messages or repeat(None), strict=messages is not None)
    ]


def _data(data: styles.Data, pool: Pool) -> Columns:
    """winlog.event_data.*; names with spaces under two names."""
    columns: Columns = {}
    for name, values in data:
        for written in {name.replace(" ", ""), name.replace(" ", "_")} if " " in name else (name,):
            column = DATA + written
            made: Column = pool.column(column, values)
            if column in columns:
                made = First(column, made, columns[column])
            columns[column] = made
    for column in [name for name in columns if name.endswith("LogonId")]:
        columns[column] = Derived(column, columns[column], derive.logon_id)
    return columns


def _mapped(columns: Columns, kind: Kind, code: str, service: str, linux: bool) -> None:
    """The ECS columns of this event id."""
    for name, column in kind.fields.items():
        held = columns.get(DATA + name)
        if held is None:
            continue
        if column.startswith(NAMED) and SCHEMA.dtype(column) == pl.String:
            derive.lend(columns, Derived(column, held, _somebody))
        else:
            derive.lend(columns, of(column, held))
    if service == "sysmon":
        derive.accounts(columns)
        derive.hashes(columns, HASHED.get(code, "process"))
    if code == "4688" and service == "security":
        _spawned(columns)
    if (service == "security" and code == "4657") or (service == "sysmon" and code in ("12", "13", "14")):
        derive.registry(columns)
    if service == "rpcfw":
        derive.called(columns)
    if service == "sysmon" and code == "22":
        derive.dns(columns)
    if kind.category == "network":
        derive.network(columns)
    derive.names(columns)


def _somebody(text: str) -> str | None:
    return None if text in ("", "-") else text


def _spawned(columns: Columns) -> None:
    """Security 4688 under the names that process rules use: integrity level, logon id, DOMAIN\\user."""
    for name, source in (("IntegrityLevel", "MandatoryLabel"), ("LogonId", "SubjectLogonId")):
        if DATA + source in columns:
            derive.lend(columns, columns[DATA + source].named(DATA + name))
    user, domain = columns.get(DATA + "SubjectUserName"), columns.get(DATA + "SubjectDomainName")
    if user is not None and domain is not None:
        derive.lend(columns, Joined(DATA + "User", domain, user))
