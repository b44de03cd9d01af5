"""kill -9 during intake, three times at moments drawn from today's date (the long proof is ./soc bench kill)."""

from __future__ import annotations

import time

import pytest

from bench.kill import compare, trial


@pytest.mark.timeout(280)
def test_kill_every_process_three_times() -> None:
    assert trial(rounds=3, seed=int(time.strftime("%Y%m%d")), lines=6_000) == []


def test_the_comparison_sees_loss_doubling_and_miscounting() -> None:
    good = {"ids": {"a": 1, "b": 1}, "alerts": [("x", 2)], "balanced": True, "totals": {"pending": 0}}
    assert compare(good, good, 2) == []
    assert compare(good, {**good, "ids": {"a": 1}}, 2)
    assert compare(good, {**good, "ids": {"a": 1, "b": 2}}, 2)
    assert compare(good, {**good, "alerts": [("x", 3)]}, 2)
    assert compare(good, {**good, "balanced": False}, 2)
    assert compare({**good, "alerts": []}, {**good, "alerts": []}, 2)
