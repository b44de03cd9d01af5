"""/alert: is it real, and what is it about."""

from __future__ import annotations

import streamlit as st

from casework import masking
from casework.rights import RIGHTS
from casework.rules import Shelf, shelf
from casework.services import NotFound, Services
from soc_ui import acts, components
from soc_ui.console import Console
from soc_ui.vm.alert import AlertView, alert_full, whole
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
    if view.events and console.actor.has(*RIGHTS["masking.reveal"]):
        with st.expander(console.t("reveal.title")):
            reveal(console, view)


def reveal(console: Console, view: AlertView) -> None:
    """One event as it came, for a reason. It is shown in this run alone, and kept nowhere."""
    t = console.t
    st.caption(t("reveal.note"))
    times = {event["id"]: f"{console.time(event['at'])} {event['id']}" for event in view.events}
    with st.form("alert_reveal", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.selectbox(t("reveal.event"), list(times), format_func=lambda each: times[each], key="reveal_event",
                             width=420)
        reason = st.text_input(t("reveal.reason"), max_chars=2_000, key="reveal_reason", width=320)
        asked = st.form_submit_button(t("reveal.show"), key="reveal_show")
    if not asked or not which:
        return
    try:
        found = masking.reveal(console.actor, console.services, which, reason, view.alert["realm"])
    except ValueError as error:
        st.text(t("common.not_done", reason=error))
        return
    st.code(whole(found), language=None)
