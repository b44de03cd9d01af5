"""The landing folder: whole files only, each once, nothing that leads out of it."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.sources import drop_folder
from collectors.sources.drop_folder import DropSource
from collectors.sources.files import Ledger
from soc_core.journal.files import FileJournal
from tests.collectors.sources.taking import detect


class Landing:
    """A landing folder, its journal, and the source that may be ended and opened again."""

    def __init__(self, place: Path) -> None:
        self.folder = place / "landing"
        self.journal = FileJournal(place / "j", partitions=1)
        self.ledger = Ledger(place / "j" / "files.jsonl")
        self.source = self.open()

    def open(self, **options: object) -> DropSource:
        given: dict[str, object] = {"quiet": 0.1, **options}
        self.source = DropSource(self.folder, self.ledger, self.journal.tail, detect, **given)  # type: ignore[arg-type]
        return self.source

    def put(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def run(self, until: Callable[[], bool], patience: float = 5.0) -> None:
        end = time.monotonic() + patience
        while not until() and time.monotonic() < end:
            raws, position = self.source.next_batch()
            if raws:
                self.journal.append(raws)
                self.source.ack(position)
            time.sleep(0.005)
        assert until()

    def held(self) -> list[bytes]:
        """What the journal holds, identities that were met before left out, as the store does."""
        found: dict[tuple[str, int], bytes] = {}
        for frame in self.journal.read(0, 0, 100_000):
            assert frame.raws.positions is not None
            places = frame.raws.positions.tolist()
            found |= {(frame.raws.origin.source, at): line for at, line in zip(places, frame.raws.lines, strict=True)}
        return list(found.values())

    def tree(self) -> set[str]:
        found = (path for path in self.folder.rglob("*") if path.is_symlink() or not path.is_dir())
        return {str(path.relative_to(self.folder)) for path in found}


@pytest.fixture
def landing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Landing:
    monkeypatch.setattr(drop_folder, "LOOK", 0.02)
    return Landing(tmp_path)


def test_files_are_taken_once_and_moved(landing: Landing) -> None:
    landing.put("a.log", b"one\ntwo\n")
    landing.put("agency/b.log.gz", gzip.compress(b"three\nfour"))
    landing.run(lambda: landing.source.files == 2)
    assert sorted(landing.held()) == [b"four", b"one", b"three", b"two"]
    assert landing.tree() == {"done/a.log", "done/agency/b.log.gz"}
    assert landing.source.counters() == {"received": 4, "files": 2, "refused": 0}
    landing.put("again.log", b"one\ntwo\n")  # the same contents under another name
    landing.run(lambda: landing.source.files == 3)
    assert len(landing.held()) == 4
    assert landing.journal.end(0) == 4
    (frame, *_) = landing.journal.read(0, 0, 1)
    assert frame.raws.origin.source.startswith("drop:landing/file:")
    assert frame.raws.origin.format == "text"


def test_a_file_that_is_still_written_is_waited_for(landing: Landing) -> None:
    landing.open(quiet=0.3)
    path = landing.put("slow.log", b"begin\n")
    with path.open("ab") as out:
        for n in range(12):
            out.write(b"%d\n" % n)
            out.flush()
            end = time.monotonic() + 0.05
            landing.run(lambda end=end: time.monotonic() > end)  # type: ignore[misc]
            assert landing.journal.end(0) == 0
    landing.run(lambda: landing.source.files == 1)
    assert landing.held() == [b"begin", *(b"%d" % n for n in range(12))]


@pytest.mark.parametrize("name", ["x.log.part", ".x.log", "x.log.filepart", "x.log.TMP"])
def test_what_gets_its_name_by_renaming_is_taken_at_once(landing: Landing, name: str) -> None:
    landing.open(quiet=60)
    path = landing.put(name, b"one\n")
    end = time.monotonic() + 0.15
    landing.run(lambda: time.monotonic() > end)
    assert landing.tree() == {name}
    path.rename(landing.folder / "x.log")
    landing.run(lambda: landing.source.files == 1)
    assert (landing.held(), landing.tree()) == ([b"one"], {"done/x.log"})


def test_links_and_other_kinds_are_refused(landing: Landing, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"not for the journal\n")
    (landing.folder / "link.log").symlink_to(secret)
    (landing.folder / "folder").symlink_to(tmp_path)
    os.mkfifo(landing.folder / "pipe")
    landing.put("picture", b"\x89PNG\r\n" + bytes(100))
    landing.run(lambda: landing.source.refused == 4)
    assert landing.journal.end(0) == 0
    assert landing.tree() == {f"done/refused/{name}" for name in ("link.log", "folder", "pipe", "picture")}
    assert secret.read_bytes() == b"not for the journal\n"


def test_begun_and_not_finished(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended after the first batch: the rest comes at the next start, nothing twice."""
    monkeypatch.setattr("collectors.sources.files.BATCH_RECORDS", 10)
    monkeypatch.setattr("collectors.sources._content.CHUNK", 100)
    monkeypatch.setattr("collectors.sources._content.SAMPLE", 100)
    landing.put("a.log", b"".join(b"line %d\n" % n for n in range(100)))
    landing.run(lambda: landing.journal.end(0) > 0)
    assert landing.journal.end(0) < 100
    landing.source.close()
    assert landing.tree() == {"done/.taking/a.log"}
    landing.open()
    landing.run(lambda: landing.source.files == 1)
    assert landing.held() == [b"line %d" % n for n in range(100)]
    assert landing.journal.end(0) == 100


def test_a_taken_name_in_done_is_not_overwritten(landing: Landing) -> None:
    for text in (b"monday\n", b"tuesday\n", b"wednesday\n"):
        files = landing.source.files
        landing.put("today.log", text)
        landing.run(lambda files=files: landing.source.files == files + 1)  # type: ignore[misc]
    assert landing.tree() == {"done/today.log", "done/today.log.1", "done/today.log.2"}
    assert (landing.folder / "done/today.log").read_bytes() == b"monday\n"


def test_what_is_written_while_it_is_taken_is_not_lost(landing: Landing) -> None:
    path = landing.put("a.log", b"one\n")
    with path.open("ab") as out:
        landing.run(lambda: landing.journal.end(0) == 1)
        out.write(b"two\n")
    landing.run(lambda: landing.source.files == 1)
    assert landing.held() == [b"one", b"two"]


def test_another_place_for_what_is_done(landing: Landing, tmp_path: Path) -> None:
    landing.open(done=tmp_path / "kept", name="finance")
    landing.put("a.log", b"one\n")
    landing.run(lambda: landing.source.files == 1)
    assert (landing.tree(), (tmp_path / "kept" / "a.log").exists()) == (set(), True)
    assert landing.source.source == "drop:finance"


def test_stop_finishes_the_file_under_way(landing: Landing) -> None:
    landing.put("a.log", b"one\n")
    landing.run(lambda: not landing.source.drained())
    landing.source.stop()
    landing.put("b.log", b"two\n")
    landing.run(landing.source.drained)
    assert landing.source.files == 1
    assert landing.tree() == {"done/a.log", "b.log"}
