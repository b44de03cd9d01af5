"""Linux audit records, one a line as auditd and its dispatchers write them, raw or enriched.

https://github.com/linux-audit/audit-documentation/wiki/SPEC-Audit-Record-Format. Values that the kernel wrote in
hexadecimal (paths, arguments, titles) are decoded. Records of one event share auditd.log.sequence; joining them is
collectors/assemble/auditd.py.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Any

from collectors.formats._auditd_records import ARCHITECTURES, CALLS, IDS, KINDS, NAMES, X86_64
from collectors.formats._document import Event, piece
from collectors.formats._frames import gather
from collectors.formats._json import Record
from collectors.formats._text import decode
from collectors.formats._windows_derive import base
from soc_core.protocols import Context, Fault, Parsed

LINE = re.compile(r"^(?:<\d{1,3}>)?(?:[^=\n]{0,120}?\s)??(?:node=(?P<node>\S+) )?type=(?P<type>[\w.\[\]-]+) msg=audit\("
                  r"(?P<time>\d{1,12}(?:\.\d{1,9})?):(?P<serial>\d{1,20})\): ?(?P<body>.*)$", re.DOTALL)
QUICK = re.compile(rb"\btype=[\w.\[\]-]+ msg=audit\(\d")
PAIR = re.compile(r"""((?:old |new )?[A-Za-z_][\w.\[\]-]*)=("(?:[^"]*)"|'(?:[^']*)'|\((?:[^)]*)\)|[^\s,'"]*)""")
HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+\Z")
ENCODED = frozenset((
    "exe", "comm", "cwd", "name", "proctitle", "cmd", "acct", "data", "path", "dir", "vm", "key", "tty", "watch",
))
ARGUMENT = re.compile(r"a\d{1,4}\Z")
PARTS = re.compile(r"a(\d{1,4})\[(\d{1,4})\]\Z")
NOTHING = {"", "?", "(null)", "(none)", "unset"}
SPACE = "auditd.log"
WIDEST = 400


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; a line without `type=… msg=audit(…)` is a fault."""
    text, faults = decode(lines, ctx.encoding)
    events = []
    for number, line in enumerate(text.to_list()):
        if line is None:
            continue
        match = LINE.match(line)
        if match is None:
            faults.append(Fault(number, "no audit record (type=… msg=audit(…))"))
            continue
        found: Record = {"@timestamp": match["time"], "auditd.log.record_type": match["type"],
            "auditd.log.sequence": match["serial"]}
        if match["node"]:
            found["host.name"] = found["host.hostname"] = match["node"]
        events.append(Event(number, {}, found, {}))
        fill(match["type"], match["body"], found)
    _bounded(events)
    fixed = {"event.kind": "event", "event.module": "auditd", "event.dataset": "auditd.log", "service.type": "auditd",
        "host.os.type": "linux"}
    return gather([piece(events, fixed, "", "UTC")] if events else [], faults)


