"""Learned detectors from data to stream: train, measure beside a plain threshold, keep versions, hand out the active.

A model is a module detections/models/NAME.py with TITLE, COLUMNS, ORDERED, LICENCE and the functions generate, read,
train, score, baseline and detector; see docs/models.md. Rows are split once, by a hash of their value (or by time for
an ORDERED model), into training, validation (thresholds) and test (figures).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt

from detections.artefacts import Card, Data, Figures, Shelf
from detections.models._text import Bools, Floats, Parameters
from soc_core import registry
from soc_core.config import Settings
from soc_core.protocols import Detector

log = logging.getLogger(__name__)

PACKAGE = "detections.models"
FALSE_ALARMS = 0.01  # the share of ordinary rows that a threshold may flag on the validation part
EASIER = 0.1  # generated data is easier than life: a threshold set on it may flag a tenth of that
LIKELY = 0.3  # and no model flags what it holds hardly likely
TRAINING, VALIDATION, TEST = range(3)
SHARES = (0.70, 0.85)  # training up to the first, validation up to the second, test from there on


class Model(Protocol):
    """What a module in detections/models offers. Scores rise with suspicion; their scale is the model's own.

    `detector` gets the active parameters, or None when nothing was trained; it may then return None.
    """

    TITLE: str
    COLUMNS: tuple[str, ...]
    ORDERED: bool
    LICENCE: str
    generate: Callable[[int], tuple[Sequence[Any], Bools]]
    read: Callable[[Sequence[Mapping[str, str]]], tuple[Sequence[Any], Bools]]
    train: Callable[[Sequence[Any], Bools, int], Parameters]
    score: Callable[[Parameters, Sequence[Any]], Floats]
    baseline: Callable[[Sequence[Any]], Floats]
    detector: Callable[[Parameters | None], Detector | None]


class Labelled(NamedTuple):
    """Values with their truth, where they are from, and the share of ordinary rows that a threshold may flag."""

    values: Sequence[Any]
    truth: Bools
    source: Data
    allowed: float = FALSE_ALARMS


class Trained(NamedTuple):
    """A new version, and whether it went into use (`reason` says why or why not)."""

    card: Card
    promoted: bool
    reason: str


def names() -> tuple[str, ...]:
    """The models there are."""
    return registry.names(PACKAGE)


def model(name: str) -> Model:
    """A model by its name. Raises LookupError with the names there are."""
    return cast(Model, registry.get(PACKAGE, name))


# ---------------------------------------------------------------- data


def read(name: str, path: Path) -> Labelled:
    """A labelled CSV (or CSV.gz). Raises ValueError or OSError with one sentence."""
    chosen = model(name)
    body = path.read_bytes()
    try:
        text = (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode("utf-8-sig")
        rows = list(csv.DictReader(text.splitlines(keepends=True), strict=True))
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as CSV: {error}") from None
    missing = [column for column in chosen.COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise ValueError(f"{path} lacks the columns {', '.join(missing)}" if rows else f"{path} holds no rows")
    short = next((at for at, row in enumerate(rows) if any(row[column] is None for column in chosen.COLUMNS)), None)
    if short is not None:
        raise ValueError(f"{path}: row {short + 2} has too few columns")
    values, truth = chosen.read(rows)
    return _labelled(path.name, "as the file's owner gives it", hashlib.sha256(body).hexdigest(), values, truth)


def generated(name: str, seed: int) -> Labelled:
    """The model's own invented set."""
    chosen = model(name)
    values, truth = chosen.generate(seed)
    told = hashlib.sha256("\n".join(map(str, values)).encode()).hexdigest()
    made = _labelled(f"generated, seed {seed}", chosen.LICENCE, told, values, truth)
    return made if chosen.ORDERED else made._replace(allowed=FALSE_ALARMS * EASIER)


