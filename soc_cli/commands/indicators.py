"""Threat indicators: take feeds in (STIX 2.1, CSV), list and revoke them. 威胁情报"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from soc_cli.opening import opened

app = typer.Typer(add_completion=False, no_args_is_help=True)
Data = Annotated[Path | None, typer.Option(help="data directory")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on the last line")]


@app.command("import")
def take(
    path: Annotated[Path, typer.Argument(help="a STIX 2.1 bundle (.json) or a CSV with the column `value`")],
    feed: Annotated[str, typer.Option(help="name of the feed; the file's, if none is given")] = "",
    level: Annotated[str, typer.Option(help="level of findings where the feed says none")] = "high",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Take a feed in. Stored events are looked through for what is new."""
    from casework import threats
    from soc_core.access import PLATFORM

    body = path.read_text(encoding="utf-8-sig")
    form: Any = "stix" if body.lstrip()[:1] in ("{", "[") else "csv"
    with opened(data) as services:
        taken = threats.take(PLATFORM, services, body, form, feed or path.stem, level)  # type: ignore[arg-type]  # checked there
    refused = [{"where": each.where, "reason": each.reason} for each in taken.refused]
    show({"new": taken.new, "changed": taken.changed, "known": taken.known, "refused": refused}, as_json)
    raise typer.Exit(1 if refused else 0)


@app.command("list")
def listing(
    kind: Annotated[str, typer.Option(help="ip, net, domain, url or hash")] = "",
    feed: Annotated[str, typer.Option(help="of this feed")] = "",
    text: Annotated[str, typer.Option(help="in value or name")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 100,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Indicators, the latest changed first."""
    from casework import threats
    from soc_core import clock
    from soc_core.access import PLATFORM

    with opened(data) as services:
        found = threats.listing(PLATFORM, services, kind, feed, text, limit=limit)
    if as_json:
        show({"indicators": [row.model_dump() for row in found.rows], "total": found.total}, True)
        return
    for row in found.rows:
        until = clock.to_text(row.valid_until)[:10] if row.valid_until else "∞"
        print(f"{row.id}  {row.kind:<6} {row.value}  {row.level}  {row.feed}  → {until}{'  revoked' * row.revoked}")
    print(f"{found.total:,} indicators")


@app.command("revoke")
def revoke(
    ids: Annotated[list[str], typer.Argument(help="ids as `list` shows them")],
    note: Annotated[str, typer.Option(help="why")] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """End indicators: they match nothing from now on."""
    from casework import threats
    from soc_core.access import PLATFORM

    with opened(data) as services:
        done = threats.revoke(PLATFORM, services, ids, note)
    show({"revoked": done}, as_json)


@app.command("match")
def match(data: Data = None, as_json: Json = False) -> None:
    """Look through stored events for indicators that were not looked for yet; a running platform does so by itself."""
    from soc_cli import retro
    from soc_cli.wiring import Platform
    from soc_core import clock
    from soc_core.config import load

    with Platform(load(data)) as platform:
        found = retro.run_once(platform, clock.now(), settle=0)
    show({"findings": found}, as_json)


def show(found: dict[str, Any], as_json: bool) -> None:
    import orjson

    if as_json:
        print(orjson.dumps(found).decode())
        return
    for name, value in found.items():
        if isinstance(value, list):
            for each in value:
                print(f"{name}: {each['where']}: {each['reason']}")
        else:
            print(f"{name}: {value:,}")
