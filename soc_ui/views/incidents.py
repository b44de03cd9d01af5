"""/incidents: which attacks are going on, and how quickly are they dealt with."""

from __future__ import annotations

import streamlit as st

from soc_core.models import LEVELS
from soc_ui import address
from soc_ui.console import Console
from soc_ui.guard import refreshing
from soc_ui.vm.incidents import incidents_page


def show(console: Console) -> None:
    t = console.t
    shown = {"open": t("incidents.show_open"), "all": t("incidents.show_ended")}
    levels = {"": t("queue.level_any")} | {
        name: t("queue.level_from", level=t(f"ui.level_{name}")) for name in reversed(LEVELS[2:])}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        every = address.segments("show", t("incidents.show"), shown, "open") == "all"
        level = address.select("level", t("incidents.level"), levels, 150)
    draw(console, every, level)


@refreshing(10)
def draw(console: Console, every: bool, level: str) -> None:
    page = incidents_page(console.actor, console.services, console.language, every, level)
    console.cards("incidents_head", main=True, headline=page.headline, tone=page.tone, note=page.note, tiles=page.tiles)
    console.table("incidents_table", [
        (console.t("incidents.title"), "text"), (console.t("incidents.level"), "level"),
        (console.t("incidents.state"), "state"), (console.t("incidents.organisation"), "plain"),
        (console.t("incidents.alerts"), "num"), (console.t("incidents.risk"), "num"),
        (console.t("incidents.assignee"), "plain"), (console.t("incidents.raised"), "time"),
        (console.t("incidents.last"), "age"),
    ], page.rows, as_of=page.as_of, empty=console.t("incidents.empty"))
