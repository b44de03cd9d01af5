"""Audit records of MySQL's family: MariaDB's plug-in as CSV, Percona's and Enterprise's as JSON.

https://mariadb.com/kb/en/mariadb-audit-plugin-log-format/,
https://docs.percona.com/percona-server/8.0/audit-log-plugin.html and
https://dev.mysql.com/doc/refman/8.4/en/audit-log-file-formats.html.
"""

from __future__ import annotations

import re

import orjson

from collectors.formats._document import at, word
from collectors.formats._json import Record

CSV = re.compile(
    r"(\d{8}) (\d\d:\d\d:\d\d),([^,]{0,255}),([^,]{0,128}),([^,]{0,255}),(\d{1,19}),(\d{1,19}),([A-Z_]{1,24}),"
    r"([^,]{0,64}),(?:'?(.*?)'?),(-?\d{1,6})\Z", re.DOTALL)
USER = re.compile(r"(.*?)\[.*\] @ (\S*) ?\[(\S*)\]\Z")
LONGEST = 1000  # characters of an account
LOGIN = {"event.category": ["database", "authentication"], "event.type": ["start"]}
LOGOUT = {"event.category": ["database", "session"], "event.type": ["end"]}
CHANGES = {"write": "change", "update": "change", "insert": "creation", "create": "creation", "drop": "deletion",
    "delete": "deletion", "alter": "change", "grant": "change", "revoke": "change", "rename": "change",
    "truncate": "deletion", "replace": "change", "set": "change"}


def read(line: str) -> Record | None:
    """Columns of an audit record, None where the line is none."""
    if line[:1] == "{" and ('"audit_record"' in line or '"connection_id"' in line):
        return _json(line)
    match = CSV.match(line) if line[:1].isdigit() else None
    if match is None:
        return None
    day, clock, server, user, host, thread, query, operation, database, text, code = match.groups()
    found: Record = {"@timestamp": f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock}", "host.name": server, "user.name": user,
        "source.address": host, "mysql.thread_id": thread, "mysql.audit.query_id": query,
        "mysql.audit.database": database, "event.code": code, "event.action": operation.lower(), "message": text}
    return _judged({name: value for name, value in found.items() if value}, operation.lower(), text, code != "0")


def _json(line: str) -> Record | None:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    percona = at(record, "audit_record")
    return _percona(percona) if isinstance(percona, dict) else _enterprise(record)


def _percona(record: Record) -> Record:
    name, text = word(record.get("name")), str(record.get("sqltext") or "")
    account = USER.match(str(record.get("user") or "")[:LONGEST])
    failed = record.get("status") not in (0, "0", None)
    found: Record = {"@timestamp": str(record.get("timestamp") or "").replace(" UTC", "Z") or None,
        "user.name": account[1] if account else record.get("user"),
        "source.address": record.get("ip") or record.get("host"), "mysql.thread_id": record.get("connection_id"),
        "mysql.audit.database": record.get("db"), "event.action": name, "event.code": record.get("status"),
        "message": text or record.get("name")}
    found = {key: str(value) for key, value in found.items() if value not in (None, "")}
    return _judged(found, "failed_connect" if name == "connect" and failed else name, text, failed,
                   word(record.get("command_class")))


def _enterprise(record: Record) -> Record | None:
    if type(record) is not dict or not {"class", "event", "connection_id"} <= record.keys():
        return None
    event, text = word(record["event"]), str(at(record, "general_data", "query") or "")
    status = next((at(record, part, "status") for part in ("connection_data", "general_data")
        if at(record, part, "status") is not None), 0)
    found: Record = {"@timestamp": str(record.get("timestamp") or "").replace(" ", "T") + "Z",
        "user.name": at(record, "login", "user") or at(record, "account", "user"),
        "source.address": at(record, "login", "ip") or at(record, "account", "host"),
        "mysql.thread_id": record["connection_id"], "mysql.audit.database": at(record, "connection_data", "db"),
        "event.action": event, "event.code": status, "message": text or event}
    found = {key: str(value) for key, value in found.items() if value not in (None, "")}
    failed = status not in (0, "0")
    return _judged(found, "failed_connect" if event == "connect" and failed else event, text, failed,
                   word(at(record, "general_data", "sql_command")))


def _judged(found: Record, operation: str, text: str, failed: bool, command: str = "") -> Record:
    """Category, type and outcome by the operation, or by the statement's first word."""
    outcome = {"event.outcome": "failure" if failed else "success"}
    if operation in ("connect", "failed_connect"):
        return found | LOGIN | outcome
    if operation in ("disconnect", "quit"):
        return found | LOGOUT | {"event.outcome": "success"}
    first = command.split("_")[0] or (text.split(None, 1)[0].lower() if text.strip() else operation)
    kind = CHANGES.get(first, CHANGES.get(operation, "access"))
    query = {"mysql.audit.query": text} if text else {}
    return found | {"event.category": ["database"], "event.type": [kind]} | outcome | query
