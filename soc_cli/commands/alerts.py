"""Alerts in the store: what, whose, how often, since when. 告警"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False)

EVERY, SCREEN = 1_000_000, 200
WIDE = 220  # columns of a table that no terminal limits
KEYS = ("id", "rule_id", "title", "level", "count", "entities", "events", "organisation", "system", "techniques",
        "risk", "realm", "status", "verdict", "assignee", "incident", "explanation")


@app.command()
def alerts(
    since: Annotated[str, typer.Option(help="seen since: 2026-11-23T01:00:00Z, or 15m, 24h, 7d ago")] = "",
    until: Annotated[str, typer.Option(help="seen before")] = "",
    level: Annotated[str, typer.Option(help="this level and above: informational, low, medium, high, critical")] = "",
    realm: Annotated[str, typer.Option(help="real, demo, or a drill's name")] = "",
    rule: Annotated[str, typer.Option(help="of this rule only")] = "",
    status: Annotated[str, typer.Option(help="new, open, closed, or waiting (not closed)")] = "",
    text: Annotated[str, typer.Option(help="in title, rule or entities")] = "",
    limit: Annotated[int, typer.Option(min=0, help="at most so many, the latest; 0: all (200 in a table)")] = 0,
    data: Annotated[Path | None, typer.Option(help="data directory")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on the last line")] = False,
) -> None:
    """Alerts in the store: what, whose, how often, since when. 告警"""
    from soc_core import clock
    from soc_core.access import EVERYTHING
    from soc_core.config import load
    from soc_core.models import LEVELS
    from soc_core.state import alerts as state
    from soc_core.state.database import Database

    for name, value, known in (("--level", level, LEVELS), ("--status", status, ("new", "open", "closed", "waiting"))):
        if value and value not in known:
            raise ValueError(f"{name} {value!r} is not one of {', '.join(known)}")
    settings = load(data)
    if data is not None and not data.is_dir():
        raise ValueError(f"no data directory {data}")
    wanted = state.Filter(
        realm=realm, level=level, rule=rule, status=status, text=text,  # type: ignore[arg-type]  # checked above
        since=clock.from_text(since) if since else None, until=clock.from_text(until) if until else None,
    )
    settings.data.mkdir(parents=True, exist_ok=True)
    database = Database(settings.state_url)
    database.migrate()
    with database.read() as session:
        found, total = state.find(session, EVERYTHING, wanted, limit=limit or (EVERY if as_json else SCREEN))
    database.close()
    if as_json:
        import orjson

        print(orjson.dumps({"alerts": [plain(alert) for alert in found], "total": total}).decode())
    else:
        table(found, total)


def plain(alert: Any) -> dict[str, Any]:
    """An alert as the JSON that every command prints."""
    from soc_core import clock

    times = {name: clock.to_text(getattr(alert, name)) for name in ("first_seen", "last_seen", "raised")}
    return {name: getattr(alert, name) for name in KEYS} | times


def table(found: list[Any], total: int) -> None:
    """A table for people; invented alerts say so."""
    import sys

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from soc_core import clock
    from soc_core.models import REAL

    console = Console(width=None if sys.stdout.isatty() else WIDE)
    if not found:
        console.print("no alerts 没有告警")
        return
    colours = {"critical": "bold red", "high": "red", "medium": "yellow"}
    shown = Table()
    roomy = console.width >= 120
    for heading in ("last seen (UTC)", "level", "count", "title", "organisation", "entities", *["rule"] * roomy):
        shown.add_column(heading, justify="right" if heading == "count" else "left", overflow="fold",
                         no_wrap=heading in ("last seen (UTC)", "level", "count"))
    for alert in found:
        marks = {"demo": "演示 demo"}.get(alert.realm, alert.realm)
        title = alert.title if alert.realm == REAL else f"[{marks}] {alert.title}"
        named = ", ".join(value for values in alert.entities.values() for value in values[:3])
        cells = (clock.to_text(alert.last_seen)[:19], alert.level, f"{alert.count:,}", title, alert.organisation or "—",
                 named, *[alert.rule_id] * roomy)
        shown.add_row(*map(escape, cells), style=colours.get(alert.level))
    console.print(shown)
    if total > len(found):
        console.print(f"{total - len(found):,} more; --limit shows them")
