"""Judge files by Sigma rules, without any store: one JSON line a hit. 规则检测"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


class Taxonomy(StrEnum):
    """How the fields of the events are named."""

    ECS = "ecs"
    SIGMA = "sigma"


@app.command()
def detect(
    paths: Annotated[list[Path], typer.Argument(help="files and folders; .gz and .evtx included")],
    rules: Annotated[list[Path] | None, typer.Option(help="folders of Sigma rules instead of our own")] = None,
    taxonomy: Annotated[Taxonomy, typer.Option(help="sigma: NDJSON that bears Sigma's field names")] = Taxonomy.ECS,
    format: Annotated[str, typer.Option(help="format of all of them; default: found by content")] = "",
) -> None:
    """Print {"rule_id", "event_index", "timestamp"} for every hit; events are counted from 0 over all paths in order.

    With --taxonomy sigma an event may state its log source: the texts product, category and service, at its top or
    below "logsource". A rule applies where each part of its own log source equals the event's, or the event has none;
    an event that states nothing of it, and is no Windows record with Channel and EventID, is judged by every rule.

    A correlation's hit is the event that completes its window. Rules and files that cannot be used are named on
    stderr, and the exit status is 1 then.
    """
    from soc_cli.detecting import run

    problems = run(paths, rules or [], taxonomy == Taxonomy.SIGMA, format)
    raise typer.Exit(1 if problems else 0)
