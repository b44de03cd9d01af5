"""Palo Alto Networks: PAN-OS traffic, threat, system, config, GlobalProtect and other logs as comma-separated values.

https://docs.paloaltonetworks.com/pan-os/11-1/pan-os-admin/monitoring/use-syslog-for-monitoring/syslog-field-descriptions.
Fields are read by place; a later version only adds fields at the end.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Hashable, Sequence
from typing import Any

from collectors.formats._device import share
from collectors.formats._records import Made, mapped, parsed, verdict
from soc_core.protocols import Context, Parsed

SYSLOG_MARKS = (",TRAFFIC,", ",THREAT,", ",SYSTEM,", ",CONFIG,", ",GLOBALPROTECT,", ",USERID,", ",HIPMATCH,", ",AUTH,",
    ",DECRYPTION,", ",CORRELATION,", ",GTP,", ",SCTP,", ",TUNNEL,", ",IPTAG,")
TYPES = "TRAFFIC|THREAT|SYSTEM|CONFIG|GLOBALPROTECT|USERID|HIPMATCH|AUTH|DECRYPTION|CORRELATION|GTP|SCTP|TUNNEL|IPTAG"
MARK = rf"\d*,\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d,\w*,(?:{TYPES}),"
ABSENT = "no log of PAN-OS"
FLOW = (
    "future receive_time serial type subtype future1 generated src dst natsrc natdst rule srcuser dstuser app "
    "vsys from to inbound_if outbound_if logset future2 sessionid repeatcnt sport dport natsport natdport flags "
    "proto action "
)
LAYOUTS = {name: text.split() for name, text in {
    "TRAFFIC": FLOW + (
        "bytes bytes_sent bytes_received packets start elapsed category future3 seqno actionflags srcloc dstloc "
        "future4 pkts_sent pkts_received session_end_reason dg1 dg2 dg3 dg4 vsys_name device_name action_source "
        "src_uuid dst_uuid tunnelid monitortag parent_session_id parent_start_time tunnel "
    ),
    "THREAT": FLOW + (
        "misc threatid category severity direction seqno actionflags srcloc dstloc future3 contenttype pcap_id "
        "filedigest cloud url_idx user_agent filetype xff referer sender subject recipient reportid dg1 dg2 dg3 "
        "dg4 vsys_name device_name future4 src_uuid dst_uuid http_method tunnelid "
    ),
    "SYSTEM": (
        "future receive_time serial type subtype future1 generated vsys eventid object future2 future3 module "
        "severity opaque seqno actionflags dg1 dg2 dg3 dg4 vsys_name device_name "
    ),
    "CONFIG": (
        "future receive_time serial type subtype future1 generated host vsys cmd admin client result path before "
        "after seqno actionflags dg1 dg2 dg3 dg4 vsys_name device_name "
    ),
    "GLOBALPROTECT": (
        "future receive_time serial type subtype future1 generated vsys eventid stage auth_method tunnel_type "
        "srcuser srcregion machinename public_ip public_ipv6 private_ip private_ipv6 hostid serialnumber "
        "client_ver client_os client_os_ver repeatcnt reason error opaque status location login_duration "
        "connect_method error_code portal "
    ),
    "USERID": (
        "future receive_time serial type subtype future1 generated vsys ip user datasourcename eventid repeatcnt "
        "timeout beginport endport datasource datasourcetype seqno "
    ),
    "AUTH": (
        "future receive_time serial type subtype future1 generated vsys ip user normalize_user object authpolicy "
        "repeatcnt authid vendor logset serverprofile desc clienttype event factorno "
    ),
}.items()}
COMMON = {"generated": "@timestamp", "serial": "observer.serial_number", "device_name": "observer.name"}
ENDS = COMMON | {
    "src": "source.address", "dst": "destination.address", "natsrc": "source.nat.ip", "natdst": "destination.nat.ip",
    "rule": "rule.name", "srcuser": "source.user.name", "dstuser": "destination.user.name",
    "app": "network.application",
    "from": "observer.ingress.zone", "to": "observer.egress.zone", "inbound_if": "observer.ingress.interface.name",
    "outbound_if": "observer.egress.interface.name", "sport": "source.port", "dport": "destination.port",
    "natsport": "source.nat.port", "natdport": "destination.nat.port", "proto": "network.transport",
    "action": "event.action",
}
NAMES = {
    "TRAFFIC": ENDS | {"bytes": "network.bytes", "bytes_sent": "source.bytes", "bytes_received": "destination.bytes",
        "packets": "network.packets", "pkts_sent": "source.packets", "pkts_received": "destination.packets",
        "session_end_reason": "event.reason"},
    "THREAT": {**ENDS, "rule": "rule.ruleset", "category": "rule.category", "contenttype": "http.response.mime_type",
        "user_agent": "user_agent.original", "referer": "http.request.referrer", "http_method": "http.request.method",
        "sender": "email.from.address", "recipient": "email.to.address", "subject": "email.subject"},
    "SYSTEM": COMMON | {"eventid": "event.action", "opaque": "message", "severity": "log.level",
    "module": "event.provider"},
    "CONFIG": COMMON | {"host": "source.address", "admin": "user.name", "cmd": "event.action", "path": "message"},
    "GLOBALPROTECT": COMMON | {"eventid": "event.action", "srcuser": "user.name", "machinename": "source.domain",
        "public_ip": "source.address", "public_ipv6": "source.address", "private_ip": "source.nat.ip",
        "reason": "event.reason", "portal": "service.name"},
    "USERID": COMMON | {"ip": "source.address", "user": "user.name", "eventid": "event.action"},
    "AUTH": COMMON | {"ip": "source.address", "user": "user.name", "event": "event.action", "desc": "message"},
}
THREAT = re.compile(r"^(.*)\((\d+)\)$")
SUBJECT = re.compile(
    r"^.*?\bauth\w* .*?for user '(.*)'\. +(?:Reason: (.*?)\. +)?.*From: ([0-9A-Fa-f.:]*[0-9A-Fa-f])\.?$", re.I)
LEVELS = {"informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
FAIL = re.compile(r"fail|error|denied|invalid", re.I)
BASE: dict[str, Any] = {
    "event.kind": "event", "event.module": "panw", "event.dataset": "panw.panos", "service.type": "panw",
    "observer.vendor": "Palo Alto Networks", "observer.product": "PAN-OS", "observer.type": "firewall",
}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each log of PAN-OS is one event; other lines are faults."""
    return parsed(lines, ctx, mark=MARK, absent=ABSENT, space="panos", record=_record, kind=_kind, fixed=_fixed)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with PAN-OS's first fields."""
    return 0.98 * share(lines, MARK)


