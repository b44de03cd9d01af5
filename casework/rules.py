"""What a rule says of itself, for the people who read its alerts. Read from the rule files as documents."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from casework.services import Services
from soc_core import documents
from soc_core.documents import DocumentError
from soc_core.text import both

MANIFEST = ".imported.json"
SHORTEST = 3  # a literal of fewer characters would mark half of every record
ANCHORS = {"contains", "startswith", "endswith", "re", "cidr", "gt", "gte", "lt", "lte", "exists"}


@dataclass(frozen=True)
class Condition:
    """One value that a rule looks for in a field; the field is "" for a keyword anywhere in the record."""

    field: str
    op: str
    value: str


@dataclass(frozen=True)
class About:
    """A rule in its own words. All is empty for a detector that is no rule file."""

    title: str = ""
    description: str = ""
    falsepositives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    author: str = ""
    license: str = ""  # its own, else what the LICENSE file of its folder is called


@dataclass
class Shelf:
    """Rule files by id, read once and again when a file changes."""

    folders: tuple[Path, ...]
    _known: dict[str, About] = field(default_factory=dict)
    _seen: frozenset[tuple[str, float]] = frozenset()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, rule: str) -> About:
        """The rule of that id, else an empty one."""
        with self._lock:
            if rule not in self._known:
                self._read()
            return self._known.get(rule, About())

    def _read(self) -> None:
        files = sorted(path for folder in self.folders for path in _files(folder))
        seen = frozenset((str(path), path.stat().st_mtime) for path in files)
        if seen == self._seen:
            return
        self._seen, self._known = seen, {}
        held = [(folder, licence(folder), imported(folder)) for folder in self.folders]
        for path in files:
            try:
                held_in = documents.load_all(path.read_text(encoding="utf-8"), path)
            except (DocumentError, OSError, UnicodeDecodeError):
                continue  # the engine reports files that it cannot read; here they only explain nothing
            named = next((name for at, name, whose in held if path.is_relative_to(at)
                          and (whose is None or path.relative_to(at).as_posix() in whose)), "")
            for number, data in enumerate(held_in):
                if isinstance(data, dict):
                    self._known.setdefault(_id(data, path, number), about(data, named))


def _files(folder: Path) -> Iterator[Path]:
    """Rule files below a folder, or the one that it is."""
    found = folder.rglob("*.y*ml") if folder.is_dir() else [folder] if folder.is_file() else []
    return (path for path in found if path.suffix in (".yml", ".yaml") and not path.stem.endswith(".test"))


def _id(data: dict[str, Any], path: Path, number: int) -> str:
    """What the engine calls the rule of a document: its id, its name, else after its file."""
    known = data.get("id") or data.get("name")
    return str(known).lower() if data.get("id") else str(known or (f"{path.stem}-{number}" if number else path.stem))


def shelf(services: Services) -> Shelf:
    """The rule folders of this platform and of its city."""
    return Shelf((*services.settings.rules, services.settings.city / "rules"))


def imported(folder: Path) -> frozenset[str] | None:
    """The files of a folder that a release brought (`./soc rules import`), whose LICENSE lies there; None: all."""
    try:
        return frozenset(str(path) for path, _ in orjson.loads((folder / MANIFEST).read_bytes())["files"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def licence(folder: Path) -> str:
    """What the LICENSE file of a rule folder calls itself: its first line."""
    for path in sorted(folder.glob("LICENSE*")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.strip("# ").strip() for line in lines if line.strip("# ").strip()), "")[:100]
    return ""


def about(data: dict[str, Any], licence: str = "") -> About:
    """A rule document in our words; `licence` is that of its folder."""
    def texts(name: str) -> tuple[str, ...]:
        value = data.get(name) or ()
        return tuple(map(str, value)) if isinstance(value, list) else (str(value),)

    detection = data.get("detection")
    described = both(str(data.get("description_zh") or ""), str(data.get("description") or "").strip())
    found = list(conditions(detection)) if isinstance(detection, dict) else []
    return About(str(data.get("title", "")), described, texts("falsepositives"),
                 texts("references"), tuple(dict.fromkeys(found)), str(data.get("author") or ""),
                 str(data.get("license") or licence))


def conditions(detection: dict[str, Any]) -> Iterator[Condition]:
    """Every literal of the selections; those that only a `not` reads are left out by their usual name, filter*."""
    for name, body in detection.items():
        if name not in ("condition", "timeframe") and not name.startswith("filter"):
            yield from literals(body, "", "contains")


def literals(body: Any, named: str, op: str) -> Iterator[Condition]:
    """Literals below a selection, with the field and the way of comparing that apply there."""
    if isinstance(body, list):
        for item in body:
            yield from literals(item, named, op)
    elif isinstance(body, dict):
        for key, below in body.items():
            name, *modifiers = str(key).split("|")
            how = next((item for item in modifiers if item in ANCHORS), "equals")
            yield from literals(below, name, how)
    elif body is not None and not isinstance(body, bool):
        yield Condition(named, op, str(body))
