"""/indicators: which signs of known threats do we look for, and where do they come from."""

from __future__ import annotations

import streamlit as st

from casework import threats
from casework.rights import RIGHTS
from soc_core.models import LEVELS
from soc_ui import address
from soc_ui.console import Console
from soc_ui.doing import SAID, do, tell
from soc_ui.vm.indicators import KINDS, IndicatorsPage, indicators_page, taken


def show(console: Console) -> None:
    t = console.t
    kinds = {"": t("indicators.kind_any")} | {kind: t(f"indicators.kind_{kind}") for kind in KINDS}
    with st.container(horizontal=True, gap="small"):
        kind = address.select("kind", t("indicators.kind"), kinds, 150)
        words = address.words("q", t("indicators.words"), t("indicators.words"), 280)
    page = indicators_page(console.actor, console.services, console.language, kind, words,
                           st.query_params.get("after", ""))
    console.cards("indicators_head", main=True, headline=page.headline)
    tell()
    console.table("indicators_table", [
        (t("indicators.value"), "mono"), (t("indicators.kind"), "plain"), (t("ui.col_level"), "level"),
        (t("indicators.name"), "text"), (t("indicators.feed"), "plain"), (t("accounts.state"), "state"),
        (t("indicators.until"), "time"), (t("indicators.changed"), "age")], page.rows, as_of=page.as_of,
        note=t("indicators.note"), empty=t("indicators.none"))
    if page.next:
        st.page_link(console.places["indicators"], label=t("indicators.more"), query_params={
            "kind": kind, "q": words, "after": page.next})
    if console.actor.has(*RIGHTS["threats.take"]):
        take(console)
    if page.standing and console.actor.has(*RIGHTS["threats.revoke"]):
        revoke(console, page)


def take(console: Console) -> None:
    """A feed in: a file, its name, and the level of findings where it says none."""
    t = console.t
    with st.form("indicators_take", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        given = st.file_uploader(t("indicators.file"), type=["json", "csv", "txt"], key="indicators_file", width=360)
        feed = st.text_input(t("indicators.feed"), max_chars=100, key="indicators_feed", width=180)
        level = st.selectbox(t("ui.col_level"), list(reversed(LEVELS)), 1, key="indicators_level", width=120,
                             format_func=lambda name: t(f"ui.level_{name}"))
        if st.form_submit_button(t("indicators.take"), key="indicators_take_do") and given:
            try:
                body = given.getvalue().decode("utf-8-sig")
                found = threats.take(console.actor, console.services, body,
                                     "stix" if body.lstrip()[:1] == "{" else "csv", feed or given.name,
                                     level)
                st.session_state[SAID] = taken(found, console.language)
            except ValueError as error:
                st.session_state[SAID] = t("common.not_done", reason=error)
            st.rerun()


def revoke(console: Console, page: IndicatorsPage) -> None:
    t = console.t
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.multiselect(t("indicators.revoke_which"), list(page.standing),
                               placeholder=t("common.choose"), key="indicators_which", width=420,
                               format_func=lambda each: page.standing[each])
        note = st.text_input(t("incident.act_note"), max_chars=2_000, key="indicators_note", width=260)
        if st.button(t("indicators.revoke"), key="indicators_revoke", disabled=not which):
            do(console, lambda: threats.revoke(console.actor, console.services, which, note))
