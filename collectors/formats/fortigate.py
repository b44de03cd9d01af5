"""FortiGate: traffic, security and system events as name=value pairs, FortiOS 3 to 7.

https://docs.fortinet.com/document/fortigate/7.4.0/fortios-log-message-reference. Times carry their offset, or count
from 1970; a time without either is of the source's zone.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

from collectors.formats._device import share
from collectors.formats._json import Record
from collectors.formats._pairs import AGAIN, doubted, spaced
from collectors.formats._records import NAMED, Made, mapped, parsed, verdict
from soc_core.protocols import Context, Parsed

SYSLOG_MARKS = ("date=", "logver=", "devname=", "devid=")
MARK = r"date=\d{4}-\d\d-\d\d,? time=\d\d:|(?:logver|itime)=\d+ |dev(?:name|id)=\S+ "
ABSENT = "no log of FortiGate"
TYPES = frozenset(("traffic", "event", "utm", "anomaly", "virus", "ips", "attack", "webfilter", "app-ctrl", "dlp",
    "dns",
    "emailfilter", "voip", "waf", "ssl", "ssh", "gtp", "icap", "file-filter", "content", "contentlog", "netscan"))
ELSE = re.compile(r"^F[AEMLDSPV](?!G)[A-Z0-9]")  # serial numbers of Fortinet's other products
NAMES = {
    "srcip": "source.address", "src": "source.address", "remip": "source.address", "srcport": "source.port",
    "src_port": "source.port", "remport": "source.port", "dstip": "destination.address", "dst": "destination.address",
    "locip": "destination.address", "dstport": "destination.port", "dst_port": "destination.port",
    "locport": "destination.port", "user": "user.name", "group": "group.name", "action": "event.action",
    "reason": "event.reason", "msg": "message", "proto": "network.transport", "app": "network.application",
    "attack": "rule.name", "virus": "rule.name", "attackid": "rule.id", "virusid": "rule.id", "ref": "rule.reference",
    "sentbyte": "source.bytes", "sent": "source.bytes", "rcvdbyte": "destination.bytes", "rcvd": "destination.bytes",
    "sentpkt": "source.packets", "sent_pkt": "source.packets", "rcvdpkt": "destination.packets",
    "rcvd_pkt": "destination.packets", "srcintf": "observer.ingress.interface.name",
    "src_int": "observer.ingress.interface.name", "dstintf": "observer.egress.interface.name",
    "dst_int": "observer.egress.interface.name", "devname": "observer.name", "devid": "observer.serial_number",
    "device_id": "observer.serial_number", "logid": "event.code", "log_id": "event.code", "level": "log.level",
    "pri": "log.level", "transip": "source.nat.ip", "transport": "source.nat.port", "tranip": "destination.nat.ip",
    "tranport": "destination.nat.port", "srcmac": "source.mac", "mastersrcmac": "source.mac",
    "dstmac": "destination.mac",
    "hostname": "url.domain", "url": "url.original", "agent": "user_agent.original", "filename": "file.name",
    "filehash": "file.hash.sha256", "cfgpath": "fortinet.firewall.cfgpath", "qname": "dns.question.name",
    "qtype": "dns.question.type", "logdesc": "rule.description", "httpmethod": "http.request.method",
}
ADDRESSES = frozenset(("srcip", "src", "remip", "dstip", "dst", "locip", "ui", "transip", "tranip"))
BLANK = frozenset(("", "N/A", "(null)", "undefined", "n/a"))
KEPT = frozenset(("user", "group"))  # a word for nobody stays what it is
SCREEN = re.compile(r"^[\w-]+\(([0-9A-Fa-f.:]+)\)$")
OFFSET = re.compile(r"^[+-]\d{4}$", re.ASCII)
WAYS = {"outgoing": "outbound", "incoming": "inbound"}
ENDED = frozenset(("close", "client-rst", "server-rst", "timeout", "ip-conn", "dns", "start", "accept"))
TUNNEL = {"tunnel-up": "start", "ssl-login-success": "start", "tunnel-down": "end", "ssl-exit": "end",
    "ssl-web-deny": "info"}
BASE: dict[str, Any] = {
    "event.kind": "event", "event.module": "fortinet_fortigate", "event.dataset": "fortinet_fortigate.log",
    "service.type": "fortinet_fortigate", "observer.vendor": "Fortinet", "observer.product": "FortiGate",
    "observer.type": "firewall",
}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each log of FortiGate's is one event; other lines are faults."""
    return parsed(lines, ctx, mark=MARK, absent=ABSENT, space="fortinet", record=_record, kind=_kind, fixed=_fixed)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with the marks of FortiGate's pairs."""
    return 0.98 * share(lines, rf"(?:{MARK}).*\b(?:log_?id|type)=")


