"""Scenario documents: what is wrong is said with its line, and what ships is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from detections.attack import resolve
from drills import scenario
from soc_core.config import ROOT
from soc_core.documents import DocumentError
from soc_core.inventory import load as load_inventory

NAMES = scenario.listed()


def test_at_least_three_ship() -> None:
    assert {"D01_portal_web", "D05_extranet_ssh", "D06_bureau_windows"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_ships_is_sound(name: str) -> None:
    one = scenario.load(name)
    assert one.id == name
    known = {system.id for system in load_inventory(ROOT / "cities" / "changsha").systems.values()}
    assert set(one.systems) <= known
    for step in one.attacks:
        for technique in step.techniques:
            found = resolve(technique)
            assert found is not None, technique
            assert found.id == technique, f"{technique} is an id of an older version, now {found.id}"
        assert step.expected is not None


def test_found_by_id_alone() -> None:
    assert scenario.load("D05").id == scenario.load("d05").id == "D05_extranet_ssh"
    with pytest.raises(LookupError, match="D01_portal_web"):
        scenario.load("D99")


def changed(tmp_path: Path, change: Any) -> Path:
    data = yaml.safe_load((scenario.FOLDER / "D05_extranet_ssh.yml").read_text())
    change(data)
    path = tmp_path / "changed.yml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))
    return path


@pytest.mark.parametrize(("change", "reason"), [
    (lambda d: d.update(colour="red"), "unknown key"),
    (lambda d: d["steps"][0]["emit"][0].update(source="nowhere"), "no feed named 'nowhere'"),
    (lambda d: d["steps"][0]["emit"][0].update(lines=["{bsd} {nobody}"]), "nothing draws {nobody}"),
    (lambda d: d["cast"].update(attacker={"address": "8.8.8.0/24"}), "neither a private nor a documentation range"),
    (lambda d: d["cast"].update(attacker={"address": "10.0.0.0/24", "digits": 3}), "exactly one of"),
    (lambda d: d["steps"].pop(0) and d["steps"].pop(0) and d["steps"].pop(0), "at least five attack steps"),
    (lambda d: d["steps"][0].update(techniques=[]), "names its techniques"),
    (lambda d: d["steps"][1].update(number="1.A"), "same number"),
])
def test_faults_are_named(tmp_path: Path, change: Any, reason: str) -> None:
    path = changed(tmp_path, change)
    with pytest.raises(DocumentError, match=reason.replace("{", r"\{")) as caught:
        scenario.load(str(path))
    assert caught.value.path == str(path)
