"""The state database: SQLite in one file by default, PostgreSQL for a city, with one behaviour.

Writers are serial in both: `begin` is BEGIN IMMEDIATE in SQLite and takes one advisory lock in PostgreSQL. So a
write transaction may read, decide and write with nobody between, row numbers rise in the order of commits, and two
processes that start at once migrate once. Keep it short, and never wait for anything else inside it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import orjson
from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session

MIGRATIONS = Path(__file__).with_name("migrations")
WRITERS_LOCK = 0x50C_57A7E  # one number for all processes of this product
BUSY_SECONDS = 30
CHUNK = 5_000  # values in one IN (…); both databases take some 32,000 parameters a statement

Item = TypeVar("Item")
Insert = sqlite.Insert | postgresql.Insert


class StateError(OSError):
    """The state database cannot be used now; the text says why in one sentence."""


class Database:
    """One state database by its SQLAlchemy URL; safe to share between threads, not across a fork.

    `synchronous` is SQLite's: with FULL a commit survives the loss of power, which the commit mark needs because the
    journal is released behind it; it costs some 3 ms more a commit than NORMAL, of which there is one a batch.
    """

    def __init__(self, url: str, synchronous: Literal["FULL", "NORMAL"] = "FULL") -> None:
        self._engine = connect(url, synchronous)
        self.dialect = self._engine.dialect.name
        self._writer = self._engine.execution_options(soc_write=True)
        self._reader = self._engine if self.dialect == "sqlite" else self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """One write transaction, alone among writers: commits at the end, rolls back on any error."""
        with explained(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            session.connection()  # the lock is taken before anything is read
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One consistent snapshot; writers do not wait for it. Nothing is kept of what it writes."""
        with explained(), Session(self._reader, expire_on_commit=False) as session:
            yield session

    def migrate(self) -> None:
        """Bring the tables to this program's schema. Raises StateError when they are of a newer one."""
        head = newest()
        with explained():
            with self._engine.connect() as connection:
                if revision(connection) == head:
                    return
            with self._writer.begin() as connection:
                upgrade(connection, head)

    def close(self) -> None:
        self._engine.dispose()


def connect(url: str, synchronous: str) -> Engine:
    """An engine for a URL. Raises StateError on a URL that cannot be read or is of another kind of database."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StateError(f"not the URL of a database: {url!r} (give sqlite:///FILE or postgresql://…)") from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StateError(f"state is kept in SQLite or PostgreSQL, not in {parsed.get_backend_name()}")
    options: dict[str, Any] = {
        "json_serializer": lambda value: orjson.dumps(value).decode(),
        "json_deserializer": orjson.loads,
    }
    if parsed.get_backend_name() == "postgresql":
        try:
            engine = create_engine(parsed, pool_pre_ping=True, **options)
        except ModuleNotFoundError:
            raise StateError("PostgreSQL needs the package psycopg "
                             "(SOC_LOCK=deploy/requirements.lock ./soc doctor installs it)") from None
        event.listen(engine, "begin", _begin_postgres)
        return engine
    if parsed.database in (None, "", ":memory:"):
        raise StateError("state needs a file: sqlite:///PATH")
    path = Path(str(parsed.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # passwords' hashes and raw logs: its owner's alone
    engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS}, **options)
    event.listen(engine, "connect", lambda connection, _: _prepare_sqlite(connection, synchronous))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, synchronous: str) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; _begin_sqlite does
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    until = time.monotonic() + BUSY_SECONDS
    while True:  # the change to WAL does not wait by itself when another process makes it too
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("soc_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _begin_postgres(connection: Connection) -> None:
    if connection.get_execution_options().get("soc_write"):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the driver says of a database out of reach into one sentence; other errors pass."""
    try:
        yield
    except DatabaseError as error:
        reason = str(error.orig).strip().splitlines()[0]
        if not (isinstance(error, OperationalError) or type(error) is DatabaseError) or reason.startswith("no such"):
            raise
        raise StateError(f"the state database cannot be used: {reason}") from error


# ---------------------------------------------------------------- migrations


def newest() -> str:
    """The newest revision that this program knows: its migrations are named NNNN_what.py."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def revision(connection: Connection) -> str:
    """The revision of the tables; "" before the first migration."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")) or "")


def upgrade(connection: Connection, target: str) -> None:
    """Migrate inside the connection's transaction. Raises StateError when the tables are newer than the program."""
    from alembic import command
    from alembic.config import Config

    present = revision(connection)
    if present > newest():
        raise StateError(f"the state database has schema {present}, made by a newer version; this one knows schemas "
                         f"up to {newest()}: update this program, or give another --data")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)


# ---------------------------------------------------------------- for the files beside this one


def insert(session: Session, table: type[DeclarativeBase]) -> Insert:
    """INSERT that knows ON CONFLICT, in the session's dialect."""
    target = table.__table__
    if not isinstance(target, Table):
        raise TypeError(f"{table.__name__} is not a table")
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(target)
    return postgresql.insert(target)


def chunks(items: Sequence[Item], size: int = CHUNK) -> Iterator[Sequence[Item]]:
    """The items in runs that fit one statement."""
    for at in range(0, len(items), size):
        yield items[at : at + size]
