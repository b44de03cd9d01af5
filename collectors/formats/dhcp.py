"""DHCP servers: ISC dhcpd, Kea, dnsmasq, and the audit log of Windows Server; the lease is the source of each event.

https://kb.isc.org/docs/aa-00333, https://kea.readthedocs.io/en/latest/kea-messages.html and
https://learn.microsoft.com/windows-server/troubleshoot/dynamic-host-configuration-protocol-events. The name that a
client gives itself is foreign text: addresses are read before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from collectors.formats import _service, _times
from collectors.formats._frames import by_value
from collectors.formats._records import mac
from collectors.formats._service import Service
from collectors.formats._text import Shape
from soc_core.protocols import Context, Parsed

PROGRAMS = ("dhcpd", "dhclient", "kea", "dnsmasq", "dhcpd6")
SPACE = "dhcp"
MAC = r"(?P<source.mac>[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5,7})"
IP = r"(?P<source.address>[0-9A-Fa-f.:]+)"
VERB = r"(?P<verb_>DHCP[A-Z]{3,9})"
VIA = (r"(?: \((?P<source.domain>[^)]{1,255})\))?(?: via (?P<observer.ingress.interface.name>[^\s:]+))?"
       r"(?P<reason_>: .*)?")
CSV = r"\d{1,5},\d{1,2}/\d{1,2}/\d{2,4},\d{1,2}:\d\d:\d\d,"
KEA = r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,6} )?(?:DEBUG|INFO|WARN|ERROR|FATAL) +\[kea-"
MARK = rf"DHCP[A-Z]{{3,9}}(?: (?:from|for|on|of|to)|\(\S+\)) |(?:\d+ )DHCP[A-Z]{{3,9}}\(\S+\) |{KEA}|{CSV}"
KEA_HEAD = (r"^(?:(?P<iso_>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,6}) )?(?P<log.level>[A-Z]+) +"
            r"\[(?P<event.provider>kea-[^/\]]+)(?:/(?P<process.pid>\d+)[^\]]*)?\] (?P<event.code>[A-Z0-9_]+) ")
TALK = {"event.category": ["network"], "event.type": ["connection", "protocol"]}
ISC = {"event.module": "isc_dhcp", "event.dataset": "isc_dhcp.log", "service.type": "isc_dhcp",
    "observer.product": "ISC DHCP"}
MASQ = {"event.module": "dnsmasq", "event.dataset": "dnsmasq.dhcp", "service.type": "dnsmasq",
    "observer.product": "dnsmasq"}
KEA_SAYS = {"event.module": "kea", "event.dataset": "kea.dhcp", "service.type": "kea", "observer.product": "Kea"}
MICROSOFT = {"event.module": "windows_dhcp", "event.dataset": "windows_dhcp.audit", "service.type": "dhcp_server",
    "observer.vendor": "Microsoft", "observer.product": "Windows DHCP Server"}
SHAPES = (
    Shape("DHCP", rf"^{VERB} (?:for|on|of|to) {IP}(?: \((?P<destination.address>[0-9A-Fa-f.:]+)\))? (?:from|to) {MAC}"
          + VIA, ISC | TALK),
    Shape("DHCP", rf"^{VERB} (?:from|for|on|of) {MAC}{VIA}", ISC | TALK),
    Shape("DHCP", rf"^{VERB} (?:of|on|for) {IP} (?:from|to) (?P<destination.address>[0-9A-Fa-f.:]+)", ISC | TALK),
    Shape("DHCP", rf"^{VERB} (?:on|from|for|of) {IP}{VIA}", ISC | TALK),
    Shape("", rf"^(?:\d+ )?{VERB}\((?P<observer.ingress.interface.name>[^)\s]+)\) (?:{IP} )?{MAC}"
          r"(?: (?P<source.domain>\S+))?", MASQ | TALK),
    Shape("", KEA_HEAD + r"\[(?:hwtype=\d+ )?" + MAC + rf"\].*?: (?:lease|offer|address) (?:for address )?{IP} "
          r"has been (?P<done_>\w+)", KEA_SAYS | TALK),
    Shape("", KEA_HEAD + r"\[(?:hwtype=\d+ )?" + MAC + r"\]", KEA_SAYS | TALK),
    Shape("", KEA_HEAD, KEA_SAYS | {"event.category": ["host"], "event.type": ["info"]}),
    Shape("", r"^(?P<event.code>\d{1,5}),(?P<us_>\d{1,2}/\d{1,2}/\d{2,4}),(?P<time_>\d{1,2}:\d\d:\d\d),"
          r"(?P<event.action>[^,]*),(?P<source.address>[^,]*),(?P<source.domain>[^,]*),(?P<source.mac>[^,]*),"
          r"(?P<user.name>[^,]*)", MICROSOFT | TALK),
)
FIXED = {"event.kind": "event", "event.module": "dhcp", "event.dataset": "dhcp.log", "service.type": "dhcp",
    "event.category": ["network"], "event.type": ["protocol", "info"], "network.protocol": "dhcp"}
FAILED = frozenset(("dhcpnak", "dhcpdecline", "13", "14", "15", "16", "18", "20", "22", "23", "31"))
KEA_FAILED = ("_FAIL", "_NAK", "_ERROR", "_DECLINE", "_CONFLICT", "NO_LEASE")


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each exchange is one event; lines of other kinds are faults."""
    return _service.parse(lines, ctx, SERVICE)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of such lines."""
    return _service.sniff(lines, SERVICE)


def _polish(frame: pl.DataFrame, own: pl.DataFrame, ctx: Context) -> pl.DataFrame:
    add: list[pl.Series] = []
    words = frame["event.code"] if "event.code" in frame.columns else pl.Series([""] * frame.height, dtype=pl.String)
    if "verb_" in own.columns:
        words = own["verb_"].str.to_lowercase()
        add.append(words.str.replace("dhcp", "dhcp_").alias("event.action"))
    elif "event.provider" in frame.columns:
        add.append(frame["event.code"].str.to_lowercase().alias("event.action"))
    if "source.mac" in frame.columns:
        add.append(by_value(frame["source.mac"], mac))
    if "reason_" in own.columns:
        add.append(own["reason_"].str.strip_prefix(": ").alias("event.reason"))
        refused = own["reason_"].str.contains("no free leases|unknown (?:lease|network)").fill_null(False)
        words = words.set(refused, "dhcpnak")
    add.append(by_value(words, _outcome).alias("event.outcome"))
    if "us_" in own.columns:
        at = by_value(own["us_"] + " " + own["time_"].str.zfill(8), _iso)
        add += [_times.iso(at, ctx.timezone).alias("@timestamp"),
                pl.Series("event.timezone", [ctx.timezone] * frame.height)]
        add += [frame[name].set(frame[name] == "", None) for name in ("user.name", "source.domain", "source.address")]
    return frame.with_columns(add)


def _outcome(word: str) -> str:
    return "failure" if word in FAILED or any(mark in word for mark in KEA_FAILED) else "success"


def _iso(stamp: str) -> str:
    """`11/23/26 07:00:01` with the year in full."""
    day, clock = stamp.split(" ")
    month, date, year = (int(part) for part in day.split("/"))
    return f"{year + 2000 * (year < 100):04d}-{month:02d}-{date:02d} {clock}"


SERVICE = Service(MARK, SHAPES, FIXED, "no exchange of a DHCP server", _polish)
