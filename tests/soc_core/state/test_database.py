from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, text

from soc_core.state import database as module
from soc_core.state.database import Database, StateError
from soc_core.state.tables import Base, MetaRow
from tests.servers.postgres import postgres


def test_models_and_migrations_agree(database: Database) -> None:
    with database._engine.connect() as connection:
        ours = {"compare_server_default": True, "include_object": lambda _, name, *more: name != "ix_alerts_search"}
        context = MigrationContext.configure(connection, opts=ours)  # that index is of servers with trigrams alone
        assert compare_metadata(context, Base.metadata) == []


def test_every_table_takes_part_in_the_migration_and_goes_with_it(database: Database) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(module.MIGRATIONS))
    with database._writer.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    database.migrate()
    with database.begin() as session:
        session.add(MetaRow(name="a", value="b"))


def test_newest_is_the_head_of_the_scripts() -> None:
    assert ScriptDirectory(str(module.MIGRATIONS)).get_heads() == [module.newest()]


def test_newer_schema_is_refused_in_one_sentence(database: Database) -> None:
    with database.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError, match=r"schema 9999, made by a newer version.*update this program"):
        database.migrate()


def up(url: str, ready: Barrier) -> None:
    ready.wait()
    Database(url).migrate()
    with Database(url).begin() as session:
        session.add(MetaRow(name=str(os.getpid()), value=""))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_processes_may_start_at_once(kind: str, tmp_path: Path) -> None:
    def start(url: str) -> None:
        context = multiprocessing.get_context("fork")
        ready = context.Barrier(3)
        started = [context.Process(target=up, args=(url, ready)) for _ in range(3)]
        for each in started:
            each.start()
        for each in started:
            each.join(timeout=60)
        assert [each.exitcode for each in started] == [0, 0, 0]

    if kind == "sqlite":
        start(f"sqlite:///{tmp_path / 'new' / 'state.db'}")
    else:
        with postgres().new_database() as url:
            start(url)


def test_writers_are_serial_and_lose_nothing(database: Database) -> None:
    with database.begin() as session:
        session.add(MetaRow(name="n", value="0"))

    def count() -> None:
        for _ in range(25):
            with database.begin() as session:
                row = session.get_one(MetaRow, "n")
                row.value = str(int(row.value) + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert session.get_one(MetaRow, "n").value == "100"


def test_a_reader_sees_one_moment_and_does_not_wait(database: Database) -> None:
    with database.read() as reader:
        assert reader.scalars(select(MetaRow)).all() == []
        with database.begin() as writer:
            writer.add(MetaRow(name="a", value="b"))
        assert reader.scalars(select(MetaRow)).all() == []
    with database.read() as reader:
        assert [row.name for row in reader.scalars(select(MetaRow))] == ["a"]


def test_an_error_rolls_everything_back(database: Database) -> None:
    def fail() -> None:
        with database.begin() as session:
            session.add(MetaRow(name="a", value="b"))
            session.flush()
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    with database.read() as session:
        assert session.scalars(select(MetaRow)).all() == []


def test_sqlite_is_durable_and_checks_references(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    with database.read() as session:
        pragmas = {name: session.scalar(text(f"PRAGMA {name}")) for name in
                   ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
    with database.begin() as session:
        session.execute(text("CREATE TABLE t (n)"))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    database.close()


@pytest.mark.parametrize(("url", "says"), [
    ("nonsense", "not the URL of a database"),
    ("mysql://host/x", "SQLite or PostgreSQL, not in mysql"),
    ("sqlite://", "state needs a file"),
    ("postgresql://soc@/x?host=/nowhere", "cannot be used"),
])
def test_what_cannot_be_opened_is_said_in_one_sentence(url: str, says: str) -> None:
    with pytest.raises(StateError, match=says) as caught:
        Database(url).migrate()
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database at all, but long enough to look like one" * 40)
    with pytest.raises(StateError, match="cannot be used: file is not a database"):
        Database(f"sqlite:///{tmp_path / 'state.db'}").migrate()
