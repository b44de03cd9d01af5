"""Ask the stored events a question, newest first. 检索事件"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(add_completion=False)


@app.command()
def hunt(
    query: Annotated[str, typer.Argument(help="as 'user.name:root source.ip:10.0.0.0/8', '\"log off\"', '*'")] = "",
    rule: Annotated[list[Path] | None, typer.Option(help="judge the events by Sigma rules: files and folders")] = None,
    since: Annotated[str, typer.Option(help="from this time on: 2026-11-23T01:00:00Z, or 24h (ago)")] = "",
    until: Annotated[str, typer.Option(help="before this time")] = "",
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="how many events to show")] = 100,
    after: Annotated[str, typer.Option(help="continue behind the page whose `next` this is")] = "",
    data: Annotated[Path | None, typer.Option(help="directory that holds everything the platform keeps")] = None,
    realm: Annotated[Literal["real", "demo"], typer.Option(help="real events, or those of the demonstration")] = "real",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on the last line")] = False,
) -> None:
    """Search all events: words, field:value, wildcards, ranges, networks, AND OR NOT. Fields are those of ECS.

    With --rule, the rules judge all events of the span (a query beside it narrows them) exactly as the stream does,
    correlations and the site's exceptions included; with --json then {"hits": [{"rule_id", "event_id", "timestamp"}],
    "events", "seconds"}. A rule that cannot be used is named on stderr, and the exit status is 1 then.
    """
    import orjson

    from soc_cli import hunting, rows
    from soc_core import clock
    from soc_core.access import PLATFORM
    from soc_core.config import load
    from soc_core.protocols import Page, Query

    if not query and not rule:
        raise ValueError("say what to look for: a query ('*' is everything), or --rule FILE")
    settings = load(data)
    asked = Query(
        text=query, since=clock.from_text(since) if since else None, until=clock.from_text(until) if until else None
    )
    if rule:
        raise typer.Exit(1 if hunting.run(settings, realm, rule, asked, as_json) else 0)
    with hunting.store(settings, realm) as store:
        hits = store.search(asked, PLATFORM.scope, Page(limit, after))
    if as_json:
        found = [rows.with_texts(row) for row in hits.rows]
        print(orjson.dumps({"total": hits.total, "rows": found, "next": hits.next}).decode())
    else:
        rows.show(hits, settings.timezone)
