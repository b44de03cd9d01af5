"""Paths → batches of events with identity, without any store: what `./soc detect` and rule tests judge.

Taxonomy `ecs` goes through the ordinary collectors. Taxonomy `sigma` takes NDJSON whose fields already bear Sigma's
names: nested objects are read by dotted path, arrays match by any element. The log source of such an event is, in
this order: `sigma.logsource` (a tag `product/category/service` or a list of them); the texts product, category and
service, below `logsource` or at the top (what a rule states must be the same where the event states it too); a
Windows `Channel` with its `EventID`. An event without any of these is judged by every rule.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from detections.sigma.rule import ANY
from soc_core import clock
from soc_core.events import EventBatch, Part
from soc_core.identify import identify, records
from soc_core.protocols import Frame, Origin, Raws

UNGATED = [ANY]
LOGSOURCE = ("product", "category", "service")
DECIDING = ("EventType", "OperationType", "ObjectType")  # event data that decide a Windows event's categories
TIMES = ("@timestamp", "timestamp", "TimeCreated", "UtcTime", "EventTime", "time")


def taken(paths: Sequence[Path], refused: list[str] | None = None, format: str = "", **origin: Any
          ) -> Iterator[tuple[Path, Raws]]:
    """All records below the paths, file by file in order; sentences on files that cannot be read go to `refused`.

    `origin`: zone, timezone, encoding, as FileSource takes them. Raises FileNotFoundError.
    """
    from collectors.parse import detect
    from collectors.sources.files import FileSource, Ledger, Refused, expand

    found = expand(paths)
    problems = [] if refused is None else refused
    problems += [reason for _, reason in found.refused]
    with tempfile.TemporaryDirectory(prefix="soc-") as folder:
        ledger = Ledger(Path(folder) / "files.jsonl")
        for path in found.files:
            try:
                source = FileSource(path, ledger, detect, format=format, **origin)
            except Refused as error:
                problems.append(str(error))
                continue
            try:
                while not source.done:
                    for raws in source.next_batch()[0]:
                        yield path, raws
            finally:
                source.close()


def read(paths: Sequence[Path], format: str = "", refused: list[str] | None = None) -> Iterator[EventBatch]:
    """Batches of everything below the paths, in order. Raises FileNotFoundError; unreadable files go to `refused`."""
    from collectors.processes import Processes

    processes = Processes()
    first = 0
    for _, raws in taken(paths, refused, format):
        yield processes.enrich(batch(raws, first))
        first += len(raws.lines)


def batch(raws: Raws, first: int = 0) -> EventBatch:
    """One set of records parsed and identified, as the pipeline does it."""
    from collectors.parse import parse

    frame = Frame(0, first, raws)
    return identify(parse([frame]), records([frame], "detect"))[0]


def lines(found: Sequence[str], format: str) -> EventBatch:
    """Native log lines as a batch."""
    origin = Origin(source="lines", format=format)
    return batch(Raws(origin, [line.encode() for line in found], clock.now()))


def read_sigma(paths: Sequence[Path], refused: list[str] | None = None) -> Iterator[EventBatch]:
    """Batches of NDJSON events that bear Sigma's field names."""
    for _, raws in taken(paths, refused, "text"):
        yield sigma_batch(raws.lines)


def sigma_batch(found: Iterable[bytes]) -> EventBatch:
    """Events in Sigma's names as a batch: one part for each set of fields."""
    events = [flat(line) for line in found if line.strip()]
    shapes: dict[tuple[str, ...], list[int]] = {}
    for row, event in enumerate(events):
        shapes.setdefault(tuple(event), []).append(row)
    parts = []
    for names, rows in shapes.items():
        columns = [_column(name, [events[row][name] for row in rows]) for name in names]
        parts.append(Part(np.array(rows, dtype=np.int64), pl.DataFrame(columns)))
    return EventBatch(len(events), parts)


def flat(line: bytes) -> dict[str, Any]:
    """One event as dotted names to texts or lists of texts; a line that is no object is only text."""
    from detections.sigma.terms import as_text

    text = line.decode("utf-8", "replace")
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        event = None
    if not isinstance(event, dict):
        return {"event.original": text, "sigma.logsource": UNGATED}
    out: dict[str, Any] = {}

    def walk(node: dict[str, Any], above: str) -> None:
        for key, value in node.items():
            name = above + key
            if isinstance(value, dict):
                walk(value, name + ".")
            elif isinstance(value, list):
                flat_items = [item for item in _items(value, walk, name) if item is not None]
                if flat_items:
                    out[name] = [*out.get(name, []), *map(as_text, flat_items)]
            elif value is not None:
                out[name] = as_text(value)

    walk(event, "")
    out["sigma.logsource"] = tags(event, out)
    out["event.original"] = text
    stamp = next((out[name] for name in TIMES if isinstance(out.get(name), str)), None)
    out["@timestamp"] = _micros(stamp)
    return out


def _items(values: list[Any], walk: Callable[[dict[str, Any], str], None], name: str) -> Iterator[Any]:
    for value in values:
        if isinstance(value, dict):
            walk(value, name + ".")
        elif isinstance(value, list):
            yield from _items(value, walk, name)
        else:
            yield value


def tags(event: dict[str, Any], names: dict[str, Any]) -> list[str]:
    """The log sources of an event in Sigma's names; see the module."""
    given = names.get("sigma.logsource")
    if given:
        return [given] if isinstance(given, str) else list(given)
    below = [names.get(f"logsource.{part}") for part in LOGSOURCE]
    for parts in (below, [event.get(part) for part in LOGSOURCE]):
        if any(isinstance(part, str) and part for part in parts):
            return ["/".join(part.lower() if isinstance(part, str) and part else ANY for part in parts)]
    channel, code = names.get("Channel"), names.get("EventID")
    if isinstance(channel, str) and isinstance(code, str):
        return list(_windows(channel, code, *(str(names.get(name, "")) for name in DECIDING)))
    return UNGATED


@lru_cache(maxsize=4096)
def _windows(channel: str, code: str, *deciding: str) -> tuple[str, ...]:
    """The tags that the Windows format itself gives to such a record."""
    row: dict[str, Any] = {"Channel": channel, "EventID": int(code) if code.isdigit() else code}
    row |= {name: value for name, value in zip(DECIDING, deciding, strict=True) if value}
    found = lines([orjson.dumps({**row, "@timestamp": "2026-01-01T00:00:00Z"}).decode()], "windows_event")
    if not found.height or "sigma.logsource" not in found.fields:
        return tuple(UNGATED)
    return tuple(found.column("sigma.logsource")[0])


def _micros(stamp: Any) -> int | None:
    try:
        return clock.from_text(stamp) if isinstance(stamp, str) else None
    except ValueError:
        return None


def _column(name: str, values: list[Any]) -> pl.Series:
    if name == "@timestamp":
        return pl.Series(name, values, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    if any(isinstance(value, list) for value in values):
        values = [value if isinstance(value, list) else [value] for value in values]
        return pl.Series(name, values, dtype=pl.List(pl.String))
    return pl.Series(name, values, dtype=pl.String)


def numbered(found: EventBatch, first: int) -> EventBatch:
    """The batch with event.id made of each event's number over all paths, from `first`."""
    ids = [f"{number:032d}" for number in range(first, first + found.height)]
    return found.with_columns({"event.id": pl.Series("event.id", ids, dtype=pl.String)})
