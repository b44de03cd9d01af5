"""EmbeddedStore: the shared suite, with limits so small that a few events span many row groups and scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.protocols import EventStore, Query
from soc_core.store import reading, scanning, segments
from soc_core.store.embedded import EmbeddedStore
from tests.soc_core.store.events import batch, plain
from tests.soc_core.store.suite import StoreSuite

LATER = clock.now() + 400 * clock.DAY


class TestEmbedded(StoreSuite):
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module, name, value in ((segments, "ROW_GROUP", 4), (reading, "GROUP_ROWS", 120),
                                    (scanning, "BATCH_ROWS", 5), (segments, "FEW", 3)):
            monkeypatch.setattr(module, name, value)

    def make(self, path: Path) -> EventStore:
        return EmbeddedStore(path)

    def settle(self, store: EventStore) -> None:
        assert isinstance(store, EmbeddedStore)
        store.compact(LATER)


def test_retention_counts_from_receipt(tmp_path: Path) -> None:
    """Old logs taken in today are today's to keep."""
    with EmbeddedStore(tmp_path) as store:
        store.write(batch(plain(5)))
        assert store.expire(clock.now() - clock.HOUR) == 0
        assert store.search(Query(), EVERYTHING).total == 5
        assert store.expire(clock.now() + clock.HOUR) == 5
        assert store.search(Query(), EVERYTHING).total == 0


def test_a_segment_written_ahead_is_taken_back_when_another_process_stored_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes have one source for a moment: the file that was written before its turn came is not named."""
    write, rows = segments.write, batch(plain(6))
    with EmbeddedStore(tmp_path) as one, EmbeddedStore(tmp_path) as other:
        other.compact()  # it clears away what dead processes left: that waits for living ones, who write here

        def slow(*args: Any, **kwargs: Any) -> segments.Segment:
            monkeypatch.setattr(segments, "write", write)
            made = write(*args, **kwargs)
            assert len(other.write(rows).stored) == 6
            return made

        monkeypatch.setattr(segments, "write", slow)
        found = one.write(rows)
        assert len(found.stored) + len(found.duplicate) == 6
        assert one.search(Query(), EVERYTHING).total == 6
        assert len(list((tmp_path / "segments").glob("*.parquet"))) == 1
