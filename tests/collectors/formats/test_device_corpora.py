"""Devices' lines against what other projects expect of them; the measures are bench/normalise_devices.py's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench import normalise_devices as bench
from tests.corpora import corpus

NEEDED = ("wazuh-tests", "crowdsec-hub", "beats-oss-modules", "ecs", "fail2ban", "plaso-testdata")


@pytest.mark.parametrize(("measure", "target"), [one[1:] for one in bench.MEASURES],
    ids=[one[0] for one in bench.MEASURES])
def test_the_share_that_is_right(measure: Callable[[], bench.Tally], target: float,
    monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NEEDED:
        monkeypatch.setattr(bench, "ROOT", corpus(name).parent)
    counted = measure()
    assert counted.total >= 10, "the corpora are here, yet nothing was measured"
    assert counted.share >= target, counted.wrong[:10]


def test_a_count_of_nothing_is_no_success() -> None:
    assert bench.tally([]).share == 0.0
    assert bench.tally([(True, "a"), (False, "b")]) == (1, 2, ["b"])
