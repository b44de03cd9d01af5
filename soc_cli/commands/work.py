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
    drain: Annotated[bool, typer.Option("--drain", help="stop when nothing is pending")] = False,
) -> None:
    """Take every record in the journal through the whole path, and respond to what follows from it."""
    import os

    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from soc_cli.work import run
    from soc_core.config import load

    raise typer.Exit(run(load(data, city=city), drain))
