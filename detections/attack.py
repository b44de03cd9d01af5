"""MITRE ATT&CK® v19.1: technique and tactic ids, names, and where ids of older versions went.

© 2025 The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation.
Enterprise and ICS (mobile ids resolve too). The data is detections/attack.json; https://attack.mitre.org/.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import orjson

TAG = re.compile(r"attack\.t\d{4}(\.\d{3})?$")


class Technique(NamedTuple):
    """One technique: `domain` is enterprise, ics or mobile; `tactics` are ids such as TA0001."""

    id: str
    name: str
    domain: str
    tactics: tuple[str, ...]


class Table(NamedTuple):
    """The whole table. `aliases`: an id of an older version → the id that took its place."""

    version: str
    techniques: dict[str, Technique]
    tactics: dict[str, str]
    aliases: dict[str, str]


@cache
def table() -> Table:
    """The pinned version, read once."""
    raw = orjson.loads(Path(__file__).with_suffix(".json").read_bytes())
    found = {
        row[0]: Technique(row[0], row[1], domain, tuple(row[2]))
        for domain, rows in raw["techniques"].items() for row in rows
    }
    return Table(raw["version"], found, raw["tactics"], raw["aliases"])


def is_technique_tag(tag: str) -> bool:
    """Whether a Sigma tag names a technique (`attack.t1059.001`), rather than a tactic, group or software."""
    return TAG.fullmatch(tag) is not None


def resolve(technique: str) -> Technique | None:
    """The technique of an id, in any case, as of the pinned version; older ids are followed; None: unknown."""
    known, wanted = table(), technique.upper()
    return known.techniques.get(known.aliases.get(wanted, wanted))


def moved(technique: str) -> str | None:
    """The id that took the place of an older one, else None."""
    return table().aliases.get(technique.upper())
