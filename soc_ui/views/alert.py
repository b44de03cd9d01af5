"""/alert: is it real, and what is it about."""

from __future__ import annotations

import streamlit as st

from casework.rules import Shelf, shelf
from casework.services import NotFound, Services
from soc_ui import acts, components
from soc_ui.console import Console
from soc_ui.vm.alert import alert_full
from soc_ui.vm.queue import QueueFilter, may_judge


@st.cache_resource(show_spinner=False)
def rules(_services: Services, where: str) -> Shelf:
    """The rules of one platform; `where` tells platforms apart."""
    return shelf(_services)


def show(console: Console) -> None:
    asked = st.query_params.get("id", "")
    if not asked:
        raise NotFound("no alert was asked for")
    wanted = QueueFilter.read(st.session_state.get("queue_filter", {}))
    key = f"alert_{asked}"
    ledger: acts.Ledger = st.session_state.setdefault("alert_ledgers", {}).setdefault(asked, acts.Ledger())
    view = alert_full(console.actor, console.services, rules(console.services, str(console.services.settings.data)),
                      console.language, asked, wanted)
    if "alerts" in console.places:
        st.page_link(console.places["alerts"], label=console.t("alert.back"),
                     query_params=wanted.pairs())
    console.go(components.detail(key, console.data(
        **view.to_json(), me=console.actor.name, may_judge=may_judge(console.actor), ack=ledger.ack, says=ledger.says,
        says_bad=ledger.bad), lambda: acts.apply(console, ledger, components.log_of(key))))
