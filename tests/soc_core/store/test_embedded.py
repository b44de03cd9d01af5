"""EmbeddedStore: the shared suite."""

from __future__ import annotations

from pathlib import Path

from soc_core import clock
from soc_core.protocols import EventStore
from soc_core.store.embedded import EmbeddedStore
from tests.soc_core.store.suite import StoreSuite

LATER = clock.now() + 400 * clock.DAY


class TestEmbedded(StoreSuite):
    def make(self, path: Path) -> EventStore:
        return EmbeddedStore(path)

    def settle(self, store: EventStore) -> None:
        assert isinstance(store, EmbeddedStore)
        store.compact(LATER)
