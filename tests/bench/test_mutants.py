"""The sample of mutants: kept while the module stands, survivors asked again, figures by area."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bench import mutants
from tests import mutate
from tests.mutate import Mutant


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[bool]]:
    """What each call asked; every second one of the first call survives, all that is asked again is killed."""
    calls: list[list[bool]] = []

    def judged(module: str, chosen: Sequence[Mutant], tests: list[str]) -> Iterator[tuple[Mutant, bool]]:
        calls.append([bool(n % 2) or len(calls) > 0 for n in range(len(chosen))])
        yield from zip(chosen, calls[-1], strict=True)

    monkeypatch.setattr(mutate, "judged", judged)
    monkeypatch.setattr(mutants, "AREAS", {"who may": ["soc_core/access.py"]})
    monkeypatch.setenv("SOC_MUTANTS_STATE", str(tmp_path / "kept" / "mutants.json"))
    monkeypatch.setenv("SOC_MUTANTS", "4")
    return calls


def test_only_survivors_are_asked_again(asked: list[list[bool]], monkeypatch: pytest.MonkeyPatch) -> None:
    whole, area = mutants.figures()
    assert (whole["name"], whole["value"], whole["unit"], whole["met"]) == ("mutants killed", 50.0, "% of 4", False)
    assert (area["name"], area["value"]) == ("mutants killed: who may", 50.0)
    assert mutants.figures()[0]["met"]
    assert [len(each) for each in asked] == [4, 2]
    assert mutants.figures()[0]["value"] == 100.0
    assert len(asked) == 2  # nothing was left to ask
    monkeypatch.setenv("SOC_MUTANTS", "6")
    mutants.figures()
    assert len(asked[-1]) == 2  # the smaller sample is the beginning of the larger one


def test_nothing_to_sample_is_said(asked: list[list[bool]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOC_MUTANTS_ONLY", "soc_core/nothing.py")
    with pytest.raises(LookupError, match=r"soc_core/nothing\.py"):
        mutants.figures()
    assert asked == []
