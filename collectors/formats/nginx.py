"""nginx: access log (combined, with a virtual host) and error log, whose messages may run over several lines.

https://nginx.org/en/docs/ngx_core_module.html#error_log. Detection by content takes access lines for Apache's;
name this format to have the data set nginx.access.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from collectors.formats import _access_log, _payload, _times
from collectors.formats._frames import Piece, endpoints, finish, gather
from collectors.formats._text import Shape, decode, match
from soc_core.protocols import Context, Fault, Ints, Parsed

CONTINUED = frozenset(("nginx.error",))
PROGRAMS = ("nginx",)
ERROR = Shape(
    "",
    r"^(?:\S+ nginx(?:\[\d+\])?: )*(?P<stamp>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<log.level>\w+)\] "
    r"(?P<process.pid>\d+)[#:](?P<process.thread.id>\d+):? "
    r"(?:\*(?P<nginx.error.connection_id>\d+) )?(?P<message>(?s:.*))$",
)
# Paths and requests in the message come from the other end: the client is read only where it stands once.
CLIENT = r", client: (?P<source.address>[^,\s]+), server: (?P<server.domain>[^,\s]*)"
REQUEST = r', request: "(?P<http.request.method>[A-Z]+) (?P<url.original>\S+)(?: HTTP/(?P<http.version>[\d.]+))?"'
# what the client did wrong, and whom it gave itself out for; a broken upstream is no fault of the client
WRONG = (r"access forbidden by|No such file or directory|is not found \(|was not found in|password mismatch|not "
         r"authenticated|"
         r"no user/password was provided|(?:limiting|delaying) (?:requests?|connections)|client sent |is forbidden|"
         r"client intended to send too large|SSL_[a-z_]+\(\) failed|rewritten URI has a zero length")
USER = (r"(?:user \x22(?P<user>[^\x22]*)\x22(?: was not found in|: password mismatch)|PAM: user '(?P<pam>[^']*)' - "
        r"not auth)")
# what begins a record of something else, which goes on with no error message
OWN = re.compile(r"<\d{1,3}>|\{\x22|\[[A-Z][a-z]{2} [A-Z][a-z]{2} |[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:|"
                 r"\d{4}-\d\d-\d\d[T ]\d\d:")
FIXED = {
    "event.kind": "event", "event.category": ["web"], "event.type": ["error"], "event.module": "nginx",
    "event.dataset": "nginx.error", "service.type": "nginx", "sigma.logsource": ["//nginx"],
}
SHAPES = (*_access_log.ACCESS, ERROR)


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Access and error lines; lines that go on an error message are merged into it; anything else is a fault."""
    text, faults = decode(lines, ctx.encoding)
    undecoded = {fault.line for fault in faults}
    taken, pieces = _payload.devices(lines, text.fill_null(""), ctx, ("modsecurity",))
    text = text.set(pl.Series(taken), "") if taken.any() else text
    errors: tuple[Ints, pl.DataFrame] | None = None
    unread = np.empty(0, dtype=np.int64)
    for shape, rows, groups in match(text.fill_null("") if undecoded else text, SHAPES):
        if shape is None:
            unread = np.array([row for row in rows if int(row) not in undecoded and not taken[row]], dtype=np.int64)
        elif shape is ERROR:
            errors = rows, groups
        else:
            pieces.append(Piece(rows, finish(_access_log.columns(groups), _access_log.fixed("nginx"))))
    merged: list[int] = []
    if errors is not None:
        rows, groups = errors
        groups, merged = _continued(text, rows, groups, unread)
        pieces.append(Piece(rows, finish(_error(groups, ctx), FIXED)))
    lost = set(unread.tolist()) - set(merged)
    faults += [Fault(row, "neither an access nor an error line of nginx") for row in sorted(lost)]
    return gather(pieces, faults, merged)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that are of one of the shapes; error lines are nginx's own."""
    text, _ = decode(lines)
    score = sum((0.95 if shape is ERROR else 0.91) * len(rows) for shape, rows, _ in match(text.fill_null(""), SHAPES)
        if shape)
    return score / max(len(lines), 1)


def _continued(text: pl.Series, rows: Ints, groups: pl.DataFrame, unread: Ints) -> tuple[pl.DataFrame, list[int]]:
    """Lines without a head of their own, directly below an error line, belong to its message."""
    heads = {int(row): n for n, row in enumerate(rows)}
    messages = groups["message"].to_list()
    merged = []
    for row in unread.tolist():
        owner = heads.get(row - 1)
        if owner is not None and not OWN.match(text[row]):
            messages[owner] += "\n" + text[row]
            heads[row] = owner
            merged.append(row)
    return (groups.with_columns(pl.Series("message", messages)) if merged else groups), merged


def _error(groups: pl.DataFrame, ctx: Context) -> pl.DataFrame:
    message = groups["message"]
    once = message.str.count_matches(", client: ", literal=True) == 1
    told = pl.select(pl.when(once).then(message)).to_series()
    users = told.str.extract_groups(USER).struct.unnest()
    who = users["user"].fill_null(users["pam"])
    frame = groups.with_columns(
        _times.iso(groups["stamp"], ctx.timezone).alias("@timestamp"),
        *told.str.extract_groups(CLIENT).struct.unnest().get_columns(),
        *told.str.extract_groups(REQUEST).struct.unnest().get_columns(),
        pl.select(pl.when(told.str.contains(", client: ", literal=True) & told.str.contains(WRONG)).then(
            pl.lit("failure"))).to_series().alias("event.outcome"),
        who.alias("user.name"),
        pl.Series("event.category", [["web"] if name is None else ["web", "authentication"] for name in who.to_list()]),
        told.str.extract(r', host: "([^":]*)(?::\d+)?"').alias("url.domain"),
        told.str.extract(r', referrer: "([^"]*)"$').alias("http.request.referrer"),
        pl.Series("event.timezone", [ctx.timezone]).new_from_index(0, groups.height),
    )
    blank = pl.when(pl.col("server.domain") != "").then(pl.col("server.domain")).alias("server.domain")
    frame = endpoints(frame.drop("stamp").with_columns(blank), ("source",))
    return frame.with_columns(_access_log.url_parts(frame["url.original"])[:2])
