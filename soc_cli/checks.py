"""The checks of `./soc doctor`: each says what was tried, what came out, and how to mend it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from soc_core import registry
from soc_core.config import Settings
from soc_core.models import REAL

CROWDED = 0.8  # of the shards that a cluster may have
State = Literal["works", "limited", "broken"]


class Check(NamedTuple):
    """One line of the report. `mend` is empty when nothing needs mending."""

    name: str
    state: State
    found: str
    mend: str = ""


def python(settings: Settings) -> Check:
    """The interpreter and its packages, against the lock file."""
    from importlib.metadata import version

    names = ["polars", "streamlit", "pysigma", "SQLAlchemy", "evtx"]
    found = ", ".join(f"{name} {version(name)}" for name in names)
    return Check("python", "works", f"{sys.version.split()[0]}; {found}")


def patterns(settings: Settings) -> Check:
    """Hyperscan judges patterns fastest; RE2 gives the same results everywhere else."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Check("patterns", "works", f"hyperscan {version('hyperscan')}")
    except PackageNotFoundError:
        return Check("patterns", "limited", "google-re2 (equal results, slower)", "Hyperscan is built for x86-64 alone")


def disk(settings: Settings) -> Check:
    """Room, and how long a durable write takes: every acknowledged batch pays it once."""
    place = settings.data
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 2**30
    try:
        with tempfile.NamedTemporaryFile(dir=place) as probe:
            began = time.perf_counter()
            for _ in range(5):
                probe.write(b"x" * 4096)
                probe.flush()
                os.fsync(probe.fileno())
            sync = (time.perf_counter() - began) / 5 * 1000
    except OSError as error:
        return Check("disk", "broken", f"{place}: {error.strerror}", "give a writable directory by --data")
    found = f"{place}: {free:.0f} GiB free, a durable write takes {sync:.1f} ms"
    if free < 2:
        return Check("disk", "limited", found, "free some space: below 2 GiB the platform stops taking logs in")
    return Check("disk", "works", found)


def doors(settings: Settings) -> Check:
    """The ports that collectors bind; taken ones are fine while ./soc up runs."""
    taken = []
    for port in (settings.listen.syslog_tcp, settings.listen.http):
        with socket.socket() as probe:
            if port and probe.connect_ex((settings.listen.host, port)) == 0:
                taken.append(str(port))
    if taken:
        mend = "well if ./soc up runs; else listen: in soc.yaml"
        return Check("doors", "limited", f"in use: {', '.join(taken)}", mend)
    return Check("doors", "works", f"free on {settings.listen.host}")


def city(settings: Settings) -> Check:
    """The city pack."""
    from soc_core.inventory import load

    began = time.perf_counter()
    inventory = load(settings.city)
    seconds = time.perf_counter() - began
    counts = f"{len(inventory.organisations):,} organisations, {len(inventory.systems):,} systems"
    return Check("city", "works", f"{settings.city.name}: {counts} in {seconds:.2f} s")


def rules(settings: Settings) -> Check:
    """The Sigma rules that would run."""
    from detections.sigma.load import load_rules

    loaded = load_rules(settings.rules)
    found = f"{len(loaded.rules)} rules"
    if loaded.failed:
        mend = "./soc rules check names file and line"
        return Check("rules", "limited", f"{found}, {len(loaded.failed)} set aside", mend)
    return Check("rules", "works", found)


def formats(settings: Settings) -> Check:
    """The formats that are read."""
    return Check("formats", "works", ", ".join(registry.names("collectors.formats")))


def tests(settings: Settings) -> Check:
    """System packages that the tests use; the product itself needs none."""
    from soc_cli.commands.test import missing

    wanted = missing()
    if wanted:
        mend = f"sudo apt-get install {' '.join(wanted)}"
        return Check("tests", "limited", "for all tests: " + ", ".join(wanted), mend)
    return Check("tests", "works", "everything that the tests use is here")


def state(settings: Settings) -> Check:
    """The state database."""
    from soc_core.state.database import Database, newest

    if not settings.state and not (settings.data / "state.db").exists():
        return Check("state", "works", "SQLite, made at the first start")
    database = Database(settings.state_url)
    try:
        began = time.perf_counter()
        with database.read() as session:
            schema = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
        took = (time.perf_counter() - began) * 1000
    except DatabaseError:
        schema, took = "none", 0.0
    finally:
        database.close()
    kind = "PostgreSQL" if database.dialect == "postgresql" else "SQLite"
    if schema != newest():
        return Check("state", "limited", f"{kind}, schema {schema}", "brought to this version's at the next start")
    return Check("state", "works", f"{kind}, schema {schema}, answers in {took:.1f} ms")


def journal(settings: Settings) -> Check:
    """What carries records from collectors to workers."""
    from soc_core import engines

    if settings.journal_engine.kafka is None and not engines.has_journal(settings):
        return Check("journal", "works", "files, made at the first start")
    opened = engines.open_journal(settings)
    try:
        held = sum(opened.end(partition) for partition in opened.partitions())
        found = f"{len(opened.partitions())} partitions, {held:,} records so far"
    finally:
        opened.close()
    kafka = settings.journal_engine.kafka
    return Check("journal", "works", f"Kafka {kafka.servers}, topic {kafka.topic}: {found}" if kafka else found)


def events(settings: Settings) -> Check:
    """Where events are kept."""
    from soc_core import engines
    from soc_core.access import EVERYTHING
    from soc_core.protocols import Query

    chosen = settings.event_engine.elastic
    settings = engines.impatient(settings)
    kind = f"Elasticsearch {', '.join(chosen.urls)}" if chosen else "embedded"
    counts = []
    for realm in engines.realms(settings):
        store = engines.open_store(settings, realm)
        counts.append(f"{store.search(Query(), EVERYTHING).total:,} {realm}")
        store.close()
    found = f"{kind}: {', '.join(counts) or 'nothing stored yet'}"
    if chosen:
        with engines.elastic(settings, REAL) as cluster:
            held, most = cluster.shards()
        found += f"; {held:,} of {most:,} shards"
        if held > CROWDED * most:
            return Check("events", "limited", found, "raise cluster.max_shards_per_node, add nodes, or say shards: 1 "
                         "in soc.yaml: each data set's index of a day takes some")
    return Check("events", "works", found)


CHECKS: tuple[Callable[[Settings], Check], ...] = (
    python, patterns, disk, journal, events, state, doors, city, rules, formats, tests)


def all_checks(settings: Settings) -> list[Check]:
    """Run every check; one that fails is a line of the report, not the end of it."""
    results = []
    for check in CHECKS:
        try:
            results.append(check(settings))
        except (OSError, ValueError, LookupError, ImportError) as error:
            results.append(Check(check.__name__, "broken", str(error), "see the sentence before"))
    return results


def show(results: list[Check]) -> None:
    """One line a check."""
    from rich.console import Console

    console = Console()
    marks = {"works": "[green]✔[/green]", "limited": "[yellow]![/yellow]", "broken": "[red]✘[/red]"}
    for result in results:
        console.print(f"{marks[result.state]} {result.name:<10} {result.found}", highlight=False)
        if result.mend:
            console.print(f"    → {result.mend}", highlight=False)
