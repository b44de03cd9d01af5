"""soc.yaml as people write it: what is missing has a default, what is wrong is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from soc_core import config
from soc_core.documents import DocumentError


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_a_file_without_content_changes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "soc.yaml").write_text(text)
    assert config.load(tmp_path) == config.Settings(data=tmp_path)


@pytest.mark.parametrize(("text", "reason"), [
    ("timezone: Mars/Olympus", "1: timezone: .*no time zone named 'Mars/Olympus'"),
    ("listen:\n  timezone: ../etc/passwd", "2: listen.timezone: .*no time zone"),
    ("listen:\n  http: 99999", "2: listen.http: .*65535"),
    ("listen:\n  syslog_udp: -1", "2: listen.syslog_udp"),
    ("tails:\n  - path: a.log\n    timezone: Mars", "3: tails.0.timezone"),
    ("- 1", "1: document"),
    ("nope: 1", "1: nope: unknown key$"),
    ("evnts: embedded", "1: evnts: unknown key; did you mean 'events'"),
    ("listen:\n  sylog_tcp: 1", "2: listen.sylog_tcp: unknown key; did you mean 'syslog_tcp'"),
    ("tails:\n  - pth: a.log", "2: tails.0.path: Field required"),
    ("listen: 127.0.0.1", "1: listen: keys and values belong here, not '127.0.0.1'$"),
])
def test_what_is_wrong_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "soc.yaml").write_text(text)
    with pytest.raises(DocumentError, match=reason):
        config.load(tmp_path)


@pytest.mark.parametrize(("text", "reason"), [
    ("events: {elastic: {}}", "1: event.*urls: Field required"),
    ("events:\n  elastic:\n    urls: [es:9200]", "3: events.elastic.urls: .*https://host:9200"),
    ("events: opensearch", "1: events: 'opensearch' is none of the engines: embedded, or elastic: "),
    ("journal: kafka", "1: journal: 'kafka' is none of the engines: files, or kafka: {servers: host:9092}"),
    ("journal:\n  kafka:\n    servers: broker", "3: journal.kafka.servers: 'broker' is not of the form host:9092"),
    ("journal:\n  kafka:\n    servers: b:9092\n    topics: x",
     "4: journal.kafka.topics: unknown key; did you mean 'topic'"),
    ("timezone: UTC\nstate: mysql://soc@db/soc", "2: state: give postgresql://"),
])
def test_a_wrong_engine_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "soc.yaml").write_text(text)
    with pytest.raises(DocumentError, match=reason):
        config.load(tmp_path)


def test_one_file_switches_the_engines(tmp_path: Path) -> None:
    (tmp_path / "soc.yaml").write_text("events: embedded\njournal: files\n")
    assert config.load(tmp_path) == config.Settings(data=tmp_path)
    (tmp_path / "soc.yaml").write_text(
        "events: {elastic: {urls: ['https://es:9200'], user: soc}}\n"
        "journal: {kafka: {servers: 'k1:9092,k2:9092', replication: 2}}\nstate: postgresql://soc@db/soc\n")
    chosen = config.load(tmp_path)
    assert chosen.event_engine.elastic is not None
    assert chosen.event_engine.elastic.urls == ["https://es:9200"]
    assert chosen.journal_engine.kafka is not None
    assert chosen.journal_engine.kafka.topic == "soc.raw"
    assert chosen.state_url == "postgresql://soc@db/soc"


def test_rules_of_ones_own_lie_in_the_data_directory_or_where_the_file_says(tmp_path: Path) -> None:
    ours = config.Settings().rules
    assert config.load(tmp_path).rules == ours
    (tmp_path / "rules").mkdir()
    assert config.load(tmp_path).rules == [*ours, tmp_path / "rules"]
    (tmp_path / "soc.yaml").write_text("timezone: UTC\n")
    assert config.load(tmp_path).rules == [*ours, tmp_path / "rules"]
    (tmp_path / "soc.yaml").write_text(f"rules: [{ours[0]}, mine]\n")
    assert config.load(tmp_path).rules == [*ours, tmp_path / "mine"]
