"""/sources: what comes in, and what has stopped."""

from __future__ import annotations

import streamlit as st

from casework.services import NotFound
from soc_core.models import REAL
from soc_ui import address
from soc_ui.console import Console
from soc_ui.guard import refreshing
from soc_ui.vm.sources import sources_page
from soc_ui.vm.standing import card_text


def show(console: Console) -> None:
    labels = {"all": console.t("sources.show_all"), "silent": console.t("sources.show_silent")}
    draw(console, address.segments("show", console.t("sources.show"), labels, "all") == "silent")


@refreshing(10)
def draw(console: Console, silent_only: bool) -> None:
    page = sources_page(console.actor, console.services, console.language, silent_only)
    console.cards("sources_head", main=True, headline=page.headline, tone=page.tone)
    if asked := st.query_params.get("source", ""):
        try:
            realm = st.query_params.get("realm", REAL)
            st.text(card_text(console.actor, console.services, console.language, asked, realm))
        except NotFound:
            st.text(console.t("sources.card_none"))
    console.table("sources_table", [
        (console.t("sources.source"), "mono"), (console.t("sources.realm"), "realm"),
        (console.t("sources.state"), "state"), (console.t("sources.organisation"), "plain"),
        (console.t("sources.last"), "age"), (console.t("sources.limit"), "plain"),
        *((console.t(f"sources.{name}"), "num") for name in (
            "received", "stored", "duplicate", "merged", "quarantined", "shed", "pending", "events")),
    ], page.rows, as_of=page.as_of, empty=console.t("sources.empty"))
