"""Training and measuring: honest splits, figures that agree with scikit-learn, data that says what is wrong with it."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from detections import learn
from soc_core.config import Settings
from tests.corpora import corpus


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60), st.integers(0, 6))
def test_figures_agree_with_scikit_learn(rows: list[tuple[int, bool]], cut: int) -> None:
    scores, truth = np.array([float(a) for a, _ in rows]), np.array([b for _, b in rows])
    if truth.all() or not truth.any():
        return
    mine = learn.figures(scores, truth, cut)
    hot = scores >= cut
    assert mine.auc == pytest.approx(roc_auc_score(truth, scores), abs=1e-4)
    assert mine.recall == pytest.approx(recall_score(truth, hot), abs=1e-4)
    assert mine.precision == pytest.approx(precision_score(truth, hot, zero_division=0), abs=1e-4)
    assert mine.fpr == pytest.approx(hot[~truth].mean(), abs=1e-4)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.sampled_from([0.0, 0.01, 0.1, 0.5]))
def test_a_threshold_keeps_to_its_share(ordinary: list[float], share: float) -> None:
    scores = np.array([*ordinary, 2.0])
    truth = np.array([False] * len(ordinary) + [True])
    cut = learn.threshold(scores, truth, share)
    assert (scores[~truth] >= cut).mean() <= share
    assert scores[-1] >= cut


def test_equal_values_are_never_in_two_parts() -> None:
    chosen = learn.model("domain_generation")
    values = [f"name{n % 400}.example" for n in range(1600)]
    parts = learn.parts(chosen, values)
    assert all(len({int(part) for part in parts[at::400]}) == 1 for at in range(400))
    assert 0.6 < (parts == learn.TRAINING).mean() < 0.8


def test_rows_of_the_training_are_never_judged(tmp_path: Path) -> None:
    where = Settings(data=tmp_path)
    data = learn.generated("web_attack", 3)
    trained = learn.train("web_attack", where, data, seed=3)
    assert trained.promoted
    assert trained.card.figures.auc > trained.card.baseline.auc
    again = learn.evaluate("web_attack", where, data)
    assert again["left_out"] > again["n"] > 0
    # Of the same file only the test part is left: the figures are the card's own.
    assert again["recall"] == trained.card.figures.recall
    assert again["fpr"] == trained.card.figures.fpr
    worse = data._replace(truth=np.random.default_rng(0).permutation(data.truth))
    second = learn.train("web_attack", where, worse, seed=3)
    assert not second.promoted
    assert learn.compare("web_attack", where, learn.generated("web_attack", 9))["better"] is False


@pytest.mark.parametrize(("body", "reason"), [
    (b"domain,label\n", "no rows"),
    (b"name,label\na.example,dga\n", "lacks the columns domain"),
    (b"domain,label\na.example,dga\nb.example\n", "row 3 has too few"),
    (b"domain,label\na.example,dga\nb.example,kraken\n", "both kinds"),
    (b"\xff\xfe\x00", "cannot be read as CSV"),
    (gzip.compress(b"domain,label\n", mtime=0)[:12], "cannot be read as CSV"),
])
def test_bad_data_gets_one_sentence(tmp_path: Path, body: bytes, reason: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(body)
    with pytest.raises(ValueError, match=reason):
        learn.read("domain_generation", path)


def test_the_store_without_a_model_gets_its_default(tmp_path: Path) -> None:
    where = Settings(data=tmp_path)
    result = learn.evaluate("domain_generation", where)
    assert result["auc"] > result["baseline"]["auc"] + 0.1
    assert result["fpr"] < 0.01
    assert {type(one).__name__ for one in learn.detectors(where)} == {"DomainGeneration", "UnusualLogon"}


@pytest.mark.parametrize(("name", "file", "least"), [
    ("domain_generation", "ml-dga/domains.csv.gz", 0.96),
    ("web_attack", "ml-web-httpparams/payload_train.csv.gz", 0.995),
])
def test_public_sets(tmp_path: Path, name: str, file: str, least: float) -> None:
    folder, _, leaf = file.partition("/")
    card = learn.train(name, Settings(data=tmp_path), learn.read(name, corpus(folder) / leaf)).card
    assert card.figures.auc > least
    assert card.figures.auc > card.baseline.auc
    assert card.figures.fpr < 0.03
    assert card.data.licence
    assert card.data.sha256
