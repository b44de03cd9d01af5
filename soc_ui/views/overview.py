"""/overview: is the city safe now, and where is a person needed most."""

from __future__ import annotations

from typing import Any

import streamlit as st

from soc_ui import components
from soc_ui.console import Console
from soc_ui.guard import refreshing
from soc_ui.vm.overview import OverviewPage, overview_page


def show(console: Console) -> None:
    draw(console)


@refreshing(10)
def draw(console: Console) -> None:
    page = overview_page(console.actor, console.services, console.language)
    console.cards("overview_head", main=True, headline=page.headline, tone=page.tone, note=page.note, tiles=page.tiles)
    chart(console, page)
    left, right = st.columns(2)
    with left:
        ranking(console, "overview_organisations", "by_organisation", "ui.col_org", page.organisations, page)
    with right:
        ranking(console, "overview_rules", "by_rule", "ui.rule", page.rules, page)


def ranking(console: Console, key: str, title: str, heading: str, rows: list[dict[str, Any]],
            page: OverviewPage) -> None:
    console.table(key, [(console.t(heading), "text"), (console.t("overview.open"), "num")], rows, as_of=page.as_of,
                  title=console.t(f"overview.{title}"), empty=console.t("ui.empty"))


def chart(console: Console, page: OverviewPage) -> None:
    components.hours("overview_hours", console.data(
        title=console.t("overview.hours"), hours=page.hours,
        names=[console.t("queue.level_from", level=console.t("ui.level_high")), console.t("overview.others")]))
