"""Container logs: a line that the runtime cut into pieces (tags P … F, Docker's without a line end) made whole.

https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from soc_core.protocols import Links

if TYPE_CHECKING:
    from soc_core.table import Table

STREAM, TAGS, PARTIAL = "container.log.stream", "tags", "partial"


def mine(table: Table) -> bool:
    """Container lines of which some are pieces, or may end one."""
    return STREAM in table and "message" in table


def links(frame: pl.DataFrame) -> Links:
    """Pieces follow one another on one stream of one file; the first that is no piece ends the line."""
    if TAGS in frame.columns:
        partial = frame[TAGS].list.contains(PARTIAL).fill_null(False).to_list()
    else:
        partial = [False] * frame.height
    return Links(frame[STREAM].to_list(), partial, [True] * frame.height, [not one for one in partial])


def join(frame: pl.DataFrame) -> pl.DataFrame:
    """The first piece's columns with the whole message; it is partial only where the end never came."""
    ended = pl.lit(True)
    if TAGS in frame.columns:
        ended = pl.col(TAGS).list.contains(PARTIAL).fill_null(False).last().not_()
    made = frame.group_by("group", maintain_order=True).agg(
        pl.exclude("group", "message").first(), pl.col("message").str.join(""), ended.alias("ended"))
    whole = made["ended"]
    made = made.drop("ended")
    return made.with_columns(made[TAGS].set(whole, None)) if TAGS in made.columns else made
