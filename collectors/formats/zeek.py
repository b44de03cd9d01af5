"""Zeek's logs, tab-separated with their header and as JSON: connections, protocols, files, notices and the rest.

https://docs.zeek.org/en/current/log-formats.html. Lines that begin with `#` name the fields of those after them and
are merged into these; a batch that begins within a file has the header from its source (Context.header). Fields
without an ECS home are columns zeek.LOG.FIELD, under Zeek's own names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from collectors.formats._access_log import url_parts
from collectors.formats._document import STAMP, stamps
from collectors.formats._frames import Piece, addresses, by_value, endpoints, finish, gather, under
from collectors.formats._json import Record, leftovers, lists, records, sample, series
from collectors.formats._text import decode
from collectors.formats._windows_derive import base, ending
from collectors.formats._zeek_logs import COMMON, DIRECTIONS, LOGS, SIGNS, STATES, Log
from soc_core.protocols import Context, Fault, Ints, Parsed
from soc_core.schema import SCHEMA

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}(?:\.[A-Za-z0-9_-]{1,64}){0,4}\Z")
LOG_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
WIDEST = 200  # columns of one log; a sender of JSON may invent names without end
FIRST_OF = frozenset({"http.response.mime_type", "http.request.mime_type"})
LINE = re.compile(rb"\d{9,10}\.\d{6}\tC[A-Za-z0-9]{8,22}\t")
Column = pl.Series | list[Any]


class Header(NamedTuple):
    """What `#` lines say of the lines below them."""

    fields: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    path: str = ""
    tab: str = "\t"
    comma: str = ","
    empty: str = "(empty)"
    unset: str = "-"

    def told(self, line: str) -> Header:
        """The header after one more `#` line; a line that says nothing of the kind changes nothing."""
        if line.startswith("#separator "):
            return Header(tab=_unescaped(line[11:].strip()) or "\t")
        key, _, rest = line.partition(self.tab)
        if key == "#fields":
            return self._replace(fields=tuple(rest.split(self.tab)), types=())
        if key == "#types":
            return self._replace(types=tuple(rest.split(self.tab)))
        if not rest:
            return self
        if key == "#path":
            return self._replace(path=rest)
        if key == "#set_separator":
            return self._replace(comma=rest)
        if key == "#empty_field":
            return self._replace(empty=rest)
        return self._replace(unset=rest) if key == "#unset_field" else self


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; header lines are merged; a record of an unknown header is a fault."""
    tabbed = [n for n, line in enumerate(lines) if not line.lstrip(b" \xef\xbb\xbf").startswith(b"{")]
    braced = [n for n in range(len(lines)) if n not in set(tabbed)] if len(tabbed) < len(lines) else []
    faults: list[Fault] = []
    merged: list[int] = []
    pieces: list[Piece] = []
    if tabbed:
        pieces += _tabbed([lines[n] for n in tabbed], np.array(tabbed, dtype=np.int64), ctx, faults, merged)
    if braced:
        pieces += _braced([lines[n] for n in braced], np.array(braced, dtype=np.int64), ctx, faults)
    return gather(pieces, faults, merged)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that are headers, lines under them, or JSON objects with Zeek's own names."""
    if not lines:
        return 0.0
    known = sum(line.startswith((b"#fields\t", b"#separator \\x", b"#set_separator\t", b"#empty_field\t", b"#types\t",
        b"#unset_field\t", b"#path\t", b"#open\t", b"#close\t")) for line in lines)
    if known >= 2:
        return 0.98 if any(line.startswith((b"#fields\t", b"#separator")) for line in lines) else 0.5
    found = [record for record in sample(lines) if _log(record)]
    return 0.97 * len(found) / len(lines) + 0.5 * sum(LINE.match(line) is not None for line in lines) / len(lines)


# ---------------------------------------------------------------- tab-separated


