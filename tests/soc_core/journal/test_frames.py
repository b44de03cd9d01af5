"""Frames: heads are found behind any length of bytes that are none, and positions keep their whole width."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from soc_core.journal import frames
from soc_core.protocols import Origin, Raws
from tests.soc_core.journal.suite import raws

MARKER = b"\x01marker\x02"
WINDOW = 16 * frames.WINDOW  # read at once where a head is sought


@pytest.mark.parametrize("junk", [1, WINDOW - 3, WINDOW, WINDOW + 1, 2 * WINDOW - 11])
def test_the_next_head_is_found_wherever_it_begins(tmp_path: Path, junk: int) -> None:
    data = b"j" * junk + frames.encode(raws("s", [b"a", b"b"], 7), 40, MARKER)
    place = tmp_path / "segment"
    place.write_bytes(data)
    fd = os.open(place, os.O_RDONLY)
    try:
        found = [(head.at, head.first, head.records) for head in frames.scan(fd, MARKER, 0, len(data))]
        assert found == [(junk, 40, 2)]
        assert list(frames.scan(fd, MARKER, 0, len(data) - 1)) == []  # not whole
    finally:
        os.close(fd)


@pytest.mark.parametrize("top", [(1 << 32) - 1, 1 << 32, (1 << 62) + 5])
def test_positions_come_back_however_far_apart(tmp_path: Path, top: int) -> None:
    batch = Raws(Origin(source="s"), [b"a", b"b"], 1, np.array([3, 3 + top], dtype=np.int64))
    place = tmp_path / "segment"
    place.write_bytes(frames.encode(batch, 0, MARKER))
    fd = os.open(place, os.O_RDONLY)
    try:
        head = next(frames.scan(fd, MARKER, 0, place.stat().st_size))
        back = frames.decode(head, frames.body(fd, head))
    finally:
        os.close(fd)
    assert back.positions is not None
    assert (back.positions.tolist(), back.lines) == ([3, 3 + top], [b"a", b"b"])


def test_a_summary_is_no_records_and_has_no_time(tmp_path: Path) -> None:
    place = tmp_path / "segment"
    place.write_bytes(frames.encode_tails({"s": 7}, 40, MARKER))
    fd = os.open(place, os.O_RDONLY)
    try:
        (head,) = frames.scan(fd, MARKER, 0, place.stat().st_size)
        assert (head.first, head.next, head.records, head.received) == (40, 40, 0, 0)
        assert (head.low, head.top, head.extra) == (0, -1, 0)
        assert frames.body(fd, head) == b'{"s":7}'
    finally:
        os.close(fd)


def test_a_batch_that_just_fits_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "FRAME_RECORDS", 3)
    fits, larger = raws("s", [b"a", b"b", b"c"], 0), raws("s", [b"a", b"b", b"c", b"d"], 0)
    (whole,) = frames.cut(fits)
    assert whole is fits
    assert [list(each.lines) for each in frames.cut(larger)] == [[b"a", b"b", b"c"], [b"d"]]
