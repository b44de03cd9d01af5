"""/quarantine: which records could not be read, and why."""

from __future__ import annotations

import streamlit as st

from casework import quarantine
from casework.rights import RIGHTS
from soc_core import registry
from soc_ui.console import Console
from soc_ui.doing import do, tell
from soc_ui.text import number
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
        if console.actor.has(*RIGHTS["quarantine.replay"]):
            replay(console, asked["reason"], asked["source"])
    elif page.groups:
        st.caption(console.t("quarantine.pick"))
    tell()


def replay(console: Console, reason: str, source: str) -> None:
    """The group through the pipeline again, as what its source says or as another format."""
    t = console.t
    with st.container(horizontal=True, vertical_alignment="bottom"):
        format = st.selectbox(t("quarantine.as"), ["", *registry.names("collectors.formats")], key="quarantine_as",
                              format_func=lambda name: name or t("quarantine.as_was"), width=260)
        if st.button(t("quarantine.replay"), key="quarantine_replay"):
            said: dict[str, object] = {}

            def again() -> None:
                done = quarantine.replay(console.actor, console.services, reason, source, format)
                said.update(n=number(console.language, done.asked), cut=done.cut)

            do(console, again, "quarantine.replayed", said)
