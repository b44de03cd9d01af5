"""Linux netfilter: what iptables' and nftables' LOG writes to the kernel's log, ufw's and OpenWrt's prefixes included.

https://www.kernel.org/doc/html/latest/networking/netfilter-sysctl.html and nf_log. The prefix is the operator's; an
ICMP error carries the packet it speaks of in brackets, which is not this one's.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

import polars as pl

from collectors.formats._device import share
from collectors.formats._json import Record
from collectors.formats._records import Made, mapped, parsed
from soc_core.protocols import Context, Parsed

SYSLOG_MARKS = (" OUT=",)
MARK = r"(?:\[ ?\s*\d+\.\d+\] ?)?[^=\x22]{0,80}?IN=\S* OUT=\S* (?:\S+ )*?(?:SRC=|ARP |MACSRC=)"
ABSENT = "no packet logged by netfilter"
BODY = re.compile(r"^(?:\[ *(\d+\.\d+)\] ?)?(.{0,80}?) ?(IN=\S* OUT=\S* .*)$", re.DOTALL)
FIELD = re.compile(r"([A-Z]{2,10})=(\S*)")
FLAGS = frozenset(("SYN", "ACK", "FIN", "RST", "PSH", "URG", "ECE", "CWR", "DF", "MF", "CE"))
NAMES = {
    "SRC": "source.address", "DST": "destination.address", "SPT": "source.port", "DPT": "destination.port",
    "PROTO": "network.transport", "IN": "observer.ingress.interface.name", "OUT": "observer.egress.interface.name",
    "LEN": "network.bytes",
}
DENY = re.compile(r"DROP|DENY|DENIED|REJECT|BLOCK|BAD|INVALID", re.I)
PASS = re.compile(r"ACCEPT|ALLOW|PASS|PERMIT", re.I)
BASE: dict[str, Any] = {
    "event.kind": "event", "event.category": ["network"], "event.module": "iptables", "event.dataset": "iptables.log",
    "service.type": "iptables", "observer.vendor": "Linux", "observer.product": "netfilter",
    "observer.type": "firewall",
    "event.outcome": "success",
}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each logged packet is one event; other lines are faults."""
    return parsed(lines, ctx, mark=MARK, absent=ABSENT, space="iptables", record=_record, kind=_kind, fixed=_fixed,
                  ours=_ours)


def _ours(head: pl.DataFrame, body: pl.Series) -> pl.Series:
    """Only the kernel's own lines: other programs write what their peers send them, prefix and all."""
    program, host = head["log.syslog.appname"], head["host.hostname"]
    bare = program.is_null() & (host.is_null() | body.str.contains(r"^(?:\[|IN=)"))
    return (program == "kernel").fill_null(False) | bare


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with a logged packet."""
    return 0.98 * share(lines, MARK)


def _record(text: str) -> Made | None:
    head = BODY.match(text)
    if head is None:
        return None
    since, prefix, packet = head.groups()
    outer = packet.partition("[")[0]
    row: Record = {}
    for name, value in FIELD.findall(outer):
        row.setdefault(name, value)
    found, rest = mapped(row, NAMES)
    rest = {name: value for name, value in rest.items() if value}
    if "source.address" not in found and "MACSRC" not in row:
        return None
    if (flags := [word for word in outer.split() if word in FLAGS]):
        rest["FLAGS"] = flags
    if "[" in packet:
        rest["inner"] = packet.partition("[")[2].rpartition("]")[0] or packet.partition("[")[2]
    if since:
        rest["uptime"] = since
    mac = row.get("MAC", "").split(":")
    if len(mac) >= 12:
        found["destination.mac"], found["source.mac"] = ":".join(mac[:6]), ":".join(mac[6:12])
    if prefix.strip():
        found["rule.name"] = prefix.strip(" :[]")
        word = "drop" if DENY.search(prefix) else "accept" if PASS.search(prefix) else None
        if word:
            found["event.action"] = word
    found["message"] = text
    return found, rest


def _kind(found: Record, rest: Record) -> Hashable:
    return found.get("event.action")


def _fixed(kind: str | None) -> dict[str, Any]:
    done = {"drop": ["denied"], "accept": ["allowed"]}.get(kind or "", [])
    return BASE | {"event.type": ["connection", *done], "sigma.logsource": ["/firewall/", "linux//", "linux//syslog"]}
