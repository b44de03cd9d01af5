"""ModSecurity's audit records: serial ones, whose sections stand between boundaries, and JSON documents.

https://github.com/owasp-modsecurity/ModSecurity/wiki/ModSecurity-2-Data-Formats#audit-log
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from collectors.formats._json import Record
from collectors.formats._records import Made

BOUNDARY = re.compile(r"^-{2,3}([0-9A-Za-z]{6,40})-{1,3}([A-KZ])--\s*$")
HEAD = re.compile(r"^\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d)(?:\.\d+)? ([+-]\d{4})\] (\S+) (\S+) (\d+) "
r"(\S+) (\d+)\s*$")
REQUEST = re.compile(r"^([A-Za-z]+) (.*?)(?: HTTP/([\d.]+))?$")
MONTHS = {name: n for n, name in enumerate(
    ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1)}
FIELD = re.compile(r'\[(file|line|id|rev|msg|data|severity|ver|maturity|accuracy|hostname|uri|unique_id|ref|tag) '
                   r'"((?:[^"\\]|\\.)*)"\]', re.DOTALL)
NAMES = {"id": "rule.id", "msg": "rule.name", "rev": "rule.version", "ver": "rule.ruleset", "hostname": "url.domain",
    "uri": "url.original", "unique_id": "http.request.id", "severity": "log.level"}
HEADERS = {"host": "url.domain", "user-agent": "user_agent.original", "referer": "http.request.referrer"}
ANSWER = re.compile(r"^HTTP/[\d.]+ (\d{3})")


def message(said: str) -> Made:
    """Fields of a message, first come first kept, and whether the request was denied."""
    found: Record = {"denied_": "Access denied" in said[:2000] or said.startswith("Intercept")}
    rest: Record = {}
    for name, value in FIELD.findall(said):
        column = NAMES.get(name)
        if name == "tag":
            rest.setdefault("tags", []).append(value)
        elif column is not None and column not in found and value:
            found[column] = value
        elif column is None:
            rest.setdefault(name, value)
    category = next((tag for tag in rest.get("tags", ()) if tag.startswith("attack-")), None)
    if category:
        found["rule.category"] = category
    return found, rest


def serial(lines: Sequence[str]) -> tuple[set[int], dict[int, Made]]:
    """(merged lines, records by the line that they begin at)."""
    merged: set[int] = set()
    made: dict[int, Made] = {}
    start: int | None = None
    known = section = ""
    parts: dict[str, list[str]] = {}
    for number, line in enumerate(lines):
        mark = BOUNDARY.match(line)
        if mark and mark[2] == "A":
            if start is not None:
                _close(made, merged, start, number, parts)
            start, known, parts, section = number, mark[1], {}, "A"
        elif start is None:
            continue
        elif mark and mark[1] == known:
            section = mark[2]
            if section == "Z":
                _close(made, merged, start, number + 1, parts)
                start = None
        else:
            parts.setdefault(section, []).append(line)
    if start is not None:
        _close(made, merged, start, len(lines), parts)
    for number in sorted(set(range(len(lines))) - merged - made.keys()):
        if number - 1 in merged and not lines[number].strip():  # the empty line between two records
            merged.add(number)
    return merged, made


def _close(made: dict[int, Made], merged: set[int], start: int, end: int, parts: dict[str, list[str]]) -> None:
    head = next((first for line in parts.get("A", []) if (first := HEAD.match(line))), None)
    if head is None:
        return
    day, month, year, clock, zone, number, client, port, server, listening = head.groups()
    said = [line for line in parts.get("H", []) if line.startswith(("Message: ", "ModSecurity: "))]
    found, rest = message(said[0].partition(": ")[2] if said else "")
    found |= {
        "@timestamp": f"{year}-{MONTHS.get(month, 0):02d}-{day}T{clock}{zone}", "http.request.id": number,
        "source.address": client, "source.port": port, "destination.address": server, "destination.port": listening,
        "event.provider": "audit", "message": "\n".join(said),
    }
    _request(found, parts.get("B", []))
    if parts.get("F") and (answer := ANSWER.match(parts["F"][0])):
        found["http.response.status_code"] = answer[1]
    if any(line.startswith("Action: Intercepted") for line in parts.get("H", [])):
        found["denied_"] = True
    rest |= {"sections": {name: "\n".join(held) for name, held in parts.items() if name not in ("A", "Z")}}
    made[start] = (found, rest)
    merged.update(range(start + 1, end))


def _request(found: Record, lines: Sequence[str]) -> None:
    asked = REQUEST.match(lines[0]) if lines else None
    if asked is not None:
        found["http.request.method"], found["url.original"] = asked[1], asked[2]
        found |= {"http.version": asked[3]} if asked[3] else {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        header = HEADERS.get(name.strip().lower())
        if header and value.strip():
            found.setdefault(header, value.strip())


def document(record: Record) -> Made | None:
    """An audit record as JSON: version 3 holds all in the transaction, version 2 beside it."""
    deal = record.get("transaction")
    if type(deal) is not dict:
        return None
    three = type(deal.get("request")) is dict
    request = deal["request"] if three else record.get("request")
    response = deal.get("response") if three else record.get("response")
    audit = record.get("audit_data")
    if not three and type(audit) is not dict:
        return None
    found, rest = _rules(deal) if three else message(str((audit or {}).get("messages", [""])[:1]))
    names = ({"client_ip": "source.address", "client_port": "source.port", "host_ip": "destination.address",
        "host_port":
        "destination.port", "unique_id": "http.request.id"} if three else {"remote_address": "source.address",
        "remote_port": "source.port", "local_address": "destination.address", "local_port": "destination.port",
        "transaction_id": "http.request.id"})
    found |= {column: str(deal[name]) for name, column in names.items() if deal.get(name) not in (None, "")}
    stamp = _stamp(str(deal.get("time_stamp") or deal.get("time") or ""))
    found |= {"@timestamp": stamp} if stamp else {}
    found["event.provider"] = "audit"
    if type(request) is dict:
        _asked(found, request)
    status = (response.get("http_code") or response.get("status")) if type(response) is dict else None
    if isinstance(status, int | str):
        found["http.response.status_code"] = status
        found["denied_"] = found.get("denied_",
            False) or (three and str(status) == "403" and bool(deal.get("messages")))
    if type(audit) is dict and type(audit.get("action")) is dict and audit["action"].get("intercepted"):
        found["denied_"] = True
    return found, rest | {"audit": record}


def _rules(deal: Record) -> Made:
    found: Record = {"denied_": False}
    held = deal.get("messages")
    one = held[0] if type(held) is list and held and type(held[0]) is dict else {}
    detail: Any = one.get("details") if type(one.get("details")) is dict else {}
    for name, column in (("ruleId", "rule.id"), ("rev", "rule.version"), ("ver", "rule.ruleset"), ("severity",
        "log.level")):
        if detail.get(name) not in (None, ""):
            found[column] = str(detail[name])
    if one.get("message"):
        found["rule.name"] = found["message"] = str(one["message"])
    tags = detail.get("tags")
    category = next((tag for tag in tags if str(tag).startswith("attack-")), None) if type(tags) is list else None
    return found | ({"rule.category": category} if category else {}), {}


def _asked(found: Record, request: Record) -> None:
    line = request.get("request_line")
    if isinstance(line, str):
        _request(found, [line])
    for name, column in (("method", "http.request.method"), ("uri", "url.original")):
        if isinstance(request.get(name), str):
            found[column] = request[name]
    if request.get("http_version") is not None:
        found["http.version"] = str(request["http_version"])
    headers = request.get("headers")
    for name, value in (headers.items() if type(headers) is dict else ()):
        header = HEADERS.get(str(name).lower())
        if header and isinstance(value, str):
            found.setdefault(header, value)


def _stamp(text: str) -> str | None:
    """`Fri Nov 20 08:15:01 2026` and `20/Nov/2026:08:15:01 +0800` as ISO 8601."""
    words = text.split()
    if len(words) == 5 and words[1] in MONTHS and words[2].isdecimal():
        return f"{words[4]}-{MONTHS[words[1]]:02d}-{int(words[2]):02d}T{words[3]}"
    known = re.match(r"^\[?(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d)(?:\.\d+)? ([+-]\d{4})\]?$", text)
    if known and known[2] in MONTHS:
        return f"{known[3]}-{MONTHS[known[2]]:02d}-{known[1]}T{known[4]}{known[5]}"
    return text if re.match(r"^\d{4}-\d\d-\d\d", text) else None
