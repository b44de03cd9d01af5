"""EmbeddedStore: the shared suite, with limits so small that a few events span many row groups and scans."""

from __future__ import annotations

from pathlib import Path

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