def _labelled(name: str, licence: str, sha256: str, values: Sequence[Any], truth: Bools) -> Labelled:
    if truth.all() or not truth.any():
        raise ValueError(f"{name}: both kinds of rows are needed, there is only one")
    about = Data(name=name, licence=licence, sha256=sha256, rows=len(values), positive=int(truth.sum()))
    return Labelled(values, truth, about)


def keys(values: Sequence[Any]) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each value: how a row is told to have been seen in training."""
    return np.array([int.from_bytes(hashlib.blake2b(str(v).encode("utf-8", "surrogatepass"), digest_size=8).digest())
                     for v in values], dtype=np.uint64)


def parts(chosen: Model, values: Sequence[Any]) -> npt.NDArray[np.int8]:
    """TRAINING, VALIDATION or TEST for each row; equal values are never in two parts."""
    place = np.arange(len(values)) / max(1, len(values)) if chosen.ORDERED else keys(values) / float(1 << 64)
    return np.searchsorted(SHARES, place, side="right").astype(np.int8)


# ---------------------------------------------------------------- figures


def auc(scores: Floats, truth: Bools) -> float:
    """Area under the ROC curve, ties counting half (Mann-Whitney). NaN when one class is missing."""
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return float("nan")
    _, where, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[where]
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def figures(scores: Floats, truth: Bools, threshold: float) -> Figures:
    """What flagging everything at or above the threshold does."""
    hot = scores >= threshold
    right, wrong = int((hot & truth).sum()), int((hot & ~truth).sum())
    return Figures(
        auc=round(auc(scores, truth), 4),
        precision=round(right / (right + wrong), 4) if right + wrong else 0.0,
        recall=round(right / int(truth.sum()), 4) if truth.any() else 0.0,
        fpr=round(wrong / int((~truth).sum()), 4) if not truth.all() else 0.0,
    )


def threshold(scores: Floats, truth: Bools, share: float = FALSE_ALARMS) -> float:
    """The lowest threshold that flags at most this share of the ordinary rows."""
    ordinary = np.sort(scores[~truth])[::-1]
    allowed = int(len(ordinary) * share)
    if allowed >= len(ordinary):
        return float(scores.min())
    return float(np.nextafter(ordinary[allowed], np.inf))


# ---------------------------------------------------------------- training and measuring


def train(name: str, settings: Settings, data: Labelled | None = None, seed: int = 1, promote: bool = True) -> Trained:
    """Train a new version; use it when it is the first, or no worse than the one in use on the same test rows."""
    chosen, data = model(name), data or generated(name, seed)
    part = parts(chosen, data.values)
    learning = np.flatnonzero(part == TRAINING).tolist()
    parameters = chosen.train([data.values[at] for at in learning], data.truth[learning], seed)
    scores, plain = chosen.score(parameters, data.values), chosen.baseline(data.values)
    judged, chosen_on = part == TEST, part == VALIDATION
    cuts = [threshold(found[chosen_on], data.truth[chosen_on], data.allowed) for found in (scores, plain)]
    cuts[0] = max(cuts[0], LIKELY)
    parameters |= {"threshold": np.array([cuts[0]]), "baseline_threshold": np.array([cuts[1]])}
    if not chosen.ORDERED:
        parameters["seen"] = np.unique(keys(data.values)[~judged])
    shelf = Shelf(settings.models, name)
    card = shelf.add(parameters, {
        "model": name, "title": chosen.TITLE, "trained": datetime.now(UTC).isoformat(timespec="seconds"), "seed": seed,
        "data": data.source, "tested": int(judged.sum()), "threshold": cuts[0], "baseline_threshold": cuts[1],
        "figures": figures(scores[judged], data.truth[judged], cuts[0]),
        "baseline": figures(plain[judged], data.truth[judged], cuts[1]),
    })
    if not promote:
        return Trained(card, False, "not asked for")
    used = shelf.active()
    if used is None:
        shelf.promote(card.version)
        return Trained(card, True, "the first version")
    fresh = judged & ~_seen(chosen, used[1], data.values)
    before = figures(chosen.score(used[1], data.values)[fresh], data.truth[fresh], used[0].threshold)
    now = figures(scores[fresh], data.truth[fresh], cuts[0])
    if not now.auc >= before.auc:
        reason = f"AUC {now.auc} is below the {before.auc} of version {used[0].version} on the same rows"
        return Trained(card, False, reason)
    shelf.promote(card.version)
    return Trained(card, True, f"AUC {now.auc}, version {used[0].version} had {before.auc} on the same rows")


def _seen(chosen: Model, parameters: Parameters, values: Sequence[Any]) -> Bools:
    if chosen.ORDERED or "seen" not in parameters:
        return np.zeros(len(values), dtype=bool)
    return np.isin(keys(values), parameters["seen"])


def ensure(name: str, settings: Settings) -> Card:
    """The card of the version in use; one is trained from generated data when there is none."""
    active = Shelf(settings.models, name).active()
    return active[0] if active else train(name, settings).card


def evaluate(name: str, settings: Settings, data: Labelled | None = None, version: str = "") -> dict[str, Any]:
    """Figures of a version (by default the one in use) beside the plain threshold's, on rows it never learned from.

    Without data: the test part of a generated set with another seed than the training's. Rows that were in the
    training data are left out and counted. Raises ValueError when nothing is left to judge.
    """
    chosen, shelf = model(name), Shelf(settings.models, name)
    if not version:
        ensure(name, settings)
    card, parameters = shelf.load(version or shelf.state().active)
    data = data or generated(name, card.seed + 1000)
    fresh = ~_seen(chosen, parameters, data.values)
    if not fresh.any() or data.truth[fresh].all() or not data.truth[fresh].any():
        raise ValueError(f"{data.source.name}: after leaving out rows seen in training, both kinds of rows are needed")
    scores, plain = chosen.score(parameters, data.values), chosen.baseline(data.values)
    own = figures(scores[fresh], data.truth[fresh], card.threshold)
    simple = figures(plain[fresh], data.truth[fresh], card.baseline_threshold)
    return {
        "model": name, "version": card.version, "n": int(fresh.sum()), "positive": int(data.truth[fresh].sum()),
        "left_out": int((~fresh).sum()), **own.model_dump(), "threshold": round(card.threshold, 6),
        "baseline": {**simple.model_dump(), "threshold": round(card.baseline_threshold, 6)},
        "data": data.source.model_dump(), "trained_on": card.data.model_dump(),
    }


def compare(name: str, settings: Settings, data: Labelled | None = None, version: str = "") -> dict[str, Any]:
    """The version in use and another (by default the newest) on the same rows, new to both. Raises LookupError."""
    chosen, shelf = model(name), Shelf(settings.models, name)
    used = shelf.active()
    if used is None:
        raise LookupError(f"no version of {name} is in use; train one first")
    other = shelf.load(version or shelf.versions()[-1])
    data = data or generated(name, max(used[0].seed, other[0].seed) + 1000)
    fresh = ~_seen(chosen, used[1], data.values) & ~_seen(chosen, other[1], data.values)
    if not fresh.any():
        raise ValueError(f"{data.source.name}: every row was seen in training")
    rows = {
        role: {"version": card.version, "threshold": card.threshold,
               **figures(chosen.score(own, data.values)[fresh], data.truth[fresh], card.threshold).model_dump()}
        for role, (card, own) in (("active", used), ("candidate", other))
    }
    return {"model": name, "n": int(fresh.sum()), **rows, "better": rows["candidate"]["auc"] > rows["active"]["auc"]}


def detectors(settings: Settings) -> list[Detector]:
    """The learned detectors of the stream: every model in use, and those that learn online and need no training.

    A model whose files were tampered with is left out with an error in the log: the stream goes on without it.
    """
    active: list[Detector] = []
    for name in names():
        try:
            held = Shelf(settings.models, name).active()
        except (ValueError, LookupError) as error:
            log.error("learned detector %s is not used: %s", name, error)
            held = None
        made = model(name).detector(held[1] if held else None)
        if made is not None:
            active.append(made)
    return active
