"""OpenCanary's honeypot records, one JSON object a line: whoever touches one of its services is told here.

https://opencanary.readthedocs.io/en/latest/ (log types: opencanary/logger.py). `local_time` is UTC whatever its name
says; `local_time_adjusted` is the host's own clock and stays in the overflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from collectors.formats._document import Event, at, parse_records, share, tree
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

TABLE = tree({
    "utc_time": "@timestamp", "local_time": "@timestamp", "logtype": "event.code", "node_id": "observer.name",
    "src_host": "source.address", "src_port": "source.port", "dst_host": "destination.address",
    "dst_port": "destination.port", "logdata.USERNAME": "user.name", "logdata.USER": "user.name",
    "logdata.PATH": "url.original", "logdata.USERAGENT": "user_agent.original", "logdata.FILENAME": "file.path",
    "logdata.PROTO": "network.transport", "logdata.HOSTNAME": "url.domain",
})
# thousands of the log type → protocol; 1000-1999 are the honeypot's own news, 5001-5005 port scans
SERVICES = {2: "ftp", 3: "http", 4: "ssh", 5: "smb", 6: "telnet", 7: "http", 8: "mysql", 9: "tds", 10: "tftp",
    11: "ntp", 12: "vnc", 13: "snmp", 14: "rdp", 15: "sip", 16: "git", 17: "redis", 18: "tcp", 19: "llmnr"}
LOGINS = frozenset((2000, 3001, 4002, 6001, 7001, 8001, 9001, 9002, 12001, 14001))
SCANS = frozenset((5001, 5002, 5003, 5004, 5005))
LEAST = {"logtype", "node_id", "src_host", "dst_port"}
FIXED: dict[str, Any] = {
    "event.module": "opencanary", "service.type": "opencanary", "observer.vendor": "Thinkst",
    "observer.product": "OpenCanary", "observer.type": "honeypot", "sigma.logsource": ["opencanary/application/"],
}
TOUCHED = FIXED | {"event.kind": "alert", "event.dataset": "opencanary.idh"}
OWN = FIXED | {"event.kind": "event", "event.dataset": "opencanary.news", "event.category": ["host"],
    "event.type": ["info"]}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; a line that holds something else is a fault."""
    return parse_records(lines, ctx, TABLE, "opencanary", _wrong, _made)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with the names of OpenCanary's records."""
    return 0.98 * share(sample(lines), lines, lambda record: not _wrong(record))


def _wrong(record: Record) -> str:
    mine = record.keys() >= LEAST and _code(record.get("logtype")) is not None
    return "" if mine else "no record of OpenCanary's (logtype, node_id)"


def _code(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else None


def _made(event: Event) -> Mapping[str, Any]:
    code, found = _code(event.record["logtype"]) or 0, event.found
    for name in ("source.port", "destination.port"):
        if found.get(name) == -1:  # its word for none
            del found[name]
    for name in ("source.address", "destination.address"):
        if found.get(name) == "":
            del found[name]
    said = at(event.record, "logdata", "msg", "logdata")
    if type(said) is str:
        found["message"] = said
    if code < 2000:
        return OWN
    protocol = SERVICES.get(code // 1000)
    scan, login = code in SCANS, code in LOGINS
    if protocol and not scan:
        found["network.protocol"] = protocol
    if scan and type(proto := found.get("network.transport")) is str:
        found["network.transport"] = proto.lower()
    found["event.action"] = "port-scan" if scan else f"{protocol or 'service'}-{'login' if login else 'contact'}"
    found["event.category"] = ["intrusion_detection", *(["authentication"] if login else ["network"])]
    found["event.type"] = ["start" if login else "info"]
    return TOUCHED
