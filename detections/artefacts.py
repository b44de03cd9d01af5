"""Trained models on disk: numbered versions, one of them active, each loaded only if its hash is the recorded one.

    models/NAME/0001/parameters.npz   plain arrays, read with pickling refused: loading can run nothing
    models/NAME/0001/card.json        what it is, what it was trained on, its figures, the hash of the arrays
    models/NAME/active.json           {"active": "0001", "history": […], "cards": {"0001": hash of its card}}

A version appears whole (renamed into place) and is never changed; promoting and rolling back only rewrite active.json.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from detections.models._text import Parameters


class Damaged(ValueError):
    """A model whose files are not the ones that were recorded."""


class Data(BaseModel):
    """What a model was trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    licence: str
    sha256: str
    rows: int
    positive: int


class Figures(BaseModel):
    """Of a set of judged rows: area under the ROC curve, and what the threshold does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    auc: float
    precision: float
    recall: float
    fpr: float


class Card(BaseModel):
    """The model card. `figures` and `baseline` are of the part that neither training nor thresholds saw."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    version: str
    title: str
    trained: str
    seed: int
    data: Data
    tested: int
    threshold: float
    baseline_threshold: float
    figures: Figures
    baseline: Figures
    parameters_sha256: str


class Active(BaseModel):
    """Which version is used, those used before it (oldest first), and the hash of every version's card."""

    model_config = ConfigDict(extra="forbid")

    active: str = ""
    history: list[str] = []
    cards: dict[str, str] = {}


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def pack(parameters: Parameters) -> bytes:
    """The arrays as one npz. Raises ValueError for anything that is not a plain number."""
    if any(array.dtype.kind not in "fiub" for array in parameters.values()):
        raise ValueError("a model's parameters are arrays of numbers")
    body = io.BytesIO()
    np.savez_compressed(body, allow_pickle=False, **parameters)
    return body.getvalue()


class Shelf:
    """The versions of one model below the models' directory."""

    def __init__(self, models: Path, name: str) -> None:
        self.name, self.folder = name, models / name

    def versions(self) -> list[str]:
        """All versions, oldest first."""
        return sorted(path.name for path in self.folder.glob("[0-9][0-9][0-9][0-9]") if path.is_dir())

    def state(self) -> Active:
        """What is active. Raises Damaged for an unreadable record."""
        path = self.folder / "active.json"
        if not path.exists():
            return Active()
        try:
            return Active.model_validate_json(path.read_bytes())
        except (ValidationError, OSError) as error:
            raise Damaged(f"{path} cannot be used: {str(error).splitlines()[0]}") from None

    def add(self, parameters: Parameters, describe: dict[str, Any]) -> Card:
        """Store a new version, not yet active. `describe` holds the card but for version and hash."""
        self.folder.mkdir(parents=True, exist_ok=True)
        body = pack(parameters)
        while True:
            version = f"{int((self.versions() or ['0'])[-1]) + 1:04d}"
            card = Card(version=version, parameters_sha256=digest(body), **describe)
            text = orjson.dumps(card.model_dump(), option=orjson.OPT_INDENT_2)
            draft = Path(tempfile.mkdtemp(dir=self.folder, prefix=".draft-"))
            try:
                _write(draft / "parameters.npz", body)
                _write(draft / "card.json", text)
                os.rename(draft, self.folder / version)
                break
            except OSError:  # another training took the number
                shutil.rmtree(draft, ignore_errors=True)
                if not (self.folder / version).exists():
                    raise
        state = self.state()
        state.cards[version] = digest(text)
        self._save(state)
        return card

    def promote(self, version: str = "") -> Card:
        """Make a version (by default the newest) the active one. Raises LookupError, Damaged."""
        known = self.versions()
        if not known:
            raise LookupError(f"no trained version of {self.name} in {self.folder}")
        version = version or known[-1]
        if version not in known:
            raise LookupError(f"{self.name} has no version {version}; there are: {', '.join(known)}")
        card, _ = self.load(version)
        state = self.state()
        if state.active != version:
            if state.active:
                state.history.append(state.active)
            state.active = version
            self._save(state)
        return card

    def rollback(self) -> Card:
        """Go back to the version that was active before. Raises LookupError when there is none."""
        state = self.state()
        if not state.history:
            raise LookupError(f"{self.name} has no earlier version to go back to")
        card, _ = self.load(state.history[-1])
        state.active = state.history.pop()
        self._save(state)
        return card

    def active(self) -> tuple[Card, Parameters] | None:
        """The version in use, or None. Raises Damaged."""
        version = self.state().active
        return self.load(version) if version else None

    def load(self, version: str) -> tuple[Card, Parameters]:
        """Card and arrays of a version. Raises LookupError; Damaged when a hash differs."""
        folder = self.folder / version
        if version not in self.versions():
            known = ", ".join(self.versions()) or "none"
            raise LookupError(f"{self.name} has no version {version!r}; there are: {known}")
        try:
            text, body = (folder / "card.json").read_bytes(), (folder / "parameters.npz").read_bytes()
        except OSError as error:
            raise Damaged(f"{folder} cannot be read: {error.strerror}") from None
        if digest(text) != self.state().cards.get(version):
            raise Damaged(f"{folder / 'card.json'} is not the card that was recorded; train {self.name} anew")
        card = Card.model_validate_json(text)
        if digest(body) != card.parameters_sha256:
            raise Damaged(f"{folder / 'parameters.npz'} is not what its card names; train {self.name} anew")
        try:
            with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
                return card, {key: arrays[key] for key in arrays.files}
        except (ValueError, zipfile.BadZipFile) as error:
            raise Damaged(f"{folder / 'parameters.npz'} cannot be used: {error}") from None

    def _save(self, state: Active) -> None:
        draft = self.folder / f".active-{os.getpid()}"
        _write(draft, orjson.dumps(state.model_dump(), option=orjson.OPT_INDENT_2))
        os.replace(draft, self.folder / "active.json")


def _write(path: Path, body: bytes) -> None:
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
