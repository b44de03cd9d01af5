"""Container logs as the node keeps them: CRI lines (containerd, CRI-O) and Docker's JSON files.

https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md. A line that the runtime
cut (tag P) is an event of its own with the mark `partial`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from collectors.formats import _payload
from collectors.formats._document import Event, piece
from collectors.formats._frames import Piece, gather
from collectors.formats._json import Record, records
from collectors.formats._text import decode_line
from soc_core.protocols import Context, Fault, Parsed
from soc_core.table import Table

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) "
                  r"([FP][:\w]*) ?(.*)$", re.DOTALL)
QUICK = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) std(?:out|err) [FP](?:[:\w]*)(?: |$)")
FIXED = {"event.kind": "event", "event.module": "container", "event.dataset": "container.log",
    "service.type": "container"}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each line of either form is one event; others are faults."""
    faults: list[Fault] = []
    events: list[Event] = []
    for number, line in enumerate(lines):
        found = _docker(line, ctx) if line[:1] == b"{" else _line(line, ctx)
        if found is None:
            faults.append(Fault(number, "no container log line (time, stream, tag, text)"))
            continue
        found["event.category"], found["event.type"] = ["host"], ["info"]
        events.append(Event(number, {}, found, {}))
    return gather(_carried(piece(events, FIXED, "", "UTC"), ctx) if events else [], faults)


def _carried(whole: Piece, ctx: Context) -> list[Piece]:
    """The lines, and where another format reads what a container wrote (JSON of a gateway, EVE), its events."""
    frame = _plain(whole.frame)
    if "message" not in frame.columns or not frame["message"].str.starts_with("{").any():
        return [whole]
    taken, pieces = _payload.carried(whole.lines, frame.with_columns(pl.col("message").fill_null("")), ctx)
    own = ("container.log.stream",)
    at = {line: row for row, line in enumerate(whole.lines.tolist())}
    made = [Piece(one.lines, _plain(one.frame).with_columns(
        frame[name].gather([at[line] for line in one.lines.tolist()]) for name in own if name in frame.columns))
        for one in pieces]
    return [*made, Piece(whole.lines[~taken], frame.filter(~taken))]


def _plain(held: pl.DataFrame | Table) -> pl.DataFrame:
    return held.frame() if isinstance(held, Table) else held


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines of either form."""
    mine = sum(QUICK.match(line) is not None or (line[:1] == b"{" and b'"log":' in line and b'"stream":"std' in line
        and b'"time":"' in line) for line in lines)
    return 0.97 * mine / max(len(lines), 1)


def _line(line: bytes, ctx: Context) -> Record | None:
    text = decode_line(line.rstrip(b"\r\n"), ctx.encoding)
    match = LINE.match(text) if text is not None else None
    if match is None:
        return None
    found: Record = {"@timestamp": match[1], "container.log.stream": match[2], "message": match[4]}
    return found | ({"tags": ["partial"]} if match[3].startswith("P") else {})


def _docker(line: bytes, ctx: Context) -> Record | None:
    found, _ = records([line], ctx.encoding)
    record = found[0]
    if record is None or type(record.get("log")) is not str or "time" not in record:
        return None
    text: str = record["log"]
    made: Record = {"@timestamp": record["time"], "message": text.rstrip("\r\n")}
    if type(record.get("stream")) is str:
        made["container.log.stream"] = record["stream"]
    return made if text.endswith("\n") else made | {"tags": ["partial"]}
