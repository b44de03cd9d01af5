"""Public recordings against what other projects expect of them; the measures are bench/normalise_public.py's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bench import _recordings, normalise_public
from tests.corpora import corpus

NEEDED = ("beats-oss-modules", "crowdsec-hub", "fail2ban", "wazuh-tests", "ecs")


@pytest.mark.parametrize(("measure", "target"), [one[1:] for one in normalise_public.MEASURES],
    ids=[one[0] for one in normalise_public.MEASURES])
def test_the_share_that_is_right(measure: Callable[[], _recordings.Tally], target: float) -> None:
    if {corpus(name).parent for name in NEEDED} != {_recordings.ROOT}:
        pytest.skip("the bench reads another folder of recordings than the tests: set SOC_CORPORA")
    counted = measure()
    assert counted.total >= 10, "the recordings are here, yet nothing was measured"
    assert counted.share >= target, counted.wrong[:10]


def test_values_are_compared_as_elasticsearch_sees_them() -> None:
    at = datetime(2019, 3, 24, 13, 44, 25, 484123, tzinfo=UTC)
    assert normalise_public.same("2019-03-24T13:44:25.484Z", at)
    assert not normalise_public.same("2019-03-24T13:44:26.484Z", at)
    assert normalise_public.same("54", 54)
    assert normalise_public.same(["info"], "info")
    assert not normalise_public.same("info", None)
    assert normalise_public.same(2474306816, 2474307000)
    assert not normalise_public.same(2474306816, 2474407000)
