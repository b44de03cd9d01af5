"""DNS servers: BIND's query and security categories, dnsmasq's log-queries, and the debug log of Windows DNS.

https://bind9.readthedocs.io/en/latest/reference.html#logging-block-grammar and
https://learn.microsoft.com/windows-server/networking/dns/dns-logging-and-diagnostics. The client is the address that
the server writes before the name that was asked for, which is foreign text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import polars as pl

from collectors.formats import _service, _times
from collectors.formats._frames import addresses, by_value
from collectors.formats._service import Service
from collectors.formats._text import Shape
from soc_core.protocols import Context, Parsed

PROGRAMS = ("named", "dnsmasq", "bind9")
LEVEL = r"(?:debug \d+|info|notice|warning|error|critical)"
STAMP = r"(?:\d{1,2}-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d(?:\.\d{1,6})? )?(?:[a-z-]{1,32}: )?"
OWN = (r"^(?:(?P<date_>\d{1,2})-(?P<month_>[A-Z][a-z]{2})-(?P<year_>\d{4}) (?P<clock_>\d\d:\d\d:\d\d)"
       rf"(?:\.(?P<part_>\d{{1,6}}))? )?(?:[a-z-]{{1,32}}: )??(?:(?P<log.level>{LEVEL}): )?")
CLIENT = OWN + (r"client (?:@0x[0-9a-f]+ )?(?P<source.address>[0-9A-Fa-f.:]+)(?:%\w+)?#(?P<source.port>\d{1,5})"
                r"(?:/key \S+)?(?: \(\S*\))?: (?:view (?P<observer.ingress.zone>[^:\s]+): )?")
NAME = r"(?P<dns.question.name>\S*?)"
ASKED = rf"'?{NAME}/(?:(?P<dns.question.type>[A-Z0-9]+)/)?(?P<dns.question.class>[A-Z0-9]+)'?"
EXTRA = r"^(?:(?P<dns.id>\d+) (?P<source.address>[0-9A-Fa-f.:]+)/(?P<source.port>\d+) )?"
DAY = r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}\.?"
WINDOWS = DAY + r" \d{1,2}:\d\d:\d\d(?: [AP]M| [上下]午)? +[0-9A-F]+ PACKET "
MARK = (
    rf"{STAMP}(?:{LEVEL}: )?client (?:@0x[0-9a-f]+ )?[0-9A-Fa-f.:]+(?:%\w+)?#\d|{WINDOWS}"
    r"|(?:\d+ [0-9A-Fa-f.:]+/\d+ )?(?:query\[[^\]\s]+\] \S+ from |forwarded \S+ to [0-9A-Fa-f.:]+"
    r"|(?:reply|cached|cached-stale|config|validation|DHCP|/\S+) \S+ is )"
)
TALK = {"event.category": ["network"], "event.type": ["connection", "protocol"]}
QUERY = TALK | {"event.action": "query", "dns.type": "query", "event.outcome": "unknown"}
DENIED = TALK | {"event.type": ["connection", "protocol", "denied"], "event.outcome": "failure"}
ANSWER = TALK | {"event.action": "answer", "dns.type": "answer", "event.outcome": "success"}
BIND = {"event.module": "bind", "event.dataset": "bind.query", "service.type": "bind", "observer.product": "BIND"}
DNSMASQ = {"event.module": "dnsmasq", "event.dataset": "dnsmasq.query", "service.type": "dnsmasq",
    "observer.product": "dnsmasq"}
MICROSOFT = {"event.module": "windows_dns", "event.dataset": "windows_dns.debug", "service.type": "dns_server",
    "observer.vendor": "Microsoft", "observer.product": "Windows DNS Server"}
SHAPES = (
    Shape("", CLIENT + r"query: (?P<dns.question.name>\S+) (?P<dns.question.class>\S+) (?P<dns.question.type>\S+) "
          r"(?P<flags_>[+-][A-Z0-9()]*)(?: \((?P<destination.address>[0-9A-Fa-f.:]+)\))?", BIND | QUERY),
    Shape("", CLIENT + r"(?P<event.action>query(?: \(cache\))?|zone transfer|update(?: forwarding)?|notify|recursion) "
          + ASKED + r" (?:denied|refused)(?: \((?P<event.reason>[^)]*)\))?",
          BIND | DENIED | {"dns.response_code": "REFUSED"}),
    Shape("", CLIENT + r"bad (?P<event.action>zone transfer) request: " + ASKED + r": (?P<event.reason>.*)$",
          BIND | DENIED),
    Shape("", CLIENT + r"query failed \((?P<dns.response_code>\w+)\) for " + NAME
          + r"/(?P<dns.question.class>\w+)/(?P<dns.question.type>\w+) at ",
          BIND | QUERY | {"event.outcome": "failure"}),
    Shape("", CLIENT + r"(?:disabled )?rpz \S+ (?P<event.action>\S+) rewrite " + ASKED + r" via (?P<rule.name>\S+)",
          BIND | DENIED | {"event.kind": "alert", "event.outcome": "success"}),
    Shape("", CLIENT, BIND | TALK | {"event.type": ["connection", "protocol", "info"]}),
    Shape("", r"^(?:(?P<dns.id>\d+) \S+/(?P<source.port>\d+) )?query\[(?P<dns.question.type>[^\]\s]+)\] "
          r"(?P<dns.question.name>\S+) from (?P<source.address>[0-9A-Fa-f.:]+)$", DNSMASQ | QUERY),
    Shape("", EXTRA + r"(?P<event.action>forwarded) (?P<dns.question.name>\S+) to (?P<destination.address>\S+)$",
          DNSMASQ | QUERY),
    Shape("", EXTRA + r"(?P<event.action>reply|cached|cached-stale|config|validation|DHCP|/\S+) "
          r"(?P<dns.question.name>\S+) is (?P<answer_>.+)$", DNSMASQ | ANSWER),
    Shape("", rf"^(?P<date_windows_>{DAY}) (?P<time_windows_>\d{{1,2}}:\d\d:\d\d)(?: (?P<half_>[AP]M|[上下]午))? +"
          r"(?P<process.thread.id>[0-9A-F]+) PACKET +[0-9A-F]+ (?P<network.transport>UDP|TCP) (?P<way_>Rcv|Snd) "
          r"(?P<peer_>[0-9A-Fa-f.:]+) +(?P<dns.id>[0-9a-f]{4}) (?P<said_>[R ]) [QNU?] "
          r"\[[0-9a-f]{4} (?P<flags_>[ A-Z]{4}) +(?P<dns.response_code>[A-Z]+)\] (?P<dns.question.type>\S+) +"
          r"(?P<labels_>\S+)", MICROSOFT | TALK),
)
FIXED = {"event.kind": "event", "event.module": "dns_server", "event.dataset": "dns_server.log",
    "service.type": "dns_server", "event.category": ["network"], "event.type": ["protocol", "info"],
    "network.protocol": "dns", "sigma.logsource": ["/dns/"]}
LABEL = re.compile(r"\(\d{1,2}\)")


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each query, refusal and answer is one event; lines of other kinds are faults."""
    return _service.parse(lines, ctx, SERVICE)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of such lines."""
    return _service.sniff(lines, SERVICE)


def _polish(frame: pl.DataFrame, own: pl.DataFrame, ctx: Context) -> pl.DataFrame:
    add: list[pl.Series] = []
    if "labels_" in own.columns:
        return _windows(frame, own, ctx)
    if "answer_" in own.columns:
        answers = own["answer_"].to_list()
        resolved = addresses(own["answer_"])
        codes = [answer if answer in ("NXDOMAIN", "SERVFAIL", "REFUSED") else "NOERROR" for answer in answers]
        add += [_lists("dns.answers.data", answers), _lists("dns.resolved_ip", resolved.to_list()),
                pl.Series("dns.response_code", codes)]
    if "flags_" in own.columns:
        transport = ["tcp" if "T" in flags else "udp" for flags in own["flags_"].to_list()]
        recursion = [["RD"] if flags[0] == "+" else None for flags in own["flags_"].to_list()]
        add += [pl.Series("network.transport", transport),
                pl.Series("dns.header_flags", recursion, dtype=pl.List(pl.String))]
    return frame.with_columns(add)


def _lists(name: str, values: Sequence[Any]) -> pl.Series:
    return pl.Series(name, [None if value is None else [value] for value in values], dtype=pl.List(pl.String))


def _windows(frame: pl.DataFrame, own: pl.DataFrame, ctx: Context) -> pl.DataFrame:
    """The debug log's own time, by the locale of the server; who asked is the peer, whichever way the packet went."""
    stamps = (own["date_windows_"] + " " + own["time_windows_"] + " " + own["half_"].fill_null(""))
    told = own["said_"].to_list()
    flags = [[{"A": "AA", "T": "TC", "D": "RD", "R": "RA"}.get(one, one) for one in text if one != " "]
             for text in own["flags_"].to_list()]
    return frame.with_columns(
        _times.iso(by_value(stamps, _iso), ctx.timezone).alias("@timestamp"),
        pl.lit(ctx.timezone).alias("event.timezone"),
        own["peer_"].alias("source.address"),
        by_value(own["labels_"], _name).alias("dns.question.name"),
        pl.Series("dns.type", ["answer" if one == "R" else "query" for one in told]),
        pl.Series("event.action", ["answer" if one == "R" else "query" for one in told]),
        pl.Series("network.direction", ["ingress" if way == "Rcv" else "egress" for way in own["way_"].to_list()]),
        pl.Series("dns.header_flags", flags, dtype=pl.List(pl.String)),
        frame["network.transport"].str.to_lowercase(),
        pl.Series("event.outcome", ["unknown" if one != "R" else "success" if code == "NOERROR" else "failure"
            for one, code in zip(told, frame["dns.response_code"].to_list(), strict=True)]),
    )


def _name(labels: str) -> str:
    """`(3)www(7)example(3)com(0)` as `www.example.com`."""
    return LABEL.sub(".", labels).strip(".") or "."


def _iso(stamp: str) -> str | None:
    """`11/23/2026 1:02:03 PM`, `2026/11/23 13:02:03` and `23.11.2026 13:02:03`; the month first where a slash parts."""
    day, clock, half = stamp.split(" ")
    parts = [int(part) for part in re.split(r"[/.-]", day) if part]
    if len(parts) != 3:
        return None
    if parts[0] > 31:
        year, month, date = parts
    elif "." in day or parts[0] > 12:
        date, month, year = parts
    else:
        month, date, year = parts
    hour, rest = clock.split(":", 1)
    late = half in ("PM", "下午")
    number = int(hour) % 12 + 12 * late if half else int(hour)
    return f"{year + 2000 * (year < 100):04d}-{month:02d}-{date:02d} {number:02d}:{rest}"


SERVICE = Service(MARK, SHAPES, FIXED, "no query, refusal or answer of a DNS server", _polish)