def _record(text: str) -> Made | None:
    row = doubted(spaced(text), ADDRESSES)
    serial = str(row.get("devid") or row.get("device_id") or "")
    if row.get("type") not in TYPES or ELSE.match(serial) or not ("logid" in row or "log_id" in row):
        return None
    found, rest = mapped({name: None if value in BLANK and name not in KEPT else value for name, value in row.items()
                          if isinstance(value, str)}, NAMES)
    rest = {name: row[name] for name in row if name in rest or (name in NAMES and found.get(NAMES[name]) is None)}
    found = {name: value for name, value in found.items() if value is not None}
    rest |= {AGAIN: row[AGAIN]} if AGAIN in row else {}
    if stamp := _stamp(row):
        found["@timestamp"] = stamp
        rest = {name: value for name, value in rest.items() if name not in ("date", "time", "tz")}
    if "event.action" not in found and "status" in rest:
        found["event.action"] = rest.pop("status")
    screen = SCREEN.match(str(row.get("ui", "")))
    if "source.address" not in found and screen:
        found["source.address"] = screen[1]
    if "rule.id" not in found and rest.get("policyid", "0") != "0":
        found["rule.id"] = rest.pop("policyid")
    if "rule.name" not in found and "policyname" in rest:
        found["rule.name"] = rest.pop("policyname")
    took = str(rest.get("duration", ""))
    if took.isascii() and took.isdecimal() and len(took) < 10:
        found["event.duration"] = int(rest.pop("duration")) * 1_000_000_000
    if (way := WAYS.get(str(rest.get("direction")))) is not None:
        found["network.direction"] = way
    service = str(rest.get("service", ""))
    if service.isalpha() and service.isascii() and service.lower() not in NAMED:
        found["network.protocol"] = service.lower()
    if "observer.name" in found:
        found["host.name"] = found["host.hostname"] = found["observer.name"]
    return found, rest


def _stamp(row: Record) -> str | None:
    clock = str(row.get("time", "")).replace(" ", "")
    zone, count = str(row.get("tz", "")), str(row.get("eventtime", ""))
    if not zone and count.isascii() and count.isdecimal() and 10 <= len(count) <= 19:
        return count
    if "date" in row and len(clock) >= 8:
        offset = zone if OFFSET.match(zone) else ""
        return f"{row['date']}T{clock}{offset}".replace(",", "")
    return None


def _kind(found: Record, rest: Record) -> Hashable:
    """(type, subtype, what was done, whether it worked)."""
    action = str(found.get("event.action", ""))
    known = "changed" if "fortinet.firewall.cfgpath" in found else ""
    status = str(rest.get("status", "")).lower()
    return str(rest.get("type")), str(rest.get("subtype", "")), action, status, known


def _fixed(kind: tuple[str, str, str, str, str]) -> dict[str, Any]:
    sort, part, action, status, known = kind
    if sort == "traffic":
        done = verdict(action) or (("allowed",) if action in ENDED else ())
        return BASE | {"event.category": ["network"], "event.type": ["connection", *done], "event.outcome": "success",
            "sigma.logsource": ["/firewall/", "fortigate//", "fortigate//traffic"]}
    if sort == "event":
        return BASE | _event(part, action, status, known)
    what = part if sort == "utm" else sort
    done = verdict(action)
    tags = ["/firewall/", "fortigate//", "fortigate//utm"]
    if what in ("ips", "anomaly", "attack", "waf"):
        return BASE | {"event.kind": "alert", "event.category": ["intrusion_detection", "network"],
            "event.type": ["info", *done], "event.outcome": "success", "sigma.logsource": tags}
    if what == "virus":
        return BASE | {"event.kind": "alert", "event.category": ["malware", "network"], "event.type": ["info", *done],
            "event.outcome": "success", "sigma.logsource": [*tags, "/antivirus/"]}
    if what == "webfilter":
        return BASE | {"event.category": ["network", "web"], "event.type": ["access", *done],
            "event.outcome": "success", "sigma.logsource": [*tags, "/proxy/"]}
    dns = ["/dns/"] if what == "dns" else []
    return BASE | {"event.category": ["network"], "event.type": ["info", *done], "event.outcome": "success",
        "sigma.logsource": [*tags, *dns]}


def _event(part: str, action: str, status: str, known: str) -> dict[str, Any]:
    tags = ["fortigate//", "fortigate//event", *(["fortios//sslvpnd"] if part == "vpn" else [])]
    failed = "fail" in action or status in ("failed", "failure", "fail", "negotiate_error") or "failure" in status
    outcome = "failure" if failed else "success"
    if known:
        return {"event.category": ["configuration"], "event.type": ["change"], "event.outcome": outcome,
            "sigma.logsource": tags}
    if action in ("login", "ssl-login-fail", "ssl-login", "authentication", "auth-logon", "FSSO-logon"):
        return {"event.category": ["authentication"], "event.type": ["start"], "event.outcome": outcome,
            "sigma.logsource": tags}
    if action in ("logout", "auth-logout", "FSSO-logoff"):
        return {"event.category": ["session"], "event.type": ["end"], "event.outcome": outcome, "sigma.logsource": tags}
    if action in TUNNEL:
        return {"event.category": ["session", "network"], "event.type": [TUNNEL[action]], "event.outcome": outcome,
            "sigma.logsource": tags}
    return {"event.category": ["network" if part in ("vpn", "wad", "router") else "host"], "event.type": ["info"],
        **({"event.outcome": "failure"} if failed else {}), "sigma.logsource": tags}
