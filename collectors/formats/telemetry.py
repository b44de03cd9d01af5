"""What the city's own systems send: cameras, sensors, controllers, backups, database audit, applications, probes, ….

One native form for each code of the telemetry catalogue that no product's format reads: ECS JSON lines of known data
sets (completed by what they mean) and messages of known programs over syslog, `name=value` mostly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from collectors.formats import ecs
from collectors.formats._device import share
from collectors.formats._frames import Piece, gather
from collectors.formats._json import Record, records, sample
from collectors.formats._pairs import AGAIN, spaced
from collectors.formats._records import Made, parsed
from soc_core.protocols import Context, Fault, Parsed

PROGRAMS = ("sipd", "backupd", "icsgw", "dbaudit", "app")
ABSENT = "no telemetry of a known form"


class Says(NamedTuple):
    """What a message means: its action, category, types and outcome."""

    action: str
    category: tuple[str, ...]
    types: tuple[str, ...]
    outcome: str = "success"
    kind: str = "event"


class Form(NamedTuple):
    """Messages of one program: the data set, the shapes with what they mean, and pairs → columns."""

    dataset: str
    shapes: tuple[tuple[re.Pattern[str], Says], ...]
    names: dict[str, str]


def _shapes(*rows: tuple[str, Says]) -> tuple[tuple[re.Pattern[str], Says], ...]:
    return tuple((re.compile(pattern), says) for pattern, says in rows)


ENDS = {"user": "user.name", "ip": "source.address", "from": "source.address", "client": "source.address",
    "sport": "source.port", "server": "destination.address", "account": "user.name", "peer": "source.address",
    "DeviceID": "device.id"}
HEAD = r"\[.{0,40}\] \w+ {1,2}\[[^\]]{1,80}\] \S+ - "
FORMS = {
    "camera": Form("camera.sip", _shapes(
        (r"REGISTER sip:(?P<device_id>[^@\s]{1,64})@\S+ from (?P<source_address>[0-9A-Fa-f.:]+?)"
         r":(?P<source_port>\d{1,5}) "
         r"expires=\d+ 2\d\d\b", Says("register", ("authentication",), ("start",))),
        (r"REGISTER sip:(?P<device_id>[^@\s]{1,64})@\S+ from (?P<source_address>[0-9A-Fa-f.:]+?)"
         r":(?P<source_port>\d{1,5}) ",
         Says("register", ("authentication",), ("start",), "failure")),
        (r"MESSAGE Keepalive DeviceID=\S+ .*from (?P<source_address>[0-9A-Fa-f.:]+?):(?P<source_port>\d{1,5})\Z",
         Says("keepalive", ("network",), ("connection", "info"))),
        (r"INVITE stream ", Says("watch", ("session",), ("start",))),
        (r"BYE stream ", Says("watch_end", ("session",), ("end",))),
        (r"stream DeviceID=", Says("stream", ("host",), ("info",), kind="metric")),
        (r"device offline ", Says("offline", ("host",), ("error",), "failure")),
    ), ENDS),
    "backup": Form("backup.job", _shapes(
        (r"job=\d+ type=\w+ start\Z", Says("backup_start", ("process",), ("start",))),
        (r"job=\d+ type=\w+ done ", Says("backup_done", ("process",), ("end",))),
        (r"job=\d+ type=\w+ failed", Says("backup_failed", ("process",), ("end", "error"), "failure")),
        (r"catalogue: user=\S+ from=\S+ deleted \d+ ", Says("backup_deleted", ("file",), ("deletion",))),
    ), ENDS | {"type": "telemetry.type", "job": "telemetry.job"}),
    "control": Form("control.gateway", _shapes(
        (r"command user=.* result=ok\Z", Says("command", ("configuration",), ("change",))),
        (r"command user=", Says("command", ("configuration",), ("change",), "failure")),
        (r"modbus peer=", Says("modbus", ("network",), ("connection", "protocol"))),
        (r"point \S+ value=", Says("point", ("host",), ("info",), kind="metric")),
        (r"poll cycle done ", Says("poll", ("host",), ("info",), kind="metric")),
    ), ENDS | {"point": "telemetry.point", "value": "telemetry.value", "fc": "telemetry.function",
        "order": "telemetry.order"}),
    "database": Form("database.audit", _shapes(
        (r"client=.* event=login result=ok", Says("login", ("database", "authentication"), ("start",))),
        (r"client=.* event=login ", Says("login", ("database", "authentication"), ("start",), "failure")),
        (r"client=.* event=logout", Says("logout", ("database", "session"), ("end",))),
        (r'client=.* sql="', Says("statement", ("database",), ("access",))),
    ), ENDS | {"db": "telemetry.database", "rows": "telemetry.rows", "sql": "telemetry.statement"}),
    "application": Form("application.audit", _shapes(
        (HEAD + r"user=", Says("", ("web",), ("access",))),
        (HEAD + r"用户 (?P<user_name>\S{1,128}) 登录成功 来自 "
         r"(?P<source_address>[0-9A-Fa-f.:]+)",
         Says("login", ("authentication",), ("start",))),
        (HEAD + r"用户 (?P<user_name>\S{1,128}) 登录失败 来自 "
         r"(?P<source_address>[0-9A-Fa-f.:]+)",
         Says("login", ("authentication",), ("start",), "failure")),
        (r"\[.{0,40}\] ERROR {1,2}\[", Says("error", ("web",), ("error",), "failure")),
        (r"\[.{0,40}\] \w+ {1,2}\[", Says("log", ("host",), ("info",))),
    ), ENDS | {"action": "event.action", "module": "telemetry.module", "id": "telemetry.object"}),
}
WORDS = {"REGISTER sip:": "camera", "MESSAGE Keepalive ": "camera", "INVITE stream ": "camera", "BYE stream ": "camera",
    "stream DeviceID=": "camera", "device offline ": "camera", "job=": "backup", "catalogue: user=": "backup",
    "command user=": "control", "modbus peer=": "control", "point ": "control", "poll cycle done ": "control",
    "client=": "database", "[": "application"}
MARK = (r"REGISTER sip:|MESSAGE Keepalive DeviceID=|(?:INVITE|BYE) stream DeviceID=|stream DeviceID=\S+ fps="
        r"|device offline DeviceID="
        r"|job=\d+ type=\w+ (?:start|done|failed)|catalogue: user=|command user=\S+ from=\S+ fc=|modbus peer=\S+ unit="
        r"|point \S+ value=|poll cycle done controllers=|client=\S+ sport=\d+ server=\S+ db="
        r"|\[\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[^\]]*\] (?:DEBUG|INFO|WARN|ERROR|FATAL) {1,2}\[")
LEVEL = re.compile(r"\[(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)[^\]]*\] (\w+) ")
CHANGES = {"update": "change", "insert": "creation", "delete": "deletion", "drop": "deletion", "create": "creation",
    "alter": "change", "truncate": "deletion", "grant": "change", "export": "access", "approve": "change",
    "archive": "change"}
# data set of an ECS document → (action where it names none, what it means); the outcome is judged by the document
DATASETS: dict[str, Callable[[Record], Says]] = {
    "iot.reading": lambda one: Says("config_changed", ("configuration",), ("change",)) if "config" in one else Says(
        "heartbeat" if "heartbeat" in one else "reading", ("host",), ("info",), kind="metric"),
    "probe.http": lambda one: Says("probe", ("web",), ("access",) if _at(one, "probe", "up") is True else (
        "access", "error"), "success" if _at(one, "probe", "up") is True else "failure"),
    "cert.watch": lambda one: Says("lookalike_domain", ("threat",), ("indicator",), "unknown", "alert")
        if "domain" in one else Says("certificate_checked", ("configuration",), ("info",)),
    "content.check": lambda one: Says("content_checked", ("web",), ("info",)) if str(one.get("message")) == "unchanged"
        else Says("content_changed", ("web",), ("change",), "unknown", "alert"),
    "agent.heartbeat": lambda one: Says("heartbeat", ("host",), ("info",), kind="metric"),
    "mobile.risk": lambda one: Says("launch", ("authentication",), ("start",), "unknown"),
    "gateway.access": lambda one: Says("call", ("api", "web"), ("access",), "unknown"),
    "sso.audit": lambda one: Says("login", ("authentication",),
        ("end",) if _at(one, "event", "action") == "logout" else ("start",), "unknown"),
}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each document and each message is one event; lines of other kinds are faults."""
    braced = [number for number, line in enumerate(lines) if line.lstrip()[:1] == b"{"]
    if not braced:
        return _messages(lines, ctx)
    pieces, faults = _documents(lines, braced, ctx)
    held = set(braced)
    rest = [number for number in range(len(lines)) if number not in held]
    if rest:
        others = _messages([lines[number] for number in rest], ctx)
        place = np.array(rest, dtype=np.int64)
        pieces += [Piece(place[others.line_no[part.rows]], part.frame) for part in others.batch.parts]
        faults += [Fault(rest[fault.line], fault.reason) for fault in others.faults]
    return gather(pieces, faults)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of documents of known data sets, or of messages."""
    found = sample(lines)
    known = sum(_dataset(record) in DATASETS for record in found) / max(len(lines), 1)
    return max(0.97 * known, 0.97 * share(lines, MARK) if len(found) < len(lines) else 0.0)


def _dataset(record: Record) -> str:
    value = _at(record, "event", "dataset") or record.get("event.dataset")
    return value if type(value) is str else ""


def _at(record: Record, *path: str) -> Any:
    value: Any = record
    for name in path:
        value = value.get(name) if type(value) is dict else None
    return value


def _documents(lines: Sequence[bytes], numbers: Sequence[int], ctx: Context) -> tuple[list[Piece], list[Fault]]:
    """Documents as the format ecs reads them, with what their data set means where they do not say it."""
    found, faults = records([lines[number] for number in numbers], ctx.encoding)
    groups: dict[Says, list[tuple[int, dict[str, Any], Record]]] = {}
    left = [Fault(numbers[fault.line], fault.reason) for fault in faults]
    for number, record in zip(numbers, found, strict=True):
        if record is None:
            continue
        meaning = DATASETS.get(_dataset(record))
        if meaning is None:
            left.append(Fault(number, "JSON, but of no known data set"))
            continue
        says = meaning(record)
        groups.setdefault(says, []).append((number, *_completed(record, says)))
    return [ecs.piece(group, ctx) for group in groups.values()], left


def _completed(record: Record, says: Says) -> tuple[dict[str, Any], Record]:
    flat, rest = ecs.split(record)
    for name, value in (("event.kind", says.kind), ("event.category", list(says.category)),
            ("event.type", list(says.types)), ("event.outcome", says.outcome), ("event.action", says.action)):
        if name not in flat or (name == "event.type" and says.types == ("end",)):
            flat[name] = value
    return flat, rest


def _messages(lines: Sequence[bytes], ctx: Context) -> Parsed:
    return parsed(lines, ctx, mark=MARK, absent=ABSENT, space="telemetry", record=_record, kind=_kind, fixed=_fixed)


def _record(text: str) -> Made | None:
    name = next((form for word, form in WORDS.items() if text.startswith(word)), "")
    if not name:
        return None
    form = FORMS[name]
    for pattern, says in form.shapes:
        if (match := pattern.match(text)) is not None:
            found, rest = _columns(text, form)
            found |= {key.replace("_", ".", 1): value for key, value in match.groupdict().items()}
            found |= {"message": text, "event.dataset": form.dataset, "_says": says}
            _judged(found, says)
            return found, rest
    return None


def _columns(text: str, form: Form) -> tuple[Record, Record]:
    start = text.find(" - ") + 3 if text[:1] == "[" else 0
    row = spaced(text[start:])
    found: Record = {}
    rest: Record = {}
    for name, value in row.items():
        column = form.names.get(name)
        doubted = name in row.get(AGAIN, ()) and str(column).endswith(".address")
        if column and not doubted and column not in found and type(value) is str and value not in ("", "-"):
            found[column] = value.split(" ")[0] if column.endswith((".address", ".port")) else value
        elif name != "text":
            rest[name] = value
    if "user.name" in found and "account" in row and "user" in row:
        rest["account"] = row["account"]
    return found, rest


def _judged(found: Record, says: Says) -> None:
    if (level := LEVEL.match(found["message"])) is not None:
        found["@timestamp"], found["log.level"] = level[1], level[2]
    found.setdefault("event.action", says.action)
    if not str(found.get("source.port", "0")).isdecimal():
        found.pop("source.port")


def _kind(found: Record, rest: Record) -> Hashable:
    says: Says = found.pop("_says")
    word = str(found.get("telemetry.statement") or found.get("event.action") or "").split(" ", 1)[0].lower()
    return str(found.pop("event.dataset")), says, CHANGES.get(word, "") if says.types == ("access",) else ""


def _fixed(kind: tuple[str, Says, str]) -> dict[str, Any]:
    dataset, says, changed = kind
    return {"event.kind": says.kind, "event.module": dataset.partition(".")[0], "event.dataset": dataset,
        "service.type": dataset.partition(".")[0], "event.category": list(says.category),
        "event.type": [changed] if changed else list(says.types), "event.outcome": says.outcome}
