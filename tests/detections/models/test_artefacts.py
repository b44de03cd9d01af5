"""Trained models on disk: loaded only as recorded, promoted and taken back, never executed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detections import learn
from detections.artefacts import Damaged, Data, Figures, Shelf, pack
from soc_core.config import Settings

FIGURES = Figures(auc=0.9, precision=0.9, recall=0.9, fpr=0.01)


def add(shelf: Shelf, value: float) -> str:
    card = shelf.add({"weights": np.array([value])}, {
        "model": shelf.name, "title": "t", "trained": "2026-03-02T00:00:00+00:00", "seed": 1,
        "data": Data(name="d", licence="l", sha256="0", rows=2, positive=1), "tested": 2, "threshold": 0.5,
        "baseline_threshold": 0.5, "figures": FIGURES, "baseline": FIGURES})
    return card.version


def test_promote_and_roll_back(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "web_attack")
    assert shelf.active() is None
    with pytest.raises(LookupError, match="no trained version"):
        shelf.promote()
    first, second = add(shelf, 1.0), add(shelf, 2.0)
    assert (first, second) == ("0001", "0002")
    assert shelf.active() is None
    shelf.promote(first)
    shelf.promote()
    held = shelf.active()
    assert held
    assert held[0].version == second
    assert held[1]["weights"][0] == 2.0
    assert shelf.rollback().version == first
    held = shelf.active()
    assert held
    assert held[1]["weights"][0] == 1.0
    with pytest.raises(LookupError, match="no earlier version"):
        shelf.rollback()
    with pytest.raises(LookupError, match="0009"):
        shelf.promote("0009")


@pytest.mark.parametrize("name", ["card.json", "parameters.npz", "active.json"])
def test_a_changed_file_is_refused(tmp_path: Path, name: str) -> None:
    shelf = Shelf(tmp_path, "web_attack")
    shelf.promote(add(shelf, 1.0))
    path = tmp_path / "web_attack" / (name if name == "active.json" else f"0001/{name}")
    path.write_bytes(path.read_bytes()[:-9] + b"tampered!")
    with pytest.raises(Damaged, match="web_attack"):
        shelf.active()


def test_a_threshold_in_the_card_cannot_be_edited(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "web_attack")
    shelf.promote(add(shelf, 1.0))
    path = tmp_path / "web_attack" / "0001" / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "threshold": 0.99}))
    with pytest.raises(Damaged, match="not the card"):
        shelf.load("0001")


def test_objects_are_never_stored() -> None:
    with pytest.raises(ValueError, match="arrays of numbers"):
        pack({"weights": np.array([object()])})


def test_the_stream_goes_on_without_a_tampered_model(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    assert [type(one).__name__ for one in learn.detectors(settings)] == ["UnusualLogon"]
    shelf = Shelf(settings.models, "domain_generation")
    shelf.promote(add(shelf, 1.0))
    (settings.models / "domain_generation" / "0001" / "parameters.npz").write_bytes(b"x")
    assert [type(one).__name__ for one in learn.detectors(settings)] == ["UnusualLogon"]
