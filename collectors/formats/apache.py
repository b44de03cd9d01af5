"""Apache httpd: access log (common, combined, vhost, ssl_request) and error log.

https://httpd.apache.org/docs/2.4/logs.html. Content alone cannot tell an Apache access log from an nginx one:
this is the one that detection takes; name `nginx` to say otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from collectors.formats import _access_log, _payload, _times
from collectors.formats._frames import Piece, endpoints, finish, gather
from collectors.formats._text import Shape, decode, match
from soc_core.protocols import Context, Fault, Parsed

PROGRAMS = ("httpd", "apache2")
ERROR = (
    Shape("[",
        r"^\[(?:[A-Z][a-z]{2} )?(?P<day>[A-Z][a-z]{2} +\d{1,2}) (?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<part>\d{1,9}))? "
        r"(?P<year>\d{4})\] "
          r"\[(?:(?P<apache.error.module>[\w.]*):)?(?P<log.level>\w+)\] (?:\[pid (?P<process.pid>\d+)(?::tid "
          r"(?P<process.thread.id>\d+))?\] )?"
          r"(?:\(\d+\)[^:]*: )?(?:\[(?:client|remote) (?P<client_>[^\]\s]+\]?(?::\d+)?)\] )?(?P<message>(?s:.*))$"),
)
FIXED = {
    "event.kind": "event", "event.category": ["web"], "event.type": ["error"], "event.module": "apache",
    "event.dataset": "apache.error", "service.type": "apache", "sigma.logsource": ["//apache"],
}
# the syslog form of ErrorLog leaves the time to syslog
CLIENT_TAG = r"\[(?:client|remote) (?P<client_>[^\]\s]+\]?(?::\d+)?)\] "
TAGGED = (
    Shape("[", r"^\[(?P<apache.error.module>[\w.]+):(?P<log.level>\w+)\] \[pid (?P<process.pid>\d+)(?::tid "
          rf"(?P<process.thread.id>\d+))?\] (?:\(\d+\)[^:]*: )?(?:{CLIENT_TAG})?(?P<message>(?s:.*))$"),
    Shape("[", rf"^\[(?P<log.level>emerg|alert|crit|error|warn|notice|info|debug)\] {CLIENT_TAG}(?P<message>(?s:.*))$"),
)
LOGIN = ["web", "authentication"]
AUTH = (r"(?:\buser (?P<user>\S{1,128}?):? (?:not found|authentication failure|authorization failure|password mismatch)"
        r"|\buser `(?P<digest>[^']{1,128})' in realm|Authorization of user (?P<file>\S{1,128}) to access)")
CLIENT = r"^\[?(?P<address>[0-9a-fA-F:.]*?[^:\[\]]*?)\]?(?::(?P<port>\d{1,5}))?$"
BARE_IPV6 = r"^[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F.]*$"  # without brackets there is no port in it
SHAPES = (*_access_log.ACCESS, _access_log.SSL, *ERROR, *TAGGED)


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Access and error lines, mixed as they come; anything else is a fault."""
    text, faults = decode(lines, ctx.encoding)
    undecoded = {fault.line for fault in faults}
    taken, pieces = _payload.devices(lines, text.fill_null(""), ctx, ("modsecurity",))
    text = text.set(pl.Series(taken), "") if taken.any() else text
    for shape, rows, groups in match(text.fill_null("") if undecoded else text, SHAPES):
        if shape is None:
            rows = rows[~taken[rows]]
            faults += [Fault(int(row), "neither an access nor an error line of Apache") for row in rows
                if int(row) not in undecoded]
        elif shape in ERROR or shape in TAGGED:
            pieces.append(Piece(rows, finish(_error(groups, ctx), FIXED)))
        else:
            frame = _access_log.columns(groups)
            if "url.domain" in groups.columns:
                frame = frame.with_columns(groups["url.domain"].alias("destination.domain"))
            pieces.append(Piece(rows, finish(frame, _access_log.fixed("apache"))))
    return gather(pieces, faults)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that are of one of the shapes."""
    text, _ = decode(lines)
    return 0.92 * sum(len(rows) for shape, rows, _ in match(text.fill_null(""), SHAPES) if shape) / max(len(lines), 1)


def _error(groups: pl.DataFrame, ctx: Context) -> pl.DataFrame:
    client = groups["client_"].str.extract_groups(CLIENT).struct.unnest()
    bare = groups["client_"].str.contains(BARE_IPV6)
    users = groups["message"].str.extract_groups(AUTH).struct.unnest()
    who = users["user"].fill_null(users["digest"]).fill_null(users["file"])
    refused = groups["client_"].is_not_null() & (~groups["log.level"].is_in(["debug", "notice", "trace1"])
        & (~groups["log.level"].is_in(["info"])
        | groups["message"].str.contains("File does not exist: ", literal=True)))
    frame = groups.with_columns(
        who.alias("user.name"),
        pl.select(pl.when(refused).then(pl.lit("failure"))).to_series().alias("event.outcome"),
        pl.Series("event.category", [LOGIN if name is not None else ["web"] for name in who.to_list()]),
        pl.select(pl.when(bare).then(groups["client_"]).otherwise(client["address"])).to_series().alias("source.address"),
        pl.select(pl.when(~bare).then(client["port"])).to_series().alias("source.port"),
        groups["message"].str.extract(r"^(?:AH\d+: )?File does not exist: (.*?)(?:, referer: "
            r"\S*)?$").alias("file.path"),
        groups["message"].str.extract(r", referer: (\S+)$").alias("http.request.referrer"),
        groups["message"].str.extract(r"^(AH\d+): ").alias("event.code"),
    )
    if "day" in groups.columns:
        day = groups["day"] + " " + groups["year"]
        stamp = _times.rfc3164(day, groups["clock"], ctx.received, ctx.timezone, groups["part"])
        frame = frame.with_columns(stamp.alias("@timestamp"))
    return endpoints(frame.drop("day", "year", "clock", "part", "client_", strict=False), ("source",))
