"""ElasticStore on a real node: the shared suite."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from soc_core.protocols import EventStore
from soc_core.store import elastic_reading
from soc_core.store.elastic import ElasticSettings, ElasticStore
from tests.soc_core.store.suite import StoreSuite

NUMBERS = itertools.count()


class TestElastic(StoreSuite):
    @pytest.fixture(autouse=True)
    def node(self, elastic_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Each test its own realm; small requests, so that a few events take several."""
        self.settings = ElasticSettings(urls=[elastic_url], replicas="0", patience=30)
        self.realm = f"{os.getpid()}.{next(NUMBERS)}"
        monkeypatch.setattr(elastic_reading, "ROWS_A_REQUEST", 7)
        yield
        with Elasticsearch(elastic_url) as client:
            names = [item["name"] for item in client.indices.resolve_index(name=f"soc-{self.realm}-*")["indices"]]
            if names:
                client.indices.delete(index=names)

    def make(self, path: Path) -> EventStore:
        return ElasticStore(self.settings, self.realm)
