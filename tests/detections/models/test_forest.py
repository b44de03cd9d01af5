"""The forest's scores against scikit-learn's own."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from detections.models._forest import Forest


@pytest.mark.parametrize("rows", [1, 3, 300, 2048])
def test_scores_are_those_of_scikit_learn_to_the_last_bit(rows: int) -> None:
    draw = np.random.default_rng(int(time.strftime("%Y%m%d")) + rows)
    table = np.round(draw.exponential(size=(rows, 8)) * (draw.random((rows, 8)) < 0.5), 2)
    theirs, ours = IsolationForest(n_estimators=64, random_state=7).fit(table), Forest(table, 64, 7)
    asked = np.concatenate([table, draw.normal(size=(200, 8)), np.full((1, 8), 1e9)])
    assert (ours.unusual(asked) == -theirs.score_samples(asked)).all()
    assert ours.unusual(asked[-1:])[0] == ours.unusual(asked)[-1]
