"""The part of the stores' shared suite that reads everything, in columns and through sieves."""

from __future__ import annotations

import numpy as np

from soc_core.access import EVERYTHING
from soc_core.events import EventBatch
from soc_core.protocols import EventStore, Ints, Query, Sieve
from soc_core.store.reading import as_rows
from tests.soc_core.store.events import Row
from tests.soc_core.store.questions import KINDS, STORED


class Scans:
    """Needs the fixture `filled`."""

    def test_a_scan_reads_what_is_asked_for(self, filled: EventStore) -> None:
        fields = {"user.name", "source.ip", "event.id", "no.such.field"}
        want = {row["event.id"]: {name: value for name, value in row.items() if name in {*fields, "@timestamp"}}
                for row in STORED}

        def read(text: str, *sieves: Sieve) -> dict[str, Row]:
            scanned = list(filled.scan(Query(text=text), EVERYTHING, fields, sieves))
            assert not {name for each in scanned for name in each.fields} - {*fields, "@timestamp"}
            return {row["event.id"]: row for each in scanned for row in as_rows(each.frame())}

        assert read("") == want
        seen: list[int] = []

        def named(events: EventBatch) -> Ints:
            seen.append(events.height)
            return np.flatnonzero(events.column("user.name").is_not_null().to_numpy())

        sieve = Sieve(frozenset({"user.name"}), named)
        assert read("", sieve) == {name: row for name, row in want.items() if "user.name" in row}
        assert sum(seen) == len(STORED)
        for text, expected in KINDS:
            some = {STORED[n]["event.id"] for n in expected if "user.name" in STORED[n]}
            assert read(text, sieve) == {name: want[name] for name in some}, text
        nobody = Sieve(frozenset({"no.such.field"}), lambda events: np.empty(0, np.int64))
        assert read("", nobody, sieve) == read("", sieve, nobody) == {}
        outside = Sieve(frozenset({"source.ip"}), lambda events: np.flatnonzero(
            events.column("source.ip").is_null().to_numpy()))
        assert read("", sieve, outside) == read("", outside, sieve) == {
            name: row for name, row in want.items() if "user.name" in row and "source.ip" not in row}
        scanned = list(filled.scan(Query(), EVERYTHING, None, [sieve]))
        assert {row["event.id"]: row for each in scanned for row in as_rows(each.frame())} == {
            row["event.id"]: row for row in STORED if "user.name" in row}
