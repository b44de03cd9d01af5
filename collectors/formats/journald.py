"""systemd's journal as JSON lines (`journalctl -o json`): the fields of the journal, one entry a line.

https://www.freedesktop.org/software/systemd/man/latest/systemd.journal-fields.html. Binary values come as lists of
bytes and are made text. What a program says in MESSAGE is read as if it had come by syslog (syslog.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from collectors.formats import syslog
from collectors.formats._document import Event, parse_records, share, tree
from collectors.formats._frames import Piece, gather
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

TABLE = tree({
    "_SOURCE_REALTIME_TIMESTAMP": "@timestamp", "__REALTIME_TIMESTAMP": "@timestamp", "MESSAGE": "message",
    "_HOSTNAME": "host.name", "SYSLOG_IDENTIFIER": "process.name", "_COMM": "process.name", "_PID": "process.pid",
    "_EXE": "process.executable", "_CMDLINE": "process.command_line", "_UID": "user.id", "_GID": "group.id",
    "_SYSTEMD_UNIT": "service.name", "SYSLOG_FACILITY": "log.syslog.facility.code",
    "PRIORITY": "log.syslog.severity.code", "MESSAGE_ID": "event.code",
})
JUDGED = (
    "event.category", "event.type", "sigma.logsource", "related.ip", "related.user", "related.hosts", "related.hash",
)
LEVELS = ("Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug")
AUTH = {"sshd", "sshd-session", "sudo", "su", "login", "systemd-logind", "polkitd"}
SERVICES = {"sshd": "linux//sshd", "sshd-session": "linux//sshd", "sudo": "linux//sudo", "cron": "linux//cron",
    "CRON": "linux//cron", "crond": "linux//cron"}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each entry is one event; a line that holds something else is a fault."""
    whole = parse_records(lines, ctx, TABLE, "journald", _wrong, _made)
    pieces: list[Piece] = []
    for part in whole.batch.parts:
        frame, numbers = part.frame, whole.line_no[part.rows]
        if "message" not in frame.columns or "process.name" not in frame.columns:
            pieces.append(Piece(numbers, frame))
            continue
        spoken = frame.select((pl.col("message") != "") & pl.col("process.name").is_not_null()).to_series()
        said = spoken.fill_null(False).to_numpy()
        pieces += syslog.events(numbers[said], frame.filter(said).drop(JUDGED, strict=False), ctx) if said.any() else []
        pieces.append(Piece(numbers[~said], frame.filter(~said)))
    return gather(pieces, whole.faults, whole.merged)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with the journal's own names."""
    return 0.98 * share(sample(lines), lines, lambda record: not _wrong(record))


def _wrong(record: Record) -> str:
    mine = "__REALTIME_TIMESTAMP" in record or ("_BOOT_ID" in record and "MESSAGE" in record)
    return "" if mine else "no entry of the journal (__REALTIME_TIMESTAMP)"


def _made(event: Event) -> Mapping[str, Any]:
    found = event.found
    for name, value in list(found.items()):
        if type(value) is list:
            found[name] = _text(value)
    if "host.name" in found:
        found["host.hostname"] = found["host.name"]
    level = str(found.get("log.syslog.severity.code", ""))
    if level.isdecimal() and int(level) < len(LEVELS):
        found["log.syslog.severity.name"] = found["log.level"] = LEVELS[int(level)]
    program = str(found.get("process.name", ""))
    auth = program in AUTH
    found["event.category"] = ["authentication"] if auth else ["host"]
    found["event.type"] = ["info"]
    tags = ["linux//", "linux//syslog", *(["linux//auth"] if auth else []),
        *([SERVICES[program]] if program in SERVICES else [])]
    found["sigma.logsource"] = tags
    return {"event.kind": "event", "event.module": "journald", "event.dataset": "journald.entry",
        "service.type": "system", "host.os.type": "linux"}


def _text(value: list[Any]) -> str | None:
    if all(type(one) is int and 0 <= one < 256 for one in value):
        return bytes(value).decode("utf-8", "replace")
    return next((one for one in value if type(one) is str), None)