def _tabbed(lines: list[bytes], numbers: Ints, ctx: Context, faults: list[Fault], merged: list[int]) -> Iterator[Piece]:
    text, lost = decode(lines, ctx.encoding)
    undecoded = {fault.line for fault in lost}
    faults += [Fault(int(numbers[fault.line]), fault.reason) for fault in lost]
    header = Header()
    for line in ctx.header.split("\n"):
        header = header.told(line)
    comments = np.flatnonzero(text.str.starts_with("#").fill_null(False).to_numpy())
    merged += numbers[comments].tolist()
    start = 0
    for place in [*comments.tolist(), len(lines)]:
        rows = np.array([n for n in range(start, place) if n not in undecoded], dtype=np.int64)
        if len(rows):
            yield from _rows(text.gather(rows), numbers[rows], header, ctx, faults)
        if place < len(lines):
            header = header.told(text[place])
        start = place + 1


def _rows(text: pl.Series, numbers: Ints, header: Header, ctx: Context, faults: list[Fault]) -> Iterator[Piece]:
    """Lines under one header."""
    log = header.path or "unknown"
    if not header.fields or not LOG_NAME.match(log):
        reason = "no #fields line before it" if not header.fields else "the header names no log"
        faults += [Fault(int(n), f"a line of Zeek's, but {reason}") for n in numbers]
        return
    parts = text.str.split(header.tab)
    fits = (parts.list.len() == len(header.fields)).to_numpy()
    faults += [Fault(int(n), f"not the {len(header.fields)} fields that the header names") for n in numbers[~fits]]
    if not fits.any():
        return
    table = parts.filter(pl.Series(fits)).list.to_struct(fields=[str(n) for n in range(len(header.fields))])
    columns: dict[str, Column] = {}
    types = header.types if len(header.types) == len(header.fields) else ("",) * len(header.fields)
    for name, kind, one in zip(header.fields, types, table.struct.unnest().iter_columns(), strict=True):
        if name not in columns and NAME.match(name):
            columns[name] = _typed(one, kind, header)
    yield _piece(log, columns, numbers[fits], [None] * int(fits.sum()), ctx)


def _typed(one: pl.Series, kind: str, header: Header) -> pl.Series:
    one = one.set(one == header.unset, None)
    if kind == "bool":
        return by_value(one, lambda word: {"T": "true", "F": "false"}.get(word, word))
    if kind.startswith(("set[", "vector[")):
        return one.set(one == header.empty, None).str.split(header.comma)
    one = one.set(one == header.empty, "")
    if one.str.contains("\\x", literal=True).any():
        one = by_value(one, _unescaped)
    return one


def _unescaped(value: str) -> str:
    r"""`\xHH` as the bytes they stand for, as UTF-8 where they are."""
    if "\\x" not in value:
        return value
    raw = re.sub(rb"\\x([0-9a-fA-F]{2})", lambda found: bytes([int(found[1], 16)]), value.encode())
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return value


# ---------------------------------------------------------------- JSON


def _braced(lines: list[bytes], numbers: Ints, ctx: Context, faults: list[Fault]) -> Iterator[Piece]:
    found, lost = records(lines, ctx.encoding)
    faults += [Fault(int(numbers[fault.line]), fault.reason) for fault in lost]
    groups: dict[str, list[int]] = {}
    for place, record in enumerate(found):
        if record is None:
            continue
        log = _log(record)
        if log:
            groups.setdefault(log, []).append(place)
        else:
            faults.append(Fault(int(numbers[place]), "JSON, but no log of Zeek's"))
    for log, places in groups.items():
        rows = [_flat(found[place] or {}) for place in places]
        # when it was written is the time of last resort, so it comes last
        names = sorted(dict.fromkeys(name for row in rows for name in row), key="_write_ts".__eq__)
        some = [name for name in names if NAME.match(name)][:WIDEST]
        under = {name for name in some if "." in name and any(name.startswith(other + ".") for other in some)}
        kept = {*some} - under - {"_path"}
        rest = [{name: value for name, value in row.items() if name not in kept and name != "_path"} or None
            for row in rows]
        yield _piece(log, {name: [row.get(name) for row in rows] for name in names if name in kept},
            numbers[np.array(places)], rest, ctx)


