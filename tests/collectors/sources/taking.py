"""A file taken in as a test sees it: what FileSource gave, in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from collectors.sources.files import FileSource, Ledger

Taken = tuple[list[bytes], list[int], dict[int, str]]


def detect(sample: Sequence[bytes]) -> str:
    return "json" if sample[0].startswith(b"{") else "text"


def take(path: Path, ledger: Ledger, **options: object) -> tuple[FileSource, Taken]:
    source = FileSource(path, ledger, detect, **options)  # type: ignore[arg-type]
    lines: list[bytes] = []
    positions: list[int] = []
    damaged: dict[int, str] = {}
    while batch := source.next_batch()[0]:
        for raws in batch:
            assert raws.origin.source == source.source
            assert raws.positions is not None
            damaged |= {index + len(lines): reason for index, reason in raws.damaged.items()}
            lines += raws.lines
            positions += raws.positions.tolist()
    assert source.done
    assert source.read == len(lines)
    assert source.taken == source.size
    source.close()
    return source, (lines, positions, damaged)
