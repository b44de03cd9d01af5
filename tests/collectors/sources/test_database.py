"""Database polling: every row once, from where the journal ends, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from collectors.sources import database
from collectors.sources.database import DatabaseSource
from soc_core.journal.files import FileJournal
from tests.servers.postgres import postgres

BY_NUMBER = "SELECT id, at, account, raw FROM audit WHERE id > :watermark ORDER BY id"
BY_TIME = "SELECT id, at, account, raw FROM audit WHERE at > :watermark ORDER BY at, id"


def detect(lines: Sequence[bytes]) -> str:
    return "json" if lines[0].startswith(b"{") else "text"


class Table:
    """A table that its owner writes to, and what a source of it put into the journal."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self._owner = url, create_engine(url)
        self.journal = FileJournal(folder / "j", partitions=1)
        with self._owner.begin() as owner:
            owner.execute(text("DROP TABLE IF EXISTS audit"))
            owner.execute(text("CREATE TABLE audit (id BIGINT, at TIMESTAMP, account TEXT, raw TEXT)"))
        self.sources: list[DatabaseSource] = []

    def add(self, *rows: tuple[Any, Any]) -> None:
        with self._owner.begin() as owner:
            for id_, at in rows:
                owner.execute(text("INSERT INTO audit VALUES (:id, :at, :account, :raw)"),
                              {"id": id_, "at": at, "account": f"user {id_}", "raw": f"line {id_}"})

    def source(self, query: str = BY_NUMBER, watermark: str = "id", **options: Any) -> DatabaseSource:
        made = DatabaseSource("bastion", self.url, query, watermark, self.journal.tail, detect,
                              **{"every": 0.02, **options})
        self.sources.append(made)
        return made

    def run(self, source: DatabaseSource, until: Callable[[], bool], patience: float = 5.0) -> None:
        end = time.monotonic() + patience
        while not until() and time.monotonic() < end:
            raws, position = source.next_batch()
            if raws:
                self.journal.append(raws)
                source.ack(position)
            time.sleep(0.002)
        assert until()

    def settle(self, source: DatabaseSource) -> list[int]:
        """The ids in the journal once some more answers have been taken; no position may come twice."""
        end = time.monotonic() + 0.3
        self.run(source, lambda: time.monotonic() > end)
        frames = self.journal.read(0, 0, 10**6)
        positions = [at for frame in frames for at in frame.raws.positions.tolist()]  # type: ignore[union-attr]
        assert positions == sorted(set(positions))
        return [json.loads(line)["id"] for frame in frames for line in frame.raws.lines]

    def close(self) -> None:
        for source in self.sources:
            source.close()
        with self._owner.begin() as owner:
            owner.execute(text("DROP TABLE audit"))
        self._owner.dispose()
        self.journal.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Table]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/audit base.db"
    else:
        url = make_url(postgres().url("postgres")).set(drivername="postgresql+psycopg").render_as_string(False)
    made = Table(url, tmp_path)
    yield made
    made.close()


def test_every_row_once_by_number(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "ROWS", 7)
    table.add(*((n, "2026-11-23 09:00:00") for n in range(20)))
    source = table.source()
    assert table.settle(source) == list(range(20))
    table.add((25, "2026-11-23 09:00:00"), (30, "2026-11-23 09:00:00"))
    assert table.settle(source) == [*range(20), 25, 30]
    source.close()
    table.add((31, None))
    assert table.settle(table.source()) == [*range(20), 25, 30, 31]  # after a restart
    assert table.journal.end(0) == 23
    (frame, *_) = table.journal.read(0, 0, 1)
    assert (frame.raws.origin.source, frame.raws.origin.format) == ("database:bastion", "json")
    assert json.loads(frame.raws.lines[0]) | {"at": ""} == {"id": 0, "at": "", "account": "user 0", "raw": "line 0"}
    assert json.loads(frame.raws.lines[0])["at"].replace("T", " ") == "2026-11-23 09:00:00"


