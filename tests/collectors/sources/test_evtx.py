"""Windows event logs and other recorded files, taken whole; damaged ones end neither us nor in silence."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from collectors.sources import _evtx
from collectors.sources.files import Ledger, Refused, expand
from tests.collectors.sources.taking import take
from tests.corpora import ROOT, corpus, read


def test_every_recorded_event_log_is_read(ledger: Ledger) -> None:
    files = expand([corpus("evtx-parser-samples")]).files + expand([corpus("evtx-attack-samples")]).files[::12]
    counts = {}
    for path in [path for path in files if ".evtx" in path.name]:
        _, (lines, positions, damaged) = take(path, ledger)
        assert positions == list(range(len(lines)))
        for index, line in enumerate(lines):
            assert index in damaged or "Event" in json.loads(line)
        counts[path.name] = (len(lines), len(damaged))
    assert counts["security.evtx.gz"] == (2261, 0)
    assert counts["sample-with-zero-data-size-event.evtx.gz"] == (336, 1)
    assert min(total - bad for total, bad in counts.values()) >= 1


def test_mangled_event_logs_end_neither_us_nor_in_silence(tmp_path: Path, ledger: Ledger) -> None:
    whole = read(corpus("evtx-parser-samples") / "system.evtx.gz")
    for seed in range(4):
        chance, data = random.Random(seed), bytearray(whole)
        for _ in range(200):
            data[chance.randrange(4096, 400_000)] = chance.randrange(256)
        path = tmp_path / f"{seed}.evtx"
        path.write_bytes(data if seed % 2 else data[: chance.randrange(70_000, 400_000)])
        _, (lines, _, damaged) = take(path, ledger)
        assert damaged
        assert len(lines) > 50
        assert all(index in damaged or "Event" in json.loads(line) for index, line in enumerate(lines))


@pytest.mark.parametrize("cut", [4096 + 1000, 4096 + 65_535])
def test_a_file_that_ends_within_a_chunk_is_not_taken_for_an_empty_one(
    tmp_path: Path, ledger: Ledger, cut: int
) -> None:
    packed = min(corpus("evtx-attack-samples").rglob("*.evtx.gz"), key=lambda path: (path.stat().st_size, path))
    path = tmp_path / "cut.evtx"
    path.write_bytes(read(packed)[:cut])
    _, (lines, _, damaged) = take(path, ledger)
    assert len(lines) == 1
    assert damaged == {0: f"EVTX: the file ends within a chunk; {cut - 4096} bytes are not read"}


def test_a_reader_that_dies_is_one_damaged_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.evtx"
    path.write_bytes(b"ElfFile\x00" + bytes(100))
    assert [bool(reason) for _, reason in _evtx.read(path)] == [True]
    monkeypatch.setattr(_evtx, "SILENCE", 0.0)  # a child that stalls
    ((line, reason),) = _evtx.read(path)
    assert line == b""
    assert "ended early" in reason


@pytest.mark.parametrize(("name", "limit", "reason"), [
    ("MEMORY", 1 << 20, "ended early"), ("CPU", 0, "ended early"), ("OUTPUT", 1 << 20, "records take over 1 MiB"),
])
def test_the_reader_is_held_to_its_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int, reason: str
) -> None:
    path = tmp_path / "big.evtx"
    path.write_bytes(read(corpus("evtx-parser-samples") / "security.evtx.gz"))
    monkeypatch.setattr(_evtx, name, limit)
    monkeypatch.setattr(_evtx, "GROWTH", 0)
    *whole, (_, last) = _evtx.read(path)
    assert reason in last
    assert len(whole) < 2261


def test_every_text_corpus_is_taken_whole(ledger: Ledger) -> None:
    """Lines found are the file's own lines; only what is no text is refused."""
    refused = []
    for path in expand([corpus("plaso-testdata"), corpus("beats-oss-modules"), corpus("panther-cloud")]).files:
        try:
            source, (lines, _, damaged) = take(path, ledger)
        except Refused:
            refused.append(path.relative_to(ROOT).parts[1])
            continue
        if source._kind == "lines":
            data = read(path).removeprefix(b"\xef\xbb\xbf")
            assert lines == [line.removesuffix(b"\r") for line in data.split(b"\n") if line.removesuffix(b"\r")]
        assert not damaged
    assert set(refused) <= {"utmp", "ivanti_vc0"}
