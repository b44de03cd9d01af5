"""The register of expected sources beside what was heard: per system and kind of data, when the last event came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from casework.services import Services
from soc_core import clock, documents
from soc_core.access import Scope
from soc_core.clock import Micros
from soc_core.models import DEMO, REAL
from soc_core.protocols import EventStore, Page, Query

State = Literal["heard", "late", "never", "gap"]
Heard = dict[tuple[str, str], Micros]
Markers = Mapping[str, list[str]]
LATEST = 500  # events read to see what is heard all the time; the rest is asked for one by one
PRESENT = 200  # values of a marking field that one organisation may have
BACK = 30 * clock.DAY  # a kind of data that was not heard for so long was never heard, to a reader


class Codes(BaseModel):
    """heard.yml."""

    model_config = ConfigDict(extra="forbid")
    codes: dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class ExpectedSource:
    """One line of the register: what should be heard of a system, and how it stands. `every` in microseconds."""

    system: str
    system_name: str
    code: str
    every: Micros
    last: Micros | None
    state: State


@cache
def codes() -> dict[str, dict[str, list[str]]]:
    """Telemetry code → the marks of its events."""
    return documents.read(Path(__file__).with_name("heard.yml"), Codes).codes


def expected(services: Services, organisation: str, at: Micros) -> list[ExpectedSource]:
    """The register of the agency's systems beside what the live realms heard of each."""
    systems = services.inventory.systems_of(organisation)
    wanted = {(system.id, item.code) for system in systems for item in system.sources}
    heard: Heard = {}
    for realm in (REAL, DEMO):
        store = services.stores.get(realm)
        if store is not None and wanted:
            for key, last in listen(store, Scope(frozenset({organisation})), wanted, at).items():
                heard[key] = max(last, heard.get(key, 0))
    found = []
    for system in systems:
        for item in system.sources:
            last_heard = heard.get((system.id, item.code))
            state: State = "never" if item.connected else "gap"
            if last_heard is not None:
                state = "late" if at - last_heard > item.every * clock.SECOND else "heard"
            found.append(ExpectedSource(
                system.id, system.name, item.code, item.every * clock.SECOND, last_heard, state))
    return found


def listen(store: EventStore, scope: Scope, wanted: Iterable[tuple[str, str]], at: Micros) -> Heard:
    """When each (system, code) was heard last, by event time; those never heard are left out."""
    since = at - BACK
    heard: Heard = {}
    for row in store.search(Query(since=since), scope, Page(limit=LATEST)).rows:
        for code, marks in codes().items():
            key = (str(row.get("soc.system.id", "")), code)
            if key not in heard and any(marked(row, field, values) for field, values in marks.items()):
                heard[key] = int(row["@timestamp"])
    present = {field: values_of(store, scope, since, field) for field in ("event.dataset", "event.module",
                                                                         "log.syslog.appname", "sigma.logsource")}
    for system, code in set(wanted) - set(heard):
        marks = codes().get(code, {})
        terms = [f"{field}:{term(value)}" for field, values in marks.items() for value in values
                 if field not in present or any(fnmatchcase(held, value) for held in present[field])]
        if terms:
            text = f'soc.system.id:"{system}" AND ({" OR ".join(terms)})'
            hits = store.search(Query(text=text, since=since), scope, Page(limit=1))
            if hits.rows:
                heard[system, code] = int(hits.rows[0]["@timestamp"])
    return heard


def marked(row: Mapping[str, Any], field: str, values: list[str]) -> bool:
    """Whether a stored row has one of the values in the field, which may hold several."""
    held = row.get(field)
    texts = held if isinstance(held, list) else [held]
    return any(fnmatchcase(str(text), value) for text in texts if text is not None for value in values)


def values_of(store: EventStore, scope: Scope, since: Micros, field: str) -> set[str]:
    return {str(bucket.key) for bucket in store.aggregate(Query(since=since), scope, field, PRESENT)}


def term(value: str) -> str:
    """A value as the query language wants it: with a star unquoted and its marks escaped, else quoted."""
    if "*" not in value:
        return f'"{value}"'
    return "".join(letter if letter.isalnum() or letter in "*._-" else f"\\{letter}" for letter in value)
