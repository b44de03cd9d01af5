"""Work off the journal: parse, store, detect, respond; runs until stopped. 处理进程"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def work(
    data: Annotated[Path | None, typer.Option(help="directory that holds everything the platform keeps")] = None,
    city: Annotated[Path | None, typer.Option(help="city pack")] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="so many processes; more may join anywhere, at any "
                                         "time")] = 1,
    accept_journal: Annotated[bool, typer.Option("--accept-journal", help="go on with a journal that was made anew")]
    = False,
    drain: Annotated[bool, typer.Option(
        "--drain", help="stop when nothing is pending, or what stood there at the beginning is done")] = False,
) -> None:
    """Take every record in the journal through the whole path, and respond to what follows from it.

    Workers find each other in the state database and share the work: start as many as there are cores, on as many
    machines as reach the same engines (soc.yaml: journal, events, state). Nothing else is to be said of them.
    """
    import os

    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from soc_cli.work import run, run_many, take
    from soc_core.config import load

    settings = load(data, city=city)
    if accept_journal:
        take(settings)
    raise typer.Exit(run(settings, drain) if workers == 1 else run_many(settings, workers, drain))
