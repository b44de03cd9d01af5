"""Check what works here, what does not, and how to mend it. 自检"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    data: Annotated[Path | None, typer.Option(help="directory that holds everything the platform keeps")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on the last line")] = False,
) -> None:
    """One line a check; exit 1 when something that is needed does not work."""
    from soc_cli.checks import all_checks, show
    from soc_core.config import load

    results = all_checks(load(data))
    if as_json:
        import orjson

        print(orjson.dumps({"checks": [result._asdict() for result in results]}).decode())
    else:
        show(results)
    raise typer.Exit(1 if any(result.state == "broken" for result in results) else 0)
