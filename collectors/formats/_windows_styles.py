"""The ways in which Windows events come as JSON, each as one table: where its system fields stand.

evtx: the record as the `evtx` package and most tools render it; beats: winlogbeat 7 and later; old_beats: before;
flat: NXLog and the recordings made with it, all names on one level. XML becomes evtx first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any
from xml.etree import ElementTree

from collectors.formats._json import Digger, Flat, Path, Record, taken, text

ATTRIBUTES = "#attributes"
EVTX: dict[str, tuple[Path, ...]] = {
    "stamp": (("Event", "System", "TimeCreated", ATTRIBUTES, "SystemTime"),),
    "event.provider": (("Event", "System", "Provider", ATTRIBUTES, "Name"),),
    "winlog.provider_guid": (("Event", "System", "Provider", ATTRIBUTES, "Guid"),),
    "winlog.computer_name": (("Event", "System", "Computer"),),
    "winlog.record_id": (("Event", "System", "EventRecordID"),),
    "winlog.level": (("Event", "System", "Level"),),
    "winlog.task": (("Event", "System", "Task"),),
    "winlog.opcode": (("Event", "System", "Opcode"),),
    "winlog.version": (("Event", "System", "Version"),),
    "winlog.keywords": (("Event", "System", "Keywords"),),
    "winlog.activity_id": (("Event", "System", "Correlation", ATTRIBUTES, "ActivityID"),),
    "winlog.related_activity_id": (("Event", "System", "Correlation", ATTRIBUTES, "RelatedActivityID"),),
    "winlog.process.pid": (("Event", "System", "Execution", ATTRIBUTES, "ProcessID"),),
    "winlog.process.thread.id": (("Event", "System", "Execution", ATTRIBUTES, "ThreadID"),),
    "winlog.user.identifier": (("Event", "System", "Security", ATTRIBUTES, "UserID"),),
    "message": (("Event", "RenderingInfo", "Message"),),
}
BEATS: dict[str, tuple[Path, ...]] = {
    "stamp": (("@timestamp",),), "event.provider": (("winlog", "provider_name"),),
    "winlog.provider_guid": (("winlog", "provider_guid"),),
    "winlog.computer_name": (("winlog", "computer_name"), ("host", "name")),
    "winlog.record_id": (("winlog", "record_id"),),
    "winlog.level": (("log", "level"), ("winlog", "level")), "winlog.task": (("winlog", "task"),),
    "winlog.opcode": (("winlog", "opcode"),),
    "winlog.version": (("winlog", "version"),), "winlog.keywords": (("winlog", "keywords"),),
    "winlog.activity_id": (("winlog", "activity_id"),), "winlog.related_activity_id": (("winlog",
        "related_activity_id"),),
    "winlog.process.pid": (("winlog", "process", "pid"),), "winlog.process.thread.id": (("winlog", "process", "thread",
        "id"),),
    "winlog.user.identifier": (("winlog", "user", "identifier"),), "winlog.user.name": (("winlog", "user", "name"),),
    "winlog.user.domain": (("winlog", "user", "domain"),), "winlog.user.type": (("winlog", "user", "type"),),
    "message": (("message",),),
}
OLD_BEATS: dict[str, tuple[Path, ...]] = {
    "stamp": (("@timestamp",),), "event.provider": (("source_name",),), "winlog.provider_guid": (("provider_guid",),),
    "winlog.computer_name": (("computer_name",),), "winlog.record_id": (("record_number",),),
    "winlog.level": (("level",),),
    "winlog.task": (("task",),), "winlog.opcode": (("opcode",),), "winlog.version": (("version",),),
    "winlog.keywords": (("keywords",),),
    "winlog.activity_id": (("activity_id",),), "winlog.process.pid": (("process_id",),),
    "winlog.process.thread.id": (("thread_id",),),
    "winlog.user.identifier": (("user", "identifier"),), "winlog.user.name": (("user", "name"),),
    "winlog.user.domain": (("user", "domain"),), "winlog.user.type": (("user", "type"),), "message": (("message",),),
}
FLAT: dict[str, tuple[Path, ...]] = {
    "stamp": (("SystemTime",), ("TimeCreated",), ("@timestamp",), ("EventTime",), ("UtcTime",)),
    "event.provider": (("Provider_Name",), ("ProviderName",), ("SourceName",), ("Provider",)),
    "winlog.provider_guid": (("ProviderGuid",),),
    "winlog.computer_name": (("Hostname",), ("Computer",), ("ComputerName",)),
    "winlog.record_id": (("RecordNumber",), ("EventRecordID",)),
    "winlog.level": (("Level",), ("LevelValue",)), "winlog.task": (("Task",),),
    "winlog.opcode": (("OpcodeValue",), ("Opcode",)), "winlog.version": (("Version",),),
    "winlog.keywords": (("Keywords",),),
    "winlog.activity_id": (("ActivityID",),), "winlog.related_activity_id": (("RelatedActivityID",),),
    "winlog.process.pid": (("ExecutionProcessID",), ("ProcessID",)),
    "winlog.process.thread.id": (("ThreadID",), ("ExecutionThreadID",)),
    "winlog.user.identifier": (("UserID",),), "winlog.user.name": (("AccountName",),),
    "winlog.user.domain": (("Domain",),),
    "winlog.user.type": (("AccountType",),), "message": (("Message",), ("message",)),
}
STYLES = {"evtx": EVTX, "beats": BEATS, "old_beats": OLD_BEATS, "flat": FLAT}
META = frozenset(path[0] for paths in FLAT.values() for path in paths) - {"UtcTime"} | {"EventID", "Channel",
    "EventIDQualifiers"}
COLLECTOR = frozenset({  # what NXLog, logstash and the like add about themselves
    "EventReceivedTime", "SeverityValue", "SourceModuleName", "SourceModuleType", "Severity", "Category", "port",
    "host", "tags", "@version", "type",
    "@metadata", "ERROR_EVT_UNRESOLVED", "EventTypeOrignal", "Opcode", "timestamp", "_index", "agent", "ecs",
})
NO_DATA = META | COLLECTOR
MOST = 4096  # names of event data in all lines that are read together; a recording of an attack has some 200
COMMON = MOST // 4  # of them are kept where there are more: each may become several
BEATS_KNOWN = frozenset({
    "winlog", "message", "@timestamp", "event_data", "user_data", "source_name", "computer_name", "record_number",
    "level", "task", "opcode", "version", "keywords", "activity_id", "process_id", "thread_id", "user",
    "provider_guid", "event_id", "log_name",
})
EVTX_KNOWN = frozenset({"System", "EventData", "UserData", "ProcessingErrorData", ATTRIBUTES, "RenderingInfo"})
Data = Iterable[tuple[str, Sequence[Any]]]
NOTHING = (None,)
NXLOG_SEVERITY = {5: "1", 4: "2", 3: "3", 2: "4", 1: "5"}  # its scale runs the other way
NXLOG_TYPES = frozenset({"INFO", "ERROR", "WARNING", "VERBOSE", "CRITICAL", "AUDIT_SUCCESS", "AUDIT_FAILURE", "DEBUG"})


def place(record: Record) -> tuple[str, str, str] | None:
    """(style, channel, event id) of a record, or None when it is no Windows event."""
    event = record.get("Event")
    if type(event) is dict:
        system = event.get("System")
        if type(system) is not dict:
            return None
        code = system.get("EventID")
        if type(code) is dict:
            code = code.get("#text")
        return ("evtx", str(system.get("Channel") or ""), str(code)) if code is not None else None
    if (code := record.get("EventID")) is not None and ("Channel" in record or "SourceName" in record
        or "Provider_Name" in record):
        return "flat", str(record.get("Channel") or ""), str(code)
    winlog = record.get("winlog")
    if type(winlog) is dict:
        code = winlog.get("event_id")
        if code is None and type(record.get("event")) is dict:
            code = record["event"].get("code")
        return ("beats", str(winlog.get("channel") or ""), str(code)) if code is not None else None
    if "event_id" in record and "log_name" in record:
        return "old_beats", str(record["log_name"]), str(record["event_id"])
    return None


def system(style: str, digger: Digger) -> dict[str, Sequence[Any]]:
    """Values of the system fields, by column name; row by row the first path that leads to one."""
    found: dict[str, Sequence[Any]] = {}
    present = digger.keys()
    for name, paths in STYLES[style].items():
        for path in paths:
            if path[0] not in present:
                continue
            values = digger.values(path)
            if name in found:
                values = [one if one is not None else other for one, other in zip(found[name], values, strict=True)]
            found[name] = values
            if None not in values:
                break
    if style == "flat" and "SeverityValue" in present and None in found.get("winlog.level", NOTHING):
        told = digger.values(("SeverityValue",))
        known = found.get("winlog.level") or [None] * len(told)
        found["winlog.level"] = [
            level if level is not None else NXLOG_SEVERITY.get(value) if type(value) is int else None
            for level, value in zip(known, told, strict=True)
        ]
    if list in set(map(type, found.get("winlog.keywords", ()))):
        found["winlog.keywords"] = [", ".join(map(str, v)) if type(v) is list else v for v in found["winlog.keywords"]]
    return found


def data(style: str, digger: Digger) -> Data:
    """The event data of all records by name, one level deep."""
    if style == "flat":
        return [(name, digger.values((name,))) for name in sorted(digger.keys() - NO_DATA)]
    if style == "evtx":
        held = [_evtx_data(event) for event in digger.values(("Event",))]
    else:
        head: Path = ("winlog",) if style == "beats" else ()
        both = zip(digger.values((*head, "event_data")), digger.values((*head, "user_data")), strict=True)
        held = [_flatten(user) | (event or {}) if type(user) is dict else (event or {}) for event, user in both]
    names = set().union(*held)
    few(names)
    return taken(held, sorted(names))


class Wide(Exception):
    """Lines that have too many names together: a table of them would take the product of lines and names."""


def common(records: Iterable[Record | None]) -> list[bool]:
    """Of each record whether all its names are among the COMMON that most records have."""
    held = [_names(record) for record in records]
    most = dict(Counter(chain.from_iterable(held)).most_common(COMMON)).keys()
    return [names.keys() <= most for names in held]


def _names(record: Record | None) -> dict[int, None]:
    """Every name in a record, and what it stands under, as numbers; in the same order in every process."""
    found: dict[int, None] = {}
    left: list[tuple[int, Any]] = [(0, record)]
    while left:
        above, value = left.pop()
        if type(value) is dict:
            for name, held in value.items():
                found[code := hash((above, name))] = None
                left.append((code, held))
        elif type(value) is list:
            left += [(above, held) for held in value]
    return found


def few(held: Collection[str]) -> None:
    """Raise Wide where there are more names than are kept at once."""
    if len(held) > MOST:
        raise Wide


def rest(style: str, digger: Digger) -> list[Record | None]:
    """What no column holds: kept for the overflow."""
    if isinstance(digger, Flat):
        return [left for kind in digger.kinds for left in _collected(kind)]
    rows = digger.values(())
    if style == "evtx":
        return [_evtx_rest(row["Event"]) for row in rows]
    return [{name: value for name, value in row.items() if name not in BEATS_KNOWN} or None for row in rows]


def _collected(kind: Mapping[str, Sequence[Any]]) -> list[Record | None]:
    known = sorted(COLLECTOR & kind.keys())
    if not known:
        return [None] * len(next(iter(kind.values())))
    return [{"nxlog": dict(zip(known, row, strict=True))} for row in zip(*map(kind.__getitem__, known), strict=True)]


def _evtx_data(event: Record) -> Record:
    held = event.get("EventData")
    if type(held) is dict:
        for value in held.values():
            if type(value) is dict or value is None:
                return _flatten(held)
        return held
    for name in ("UserData", "ProcessingErrorData"):
        if type(event.get(name)) is dict:
            return _flatten(event[name])
    return {}


def _flatten(held: Record) -> Record:
    """Leaf names, as rules use them; an empty element is an empty text; unnamed Data joined line by line."""
    found: Record = {}
    for name, value in held.items():
        if name == ATTRIBUTES or (name == "Binary" and value is None):
            continue
        if type(value) is dict:
            inner = value.get("#text") if "#text" in value else None
            if inner is not None or set(value) <= {ATTRIBUTES, "#text"}:
                found[name] = "\n".join(text(part) or ""
                    for part in inner) if type(inner) is list else "" if inner is None else inner
            else:
                for leaf, item in _flatten(value).items():
                    found.setdefault(leaf, item)
        else:
            found[name] = "" if value is None else value
    return found


def _evtx_rest(event: Record) -> Record | None:
    left: Record = {}
    held = event.get("EventData")
    unnamed = held.get("Data") if type(held) is dict else None
    if type(unnamed) is dict and type(unnamed.get("#text")) is list and len(unnamed["#text"]) > 1:
        left["winlog"] = {"event_data": {"Data": unnamed["#text"]}}
    if not event.keys() <= EVTX_KNOWN:
        left |= {name: value for name, value in event.items() if name not in EVTX_KNOWN}
    return left or None


def from_xml(line: str) -> Record | None:
    """One event in Windows' XML as the evtx package would render it; None when it is not well-formed."""
    if "<!" in line[:200]:  # no document types, so no entities
        return None
    try:
        root = ElementTree.fromstring(line)  # noqa: S314 - no entities can be declared, see above
    except ElementTree.ParseError:
        return None
    return {"Event": {_local(child.tag): _element(child) for child in root}} if _local(root.tag) == "Event" else None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _element(node: ElementTree.Element) -> Any:
    if _local(node.tag) == "EventData":
        named: Record = {}
        unnamed: list[str] = []
        for child in node:
            if "Name" in child.attrib:
                named[child.attrib["Name"]] = child.text
            else:
                unnamed.append(child.text or "")
        return named | ({"Data": {"#text": unnamed}} if unnamed else {})
    inner = {_local(child.tag): _element(child) for child in node}
    if node.attrib:
        inner = {ATTRIBUTES: dict(node.attrib)} | inner
    if inner and node.text and node.text.strip():
        inner["#text"] = node.text
    return inner or node.text