@pytest.mark.parametrize("again", [False, True])
def test_every_row_once_by_time(table: Table, again: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rows in one second, some of them written after the second was read once."""
    monkeypatch.setattr(database, "ROWS", 3)
    options = {"query": BY_TIME, "watermark": "at", "kind": "time"}
    table.add((1, "2026-11-23 09:00:00"), (2, "2026-11-23 09:00:00"), (3, "2026-11-23 09:00:00.25"),
              (4, "2026-11-23 09:00:01"), (5, "2026-11-23 09:00:01"), (6, "2026-11-23 09:00:01"),
              (7, "2026-11-23 09:00:01"))
    source = table.source(**options)
    assert table.settle(source) == [1, 2, 3, 4, 5, 6, 7]
    if again:
        source.close()
        source = table.source(**options)
    table.add((8, "2026-11-23 09:00:01"), (9, "2026-11-23 23:59:59"), (10, "2026-11-24 00:00:00"))
    assert table.settle(source) == list(range(1, 11))
    assert table.journal.end(0) == 10


def test_a_column_that_holds_the_line(table: Table) -> None:
    table.add((1, None), (2, None))
    source = table.source(line="raw", format="syslog", zone="dmz")
    table.run(source, lambda: source.received == 2)
    (frame,) = table.journal.read(0, 0, 10)
    assert list(frame.raws.lines) == [b"line 1", b"line 2"]
    assert (frame.raws.origin.format, frame.raws.origin.zone) == ("syslog", "dmz")


def test_what_cannot_be_told_apart_is_said(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    table.add((1, None), (2, None), (2, None), (3, None))
    source = table.source()
    assert table.settle(source) == [1, 2, 3]
    assert source.failures == 1
    assert "id is 2 where more is due" in caplog.text
    out_of_order = table.source(BY_NUMBER.replace("ORDER BY id", "ORDER BY id DESC").replace(">", "> -1 +"))
    out_of_order.source = "database:other"
    assert [len(raws.lines) for raws in out_of_order.next_batch()[0]] == [1]
    assert out_of_order.failures == 1


@pytest.mark.parametrize(("query", "watermark", "sentence"), [
    ("SELECT 1 AS x WHERE 0 > :watermark", "id", "no column 'id'"),
    ("SELECT 'x' AS id WHERE -2 < :watermark", "id", "no whole number"),
    ("SELECT id FROM absent WHERE id > :watermark", "id", "absent"),
    ("DELETE FROM audit WHERE id > :watermark", "id", "readonly|DELETE"),
])
def test_a_query_that_fails_is_one_sentence_and_asked_again(
    table: Table, query: str, watermark: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    table.add((1, None))
    source = table.source(query, watermark)
    table.run(source, lambda: source.failures > 1)
    assert re.search(sentence, caplog.text)
    assert "Traceback" not in caplog.text
    assert table.settle(table.source()) == [1]  # nothing was deleted


def test_a_database_that_is_away_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = FileJournal(tmp_path / "j", partitions=1)
    url = f"sqlite:///{tmp_path}/later.db"
    source = DatabaseSource("x", url, BY_NUMBER, "id", journal.tail, detect, every=0.02)
    until = time.monotonic() + 5
    while source.failures < 2 and time.monotonic() < until:
        assert source.next_batch() == ([], None)
    assert "unable to open" in caplog.text
    assert not (tmp_path / "later.db").exists()
    table = Table(url, tmp_path)
    table.add((1, None))
    table.run(source, lambda: source.received == 1)
    source.close()
    table.close()
    journal.close()


@pytest.mark.parametrize(("url", "query", "sentence"), [
    ("sqlite:///x", "SELECT 1", ":watermark"),
    ("nonsense", BY_NUMBER, "URL"),
    ("nothing://x", BY_NUMBER, "nothing"),
    ("oracle://x", BY_NUMBER, "driver"),
])
def test_no_such_database(url: str, query: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        DatabaseSource("x", url, query, "id", lambda source: -1, detect)
