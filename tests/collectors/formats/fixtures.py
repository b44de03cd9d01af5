"""Native lines beside what must come of them: NAME/*.log with NAME/*.json, field by field."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from soc_core import clock, registry
from soc_core.events import EventBatch
from soc_core.protocols import Context

HERE = Path(__file__).parent
CONTEXT = Context(clock.from_text("2026-11-23T00:00:00Z"), "Asia/Shanghai")


def cases() -> Iterator[tuple[str, Path]]:
    """(format, log file) of every fixture."""
    for log in sorted(HERE.glob("*/*.log")):
        yield log.parent.name, log


def rows(batch: EventBatch) -> list[dict[str, Any]]:
    """The events as dotted dictionaries without nulls, times as text, the overflow as an object."""
    found: list[dict[str, Any]] = [{} for _ in range(batch.height)]
    for places, frame in batch.parts:
        for place, row in zip(places.tolist(), frame.iter_rows(named=True), strict=True):
            found[place] = {name: plain(name, value) for name, value in row.items() if value is not None}
    return found


def plain(name: str, value: Any) -> Any:
    """A value as JSON holds it."""
    if isinstance(value, datetime):
        return clock.to_text(clock.from_datetime(value))
    return json.loads(value) if name == "overflow" else value


def observed(name: str, log: Path) -> dict[str, Any]:
    """What the format makes of a file now: events with their line numbers (from 1), faults, merged lines."""
    lines = log.read_bytes().split(b"\n")[:-1]
    parsed = registry.get("collectors.formats", name).parse(lines, CONTEXT)
    events = [{"line": int(line) + 1, **row} for line, row in zip(parsed.line_no, rows(parsed.batch), strict=True)]
    faults = {str(fault.line + 1): fault.reason for fault in parsed.faults}
    return {"events": events, "faults": faults, "merged": [line + 1 for line in parsed.merged]}


if __name__ == "__main__":  # python -m tests.collectors.formats.fixtures NAME: what comes now, to be checked by eye
    for log in sorted((HERE / sys.argv[1]).glob("*.log")):
        found = json.dumps(observed(sys.argv[1], log), ensure_ascii=False, indent=1)
        log.with_suffix(".json").write_text(found + "\n", encoding="utf-8")
        print(log.with_suffix(".json"))
