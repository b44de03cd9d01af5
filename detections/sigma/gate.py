"""Which rules an event is for: its `sigma.logsource` tags, or what gates.yml says of an event that has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict

from soc_core import documents
from soc_core.arrow import uniform
from soc_core.events import Part

TAGS = "sigma.logsource"
GATES = Path(__file__).with_name("gates.yml")


class Gate(BaseModel):
    """Tags for events whose columns have one of these values each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tags: list[str]
    when: dict[str, list[str]]


class Document(BaseModel):
    """gates.yml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    gates: list[Gate]


class Group(NamedTuple):
    """Rows of a part that carry the same tags, as a part of their own."""

    tags: tuple[str, ...]
    part: Part


class Router:
    """Divides parts by tags."""

    def __init__(self, path: Path = GATES) -> None:
        self.gates = documents.read(path, Document).gates
        self.columns = {TAGS, *(name for gate in self.gates for name in gate.when)}

    def groups(self, part: Part) -> list[Group]:
        """A part divided by the tags of its rows; rows that nothing is known of are left out."""
        held = part.table.held.get(TAGS)
        if held is None:
            return self._derived(part)
        if held.single:
            return [Group(tuple(held.single), part)]  # as formats give them: a part is of one kind
        column = held.series
        if (uniform(column) or column.n_unique() == 1) and column.item(0) is not None and len(column.item(0)):
            return [Group(tuple(column.item(0)), part)]
        kinds = pl.DataFrame([column]).with_row_index("row").group_by(TAGS).agg("row")
        found, bare = [], []
        for tags, places in sorted(kinds.iter_rows(), key=lambda kind: kind[0] or []):
            if tags:
                found.append(Group(tuple(tags), _some(part, places)))
            else:
                bare += places
        return [*found, *self._derived(_some(part, sorted(bare)))] if bare else found

    def _derived(self, part: Part) -> list[Group]:
        """Groups of rows without tags, by the gates that they meet."""
        @cache
        def known(name: str) -> tuple[pl.Series, frozenset[str | None]]:
            """A column as texts, and which there are: most gates are shut to all rows, and cost a look alone."""
            column = part.table[name].cast(pl.String)
            return column, frozenset(column.unique().to_list())

        met = [(gate, mask) for gate in self.gates
               if all(name in part.table for name in gate.when) and (mask := _meets(known, gate)) is not None]
        if not met:
            return []
        rows = np.stack([mask for _, mask in met])
        found = []
        for column in np.unique(rows, axis=1).T:
            if column.any():
                open_ = [gate for (gate, _), yes in zip(met, column, strict=True) if yes]
                tags = dict.fromkeys(tag for gate in open_ for tag in gate.tags)
                found.append(Group(tuple(tags), _take(part, (rows == column[:, None]).all(axis=0))))
        return found


def _meets(known: Callable[[str], tuple[pl.Series, frozenset[str | None]]], gate: Gate
           ) -> npt.NDArray[np.bool_] | None:
    """Rows that meet a gate; None where none does."""
    if any(known(name)[1].isdisjoint(values) for name, values in gate.when.items()):
        return None
    masks = [known(name)[0].is_in(values).fill_null(False) for name, values in gate.when.items()]
    mask = reduce(lambda left, right: left & right, masks)
    return mask.to_numpy() if mask.any() else None


def _some(part: Part, places: Sequence[int]) -> Part:
    taken = np.array(places, dtype=np.int64)
    return Part(part.rows[taken], part.table.pick(taken))


def _take(part: Part, mask: npt.NDArray[np.bool_]) -> Part:
    return part if mask.all() else Part(part.rows[mask], part.table.filter(mask))
