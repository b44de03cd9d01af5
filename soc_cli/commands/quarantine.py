"""Quarantine: records that could not be read, by reason; send them through the pipeline again after a fix. 隔离区"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from soc_cli.opening import opened

app = typer.Typer(add_completion=False, no_args_is_help=True)
MOST = 1_000_000  # groups
Data = Annotated[Path | None, typer.Option(help="data directory")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on the last line")]
Reason = Annotated[str, typer.Option(help="only of this reason, as `list` shows it")]
Source = Annotated[str, typer.Option(help="only of this source")]


@app.command("list")
def listing(source: Source = "", data: Data = None, as_json: Json = False) -> None:
    """Records that wait, by reason and source, the most numerous first."""
    groups = [vars(group) for group in waiting(data, source)]
    if as_json:
        show({"groups": groups, "waiting": sum(group["count"] for group in groups)})
        return
    for group in groups:
        print(f"{group['count']:>9,}  {group['source']}  {group['reason']}")
    print(f"{sum(group['count'] for group in groups):,} records wait")


@app.command("replay")
def replay(
    reason: Reason = "",
    source: Source = "",
    format: Annotated[str, typer.Option(help="what they are, where the source's own format is wrong")] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send waiting records through the pipeline again, with the ids they would have had: nothing is stored twice."""
    from casework import quarantine
    from soc_cli import replaying
    from soc_cli.wiring import Platform
    from soc_core.access import PLATFORM
    from soc_core.config import load

    asked = cut = 0
    groups = waiting(data, source)
    before, chosen = sum(group.count for group in groups), [group for group in groups if reason in ("", group.reason)]
    with opened(data) as services:
        for group in chosen:
            left = 1
            while left:
                done = quarantine.replay(PLATFORM, services, group.reason, group.source, format)
                asked, left = asked + done.asked, done.left - done.cut
            cut += done.cut
    with Platform(load(data)) as platform:
        replaying.through(platform)
    failed = sum(group.count for group in waiting(data, source)) - before + asked
    told = {"asked": asked, "cut": cut, "failed_again": failed}
    if as_json:
        show(told)
    else:
        print(f"{asked:,} records went through the pipeline again, {failed:,} failed again")
        if cut:
            print(f"{cut:,} are not held whole (over 1 MiB): their source must send them again")
    raise typer.Exit(1 if failed or cut else 0)


def waiting(data: Path | None, source: str) -> list[Any]:
    """Groups of records that wait."""
    from casework import quarantine
    from soc_core.access import PLATFORM

    with opened(data) as services:
        return [group for group in quarantine.groups(PLATFORM, services, MOST).rows if source in ("", group.source)]


def show(found: dict[str, Any]) -> None:
    import orjson

    print(orjson.dumps(found).decode())
