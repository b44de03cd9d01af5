"""What ./soc doctor says of engines, asked of real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from soc_cli import checks
from soc_core import engines
from soc_core.config import Events, Settings
from soc_core.models import REAL
from soc_core.store.elastic_settings import ElasticSettings
from tests.servers.elastic import elastic_url
from tests.soc_core.store.events import batch, plain

__all__ = ["elastic_url"]


def test_a_cluster_that_is_nearly_full_of_shards_is_told(elastic_url: str, tmp_path: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    elastic = ElasticSettings(urls=[elastic_url], replicas="0", prefix="tchecks")
    settings = Settings(data=tmp_path, events=Events(elastic=elastic))
    with engines.elastic(settings, REAL) as store:
        store.write(batch(plain(3)))
        held, most = store.shards()
        assert 0 < held < most == 5000  # tests/servers/elastic.py
        assert checks.events(settings).state == "works"
        monkeypatch.setattr(checks, "CROWDED", held / most / 2)
        found = checks.events(settings)
        assert (found.state, "of 5,000 shards" in found.found) == ("limited", True)
        store.prune(1 << 61)


def test_a_cluster_that_is_away_is_broken_and_said_so(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, events=Events(elastic=ElasticSettings(urls=["http://127.0.0.1:9"])))
    found = next(each for each in checks.all_checks(settings) if each.name == "events")
    assert (found.state, found.found.partition(":")[0]) == ("broken", "Elasticsearch does not answer")
