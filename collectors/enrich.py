"""Whose event is it? Adds the organisation and system of the *observing* side, by zone, host name and address.

An event between A and B belongs to the owner of the system that observed it; the other sees it only by notice.
What nobody is known for stays null and goes to the inbox of unknown owners.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from soc_core.events import EventBatch
from soc_core.inventory import Inventory
from soc_core.protocols import Ints
from soc_core.schema import SCHEMA

NAMES = ("host.name", "host.hostname", "observer.hostname", "observer.name")
ADDRESSES = ("soc.peer", "host.ip", "observer.ip")
DEFAULT_ZONE = "city"


class Enricher:
    """Joins batches to the inventory. Distinct hosts and addresses are judged once a batch, rows are never objects.

    The order is: host name in the zone, the sender's address, the host's own addresses, and at last source or
    destination where exactly one of them is ours. Columns of these names that came with the record are replaced:
    ownership decides who may read an event, and is never taken from the event's own word.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        owners = inventory.owners
        names = [inventory.organisations[owner.organisation].name for owner in owners]
        self._columns = {
            "organization.id": _lookup("organization.id", [owner.organisation for owner in owners]),
            "organization.name": _lookup("organization.name", names),
            "soc.system.id": _lookup("soc.system.id", [owner.system or None for owner in owners]),
        }

    def enrich(self, batch: EventBatch) -> EventBatch:
        """The batch with organization.id, organization.name and soc.system.id; null where unknown."""
        codes = self.owners(batch)
        picked = pl.Series(np.where(codes < 0, len(self._inventory.owners), codes))
        return batch.with_columns({name: values.gather(picked) for name, values in self._columns.items()})

    def owners(self, batch: EventBatch) -> Ints:
        """Codes into Inventory.owners, one a row, -1 for unknown."""
        codes = np.full(batch.height, -1, dtype=np.int64)
        fields = batch.fields
        at = batch.column("@timestamp").cast(pl.Int64).fill_null(0).to_numpy()
        zones, names = batch.distinct("soc.zone") if "soc.zone" in fields else (np.zeros(batch.height), [DEFAULT_ZONE])
        for number, zone in enumerate(names):
            rows = np.arange(batch.height) if len(names) == 1 else np.flatnonzero(zones == number)
            for name in NAMES:
                if name in fields:
                    self._fill(codes, rows, zone, at, hosts=batch.column(name))
            for name in ADDRESSES:
                if name in fields:
                    self._fill(codes, rows, zone, at, addresses=batch.column(name))
            self._fill_by_ends(codes, rows, zone, at, batch)
        return codes

    def _fill(self, codes: Ints, rows: Ints, zone: str, at: Ints, *, hosts: pl.Series | None = None,
              addresses: pl.Series | None = None) -> None:
        """Judge the rows that are still unknown by one column."""
        open_ = rows[codes[rows] < 0]
        column = hosts if hosts is not None else addresses
        if not len(open_) or column is None:
            return
        values = column if len(open_) == len(column) else column.gather(open_)
        if isinstance(values.dtype, pl.List):
            self._fill_by_list(codes, open_, zone, at, values)
        elif hosts is not None:
            codes[open_] = self._inventory.resolve(zone, None, values, at[open_])
        else:
            codes[open_] = self._inventory.resolve(zone, values, None, at[open_])

    def _fill_by_list(self, codes: Ints, rows: Ints, zone: str, at: Ints, values: pl.Series) -> None:
        """Several addresses a row: the first one that is known decides."""
        longest = values.list.len().max()
        for nth in range(longest if isinstance(longest, int) else 0):
            open_ = codes[rows] < 0
            found = self._inventory.resolve(zone, values.list.get(nth, null_on_oob=True), None, at[rows])
            codes[rows[open_]] = found[open_]

    def _fill_by_ends(self, codes: Ints, rows: Ints, zone: str, at: Ints, batch: EventBatch) -> None:
        """By source or destination, only where exactly one of the two is known in this zone."""
        open_ = rows[codes[rows] < 0]
        if not len(open_) or not {"source.ip", "destination.ip"} & batch.fields:
            return
        source, target = (
            self._inventory.resolve(zone, batch.column(name).gather(open_), None, at[open_])
            for name in ("source.ip", "destination.ip")
        )
        codes[open_] = np.where((source < 0) == (target < 0), -1, np.maximum(source, target))


def _lookup(name: str, values: list[str | None] | list[str]) -> pl.Series:
    """Values by owner code, with null behind the last."""
    return pl.Series(name, [*values, None], dtype=SCHEMA.dtype(name))
