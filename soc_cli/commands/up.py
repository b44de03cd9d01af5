"""Run the whole platform on this machine: collect, work, API and console. 启动整个平台"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def up(
    data: Annotated[Path | None, typer.Option(help="directory that holds everything the platform keeps")] = None,
    port: Annotated[int, typer.Option(min=1, max=65_534, help="port of the console; the API has the next")] = 8501,
    city: Annotated[Path | None, typer.Option(help="city pack: organisations, systems, networks")] = None,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="demo traffic until a real source sends")] = True,
) -> None:
    """Start journal, worker, detectors, store, API and console, and keep them running until Ctrl-C."""
    from soc_cli.platform_up import run
    from soc_core.config import load

    raise typer.Exit(run(load(data, city=city), port, demo))
