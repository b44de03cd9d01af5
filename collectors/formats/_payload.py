"""Log lines of other formats that travel inside syslog messages: an nginx access line, an EVE record, a DNS query.

A format that reads what some programs write names them in its PROGRAMS, by the first word of their names.

The payload's own format parses it; the syslog header's host and priority are added where the payload is silent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from collectors.formats._frames import Piece, either
from soc_core import registry
from soc_core.protocols import Context, Ints

PACKAGE = "collectors.formats"
WHEN = ("@timestamp", "event.timezone")
FIRST_WORD = re.compile(r"[A-Za-z0-9]+")
JSON_FORMATS = ("suricata_eve", "windows_event", "ecs", "api_gateway", "modsecurity", "traefik")
HEADER = (
    "host.hostname", "host.name", "log.syslog.priority", "log.syslog.facility.code", "log.syslog.facility.name",
    "log.syslog.severity.code", "log.syslog.severity.name", "log.syslog.appname", "log.syslog.procid", "process.pid",
    "process.name",
)


def carried(lines: Ints, header: pl.DataFrame, ctx: Context) -> tuple[npt.NDArray[np.bool_], list[Piece]]:
    """(rows taken, their events): payloads that another format reads; the rest stays with syslog."""
    taken = np.zeros(header.height, dtype=bool)
    pieces: list[Piece] = []
    for names, rows in _candidates(header):
        rows = rows[~taken[rows]]
        text = [line.encode()
            for line in header["message"].gather(rows).str.strip_prefix("@cee:").str.strip_chars_start()]
        name = names[0] if len(names) == 1 else _best(names, text)
        if name is None or not len(rows):
            continue
        parsed = registry.get(PACKAGE, name).parse(text, Context(ctx.received, ctx.timezone, "utf-8"))
        came = rows[parsed.line_no]
        for part in parsed.batch.parts:
            here = came[part.rows]
            pieces += [Piece(lines[here], _with_header(part.frame, header[here]))]
        taken[came] = True
    return taken, pieces


@cache
def _programs() -> dict[str, tuple[str, ...]]:
    """First word of a program's name in syslog → the formats that say they read what it writes (their PROGRAMS)."""
    found: dict[str, tuple[str, ...]] = {}
    for name in registry.names(PACKAGE):
        for program in getattr(registry.get(PACKAGE, name), "PROGRAMS", ()):
            found[program] = (*found.get(program, ()), name)
    return found


@cache
def _marked() -> dict[str, tuple[str, ...]]:
    """Formats of devices, with the literals of which one is in each of their lines."""
    held = {name: getattr(registry.get(PACKAGE, name), "SYSLOG_MARKS", ()) for name in registry.names(PACKAGE)}
    return {name: marks for name, marks in held.items() if marks}


def devices(
    lines: Sequence[bytes], text: pl.Series, ctx: Context, names: Sequence[str] = (),
) -> tuple[npt.NDArray[np.bool_], list[Piece]]:
    """(lines taken, their events): whole lines of devices, which have headers of their own ways.

    `names` holds it to some formats: an error log of a web server carries ModSecurity's messages and no other's.
    """
    taken = np.zeros(len(lines), dtype=bool)
    pieces: list[Piece] = []
    known = {name: marks for name, marks in _marked().items() if not names or name in names}
    every = "|".join(re.escape(mark) for marks in known.values() for mark in marks)
    if not every or not (likely := text.str.contains(every)).any():
        return taken, pieces
    rows = np.flatnonzero(likely.to_numpy())
    for name, marks in known.items():
        rows = rows[~taken[rows]]
        mine = rows[text.gather(rows).str.contains_any(list(marks)).to_numpy()] if len(rows) else rows
        if not len(mine):
            continue
        parsed = registry.get(PACKAGE, name).parse([lines[row] for row in mine.tolist()], ctx)
        pieces += [Piece(mine[parsed.line_no[part.rows]], part.frame) for part in parsed.batch.parts]
        taken[mine[parsed.line_no]] = True
    return taken, pieces


def _candidates(header: pl.DataFrame) -> list[tuple[tuple[str, ...], Ints]]:
    found: list[tuple[tuple[str, ...], Ints]] = []
    braced = header["message"].str.contains(r"^(?:@cee:)? ?\{")
    if braced.any():
        found.append((JSON_FORMATS, np.flatnonzero(braced.to_numpy())))
    event = header["message"].str.starts_with("<Event>") | header["message"].str.starts_with("<Event ")
    if event.any():  # Sysmon for Linux
        found.append((("windows_event",), np.flatnonzero(event.to_numpy())))
    if "process.name" in header.columns:
        found += [((name,), np.flatnonzero((header["process.name"].is_in(programs) & ~braced).fill_null(False)
            .to_numpy())) for name, programs in _writers(header["process.name"]).items()]
    return found


def _writers(programs: pl.Series) -> dict[str, list[str]]:
    """Formats, and the names in the column of the programs whose messages they read."""
    known = _programs()
    found: dict[str, list[str]] = {}
    for program in programs.drop_nulls().unique().to_list():
        first = FIRST_WORD.match(program)
        for name in known.get(first[0].lower(), ()) if first else ():
            found.setdefault(name, []).append(program)
    return dict(sorted(found.items()))


def _best(names: tuple[str, ...], text: Sequence[bytes]) -> str | None:
    known = [name for name in names if name in registry.names(PACKAGE)]
    scored: list[tuple[float, str]] = [(registry.get(PACKAGE, name).sniff(text[:20]), name) for name in known]
    best: tuple[float, Any] = max(scored, default=(0.0, None))
    return best[1] if best[0] > 0.3 else None


def _with_header(frame: pl.DataFrame, header: pl.DataFrame) -> pl.DataFrame:
    """What the syslog header says where the payload is silent, and its host among the related ones."""
    add = [header[name] for name in HEADER if name in header.columns and name not in frame.columns]
    if "@timestamp" not in frame.columns:
        add += [header[name] for name in WHEN if name in header.columns]
    elif frame["@timestamp"].null_count():
        add += [either(frame[name], header[name]) if name in frame.columns else pl.select(
            pl.when(frame["@timestamp"].is_null()).then(header[name]).alias(name)).to_series()
            for name in WHEN if name in header.columns]
    add += [frame[name].fill_null(header[name].cast(frame[name].dtype)) for name in HEADER
        if name in header.columns and name in frame.columns and frame[name].null_count()]
    frame = frame.with_columns(add)
    hosts = [pl.col(name) for name in ("host.hostname", "host.name") if name in header.columns]
    if not hosts:
        return frame
    known = [pl.col("related.hosts").fill_null([])] if "related.hosts" in frame.columns else []
    every = pl.concat_list(*known, *hosts).list.drop_nulls().list.unique(maintain_order=True)
    return frame.with_columns(pl.when(every.list.len() > 0).then(every).alias("related.hosts"))
