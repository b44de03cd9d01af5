"""The windows of all keys, on shelves: a shelf is what is saved, restored and swept at once.

A key's shelf follows from the key alone, so every process finds it there. What feeds each other stands on one shelf, so
a shelf is a function of its own base matches and of time.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice, starmap
from math import inf
from operator import attrgetter
from sys import intern
from typing import Any

import orjson
import polars as pl

from detections.sigma.agenda import Agenda, Horizons
from detections.sigma.rule import Correlation
from detections.sigma.windows import Mark, Series, Spec
from soc_core.clock import SECOND, Micros

CHAIN = "chain"
PIECES = 128  # of a million marks one shelf takes some 20 ms to save
FIELDS = ("at", "id", "slot", "value", "source", "info", "fired")  # of a Mark, in its order
GRAIN = 10 * SECOND  # what came together goes together: memory is given back as it was taken
SLACK = 10_000
TOLD = (*FIELDS, "series")  # of a shelf
Name = tuple[str, tuple[str, ...]]  # correlation and key


def home(family: str, key: tuple[str, ...]) -> str:
    """By what name the keeper of a key is found, and its shelf."""
    return "\x1f".join((family, *key)) if family else CHAIN


def families(correlations: Sequence[Correlation]) -> dict[str, str]:
    """Correlation → family: those that feed each other, where all group by the same fields; itself, where it stands
    alone; "" where fields differ, so that one key may feed any other."""
    found = {c.id: {c.id} for c in correlations}
    for c in correlations:
        for base in c.rules:
            if base in found:
                joined = found[c.id] | found[base]
                found.update(dict.fromkeys(joined, joined))
    known = {c.id: c for c in correlations}

    def family(members: set[str]) -> str:
        fields = {known[each].group_by for each in members}
        renamed = len(members) > 1 and any(known[each].aliases for each in members)
        return "" if renamed or len(fields) > 1 else min(members)

    return {name: family(members) for name, members in found.items()}


class Shelves:
    """Series by correlation and key. `families`: every correlation there is, and its family (family_of); `waiting`:
    those of which marks are judged by time alone.

    Each key is filed once in `expiry`, not before its first mark has gone by; each mark that waits, in `verdicts`.
    """

    def __init__(self, families: Mapping[str, str], waiting: Collection[str] = ()) -> None:
        self.families = families
        self.held: list[dict[Name, Series]] = [{} for _ in range(PIECES)]
        self.counts = [0] * PIECES  # marks on each
        self.expiry: list[Agenda[Name]] = [Agenda(GRAIN) for _ in range(PIECES)]
        self.verdicts: dict[str, Agenda[Name]] = {name: Agenda(SECOND) for name in waiting}

    def __iter__(self) -> Iterator[Name]:
        return (name for shelf in self.held for name in shelf)

    def items(self) -> Iterator[tuple[Name, Series]]:
        """Every series there is; none may be added or taken meanwhile."""
        return (pair for shelf in self.held for pair in shelf.items())

    @property
    def count(self) -> int:
        """All marks."""
        return sum(self.counts)

    def place(self, name: Name) -> int:
        """The shelf of a key; not by the bits that choose its share, or few shelves of a share would be used."""
        text = home(self.families[name[0]], name[1])
        return (zlib.crc32(text.encode("utf-8", "surrogatepass")) >> 16) % PIECES

    def put(self, name: Name, marks: list[Mark]) -> None:
        """A key's marks, sorted; of a correlation that is gone they are dropped."""
        if name[0] in self.families:
            place = self.place(name)
            self.held[place][name] = Series(marks)
            self.counts[place] += len(marks)
            self.expiry[place].file(name, marks[0].at)
            if name[0] in self.verdicts:
                self._await(name, marks)

    def add(self, name: Name, mark: Mark, spec: Spec) -> tuple[Series, list[Mark]]:
        """Put a mark to its key: where it stands now, and the marks that complete by it."""
        place = self.place(name)
        series = self.held[place].get(name)
        if series is None:
            series = self.held[place][name] = Series()
            self.expiry[place].file(name, mark.at)
        before = len(series.marks)
        done = series.add(mark, spec)
        self.counts[place] += len(series.marks) - before
        if spec.waits:
            self.verdicts[name[0]].file(name, mark.at)
        return series, done

    def ripe(self, correlation: str, until: Horizons | None) -> Iterator[tuple[Name, Series]]:
        """Keys of a correlation with marks that may be judged; what still waits after that is ripe again."""
        if self.verdicts[correlation].size > 2 * self.count + SLACK:  # most of it was for marks that are gone
            self.verdicts[correlation] = Agenda(SECOND)
            for each, kept in self.items():
                if each[0] == correlation:
                    self._await(each, kept.marks)
        agenda = self.verdicts[correlation]
        for name in dict.fromkeys(agenda.due(inf if until is None else until.newest + 1)):
            series = self.held[self.place(name)].get(name)
            if series is None:
                continue
            yield name, series
            left = next((mark.at for mark in series.marks if mark.waits), None)
            if until is not None and left is not None and left <= until.newest:
                agenda.file(name, left)

    def _await(self, name: Name, marks: Sequence[Mark]) -> None:
        for mark in marks:
            if mark.waits:
                self.verdicts[name[0]].file(name, mark.at)

    def sweep(self, place: int, horizons: Horizons, spans: Mapping[str, Micros]) -> int:
        """Evict what no window needs from one shelf. Only keys whose time has come are looked at: so many."""
        shelf, agenda = self.held[place], self.expiry[place]
        due = agenda.due(horizons.newest - agenda.grain)
        for name in due:
            series, span = shelf[name], spans[name[0]]
            before = len(series.marks)
            series.drop(lambda mark, span=span: mark.at < horizons[mark.source] - span)  # type: ignore[misc]  # bound now
            self.counts[place] += len(series.marks) - before
            if series.marks:
                agenda.file(name, max(series.marks[0].at + span, horizons.newest))
            else:
                del shelf[name]
        return len(due)

    def shed(self) -> int:
        """Take keys whose events lie furthest back, of one shelf and no more than a tenth of it. Returns the marks
        lost; 0 where all of them go on."""
        place = min(range(PIECES), key=lambda place: self.expiry[place].begins)
        shelf, agenda, before = self.held[place], self.expiry[place], self.counts[place]
        end, names = agenda.earliest(len(shelf) // 10 + 1)
        for name in names:
            last = shelf[name].marks[-1].at
            if last >= end:
                agenda.file(name, last)
            else:
                self.counts[place] -= len(shelf.pop(name).marks)
        return before - self.counts[place]

    def dump(self, place: int) -> bytes:
        """One shelf: by columns, compressed; some 2 µs and 40 bytes a mark. An empty one is b""."""
        shelf = self.held[place]
        if not shelf:
            return b""
        marks = [mark for series in shelf.values() for mark in series.marks]
        told: dict[str, Any] = {field: list(map(attrgetter(field), marks)) for field in FIELDS}
        told["series"] = [[name, key, len(series.marks)] for (name, key), series in shelf.items()]
        packed = io.BytesIO()
        pl.DataFrame({"json": [orjson.dumps(told)]}).write_ipc(packed, compression="zstd")
        return packed.getvalue()

    def load(self, place: int, state: bytes) -> None:
        """What `dump` gave, in place of what stands there. Raises ValueError on anything else."""
        try:
            told = orjson.loads(pl.read_ipc(io.BytesIO(state))["json"][0]) if state else dict.fromkeys(TOLD, ())
            told["source"] = map(intern, told["source"])  # there are few, each is named by many marks
            marks = starmap(Mark, zip(*(told[field] for field in FIELDS), strict=True))
            found = [((intern(name), tuple(key)), list(islice(marks, size))) for name, key, size in told["series"]]
        except (orjson.JSONDecodeError, pl.exceptions.PolarsError, KeyError, TypeError, ValueError, OSError) as error:
            raise ValueError(f"not a shelf of correlations: {error}") from None
        self.held[place], self.counts[place], self.expiry[place] = {}, 0, Agenda(GRAIN)
        for name, mine in found:
            self.put(name, mine)
