"""Junos: what Juniper's routers, switches and firewalls say by syslog, by the daemon that says it.

https://apps.juniper.net/syslog-explorer/. The kernel's own lines (`/kernel: tcp_auth_ok: …`) bear no tag of Junos's;
names of accounts come from the other end, and an address is read only where no such name can stand in its place.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

from collectors.formats._device import share
from collectors.formats._json import Record
from collectors.formats._records import Made, parsed
from soc_core.protocols import Context, Parsed

SYSLOG_MARKS = ("rpd[", "mgd[", "/kernel:", " tfeb0 ", "chassisd[", "RT_FLOW")
DAEMONS = r"/kernel|rpd|mgd|mib2d|dcd|chassisd|snmpd|bfdd|ppmd|pfed|cosd|alarmd|l2ald|eswd|RT_FLOW|RT_IDS|RT_UTM"
MARK = rf"(?:{DAEMONS})(?:\[\d{{1,10}}\])?: ?(?:%[A-Z_]+-\d(?:-[A-Z0-9_]+)?: ?)?"
MARK += r"(?:[A-Z][A-Z0-9_]+: |[a-z_]+(?:\[\d+\])?: |BGP |Peer |Interface )"
ABSENT = "no message of Junos's"
HEAD = re.compile(rf"({DAEMONS})(?:\[\d{{1,10}}\])?: ?(?:%[A-Z_]+-(\d)(?:-[A-Z0-9_]+)?: ?)?"
                  r"(?:([A-Z][A-Z0-9]*_[A-Z0-9_]+): )?"
                  r"(.*)$", re.DOTALL)
IP = r"[0-9A-Fa-f:.]*[0-9A-Fa-f]"
PAIR = rf"(?P<source_address>{IP})[:/](?P<source_port>\d{{1,5}})(?: to |->)"
PAIR += rf"(?P<destination_address>{IP})[:/](?P<destination_port>\d{{1,5}})"
SAID = tuple(re.compile(one, re.DOTALL) for one in (
    rf"tcp_auth_ok: Packet from {PAIR} (?P<event_reason>missing|wrong) MD5 digest",
    rf"session (?P<event_action>denied|created|closed)[^\d]{{0,80}}{PAIR} ",
    rf"(?:BGP peer|Peer) (?P<source_address>{IP}) \((?:Internal|External) AS \d+\)"
    r".{0,120}? to (?P<event_action>Established|Idle|OpenSent|Active|Connect)\b",
    r"User '(?P<user_name>.{0,64}?)', command '(?P<process_command__line>.*)'\s*\Z",
    rf"Failed password for (?:user )?(?P<user_name>\S{{1,64}}) from (?P<source_address>{IP})\b",
))
LOGIN = ("LOGIN", "AUTH")
BASE: dict[str, Any] = {"event.kind": "event", "observer.vendor": "Juniper", "observer.product": "Junos",
    "event.module": "juniper", "service.type": "juniper", "event.dataset": "juniper.junos"}
SERVICES = {"/kernel": "kernel", "RT_FLOW": "flow", "RT_IDS": "ids", "RT_UTM": "utm"}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each message of a daemon of Junos's is one event; other lines are faults."""
    return parsed(lines, ctx, mark=MARK, absent=ABSENT, space="juniper", record=_record, kind=_kind, fixed=_fixed)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with a daemon of Junos's."""
    return 0.97 * share(lines, MARK)


def _record(text: str) -> Made | None:
    head = HEAD.match(text)
    if head is None:
        return None
    daemon, level, tag, said = head.groups()
    found: Record = {"message": said, "event.provider": daemon}
    if tag:
        found["event.code"] = tag
    if level:
        found["event.severity"] = level
    for shape in SAID:
        if (told := shape.search(said[:20_000])) is not None:
            found |= {name.replace("__", "~").replace("_", ".", 1).replace("~", "_"): value
                for name, value in told.groupdict().items() if value}
            break
    if re.search(r"\bBGP\b|:179\b", said[:20_000]) or (tag or "").startswith("RPD_BGP") or "bgp_" in said[:200]:
        found["network.protocol"] = "bgp"
    return found, {}


def _kind(found: Record, rest: Record) -> Hashable:
    code = str(found.get("event.code", ""))
    bad = found.get("event.action") == "denied" or "digest" in str(found["message"])
    topic = "command" if "process.command_line" in found else "login" if any(word in code for word in LOGIN) else ""
    return str(found["event.provider"]), topic, bad, found.get("network.protocol") == "bgp"


def _fixed(kind: tuple[str, str, bool, bool]) -> dict[str, Any]:
    daemon, topic, bad, bgp = kind
    service = SERVICES.get(daemon, daemon)
    flow = service in ("flow", "ids", "utm")
    tags = ["juniper//", f"juniper//{service}", *(["juniper//bgp"] if bgp else []), *(["/firewall/"] if flow else [])]
    about = {"command": "configuration", "login": "authentication"}.get(topic, "network")
    types = ["denied"] if bad else ["start"] if topic == "login" else ["info"]
    return BASE | {"event.category": [about], "event.type": types, "sigma.logsource": tags,
        "observer.type": "firewall" if flow else "router"}
