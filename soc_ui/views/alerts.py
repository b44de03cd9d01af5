"""/alerts: what needs me first."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from soc_core.models import LEVELS
from soc_ui import acts, address, components, text
from soc_ui.console import Console
from soc_ui.vm.queue import VIEWS, QueueFilter, may_judge, queue_page

KEY = "queue"
REFRESH = 2_000  # milliseconds


def show(console: Console) -> None:
    wanted = controls(console)
    ledger: acts.Ledger = st.session_state.setdefault("queue_ledger", acts.Ledger())
    page = queue_page(console.actor, console.services, wanted)
    query = wanted.query()
    keys = [line.split("|", 1) for line in text.group(console.language, "queue.keys").values()]
    console.go(components.grid(KEY, console.data(
        **page.to_json(), live=f"/live/queue?{query}", peek="/live/peek?id=", interval=REFRESH, keys=keys,
        may_judge=may_judge(console.actor), ack=ledger.ack, results=ledger.results,
    ), lambda: acts.apply(console, ledger, components.log_of(KEY))))
    st.session_state["queue_filter"] = asdict(wanted)


def controls(console: Console) -> QueueFilter:
    """The filter: what can be chosen here, and what a link brought along."""
    t = console.t
    linked = {name: st.query_params.get(name, "") for name in ("org", "rule", "system", "hours")}
    views = {name: t(f"queue.view_{name}") for name in VIEWS}
    levels = {"": t("queue.level_any")} | {
        name: t("queue.level_from", level=t(f"ui.level_{name}")) for name in reversed(LEVELS[1:])}
    realms = {"": t("queue.realm_any"), "real": t("queue.realm_real"), "demo": t("queue.realm_demo")}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        view = address.segments("view", t("queue.view"), views, "open")
        level = address.select("level", t("queue.level"), levels, 150)
        realm = address.select("realm", t("queue.realm"), realms, 120)
        q = address.words("q", t("queue.search"), t("queue.search_hint"), 260)
        if any(linked.values()):
            narrowed(console, linked)
    return QueueFilter.read({"view": view, "level": level, "realm": realm, "q": q, **linked})


def narrowed(console: Console, linked: dict[str, str]) -> None:
    """A link narrowed the list: say so, and offer the whole."""
    names = {
        "org": console.services.organisation_name(linked["org"]), "rule": linked["rule"],
        "system": console.services.system_name(linked["system"]), "hours": console.t("span.h", n=linked["hours"])}
    said = " · ".join(names[name] for name, value in linked.items() if value)
    if st.button(f"✕ {plain(said)}", help=console.t("queue.clear"), key="queue_clear"):
        for name in linked:
            st.query_params.pop(name, None)
        st.rerun()


def plain(said: str) -> str:
    """Text for a button, whose label Streamlit reads as Markdown: without anything that means something there."""
    return "".join(letter if letter.isalnum() or letter in " ·._-（）" else " " for letter in said)[:60]
