"""The maker of mutants: each changes one thing, runs, and no annotation or text is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import mutate

SOURCE = '''
def inside(low: int | None, value: int, ends: bool = True) -> bool:
    """Whether."""
    if value < 1 and not ends:
        raise ValueError("no")
    return low == value
'''


def test_each_mutant_is_another_module_that_can_be_read() -> None:
    made = mutate.mutants(SOURCE)
    assert len({mutant.source for mutant in made} | {SOURCE}) == len(made) + 1
    assert {(mutant.line, mutant.was, mutant.now) for mutant in made} == {
        (2, "True", "False"), (4, "value < 1", "value <= 1"), (4, "value < 1 and (not ends)", "value < 1 or not ends"),
        (4, "not ends", "ends"), (4, "1", "2"), (4, "1", "0"), (5, "raise ValueError('no')", "pass"),
        (6, "low == value", "low != value"), (6, "return low == value", "return None"),
        (4, "if value < 1 and (not ends):", "if not (value < 1 and (not ends)):"),
    }
    for mutant in made:
        compile(mutant.source, "mutant", "exec")


def test_every_module_has_its_killers_or_a_sentence() -> None:
    assert mutate.killers("soc_core/journal/tails.py") == mutate.JOURNAL
    assert mutate.killers("detections/sigma/windows.py") != mutate.killers("detections/sigma/plan.py")
    for module, tests in mutate.KILLERS.items():
        assert all((mutate.ROOT / name).exists() for name in (module, *tests)), module
    with pytest.raises(LookupError, match="no tests are known for soc_core/clock"):
        mutate.killers("soc_core/clock.py")


def test_a_survivor_is_a_missing_test(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text("def half(n):\n    return n // 2\n")
    (tmp_path / "test_half.py").write_text("from half import half\n\n\ndef test_half():\n    assert half(4) == 2\n")
    assert mutate.survives(tmp_path, ["test_half.py"], True, 120)
    (tmp_path / "half.py").write_text("def half(n):\n    return None\n")
    assert not mutate.survives(tmp_path, ["test_half.py"], True, 120)


def test_what_was_imported_before_is_mutated_too() -> None:
    """The clock is imported here already; its tests must meet the mutant all the same."""
    import soc_core.clock

    assert soc_core.clock
    wrong = next(each for each in mutate.mutants((mutate.ROOT / "soc_core" / "clock.py").read_text("utf-8"))
                 if each.now == "return None")
    ((_, killed),) = mutate.judged("soc_core/clock.py", [wrong], ["tests/soc_core/test_clock.py"])
    assert killed
