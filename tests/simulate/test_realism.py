"""The simulated lines must not be easier than public recordings of the same kind."""

from __future__ import annotations

import pytest

from simulate import realism
from simulate.realism import Measures, Sample
from soc_core.config import ROOT
from tests.corpora import ROOT as CORPORA
from tests.corpora import corpus


def test_not_easier_than_recordings() -> None:
    for name in ("beats-oss-modules", "elastic-examples", "otrf", "slips-scenarios"):
        corpus(name)
    rows = realism.comparison(CORPORA, ROOT / "cities" / "changsha")
    assert len(rows) == len(realism.PAIRS)
    for row in rows:
        assert row.harder_or_equal, (row.kind, realism.easier(row.ours, row.theirs), row.ours, row.theirs)
        assert row.lines >= 80
    printed = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
    assert realism.markdown(rows) in printed, "docs/simulator.md: put in what ./soc city realism prints"


def test_measures_tell_a_dull_sample_from_a_varied_one() -> None:
    dull = realism.measure(Sample(["user bob logged in from 10.0.0.1"] * 200, [float(n) for n in range(200)]))
    lines = [f"user u{n * 7919 % 997} did x{n} on host{n % 13} {'y' * (n % 40)}" for n in range(200)]
    varied = realism.measure(Sample(lines, [n + (n // 20) * 500.0 for n in range(200)]))
    assert dull.burstiness == -1.0
    assert dull.unseen == 0.0
    assert set(realism.easier(dull, varied)) >= {"words", "entropy", "unseen", "burstiness"}
    assert realism.easier(varied, varied) == []


def test_only_length_is_judged_on_both_sides() -> None:
    base = Measures(100, 200, 0.1, 5, 0.1, 0.2)
    assert realism.easier(base._replace(length_median=300), base) == ["length_median"]
    assert realism.easier(base._replace(words=0.9, entropy=12, unseen=0.8, burstiness=0.9), base) == []


def test_without_recordings_it_says_so(tmp_path: object) -> None:
    with pytest.raises(LookupError, match="SOC_CORPORA"):
        realism.comparison(ROOT / "docs", ROOT / "cities" / "changsha")
