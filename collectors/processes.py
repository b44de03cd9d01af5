"""What is known of a process from its beginning, added to what it does later: command line, parent, integrity.

Sysmon tells a process's command line and parent once, when it begins; a file, a connection, a library or an access
names only the process (its GUID). Rules that ask for both read columns that no record alone fills. What a record
says itself is never replaced.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import orjson

from collectors.formats._lazy import Listed
from soc_core.events import EventBatch, Part
from soc_core.table import Column, Table, Texts

LIMIT = 8_000_000  # characters remembered of a partition before the older half is forgotten
DATA = "winlog.event_data."
ENTITY, PARENT = "process.entity_id", "process.parent.entity_id"
TARGETS = (DATA + "TargetProcessGuid", DATA + "TargetProcessGUID")
BORN = "process-created"
DATASETS = ("windows.sysmon", "sysmon.linux")
BY_NUMBER = "Microsoft-Windows-Kernel-File/Analytic"  # a channel that knows only the process's number


class Process(NamedTuple):
    """A process as its beginning told it."""

    image: str | None
    command_line: str | None
    parent_image: str | None
    parent_command_line: str | None
    integrity: str | None
    parent_pid: str | None


Known = Sequence[Process | None]
OWN: tuple[tuple[str, int], ...] = (
    ("process.command_line", 1), ("process.parent.executable", 2), ("process.parent.command_line", 3),
    (DATA + "IntegrityLevel", 4),
)
SOURCE = ((DATA + "SourceCommandLine", 1), (DATA + "SourceParentImage", 2))
TOLD = ("process.executable", "process.command_line", "process.parent.executable", "process.parent.command_line",
    DATA + "IntegrityLevel", DATA + "ParentProcessId")


class Processes:
    """Remembers processes by host and GUID, bounded; an event is enriched by beginnings that came before it.

    protocols.Remembering: each partition has its own, saved with the memory of the partition's detectors.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit, self._size = limit, 0
        self._kept: orjson.Fragment | None = None  # the older half as it is saved: it changes no more
        self._young: dict[str, Process] = {}
        self._old: dict[str, Process] = {}
        self._fresh: dict[str, int] = {}  # of this batch: key → row

    def anew(self) -> Processes:
        """One that remembers nothing yet."""
        return Processes(self._limit)

    def snapshot(self) -> bytes:
        if self._kept is None:
            self._kept = orjson.Fragment(_dump(self._old))
        return orjson.dumps([self._size, orjson.Fragment(_dump(self._young)), self._kept])

    def restore(self, state: bytes) -> None:
        try:
            self._size, young, old = orjson.loads(state)
        except orjson.JSONDecodeError:
            self._size, young, old = json.loads(state)
        self._young, self._old = ({key: Process(*told) for key, told in half.items()} for half in (young, old))
        self._kept = None

    def enrich(self, batch: EventBatch) -> EventBatch:
        """The batch with what is known of its processes, in columns that are made when they are read."""
        mine = [part for part in batch.parts if _sysmon(part.table) or _numbered(part.table)]
        if not mine:
            return batch
        self._fresh = {}
        for part in mine:
            if _single(part.table, "event.action") == BORN:
                self._learn(part)
        if not self._young and not self._old:
            return batch
        changed = {id(part): self._told(part) for part in mine}
        return EventBatch(batch.height, [changed.get(id(part), part) for part in batch.parts])

    def _learn(self, part: Part) -> None:
        table = part.table
        columns = [table.texts(name) if name in table else [None] * table.height for name in TOLD]
        hosts, numbers = _hosts(table), table["process.pid"].to_list() if "process.pid" in table else []
        for row, (entity, *told) in enumerate(zip(table.texts(ENTITY), *columns, strict=True)):
            if entity is None:
                continue
            made = Process(*told)
            self._keep(f"{hosts[row]}\n{entity}", made, int(part.rows[row]))
            if numbers and numbers[row] is not None:
                self._keep(f"{hosts[row]}\n{numbers[row]}", made, int(part.rows[row]))

    def _keep(self, key: str, made: Process, row: int) -> None:
        self._young[key] = made
        self._fresh[key] = row
        self._size += sum(map(len, filter(None, made))) + 200
        if self._size > self._limit:
            self._young, self._old, self._size, self._kept = {}, self._young, 0, None

    def _find(self, hosts: Texts, keys: Sequence[object], rows: Sequence[int]) -> Known:
        found: list[Process | None] = []
        for host, key, row in zip(hosts, keys, rows, strict=True):
            name = f"{host}\n{key}"
            known = None if key is None else self._young.get(name) or self._old.get(name)
            found.append(known if known is None or self._fresh.get(name, -1) < row else None)
        return found

    def _told(self, part: Part) -> Part:
        table, rows, hosts = part.table, part.rows.tolist(), _hosts(part.table)
        added: dict[str, Column] = {}
        if _numbered(table):
            images = table.texts("process.executable") if "process.executable" in table else [None] * table.height
            found = [known if known and image in (None, known.image) else None for known, image in zip(
                self._find(hosts, table["process.pid"].to_list(), rows), images, strict=True)]
            self._add(added, table, found, OWN)
        elif _single(table, "event.action") == BORN:
            if PARENT in table:
                parents = self._find(hosts, table.texts(PARENT), rows)
                self._add(added, table, parents, ((DATA + "GrandParentImage", 2),))
        else:
            own = self._find(hosts, table.texts(ENTITY), rows)
            target = next((name for name in TARGETS if name in table), None)
            self._add(added, table, own, OWN if target is None else SOURCE)
            if target is not None:
                aims = self._find(hosts, table.texts(target), rows)
                self._add(added, table, aims, ((DATA + "TargetParentProcessId", 5),))
        return Part(part.rows, table.with_columns(added)) if added else part

    def _add(self, added: dict[str, Column], table: Table, found: Known, columns: Sequence[tuple[str, int]]) -> None:
        if not any(found):
            return
        for name, place in columns:
            values: Callable[[], Texts] = partial(_values, found, place, table.held.get(name))
            added[name] = Listed(name, table.height, values)


def _dump(processes: dict[str, Process]) -> bytes:
    try:
        return orjson.dumps(processes, default=tuple)
    except TypeError:  # a text that no UTF-8 can tell
        return json.dumps(processes).encode()


def _values(found: Known, place: int, own: Column | None) -> Texts:
    """What is known, where the record itself says nothing."""
    made = [None if known is None else known[place] for known in found]
    if own is None:
        return made
    return [other if mine is None else mine for mine, other in zip(own.texts, made, strict=True)]


def _single(table: Table, name: str) -> object:
    return table.held[name].single if name in table else None


def _sysmon(table: Table) -> bool:
    return ENTITY in table and _single(table, "event.dataset") in DATASETS


def _numbered(table: Table) -> bool:
    return "process.pid" in table and _single(table, "winlog.channel") == BY_NUMBER


def _hosts(table: Table) -> Texts:
    return table.texts("host.name") if "host.name" in table else [""] * table.height
