"""Public recordings for benches: their files, the events that come of their lines, and how many of these are right."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from soc_core import clock

ROOT = Path(os.environ.get("SOC_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")
NOW = clock.from_text("2026-01-01T00:00:00Z")


class Tally(NamedTuple):
    """How many of how many were right, and the first that were not."""

    right: int
    total: int
    wrong: list[str]

    @property
    def share(self) -> float:
        """Right ones among all; 0 where there was nothing."""
        return self.right / self.total if self.total else 0.0


def tally(results: list[tuple[bool, str]]) -> Tally:
    """Count (right, what it was)."""
    return Tally(sum(right for right, _ in results), len(results), [what for right, what in results if not right])


def read(path: Path) -> bytes:
    """A file of the corpora, decompressed where its name ends in .gz."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def events(lines: list[bytes], form: str = "", timezone: str = "UTC") -> dict[int, dict[str, Any]]:
    """Events by line, through the same door as everything: format found by content, or the one named."""
    from collectors.parse import parse
    from soc_core.protocols import Frame, Origin, Raws

    origin = Origin(source="bench", format=form, timezone=timezone)
    found = parse([Frame(0, 0, Raws(origin, lines, NOW))])
    rows: dict[int, dict[str, Any]] = {}
    for number, row in zip(found.line_no.tolist(), found.batch.frame().iter_rows(named=True), strict=True):
        rows.setdefault(number, {name: value for name, value in row.items() if value is not None})
    return rows


def measured(measures: Iterable[tuple[str, Callable[[], Tally], float]]) -> list[dict[str, Any]]:
    """A figure for each (name, measure, share that must be right)."""
    found = []
    for name, measure, target in measures:
        counted = measure()
        found.append({"name": f"{name} ({counted.total})", "value": round(counted.share, 4), "unit": "share",
                      "target": target, "met": counted.total > 0 and counted.share >= target})
    return found
