"""Attacks: real techniques, whole paths, and a truth that is complete and kept apart."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulate import attacks
from simulate.attacks import Attacks
from simulate.traffic import Traffic
from soc_cli.commands.city import app
from soc_core.clock import MINUTE, from_text
from tests.cities.shared import CITY, city
from tests.corpora import corpus

START = from_text("2026-11-23T09:00:00+08:00")


@cache
def traffic() -> Traffic:
    return Traffic(city(), 1, 1000.0)


def test_thirty_single_techniques_can_be_shown_by_this_city() -> None:
    possible = Attacks(traffic(), 1).possible()
    assert len(possible) >= 30
    assert len({item.technique for item in possible}) >= 30


def test_technique_ids_are_of_the_pinned_version() -> None:
    known = json.loads((corpus("attack") / "attack-19.1-ids.json").read_text(encoding="utf-8"))
    ids = {item["id"] for item in known["techniques"]}
    used = {item.technique for item in attacks.techniques().values()}
    used |= {technique for path in attacks.paths(CITY) for technique in path.techniques}
    assert used <= ids


def test_every_technique_renders_native_lines_in_order() -> None:
    made = Attacks(traffic(), 1)
    for number, item in enumerate(made.possible()):
        strike = made.strike(item.id, START, number)
        assert strike.lines.height == strike.truth.lines == sum(step.repeat for step in item.steps)
        assert (strike.lines.time[1:] >= strike.lines.time[:-1]).all()
        assert strike.truth.since >= START
        texts = strike.lines.text.to_list()
        if item.id != "web_log4shell":
            assert not [text for text in texts if "\u0001" in text or "${" in text]
        if item.actor == "internet" and item.code in ("HOST", "WEB", "SSO", "GW", "VPN"):
            assert any(strike.truth.actor in text for text in texts)
        for text in texts:
            if text.startswith("{"):
                json.loads(text)


def test_eight_paths_cross_their_systems_in_order() -> None:
    made = Attacks(traffic(), 1)
    paths = attacks.paths(CITY)
    assert len(paths) == 8
    for number, path in enumerate(paths):
        stages = made.chain(path, START, number)
        assert [stage.truth.technique for stage in stages] == path.techniques
        assert list(dict.fromkeys(stage.truth.system for stage in stages)) == path.systems
        assert all(a.truth.until < b.truth.since for a, b in itertools.pairwise(stages))
        assert {stage.truth.attack for stage in stages} == {f"a{number:04d}"}


def test_a_target_that_cannot_show_a_technique_is_named() -> None:
    with pytest.raises(LookupError, match="base_legal_person can show dns_tunnel"):
        Attacks(traffic(), 1).strike("dns_tunnel", START, 0, "base_legal_person")


def test_a_compressed_day_with_sixty_attacks_has_its_whole_truth(tmp_path: Path) -> None:
    out = tmp_path / "day"
    result = CliRunner().invoke(app, ["simulate", "--lines", "12000", "--span", "1d", "--out", str(out), "--json"])
    report = json.loads(result.output.splitlines()[-1])
    assert report["lines"] == 12000
    assert report["attacks"] == 60
    truth = [json.loads(line) for line in (out / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len({row["attack"] for row in truth}) == 60
    assert len({row["path"] for row in truth if row["path"]}) == 8
    assert len({row["technique"] for row in truth}) >= 30
    assert sum(row["lines"] for row in truth) == report["attack_lines"]
    files: dict[str, list[bytes]] = {}
    for row in truth:
        lines = files.setdefault(row["file"], (out / row["file"]).read_bytes().split(b"\n"))
        assert len(row["line_numbers"]) == row["lines"]
        assert all(lines[number - 1] for number in row["line_numbers"])
        if row["id"] == "web_sql_injection":
            assert all(b"sqlmap" in lines[number - 1] and row["actor"].encode() in lines[number - 1]
                       for number in row["line_numbers"])
    taken = Counter((row["file"], number) for row in truth for number in row["line_numbers"])
    assert max(taken.values()) == 1
    total = sum(path.read_bytes().count(b"\n") for path in (out / "lines").rglob("*.log"))
    assert total == 12000
    described = json.loads((out / "sources.json").read_text(encoding="utf-8"))
    assert sum(source["lines"] for source in described) == 12000
    assert not list((out / "lines").rglob("*truth*"))
    again = CliRunner().invoke(app, ["simulate", "--lines", "10", "--out", str(out)])
    assert isinstance(again.exception, ValueError)


def test_campaign_uses_each_technique_before_any_twice() -> None:
    made = Attacks(traffic(), 2)
    strikes = made.campaign([], len(made.possible()), START, START + 600 * MINUTE)
    assert len({strike.truth.id for strike in strikes}) == len(strikes) == len(made.possible())
