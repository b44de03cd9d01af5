"""What exists for each system: a source that is read, detections, a playbook, a drill. Counted, never promised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from simulate import templates
from simulate.streams import KINDS
from soc_core import documents
from soc_core.inventory import Inventory, System

# where each sort of document lies: in the repository, and in the city's own folder
PLACES = {"detections": ("detections/rules", "rules"), "playbook": ("playbooks/library", "playbooks"),
          "drill": ("drills/scenarios", "scenarios")}


class Readiness(NamedTuple):
    """One system: telemetry codes whose format is parsed; ids of the rules, playbooks and drills that name it."""

    id: str
    name: str
    source: list[str]
    detections: list[str]
    playbook: list[str]
    drill: list[str]
    status: str


def readiness(inventory: Inventory, city: Path, root: Path) -> list[Readiness]:
    """A row for each named system, 未列明 and the pool of all others last. A document counts when it names the system.

    It names one by its id (or alias) as a value anywhere in it.
    """
    named = {kind: _naming(root / ours, city / theirs) for kind, (ours, theirs) in PLACES.items()}
    parsed = {path.stem for path in (root / "collectors" / "formats").glob("*.py") if not path.stem.startswith("_")}
    rows = [_row(system, named, parsed) for system in inventory.named]
    rows += [Readiness(system.id, system.name, [], [], [], [], "not counted")
             for system in inventory.systems.values() if not system.listed]
    return [*rows, _pool(inventory, named, parsed)]


def _row(system: System, named: dict[str, dict[str, set[str]]], parsed: set[str]) -> Readiness:
    ids = (system.id, *system.aliases)
    found = {kind: sorted(set().union(*(table.get(i, set()) for i in ids))) for kind, table in named.items()}
    sources = [s.code for s in system.sources if s.connected and _read(s.code, parsed)]
    return _judged(system.id, system.name, [str(code) for code in sources], found)


def _pool(inventory: Inventory, named: dict[str, dict[str, set[str]]], parsed: set[str]) -> Readiness:
    """The remainder of the 2,600+ as one row: other_key_apps."""
    codes = {s.code for system in inventory.systems.values() if system.generated for s in system.sources if s.connected}
    found = {kind: sorted(table.get("other_key_apps", set())) for kind, table in named.items()}
    return _judged("other_key_apps", "其他重点行业应用", sorted(code for code in codes if _read(code, parsed)), found)


def _judged(id_: str, name: str, sources: list[str], found: dict[str, list[str]]) -> Readiness:
    parts = (sources, *found.values())
    status = "complete" if all(parts) else "partial" if any(parts) else "none"
    return Readiness(id_, name, sources, found["detections"], found["playbook"], found["drill"], status)


def _read(code: str, parsed: set[str]) -> bool:
    """Whether a parser reads this telemetry as events of its own, not only as text."""
    return templates.kind(KINDS[code]).document.parser in parsed


def _naming(*folders: Path) -> dict[str, set[str]]:
    """System id → ids of the documents below the folders that name it. Tests beside rules do not count."""
    found: dict[str, set[str]] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*.yml")):
            if not path.name.endswith(".test.yml"):
                for document in yaml.load_all(path.read_text(encoding="utf-8"), Loader=documents.LOADER):
                    name = str(document.get("id", path.stem)) if isinstance(document, dict) else path.stem
                    for value in _scalars(document):
                        found.setdefault(value, set()).add(name)
    return found


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif isinstance(value, str):
        yield value
