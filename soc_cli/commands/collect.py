"""Listen for logs and follow files: syslog UDP and TCP, HTTP, tails. 采集"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def collect(
    data: Annotated[Path | None, typer.Option(help="directory that holds everything the platform keeps")] = None,
    city: Annotated[Path | None, typer.Option(help="city pack, for demo traffic")] = None,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="demo traffic until a real source sends")] = False,
    describe: Annotated[bool, typer.Option("--describe", help="write docs/sources.md from the code, and end")] = False,
) -> None:
    """Run until SIGTERM or Ctrl-C. What was acknowledged is in the journal; `./soc work` works it off."""
    if describe:
        from soc_cli.source_page import write

        print(write())
        return
    from soc_cli.collecting import run
    from soc_core.config import load

    raise typer.Exit(run(load(data, city=city), demo))
