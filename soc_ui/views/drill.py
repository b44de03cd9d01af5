"""/drill: how much did the platform see in the last exercise."""

from __future__ import annotations

import streamlit as st

from soc_ui.console import Console
from soc_ui.vm.drill import drill_page


def show(console: Console) -> None:
    page = drill_page(console.actor, console.services, console.language, st.query_params.get("id", ""))
    console.cards("drill_head", main=True, headline=page.headline, note=page.note, tiles=page.tiles,
                  badge=console.t("ui.drill"))
    if not page.steps:
        return
    console.table("drill_steps", [
        (console.t("drill.number"), "mono"), (console.t("drill.name"), "text"), (console.t("drill.technique"), "mono"),
        (console.t("drill.result"), "state"), (console.t("drill.rule"), "text"), (console.t("drill.delay"), "plain"),
    ], page.steps, as_of=page.as_of, title=console.t("drill.steps"))
    console.table("drill_earlier", [
        (console.t("drill.scenario"), "text"), (console.t("drill.at"), "time"), (console.t("drill.share"), "share"),
        (console.t("drill.tile_false"), "num"),
    ], page.earlier, as_of=page.as_of, title=console.t("drill.earlier"))
