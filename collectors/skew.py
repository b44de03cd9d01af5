"""Clocks that are wrong: events whose time is more than five minutes from their receipt are tagged `clock_skew`.

The difference (receipt less event time, in seconds) stands in soc.skew. A file taken in long after it was written is
flagged too: its events are that late, whatever the reason.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from soc_core.clock import MINUTE, SECOND
from soc_core.events import EventBatch

TAG = "clock_skew"
ALLOWED = 5 * MINUTE


class Skew:
    """An enricher; batches whose clocks are right pass through it untouched."""

    def enrich(self, batch: EventBatch) -> EventBatch:
        """The batch with soc.skew and the tag where the clocks differ."""
        if not batch.height:
            return batch
        at, received = (batch.column(name).to_physical() for name in ("@timestamp", "event.ingested"))
        late = received - at
        wrong = (late.abs() > ALLOWED).fill_null(False)
        if not wrong.any():
            return batch
        seconds = late.set(~wrong, None) // SECOND
        return batch.with_columns({"soc.skew": seconds.alias("soc.skew"), "tags": _tagged(batch, wrong)})


def _tagged(batch: EventBatch, wrong: pl.Series) -> pl.Series:
    marks = pl.Series("tags", [[TAG], None], dtype=pl.List(pl.String)).gather(
        np.where(wrong.to_numpy(), 0, 1)).alias("tags")
    if "tags" not in batch.fields:
        return marks
    frame = pl.DataFrame({"known": batch.column("tags"), "mark": marks})
    joined = pl.concat_list(pl.col("known").fill_null([]), pl.col("mark").fill_null([]))
    return frame.select(pl.when(joined.list.len() > 0).then(joined).alias("tags")).to_series()
