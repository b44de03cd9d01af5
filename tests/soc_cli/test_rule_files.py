"""A worker knows when the files of its rules changed, once nobody writes any more; others know what it works with."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from soc_cli import rule_files
from soc_cli.rule_files import Watch
from soc_core.config import Settings, load


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(rule_files, "LOOK", 0.0)
    (tmp_path / "data" / "rules" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "rules" / "deep" / "one.yml").write_text("title: one\n")
    return load(tmp_path / "data").model_copy(update={"rules": [tmp_path / "data" / "rules"]})


def test_nothing_has_changed(settings: Settings) -> None:
    watch = Watch(settings)
    (settings.data / "rules" / "notes.txt").write_text("no rule")
    (settings.data / "other.yml").write_text("no rule either")
    assert [watch.changed() for _ in range(3)] == [False] * 3


@pytest.mark.parametrize("name", ["rules/new.yml", "rules/deep/one.yml", "tuning/site.yaml", "mapping/site.yml"])
def test_a_change_counts_once_it_has_stood_still(settings: Settings, name: str) -> None:
    watch = Watch(settings)
    place = settings.data / name
    place.parent.mkdir(exist_ok=True)
    place.write_text("title: other\n")
    assert not watch.changed()  # perhaps still being written
    place.write_text("title: another one\n")
    assert not watch.changed()
    assert watch.changed()


def test_a_file_of_the_same_length_and_one_taken_away(settings: Settings) -> None:
    before = rule_files.mark(settings)
    one = settings.data / "rules" / "deep" / "one.yml"
    one.write_text("title: two\n")
    os.utime(one, ns=(1, time.time_ns() + 1))
    changed = rule_files.mark(settings)
    one.unlink()
    assert len({before, changed, rule_files.mark(settings)}) == 3


def test_it_looks_now_and_then(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_files, "LOOK", 60.0)
    watch = Watch(settings)
    (settings.data / "rules" / "new.yml").write_text("title: new\n")
    assert not any(watch.changed() for _ in range(3))


class Clock:
    """Time that passes in sleep alone."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_who_takes_in_waits_for_a_worker_that_reads_anew_but_not_for_ever(
        settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(rule_files, "time", clock)

    def waited() -> float:
        began = clock.now
        rule_files.wait(settings, 5.0)
        return clock.now - began

    assert waited() == 0  # no worker has said anything
    Watch(settings).note()
    assert rule_files.read(settings) == rule_files.mark(settings)
    assert waited() == 0
    (settings.data / "rules" / "new.yml").write_text("title: new\n")
    assert 5.0 <= waited() < 5.2
    Watch(settings).note()
    assert waited() == 0
    (settings.data / "rules" / "newer.yml").write_text("title: newer\n")
    Watch(settings).end()
    assert rule_files.read(settings) == ""
    assert waited() == 0