def _record(text: str) -> Made | None:
    try:
        values = next(csv.reader([text.replace("\n", " ").replace("\r", " ")]))
    except (csv.Error, StopIteration):
        return None
    if len(values) < 7:
        return None
    sort = values[3]
    layout = LAYOUTS.get(sort, LAYOUTS["SYSTEM"][:7])
    row = {name: value for name, value in zip(layout, values, strict=False) if value and not name.startswith("future")}
    found, rest = mapped(row, NAMES.get(sort, COMMON))
    rest = {name: value for name, value in rest.items() if value not in ("0", "0x0", "N/A", "any")}
    if len(values) > len(layout) and any(values[len(layout) :]):
        rest["more"] = values[len(layout) :]
    found["@timestamp"] = str(found.get("@timestamp") or row.get("receive_time", "")).replace("/", "-")
    level = str(row.get("severity", ""))
    if level in LEVELS:
        found["event.severity"] = LEVELS[level]
    found["event.code"] = str(row.get("eventid") or row.get("subtype", sort))
    if sort == "THREAT":
        _threat(found, rest, row)
    elif sort == "SYSTEM" and (told := SUBJECT.match(str(found.get("message", "")))):
        found |= {"user.name": told[1], "source.address": told[3]} | ({"event.reason": told[2]} if told[2] else {})
    elif sort == "TRAFFIC" and str(rest.get("elapsed", "0")).isdecimal():
        found["event.duration"] = int(rest.pop("elapsed", "0")) * 1_000_000_000
    if user := found.get("source.user.name") or found.get("destination.user.name"):
        found.setdefault("user.name", user)
    if "observer.name" in found:
        found["host.name"] = found["host.hostname"] = found["observer.name"]
    return found, rest


def _threat(found: dict[str, Any], rest: dict[str, Any], row: dict[str, str]) -> None:
    named = THREAT.match(row.get("threatid", ""))
    if named:
        found["rule.name"], found["rule.id"] = named[1], named[2]
        rest.pop("threatid", None)
    asked = rest.pop("misc", "")
    if asked and row.get("subtype") == "url":
        found["url.original"] = asked if "://" in asked else f"http://{asked}"
        rest["misc"] = asked
    elif asked:
        found["file.name"] = asked


def _kind(found: dict[str, Any], rest: dict[str, Any]) -> Hashable:
    said = (found.get("event.code"), found.get("message"), rest.get("status"), rest.get("result"))
    words = " ".join(str(word) for word in said if word)
    return (str(rest.get("type", "")), str(rest.get("subtype", "")), str(found.get("event.action", "")),
            bool(FAIL.search(words)))


def _fixed(kind: tuple[str, str, str, bool]) -> dict[str, Any]:
    sort, part, action, bad = kind
    outcome, done = "failure" if bad else "success", verdict(action)
    tags = ["paloalto//", f"paloalto//{sort.lower()}"]
    wall = {"sigma.logsource": ["/firewall/", *tags]}
    if sort == "TRAFFIC":
        when = {"start": ("start",), "end": ("end",)}.get(part, ())
        return BASE | wall | {"event.category": ["network"], "event.type": ["connection", *when, *done],
            "event.outcome": "success"}
    if sort == "THREAT" and part == "url":
        return BASE | {"event.category": ["network", "web"], "event.type": ["access", *done],
            "event.outcome": "success",
            "sigma.logsource": ["/firewall/", "/proxy/", *tags]}
    if sort == "THREAT":
        virus = part in ("virus", "wildfire", "wildfire-virus", "spyware", "ml-virus")
        return BASE | {"event.kind": "alert", "event.category": ["malware" if virus else "intrusion_detection",
            "network"],
            "event.type": ["info", *done], "event.outcome": "success",
            "sigma.logsource": ["/firewall/", *tags, *(["/antivirus/"] if virus else [])]}
    if sort == "GLOBALPROTECT":
        login = "auth" in action or "login" in action
        return BASE | {"event.category": ["authentication"] if login else ["session", "network"],
            "event.type": ["end" if "logout" in action else "start" if login else "info"], "event.outcome": outcome,
            "sigma.logsource": [*tags, "paloalto/appliance/globalprotect"]}
    if sort == "CONFIG":
        return BASE | {"event.category": ["configuration"], "event.type": ["change"], "event.outcome": outcome,
            "sigma.logsource": tags}
    if sort in ("AUTH", "USERID") or part == "auth" or "auth" in action:
        return BASE | {"event.category": ["authentication"], "event.type": ["start"], "event.outcome": outcome,
            "sigma.logsource": tags}
    return BASE | {"event.category": ["host"], "event.type": ["info"], "sigma.logsource": tags}
