"""PowerShell script blocks (event 4104): parts n of m of one script as one event with the whole text.

https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_logging_windows. A part that is lost
ends the wait by silence or by later records; what came is then joined as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from soc_core.protocols import Links

if TYPE_CHECKING:
    from soc_core.table import Table

BLOCK, PART, TOTAL = "powershell.file.script_block_id", "powershell.sequence", "powershell.total"
TEXTS = ("powershell.file.script_block_text", "winlog.event_data.ScriptBlockText")


def mine(table: Table) -> bool:
    """Script blocks that were logged."""
    return all(name in table for name in (BLOCK, PART, TOTAL))


def links(frame: pl.DataFrame) -> Links:
    """Parts share the block's number on one computer; a script of one part waits for nothing."""
    texts = [frame[name].fill_null("") if name in frame.columns else pl.Series([""]).new_from_index(0, frame.height)
             for name in ("winlog.computer_name", BLOCK)]
    parts, totals = frame[PART].to_list(), frame[TOTAL].to_list()
    key = [f"{host} {block}" if block and part and (total or 0) > 1 else None
           for host, block, part, total in zip(texts[0], texts[1], parts, totals, strict=True)]
    every, none = [True] * frame.height, [False] * frame.height
    return Links(key, every, every, none, part=parts, total=totals)


def join(frame: pl.DataFrame) -> pl.DataFrame:
    """The first part's columns, with the text of all parts in their order, each once."""
    ordered = frame.sort("group", PART, maintain_order=True).unique(["group", PART], keep="first", maintain_order=True)
    whole = ordered.group_by("group", maintain_order=True).agg(
        pl.col(name).str.join("") for name in TEXTS if name in frame.columns)
    first = frame.group_by("group", maintain_order=True).first()
    return first.drop(whole.columns[1:]).join(whole, on="group", how="left", maintain_order="left")
