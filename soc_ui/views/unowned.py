"""/unowned: what arrives of which no agency is known to be the owner."""

from __future__ import annotations

import streamlit as st

from soc_ui.console import Console
from soc_ui.vm.unowned import unowned_page


def show(console: Console) -> None:
    t = console.t
    page = unowned_page(console.actor, console.services, console.language, st.query_params.get("after", ""))
    console.cards("unowned_head", main=True, headline=page.headline, tone=page.tone, note=t("unowned.note"))
    if not page.rows:
        return
    console.table("unowned_sources", [(t("sources.source"), "mono"), (t("unowned.events"), "num")], page.sources,
                  as_of=page.as_of, title=t("unowned.by_source"))
    console.table("unowned_rows", [
        (t("unowned.at"), "time"), (t("sources.source"), "mono"), (t("unowned.zone"), "plain"),
        (t("unowned.host"), "mono"), (t("quarantine.raw"), "text")], page.rows, as_of=page.as_of,
        title=t("unowned.latest"))
    if page.next:
        st.page_link(console.places["unowned"], label=t("audit.older"), query_params={"after": page.next})
