"""Measure: each promised figure, beside its peer and its target. 基准测试"""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="benches to run; none lists them")] = None,
    every: Annotated[bool, typer.Option("--all", help="run all of them")] = False,
    record: Annotated[bool, typer.Option("--record", help="keep the figures in docs/benchmarks.json")] = False,
    page: Annotated[bool, typer.Option("--page", help="write docs/benchmarks.md from what was recorded")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on the last line")] = False,
) -> None:
    """Print figures; a missed target is reported, never hidden, and does not fail the command."""
    import orjson

    from soc_cli import figures, promises

    if page and not names and not every:
        print(promises.write())
        return
    if not names and not every:
        print("\n".join(figures.listing()))
        return
    found = figures.run(list(names or figures.names()))
    if record:
        figures.record(found)
        promises.write()
    if as_json:
        print(orjson.dumps({"figures": found}).decode())
    else:
        figures.show(found)
