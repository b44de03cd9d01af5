"""Huawei: messages of USG firewalls, switches and routers (VRP): `%%01MODULE/4/NAME(l): text (Key=value, …)`.

https://support.huawei.com/enterprise/en/doc/EDOC1100203393 (log reference). Module names give the Sigma service.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

from collectors.formats._device import share
from collectors.formats._json import Record
from collectors.formats._pairs import put
from collectors.formats._records import Made, mapped, parsed, verdict
from soc_core.protocols import Context, Parsed

SYSLOG_MARKS = ("%%",)
MARK = r"%%0\d[A-Za-z][\w-]*/\d/\w+(?:\([a-z]+\)(?:\[\d+\])?)?:"
ABSENT = "no message of Huawei's VRP"
BODY = re.compile(r"^%%(\d\d)([A-Za-z][\w-]*)/(\d)/(\w+)(?:\(([a-z]+)\)(?:\[(\d+)\])?)?: ?(.*)$", re.DOTALL | re.ASCII)
PAIR = re.compile(r'([A-Za-z][\w \-]{0,40}?)=(?:"((?:[^"\\]|\\.)*)"|([^,;()"]*))(?=[,;)]|$)')
LABELLED = re.compile(r"(?:^|[,;(] ?)([A-Za-z][\w \-]{0,30}):([^,;()]*)")
NAMES = {
    "srcip": "source.address", "sourceip": "source.address", "source-ip": "source.address", "srcport": "source.port",
    "ipaddress": "source.address", "useraddress": "source.address", "userip": "source.address", "ip": "source.address",
    "loginip": "source.address", "dstip": "destination.address", "destinationip": "destination.address",
    "source-port": "source.port", "destination-ip": "destination.address", "destination-port": "destination.port",
    "sourceport": "source.port", "dstport": "destination.port", "destinationport": "destination.port",
    "protocol": "network.transport", "application": "network.application", "user": "user.name", "username": "user.name",
    "loginname": "user.name", "action": "event.action", "policy": "rule.ruleset", "signname": "rule.name",
    "signature": "rule.name", "virusname": "rule.name", "attacktype": "rule.name", "rule-name": "rule.name",
    "signid": "rule.id", "policyname": "rule.ruleset", "srczone": "observer.ingress.zone",
    "dstzone": "observer.egress.zone",
    "source-zone": "observer.ingress.zone", "destination-zone": "observer.egress.zone", "host": "url.domain",
    "filename": "file.name", "command": "process.command_line", "reason": "event.reason", "attackname": "rule.name",
    "sendbyte": "source.bytes", "rcvbyte": "destination.bytes", "sendpkts": "source.packets",
    "rcvpkts": "destination.packets",
    "natsourceip": "source.nat.ip", "natsourceport": "source.nat.port",
    "receiveinterface": "observer.ingress.interface.name",
    "srcnatip": "source.nat.ip", "interface": "observer.ingress.interface.name", "useraccount": "user.name",
}
ADDRESSES = frozenset(name for name, column in NAMES.items() if column.endswith(".address"))
WORDS = frozenset(("unknown", "none", "null", "-"))
THREAT = frozenset(("IPS", "AV", "ATK", "ANTIATTACK", "APT", "DDOS", "SECE", "IDS", "CPU-DEFEND", "DEFEND",
    "INTRUSION"))
POLICY = frozenset(("POLICY", "SEC", "URL", "URLF", "SECLOG", "SESSION", "TRAFFIC", "RBL", "DLP", "CONTENT", "FW",
    "DPI"))
AUTHORS = frozenset(("AAA", "SSH", "SSHS", "LINE", "DOT1X", "PORTSEC"))
BASE: dict[str, Any] = {"event.kind": "event", "observer.vendor": "Huawei", "event.module": "huawei",
    "service.type": "huawei", "event.dataset": "huawei.vrp"}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each message of VRP's is one event; other lines are faults."""
    return parsed(lines, ctx, mark=MARK, absent=ABSENT, space="huawei", record=_record, kind=_kind, fixed=_fixed)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with VRP's head; version 10 is H3C's."""
    return 0.98 * share(lines, MARK)


def _record(text: str) -> Made | None:
    head = BODY.match(text)
    if head is None:
        return None
    version, module, level, name, sort, _, said = head.groups()
    row = pairs(said)
    found, rest = take(row, NAMES, ADDRESSES)
    found |= {"message": said, "event.code": f"{module}/{name}", "event.severity": level, "event.provider": module}
    rest |= {"version": version, **({"log_type": sort} if sort else {})}
    return found, rest


def pairs(said: str) -> Record:
    """Key=value pairs in the message, or its labelled ones, first come first kept."""
    row: Record = {}
    for name, quoted, plain in PAIR.findall(said[:20_000]):
        put(row, name.strip(), quoted or plain.strip().removesuffix("."))
    if not row:
        for name, value in LABELLED.findall(said[:20_000]):
            put(row, name.strip(), value.strip())
    return row


def take(row: Record, names: dict[str, str], addresses: frozenset[str]) -> Made:
    """Columns and the rest of a record whose names are written in many ways; a doubted address is none."""
    again = {_plain(name) for name in row.get("repeated", ())}
    usable = {}
    for name, value in row.items():
        plain = _plain(name)
        fits = isinstance(value, str) and plain in names and not (plain in again and plain in addresses)
        usable[name] = value if fits and (value.lower() not in WORDS or names[plain] == "user.name") else None
    found, _ = mapped({_plain(name): value for name, value in usable.items() if value}, names)
    kept: set[str] = set()
    rest = {}
    for name, value in row.items():
        column = names.get(_plain(name), "")
        if usable[name] is not None and column not in kept:
            kept.add(column)
        else:
            rest[name] = value
    if "rule.ruleset" in found:
        found.setdefault("rule.name", found["rule.ruleset"])
    return found, rest


def _plain(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "")


def _kind(found: Record, rest: Record) -> Hashable:
    return str(found["event.provider"]), str(found["event.code"]).partition("/")[2], str(found.get("event.action", ""))


def _fixed(kind: tuple[str, str, str]) -> dict[str, Any]:
    module, name, action = kind
    return BASE | judged(module, name, action, "huawei") | {"observer.product": "VRP"}


def judged(module: str, name: str, action: str, maker: str) -> dict[str, Any]:
    """What a message is, by module and name: for VRP and for Comware alike."""
    upper, word = module.upper(), name.upper()
    tags = [f"{maker}//", f"{maker}//{module.lower()}"]
    done = verdict(action) or (("denied",) if "DENY" in word or "BLOCK" in word else ("allowed",)
        if "PERMIT" in word else ())
    if upper in THREAT:
        return {"event.kind": "alert", "event.category": ["intrusion_detection", "network"], "event.type": ["info",
            *done],
            "event.outcome": "success", "observer.type": "firewall", "sigma.logsource": ["/firewall/", *tags]}
    if upper in POLICY or (done and upper not in ("SHELL", "SSH", "AAA")):
        return {"event.category": ["network"], "event.type": ["connection", *done], "event.outcome": "success",
            "observer.type": "firewall", "sigma.logsource": ["/firewall/", *tags]}
    if "LOGIN" in word or "LOGON" in word or (upper in AUTHORS and ("AUTH" in word or "FAIL" in word)):
        bad = "FAIL" in word or "INVALID" in word or "DENY" in word
        return {"event.category": ["authentication"], "event.type": ["start"], "event.outcome": "failure" if bad
            else "success", "observer.type": "firewall" if upper == "UM" else "switch", "sigma.logsource": tags}
    if "LOGOUT" in word or "LOGOFF" in word:
        return {"event.category": ["session"], "event.type": ["end"], "event.outcome": "success",
            "observer.type": "switch", "sigma.logsource": tags}
    if "CMD" in word or "COMMAND" in word or upper in ("CFGMAN", "CFM"):
        return {"event.category": ["configuration"], "event.type": ["change"], "observer.type": "switch",
            "sigma.logsource": tags}
    if upper in ("BGP", "OSPF", "LDP", "IFNET", "IFPDT", "LACP", "MSTP", "ARP", "TCP", "PHY"):
        return {"event.category": ["network"], "event.type": ["info"], "observer.type": "switch",
            "sigma.logsource": tags}
    return {"event.category": ["host"], "event.type": ["info"], "observer.type": "switch", "sigma.logsource": tags}
