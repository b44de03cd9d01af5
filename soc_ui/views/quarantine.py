"""/quarantine: which records could not be read, and why."""

from __future__ import annotations

import streamlit as st

from soc_ui.console import Console
from soc_ui.vm.pipeline import quarantine_page


def show(console: Console) -> None:
    asked = st.query_params
    page = quarantine_page(console.actor, console.services, console.language, asked.get("reason", ""),
                           asked.get("source", ""))
    console.cards("quarantine_head", main=True, headline=page.headline, note=page.note)
    if page.groups:
        console.table("quarantine_groups", [
            (console.t("quarantine.reason"), "text"), (console.t("quarantine.source"), "mono"),
            (console.t("sources.realm"), "realm"), (console.t("quarantine.count"), "num"),
            (console.t("quarantine.first"), "time"), (console.t("quarantine.last"), "time"),
        ], page.groups, as_of=page.as_of)
    if page.samples:
        console.table("quarantine_samples", [
            (console.t("quarantine.received"), "time"), (console.t("quarantine.format"), "mono"),
            (console.t("quarantine.raw"), "text"),
        ], page.samples, as_of=page.as_of, title=console.t("quarantine.samples"))
    elif page.groups:
        st.caption(console.t("quarantine.pick"))
