"""/rules: which rules can see, which were set aside, what is excepted, what their alerts turned out to be."""

from __future__ import annotations

from soc_ui.console import Console
from soc_ui.vm.rules import rules_page


def show(console: Console) -> None:
    page = rules_page(console.actor, console.services, console.language)
    console.cards("rules_head", main=True, headline=page.headline, tone=page.tone)

    def columns(*named: tuple[str, str]) -> list[tuple[str, str]]:
        return [(console.t(f"rules.{name}"), kind) for name, kind in named]

    for key, heads, rows in (
        ("fired", columns(("title", "plain"), ("alerts", "num"), ("last", "age"), ("judged", "num"),
                          ("precision", "plain"), ("id", "mono")), page.fired),
        ("sight", columns(("state", "state"), ("title", "plain"), ("missing", "plain"), ("id", "mono")), page.sight),
        ("failed", columns(("place", "mono"), ("error", "plain")), page.failed),
        ("exceptions", columns(("rule", "mono"), ("owner", "plain"), ("reason", "plain"), ("expires", "plain"),
                               ("suppressed", "num"), ("place", "mono")), page.exceptions),
    ):
        console.table(f"rules_{key}", heads, rows, as_of=page.as_of, title=console.t(f"rules.about_{key}"),
                      empty=console.t(f"rules.no_{key}"))
