"""Take in files and folders, work them off, and say what became of every record. 导入日志"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="files and folders; .gz and .evtx included")],
    format: Annotated[str, typer.Option(help="format of all of them; default: found by content, file by file")] = "",
    source: Annotated[str, typer.Option(help="source id to file them under; default: made from the content")] = "",
    zone: Annotated[str, typer.Option(help="collector zone that the addresses in them belong to")] = "city",
    timezone: Annotated[str, typer.Option(help="zone of times that name none, as Asia/Shanghai")] = "",
    data: Annotated[Path | None, typer.Option(help="directory that holds everything the platform keeps")] = None,
    city: Annotated[Path | None, typer.Option(help="city pack")] = None,
    rules: Annotated[list[Path] | None, typer.Option(help="folders of Sigma rules instead of our own")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on the last line")] = False,
) -> None:
    """Read, normalise, store and judge; the same file taken in twice is stored once.

    Exit 1 when a file was refused or a detector failed.
    """
    from soc_cli.intake import Intake, show
    from soc_core.config import load

    settings = load(data, city=city)
    intake = Intake(settings, format, source, zone, timezone or settings.timezone, rules or [])
    summary = intake.run(paths)
    if as_json:
        import orjson

        print(orjson.dumps(summary).decode())
    else:
        show(summary)
    raise typer.Exit(1 if summary["refused"] or summary["detectors_failed"] else 0)
