"""Check Point: Log Exporter's syslog form, `[action:"Drop"; src:"192.0.2.1"; …]` after an RFC 5424 head.

https://sc1.checkpoint.com/documents/R81/WebAdminGuides/EN/CP_R81_LoggingAndMonitoring_AdminGuide/ (Log Exporter). Its
CEF and LEEF forms are read by those formats.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

from collectors.formats._device import share
from collectors.formats._json import Record
from collectors.formats._pairs import doubted, put
from collectors.formats._records import Made, mapped, parsed, verdict
from soc_core.protocols import Context, Parsed

SYSLOG_MARKS = ("CheckPoint ", '[action:"', "; product:")
MARK = r"\[[a-zA-Z_][\w ]*:\x22"
ABSENT = "no log of Check Point"
PAIR = re.compile(r'([A-Za-z_][\w .\-]{0,60}):"((?:[^"\\]|\\.)*)"(?:;|\]|$)')
ESCAPED = re.compile(r"\\([\"\\\];=])")
NAMES = {
    "src": "source.address", "s_port": "source.port", "dst": "destination.address", "service": "destination.port",
    "proto": "network.transport", "action": "event.action", "rule_action": "event.action", "rule_name": "rule.name",
    "rule_uid": "rule.uuid", "rule": "rule.id", "xlatesrc": "source.nat.ip", "xlatesport": "source.nat.port",
    "xlatedst": "destination.nat.ip", "xlatedport": "destination.nat.port", "user": "user.name", "src_user_name":
    "user.name", "administrator": "user.name", "client_ip": "source.address", "origin": "observer.name",
    "inzone": "observer.ingress.zone", "outzone": "observer.egress.zone", "product": "event.provider",
    "appi_name": "network.application", "protection_name": "rule.name", "attack": "rule.category",
    "malware_action": "rule.description", "resource": "url.original", "file_name": "file.name", "file_md5":
    "file.hash.md5", "file_sha1": "file.hash.sha1", "file_sha256": "file.hash.sha256", "dst_machine_name":
    "destination.domain", "src_machine_name": "source.domain", "client_name": "source.domain", "reason": "event.reason",
    "received_bytes": "destination.bytes", "sent_bytes": "source.bytes", "client_inbound_bytes": "source.bytes",
    "method": "http.request.method", "user_agent": "user_agent.original", "message_info": "message",
    "loguid": "event.code",
    "from": "email.from.address", "to": "email.to.address", "mac_source_address": "source.mac", "time": "@timestamp",
}
ADDRESSES = frozenset(("src", "dst", "client_ip", "xlatesrc", "xlatedst"))
LOGINS = frozenset(("log in", "login", "failed log in", "authorize", "failed login"))
BASE: dict[str, Any] = {
    "event.kind": "event", "event.module": "checkpoint", "event.dataset": "checkpoint.firewall",
    "service.type": "checkpoint", "observer.vendor": "Check Point", "observer.type": "firewall",
    "observer.product": "Firewall",
}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each log of Check Point's is one event; other lines are faults."""
    return parsed(lines, ctx, mark=MARK, absent=ABSENT, space="checkpoint", record=_record, kind=_kind, fixed=_fixed)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with Check Point's pairs."""
    return 0.98 * share(lines, MARK)


def _record(text: str) -> Made | None:
    row: Record = {}
    for name, value in PAIR.findall(text):
        put(row, name.strip(), ESCAPED.sub(r"\1", value) if "\\" in value else value)
    if not row or not {"action", "product", "origin", "loguid", "src"} & row.keys():
        return None
    row = doubted(row, ADDRESSES)
    found, rest = mapped(row, NAMES)
    if "interface_name" not in rest and rest.get("ifname"):
        way = "ingress" if rest.get("ifdir") != "outbound" else "egress"
        found[f"observer.{way}.interface.name"] = rest.pop("ifname")
    if rest.get("ifdir") in ("inbound", "outbound"):
        found["network.direction"] = rest["ifdir"]
    if not str(found.get("destination.port", "0")).isdecimal():
        rest["service"] = found.pop("destination.port")
    return found, rest


def _kind(found: Record, rest: Record) -> Hashable:
    return str(found.get("event.action", "")), str(found.get("event.provider", "")), str(rest.get("auth_status", ""))


def _fixed(kind: tuple[str, str, str]) -> dict[str, Any]:
    action, product, status = kind
    lower = action.lower()
    tags = ["checkpoint//"]
    done = verdict(action) or {"encrypt": ("allowed",), "decrypt": ("allowed",), "inspect": ("allowed",)}.get(lower, ())
    if lower in LOGINS:
        bad = "fail" in lower or "fail" in status.lower()
        return BASE | {"event.category": ["authentication"], "event.type": ["start"], "event.outcome": "failure" if bad
            else "success", "sigma.logsource": tags}
    if lower in ("log out", "logout", "deauthorize"):
        return BASE | {"event.category": ["session"], "event.type": ["end"], "event.outcome": "success",
            "sigma.logsource": tags}
    if product in ("IPS", "SmartDefense", "Anti-Bot", "Threat Emulation", "New Anti Virus", "Anti Virus", "Anti-Virus"):
        virus = "irus" in product or product in ("Threat Emulation", "Anti-Bot")
        return BASE | {"event.kind": "alert", "event.category": ["malware" if virus else "intrusion_detection",
            "network"],
            "event.type": ["info", *done], "event.outcome": "success",
            "sigma.logsource": ["/firewall/", *tags, *(["/antivirus/"] if virus else [])]}
    return BASE | {"event.category": ["network"], "event.type": ["connection", *done], "event.outcome": "success",
        "sigma.logsource": ["/firewall/", *tags]}
