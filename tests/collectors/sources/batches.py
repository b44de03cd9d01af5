"""Batches of a source, as a collector takes them."""

from __future__ import annotations

import time

from soc_core.protocols import Raws, Source


def take(source: Source, count: int, patience: float = 10.0) -> tuple[list[Raws], list[object]]:
    """Batches until so many records are there, not yet acknowledged."""
    found: list[Raws] = []
    positions: list[object] = []
    until = time.monotonic() + patience
    while sum(len(raws.lines) for raws in found) < count and time.monotonic() < until:
        raws, position = source.next_batch()
        found += raws
        if raws:
            positions.append(position)
        time.sleep(0.002)
    return found, positions