def _bounded(events: Sequence[Event]) -> None:
    """No more than WIDEST columns, whatever names the records invent; the others go to the overflow."""
    names = list(dict.fromkeys(name for event in events for name in event.found))
    for event in events if len(names) > WIDEST else ():
        for name in names[WIDEST:]:
            if name in event.found:
                event.rest[name] = event.found.pop(name)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that are audit records."""
    return 0.98 * sum(QUICK.search(line) is not None for line in lines) / max(len(lines), 1)


def pairs(kind: str, body: str) -> dict[str, str]:
    """name → value, quotes off and hexadecimal decoded; a quoted msg='…' is opened, enriched values win."""
    body, _, enriched = body.partition("\x1d")
    found: dict[str, str] = {}
    for name, raw in PAIR.findall(body):
        if name == "msg" and raw[:1] == "'":
            for inner, value in PAIR.findall(raw[1:-1]):
                found.setdefault(inner, plain(kind, inner, value))
        else:
            found.setdefault(name, plain(kind, name, raw))
    for name, raw in PAIR.findall(enriched):
        found[name] = raw.strip("\"'")
    return found


def plain(kind: str, name: str, raw: str) -> str:
    """A value as it was before the kernel wrote it."""
    if raw[:1] in ('"', "'"):
        return raw[1:-1] if len(raw) > 1 else ""
    written = name in ENCODED or (kind == "EXECVE" and (ARGUMENT.match(name) or PARTS.match(name)))
    if written and len(raw) >= 2 and HEX.match(raw) and not (kind == "SYSCALL" and ARGUMENT.match(name)):
        data = bytes.fromhex(raw)
        return data.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
    return raw


def fill(kind: str, body: str, found: Record) -> None:
    """The columns of one record."""
    values = pairs(kind, body)
    raw = values.copy()
    category, types, action = KINDS.get(kind, ((), (), ""))
    for name, value in values.items():
        column = NAMES.get(name)
        if column and value not in NOTHING:
            found.setdefault(column, value)
        safe = name.replace(" ", "_")
        if safe not in ("type", "msg") and re.fullmatch(r"[A-Za-z_][\w-]{0,40}", safe) and len(found) < 250:
            found.setdefault(f"{SPACE}.{safe}", value)
    _known(kind, raw, found)
    found["event.action"] = action or kind.lower()
    found["event.category"] = list(category) or ["host"]
    found["event.type"] = list(types) or ["info"]
    told = values.get("res", values.get("success", values.get("result", ""))).lower()
    if told:
        found["event.outcome"] = {"success": "success", "yes": "success", "1": "success", "failed": "failure",
            "fail": "failure", "no": "failure", "0": "failure"}.get(told, "unknown")
    tags = ["linux//auditd", "linux//"]
    if kind == "EXECVE" or (kind == "SYSCALL" and found.get("auditd.log.syscall") in ("execve", "execveat")):
        found["event.category"], found["event.type"] = ["process"], ["start"]
        tags.append("linux/process_creation/")
    found["sigma.logsource"] = tags


def _known(kind: str, values: dict[str, str], found: Record) -> None:
    """What needs more than a name: arguments, numbers of calls, addresses, accounts."""
    if kind == "SYSCALL" and (number := values.get("syscall", "")).isdecimal():
        name = CALLS.get(number) if values.get("arch", X86_64).lower() == X86_64 else None
        found["auditd.log.syscall"] = values.get("SYSCALL") or name or number
    if kind == "EXECVE":
        arguments = _arguments(values)
        if arguments:
            found["process.args"] = arguments
            found["process.args_count"] = int(values.get("argc", "")) if values.get("argc", "").isdecimal() else len(
                arguments)
            found["process.command_line"] = " ".join(arguments)
            found.setdefault("process.executable", arguments[0])
    if kind == "PROCTITLE" and "proctitle" in values:
        found["process.command_line"] = values["proctitle"]
    if kind == "USER_CMD" and "cmd" in values:
        found["process.command_line"] = values["cmd"]
        found["process.args"] = values["cmd"].split()
        found["process.args_count"] = len(found["process.args"])
    if kind == "SOCKADDR" and HEX.match(saddr := values.get("saddr", "")):
        _socket(bytes.fromhex(saddr), found)
    if "process.executable" in found:
        found.setdefault("process.name", base(str(found["process.executable"])))
    if "acct" in values and values["acct"] not in NOTHING:
        found["user.name"] = values["acct"]
    for name, columns in IDS.items():
        if values.get(name, "") not in NOTHING:
            found |= {column: values[name] for column in columns if column not in found}
    if "arch" in values:
        found["host.architecture"] = ARCHITECTURES.get(values["arch"].lower(), values["arch"])
    if "key" in values and values["key"] not in NOTHING:
        found["rule.name"] = values["key"]
    if kind in ("ADD_USER", "DEL_USER", "ADD_GROUP", "DEL_GROUP") and "id" in values:
        found["group.id" if "GROUP" in kind else "user.target.id"] = values["id"]
    address = values.get("addr", "")
    if address not in NOTHING:
        found["source.address"] = address
    if kind == "MAC_IPSEC_EVENT":
        for name, column in (("src", "source.address"), ("dst", "destination.address")):
            if name in values:
                found[column] = values[name]


def _arguments(values: dict[str, str]) -> list[str]:
    """a0, a1, …, with a long one's pieces (a1[0], a1[1], …) put together again."""
    whole: dict[int, str] = {}
    pieces: dict[int, dict[int, str]] = {}
    for name, value in values.items():
        if ARGUMENT.match(name):
            whole[int(name[1:])] = value
        elif match := PARTS.match(name):
            pieces.setdefault(int(match[1]), {})[int(match[2])] = value
    for number, parts in pieces.items():
        whole[number] = "".join(parts[at] for at in sorted(parts))
    return [whole[number] for number in sorted(whole)]


def arguments(lines: Sequence[str]) -> list[str]:
    """The arguments of one program that are spread over several EXECVE records."""
    values: dict[str, str] = {}
    for line in lines:
        match = LINE.match(line)
        values |= pairs("EXECVE", match["body"]) if match else {}
    return _arguments(values)


def _socket(data: bytes, found: Record) -> None:
    """A sockaddr: family in the machine's byte order, port in the network's."""
    family = int.from_bytes(data[:2], "little")
    found["auditd.log.family"] = str(family)
    if family == 2 and len(data) >= 8:
        address: Any = ipaddress.IPv4Address(data[4:8])
    elif family == 10 and len(data) >= 24:
        address = ipaddress.IPv6Address(data[8:24])
    elif family == 1:
        found["file.path"] = data[2:].split(b"\0")[0].decode("utf-8", "replace") or None
        return
    else:
        return
    found["destination.address"] = str(address)
    found["destination.port"] = int.from_bytes(data[2:4], "big")
