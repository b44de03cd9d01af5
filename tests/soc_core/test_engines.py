"""What a configuration means is what is opened."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from soc_core import engines
from soc_core.config import load
from soc_core.journal.files import FileJournal
from soc_core.protocols import Origin, Raws
from soc_core.store.embedded import EmbeddedStore


def test_without_a_word_everything_is_of_this_machine(tmp_path: Path) -> None:
    settings = load(tmp_path).model_copy(update={"partitions": 3})
    assert not engines.has_journal(settings)
    assert engines.realms(settings) == []
    journal, shared = engines.open_journal(settings), engines.open_shared(settings)
    assert isinstance(journal, FileJournal)
    assert engines.has_journal(settings)
    assert journal.partitions() == shared.partitions() == [0, 1, 2]
    journal.append([Raws(Origin(source="s"), [b"x"], 1)])
    assert [sum(each.end(number) for number in range(3)) for each in (journal, shared)] == [1, 0]
    journal.close()
    shared.close()
    for realm in ("demo", "archive", "real"):
        store = engines.open_store(settings, realm)
        assert isinstance(store, EmbeddedStore)
        store.close()
    (settings.events("real").parent / "note.txt").write_text("no realm")
    assert engines.realms(settings) == ["real", "archive", "demo"]
    with pytest.raises(ValueError, match="names no Elasticsearch"):
        engines.elastic(settings, "real")


def test_kafka_without_its_package_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "soc.yaml").write_text("journal: {kafka: {servers: '127.0.0.1:9'}}\n")
    settings = load(tmp_path)
    assert engines.has_journal(settings)  # a broker is not asked
    monkeypatch.setitem(sys.modules, "soc_core.journal.kafka", None)
    with pytest.raises(ValueError, match="needs the package confluent-kafka"):
        engines.open_journal(settings)
