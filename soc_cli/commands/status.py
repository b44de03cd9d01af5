"""Show the pipeline stage by stage, with the fate of every record. 查看状态"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def status(
    data: Annotated[Path | None, typer.Option(help="directory that holds everything the platform keeps")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="where the time of the last and slowest steps went")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="have consequences tried again that were given up")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on the last line")] = False,
) -> None:
    """Received = stored + duplicate + merged + quarantined + shed + pending, per source; exit 1 when it is not.

    Exit 1 also while journal or event store do not answer: all the rest is shown.
    """
    import orjson

    from soc_cli.stages import retry_given_up, show, show_traces, stages
    from soc_core import engines
    from soc_core.config import load

    settings = load(data)
    if not engines.has_journal(settings):
        raise OSError(f"nothing was ever received in {settings.data}; start with ./soc up or ./soc ingest FILE")
    if retry:
        retry_given_up(settings)
    whole = stages(settings)
    if as_json:
        print(orjson.dumps(whole).decode())
    else:
        show(whole)
        if trace:
            show_traces(whole)
    well = whole["balanced"] and not whole["journal_away"] and not whole["events_away"]
    raise typer.Exit(0 if well else 1)
