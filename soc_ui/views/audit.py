"""/audit: who did what, and is the chain as it was written."""

from __future__ import annotations

import streamlit as st

from casework import ledger
from soc_core import clock, seals
from soc_ui import address
from soc_ui.console import Console
from soc_ui.doing import tell
from soc_ui.vm.audit import audit_page, verdict

CHECKED, HEADS = "audit_checked", "audit_heads"


def show(console: Console) -> None:
    t = console.t
    asked = st.query_params.get("before", "")
    with st.container(horizontal=True, gap="small"):
        who = address.words("who", t("audit.who"), t("audit.who"), 180)
        object = address.words("object", t("audit.object"), t("audit.object_hint"), 260)
    page = audit_page(console.actor, console.services, console.language, who, object,
                      int(asked) if asked.isdecimal() else None)
    console.cards("audit_head", main=True, headline=page.headline, note=t("audit.note"))
    tell()
    check(console)
    console.table("audit_entries", [
        (t("audit.number"), "num"), (t("audit.at"), "time"), (t("audit.who"), "plain"), (t("audit.action"), "mono"),
        (t("audit.object"), "mono"), (t("audit.detail"), "text")], page.rows, as_of=page.as_of, empty=t("audit.none"))
    if page.before:
        st.page_link(console.places["audit"], label=t("audit.older"), query_params={
            "before": str(page.before), "who": who, "object": object})


def check(console: Console) -> None:
    """The whole chain against itself and against heads that were kept elsewhere; and the heads, to be kept."""
    t, actor, services = console.t, console.actor, console.services
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        given = st.file_uploader(t("audit.held"), type=["ndjson", "json", "txt"], key="audit_given", width=420)
        if st.button(t("audit.check"), key="audit_check"):
            try:
                held = seals.load(given.getvalue()) if given else []
                st.session_state[CHECKED] = verdict(
                    ledger.check(actor, services, held), console.language, console.zone)
            except ValueError as error:
                st.session_state[CHECKED] = (t("common.not_done", reason=error), "warn")
        if st.button(t("audit.take"), key="audit_take"):
            st.session_state[HEADS] = seals.dump(ledger.heads(actor, services))
        if HEADS in st.session_state:
            day = clock.to_text(clock.now())[:10]
            st.download_button(t("audit.save"), st.session_state[HEADS], f"audit-heads-{day}.ndjson",
                               "application/x-ndjson", key="audit_save")
    if CHECKED in st.session_state:
        said, tone = st.session_state[CHECKED]
        console.cards("audit_checked", headline=said, tone=tone)
