"""Access logs of web servers: common, combined, with a virtual host in front, and Apache's ssl_request log.

https://httpd.apache.org/docs/2.4/mod/mod_log_config.html, https://nginx.org/en/docs/http/ngx_http_log_module.html
A request line may hold anything (a TLS hello, a bare word, nothing): such a line is an event like any other.
"""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl

from collectors.formats import _times, _user_agent
from collectors.formats._frames import endpoints, over
from collectors.formats._text import Shape

QUOTED = r'(?:[^"\\]|\\.)*'
TIME = r"\[(?P<stamp>\d{1,2}/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"
FULL = len("10/Oct/2000:13:55:36 -0700")
CLIENT = r"(?P<source.address>[^\s\",]+)(?P<forwarded_>(?:, ?[^\s\",]+)+)?"
ANSWER = r"(?P<http.response.status_code>\d{3}|-)(?: (?P<http.response.body.bytes>\d+|-))?"
TAIL = (
    rf'(?: "(?P<http.request.referrer>{QUOTED})" "(?P<user_agent.original>{QUOTED})"?(?: (?P<rest_>.*))?| '
    rf'(?P<other_>.*))?$'
)
ACCESS = (
    Shape("", rf'^{CLIENT} \S+ (?P<user.name>\S+) {TIME} "(?P<request_>{QUOTED})" {ANSWER}{TAIL}'),
    Shape("", rf'^(?P<url.domain>[^\s:\",]+)(?::(?P<url.port>\d+))? "?{CLIENT}"? \S+ (?P<user.name>\S+) {TIME} '
          rf'"(?P<request_>{QUOTED})" {ANSWER}{TAIL}'),
    # a user name with spaces; quotes that the server did not escape
    Shape("", rf'^{CLIENT} \S+ (?P<user.name>.*?) {TIME} "(?P<request_>.*?)" {ANSWER}'
          r'(?: "(?P<http.request.referrer>[^"]*)" "(?P<user_agent.original>.*?)"?)?(?P<rest_> .*)?$'),
)
SSL = Shape("[", rf'^{TIME} (?P<source.address>\S+) (?P<protocol_>\S+) (?P<tls.cipher>\S+) "(?P<request_>{QUOTED})" '
            r"(?P<http.response.body.bytes>\d+|-)$")
REQUEST = (
    r"^(?P<http.request.method>[A-Za-z][A-Za-z_-]{0,31}) (?P<url.original>.*?)(?: "
    r"HTTP/(?P<http.version>\d(?:\.\d)?))?$"
)


def fixed(server: str) -> dict[str, Any]:
    """What is true of every access line of that server."""
    return {
        "event.kind": "event", "event.category": ["web"], "event.type": ["access"], "event.module": server,
        "event.dataset": f"{server}.access", "service.type": server, "sigma.logsource": ["/webserver/", f"//{server}"],
    }


def columns(groups: pl.DataFrame) -> pl.DataFrame:
    """The groups of one of these shapes as ECS columns."""
    stamp = groups["stamp"]
    if (stamp.str.len_bytes() < FULL).any():  # a day of one digit
        stamp = stamp.str.replace(r"^(\d)/", "0$1/")
    frame = groups.with_columns(_times.clf(stamp).alias("@timestamp"))
    request = groups["request_"].str.extract_groups(REQUEST).struct.unnest()
    parts = url_parts(request["url.original"])
    plain = request["url.original"].is_null()
    if plain.any():  # not a request line: kept as what was asked for, unless there was nothing
        odd = pl.when(plain & ~groups["request_"].is_in(["", "-"])).then(groups["request_"])
        request = request.with_columns(pl.col("url.original").fill_null(odd))
    frame = over(endpoints(frame.hstack(request), ("source",)), parts)
    frame = frame.with_columns(_numbers(frame))
    if "protocol_" in frame.columns:
        frame = frame.with_columns(
            pl.col("protocol_").str.extract(r"([\d.]+)$").alias("tls.version"),
            pl.col("protocol_").str.extract(r"^([A-Za-z]+?)v?[\d.]*$").str.to_lowercase().alias("tls.version_protocol"),
        )
    if "user_agent.original" in frame.columns:
        frame = frame.with_columns(_user_agent.columns(frame["user_agent.original"]))
    return frame.with_columns(_overflow(frame)).select(
        pl.exclude([name for name in frame.columns if name.endswith("_") or name == "stamp"])
    )


def _numbers(frame: pl.DataFrame) -> list[pl.Expr]:
    found = []
    if "http.response.body.bytes" in frame.columns:
        found.append(pl.col("http.response.body.bytes").cast(pl.Int64, strict=False))
    if "http.response.status_code" in frame.columns:
        status = pl.col("http.response.status_code").cast(pl.Int64, strict=False)
        outcome = pl.when(status < 400).then(pl.lit("success")).when(status >= 400).then(pl.lit("failure"))
        found += [status, outcome.alias("event.outcome")]
    return found


def url_parts(original: pl.Series) -> list[pl.Series]:
    """url.path, query, fragment and extension, cut out of the address as requested; nothing is decoded."""
    if original.str.contains("://", literal=True).any():
        whole = original.str.extract_groups(r"^(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<domain>[^/:?#]*)(?::(?P<port>\d+))?(?P<path>.*)$")
        parts = whole.struct.unnest()
        absolute = parts["path"].is_not_null()
        original = pl.select(pl.when(absolute).then(parts["path"]).otherwise(original)).to_series()
        extra = [parts["scheme"].alias("url.scheme"), parts["domain"].alias("url.domain")] if absolute.any() else []
    else:
        extra = []
    cut = list(map(_cut, original.to_list()))  # quicker than three expressions: most addresses are new
    paths, queries, endings = zip(*cut, strict=True) if cut else ((), (), ())
    return [
        pl.Series("url.path", paths, dtype=pl.String), pl.Series("url.query", queries, dtype=pl.String),
        pl.Series("url.extension", endings, dtype=pl.String), *extra,
    ]


def _cut(address: str | None) -> tuple[str | None, str | None, str | None]:
    """(path, query, extension)."""
    if address is None:
        return None, None, None
    path, mark, query = address.partition("?")
    dot = path.rfind(".", path.rfind("/") + 1)
    return path, query if mark else None, path[dot + 1 :] if dot >= 0 and 0 < len(path) - dot - 1 <= 32 else None


def _overflow(frame: pl.DataFrame) -> list[pl.Series]:
    """What stands after the known fields, and the further addresses of a forwarded list (not to be trusted)."""
    kept = [frame[name] for name in ("rest_", "other_", "forwarded_") if name in frame.columns
        and frame[name].null_count() < frame.height]
    if not kept:
        return []
    rows = []
    for values in zip(*kept, strict=True):
        found = {series.name.strip("_"): value.strip(" ,") for series, value in zip(kept, values, strict=True) if value}
        rows.append(orjson.dumps({"access_log": found}).decode() if found else None)
    return [pl.Series("overflow", rows, dtype=pl.String)]