def _log(record: Record) -> str:
    """The log that a JSON record is of, "" for a record of something else."""
    named = record.get("_path")
    if type(named) is str and LOG_NAME.match(named) and ("ts" in record or "_write_ts" in record):
        return named
    if "ts" in record and ("uid" in record or "fuid" in record or "id" in record):
        for log, names in SIGNS:
            if all(name in record for name in names):
                return log
        return "unknown" if "id.orig_h" in record else ""
    return ""


def _flat(record: Record) -> Record:
    """Objects within the record as dotted names, as Zeek itself writes them."""
    if not any(type(value) is dict for value in record.values()):
        return record
    flat: Record = {}
    for name, value in record.items():
        if type(value) is dict:
            flat |= {f"{name}.{inner}": one for inner, one in value.items()}
        else:
            flat[name] = value
    return flat


# ---------------------------------------------------------------- fields to columns


def _piece(log: str, fields: dict[str, Column], numbers: Ints, rest: list[Record | None], ctx: Context) -> Piece:
    kind = LOGS.get(log, Log())
    columns: dict[str, pl.Series] = {}
    for name, values in fields.items():
        column = kind.fields.get(name) or COMMON.get(name) or f"zeek.{log}.{name}"
        if column in columns:  # a second name for it: the first one wins where it has a value
            again = _column(column, values)
            columns[column] = columns[column].fill_null(again) if again is not None else columns[column]
        elif (made := _column(column, values)) is not None:
            columns[column] = made
    height = len(numbers)
    _derived(log, columns, height)
    left = leftovers({"zeek": {log: one}} if one else None for one in rest)
    if left is not None:
        columns["overflow"] = left
    frame = pl.DataFrame([one.alias(name) for name, one in columns.items()], height=height)
    frame = endpoints(frame)
    if "url.original" in frame.columns:
        frame = under(frame, url_parts(frame["url.original"]))
    return Piece(numbers, finish(frame, _fixed(log, kind)))


def _column(name: str, values: Column) -> pl.Series | None:
    """A column of the schema's type."""
    if isinstance(values, pl.Series) and values.dtype == pl.String and not isinstance(SCHEMA.dtype(name), pl.List):
        made: pl.Series | None = values if values.null_count() < len(values) else None
        if SCHEMA.dtype(name) == pl.Int64 and made is not None:
            made = made.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    else:
        listed = values.to_list() if isinstance(values, pl.Series) else values
        if name in FIRST_OF:
            listed = [one[0] if type(one) is list and one else one for one in listed]
        elif isinstance(SCHEMA.dtype(name), pl.List) and isinstance(values, pl.Series):
            listed = [one if one is None or type(one) is list else [one] for one in listed]
        if name == "dns.answers.ttl":
            made = lists(name, [[_whole(item) for item in one] if one else None for one in listed])
        else:
            made = series(name, listed)
    if made is not None and SCHEMA.dtype(name) == STAMP:
        made = stamps(made, "UTC")
    return made


