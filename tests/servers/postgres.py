"""A throw-away PostgreSQL cluster from the machine's own binaries, on a socket in a temporary folder."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path

import psycopg
import pytest

from soc_core.state.database import Database, newest
from soc_core.state.tables import Base


class Postgres:
    """One running server. `environment` is what its processes have beside ours; only then does it sync."""

    def __init__(self, folder: Path, binaries: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder, self.binaries, self.numbers = folder, binaries, count(1)
        self.environment = {**os.environ, **(environment or {})}
        self.data = folder / "data"
        self.user = _unprivileged(folder)
        self.options = (f"-c listen_addresses='' -c unix_socket_directories='{folder}' "
                        f"-c fsync={'on' if environment else 'off'} -c shared_buffers=16MB")
        self.run("initdb", "-D", self.data, "-U", "soc", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self.start()
        self.run("createdb", "-h", folder, "-U", "soc", "shared")
        made = Database(self.url("shared"))
        made.migrate()
        made.close()

    def start(self) -> None:
        """Start the server, also after `kill`."""
        self.run("pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", self.folder / "log", "-o", self.options, "start")

    def kill(self) -> None:
        """kill -9 of the server; its children end by themselves."""
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        until = time.monotonic() + 20
        while list(self.folder.glob(".s.PGSQL.*[0-9]")) and time.monotonic() < until and self._children():
            time.sleep(0.05)
        # Its number may live on until somebody reaps it, and the next server would take that for a running one.
        for lock in (self.data / "postmaster.pid", *self.folder.glob(".s.PGSQL.*.lock")):
            lock.unlink(missing_ok=True)

    def _children(self) -> bool:
        """Whether a process of the server still has its data open."""
        for place in Path("/proc").glob("[0-9]*/cwd"):
            with suppress(OSError):
                if place.resolve() == self.data:
                    return True
        return False

    def run(self, name: str, *args: object) -> None:
        command = [str(self.binaries / name), *map(str, args)]
        if self.user:
            command = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", *command]
        # Into a file: the server that pg_ctl starts would hold a pipe open for as long as it runs.
        with (self.folder / f"{name}.out").open("w+") as said:
            code = subprocess.run(command, cwd=self.folder, env=self.environment, stdout=said, stderr=said,
                                  timeout=120).returncode
            said.seek(0)
            assert code == 0, f"{name}: {said.read()}"

    def url(self, name: str) -> str:
        return f"postgresql://soc@/{name}?host={self.folder}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """URL of a migrated, empty database; emptied again afterwards, which is much quicker than a new one."""
        yield self.url("shared")
        with psycopg.connect(host=str(self.folder), user="soc", dbname="shared") as connection:
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(f'DELETE FROM "{table.name}"')
            for (sequence,) in connection.execute("SELECT sequencename FROM pg_sequences").fetchall():
                connection.execute(f"ALTER SEQUENCE {sequence} RESTART")
            connection.execute("UPDATE alembic_version SET version_num = %s", [newest()])

    @contextmanager
    def new_database(self) -> Iterator[str]:
        """URL of a database without any table."""
        name = f"t{next(self.numbers)}"
        with psycopg.connect(host=str(self.folder), user="soc", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        yield self.url(name)
        with psycopg.connect(host=str(self.folder), user="soc", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # anew: the server may have been killed meanwhile

    def stop(self) -> None:
        """End the server, where it still runs, and take its data away."""
        with suppress(AssertionError):
            self.run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)


def _unprivileged(folder: Path) -> str:
    """Who shall run the server: "" is us; PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return ""
    known = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in known else "nobody"
    entry = pwd.getpwnam(user)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return str(entry.pw_uid)


def new_server(folder: Path, environment: Mapping[str, str] | None = None) -> Postgres | str:
    """A server of one's own, to be killed and stopped by its owner; or why there is none."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if found := shutil.which("initdb"):
        places.append(Path(found).resolve().parent)
    binaries = next((place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None)
    if binaries is None:
        return "no PostgreSQL server on this machine (Debian: apt install postgresql)"
    return Postgres(folder, binaries, environment)


@cache
def server() -> Postgres | str:
    """The server of this test run, started at first use; or why there is none."""
    running = new_server(Path(tempfile.mkdtemp(prefix="soc-pg-")))
    if isinstance(running, Postgres):
        atexit.register(running.stop)
    return running


def postgres() -> Postgres:
    """The running server; the test is skipped, saying so, where there is none."""
    running = server()
    if isinstance(running, str):
        pytest.skip(running)
    return running