def _whole(value: Any) -> int | None:
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _derived(log: str, columns: dict[str, pl.Series], height: int) -> None:
    """Values in ECS's own form, and what follows from them."""
    def own(name: str) -> pl.Series | None:
        return columns.get(f"zeek.{log}.{name}")

    if (duration := own("duration")) is not None:
        columns["event.duration"] = (duration.cast(pl.Float64, strict=False) * 1e9).round().cast(pl.Int64, strict=False)
    for name in ("network.transport", "network.protocol", "network.direction"):
        if name in columns:
            columns[name] = columns[name].str.to_lowercase()
    for name in ("source.mac", "destination.mac"):
        if name in columns:
            columns[name] = by_value(columns[name], lambda mac: mac.replace(":", "-").upper())
    for unit in ("bytes", "packets"):
        if f"source.{unit}" in columns and f"destination.{unit}" in columns:
            columns[f"network.{unit}"] = columns[f"source.{unit}"] + columns[f"destination.{unit}"]
    if (state := own("conn_state")) is not None:
        columns["event.type"] = by_value(state, lambda one: list(STATES.get(one, ("connection", "info"))),
            pl.List(pl.String)).fill_null(pl.Series([["connection", "info"]]))
    here, there = own("local_orig"), own("local_resp")
    if here is not None and there is not None:
        columns["network.direction"] = pl.Series([DIRECTIONS.get(pair) for pair in zip(here, there, strict=True)],
            dtype=pl.String)
    if "source.address" in columns:
        columns["network.type"] = by_value(columns["source.address"], lambda one: "ipv6" if ":" in one else "ipv4")
    if "dns.answers.data" in columns:
        found = pl.DataFrame({"n": range(height), "ip": columns["dns.answers.data"]}).explode("ip")
        kept = found.with_columns(addresses(found["ip"]).alias("ip")).group_by("n", maintain_order=True).agg(
            pl.col("ip").drop_nulls())["ip"]
        columns["dns.resolved_ip"] = kept.set(kept.list.len() == 0, None)
    if "tls.version" in columns:
        columns["tls.version"] = by_value(columns["tls.version"], _tls)
    if "file.name" in columns:
        columns["file.extension"] = by_value(columns["file.name"], lambda one: ending(base(one) or ""))
    if log == "kerberos" and (client := own("client")) is not None:
        columns["user.name"] = by_value(client, lambda one: one.partition("/")[0] or None)
    if log in ("dce_rpc", "smb_files") and (
        action := own("operation" if log == "dce_rpc" else "action")) is not None:
        columns["event.action"] = action
    if log == "ftp" and (command := own("command")) is not None:
        columns["event.action"] = command
    if (outcome := _outcome(log, columns)) is not None:
        columns["event.outcome"] = outcome


def _outcome(log: str, columns: dict[str, pl.Series]) -> pl.Series | None:
    words = {"true": "success", "false": "failure"}
    name = LOGS.get(log, Log()).outcome
    if name and f"zeek.{log}.{name}" in columns:
        return by_value(columns[f"zeek.{log}.{name}"], words.get)
    if log == "http" and "http.response.status_code" in columns:
        codes = columns["http.response.status_code"]
        return pl.Series([None if code is None else "failure" if code >= 400 else "success" for code in codes],
            dtype=pl.String)
    if log == "dns" and "dns.response_code" in columns:
        return by_value(columns["dns.response_code"], lambda word: "success" if word == "NOERROR" else "failure")
    if log == "ftp" and "zeek.ftp.reply_code" in columns:
        return by_value(columns["zeek.ftp.reply_code"], lambda code: "failure" if code[:1] in "45" else "success")
    return None


def _tls(word: str) -> str | None:
    digits = word.removeprefix("TLSv").removeprefix("DTLSv").removeprefix("SSLv")
    return f"{digits[0]}.{digits[1:]}" if len(digits) == 2 and digits.isdecimal() else digits or None


def _fixed(log: str, kind: Log) -> dict[str, Any]:
    fixed: dict[str, Any] = {
        "event.kind": kind.kind, "event.category": list(kind.category), "event.type": list(kind.type),
        "event.module": "zeek", "event.dataset": f"zeek.{log}", "service.type": "zeek", "observer.type": "ids",
        "observer.product": "Zeek", "observer.vendor": "Zeek",
        "sigma.logsource": [f"zeek//{log}", *kind.tags],
    }
    return fixed | ({"network.protocol": kind.protocol} if kind.protocol else {})
