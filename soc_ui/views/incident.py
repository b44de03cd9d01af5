"""/incident: what is it, why do these alerts belong together, and what happens next."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from casework import evidence, incidents
from casework.machine import Undrawn
from casework.services import Conflict, NotFound
from soc_ui.console import Console
from soc_ui.views.alerts import plain
from soc_ui.vm.incident import IncidentPage, incident_page

SAID = "incident_said"


def show(console: Console) -> None:
    asked = st.query_params.get("id", "")
    if not asked:
        raise NotFound("no incident was asked for")
    page = incident_page(console.actor, console.services, console.language, asked)
    if "incidents" in console.places:
        st.page_link(console.places["incidents"], label=console.t("incident.back"))
    console.cards("incident_head", main=True, headline=page.headline, note=page.note, tiles=page.tiles)
    if said := st.session_state.pop(SAID, ""):
        st.text(said)
    if page.may_change:
        steps(console, page)
    t = console.t
    console.table("incident_chain", [
        (t("incident.alert"), "text"), (t("incidents.level"), "level"), (t("incident.at"), "time"),
        (t("incident.reason"), "text"), (t("incident.stage"), "mono"), (t("incident.strength"), "share"),
        (t("incidents.alerts"), "num"),
    ], page.chain, as_of=page.as_of, title=t("incident.chain"), note=t("incident.chain_note"))
    console.table("incident_entities", [(t("incident.field"), "mono"), (t("incident.values"), "text")], page.entities,
                  as_of=page.as_of, title=t("incident.entities"))
    console.table("incident_evidence", [
        (t("incident.name"), "text"), (t("incident.size"), "num"), ("SHA-256", "mono"), (t("incident.at"), "time"),
        (t("incident.who"), "plain")], page.evidence, as_of=page.as_of, title=t("incident.evidence"),
        empty=t("incident.evidence_none"))
    console.table("incident_timeline", [
        (t("incident.at"), "time"), (t("incident.what"), "text"), (t("incident.who"), "plain"),
        (t("incident.note"), "text")], page.timeline, as_of=page.as_of, title=t("incident.timeline"))


def steps(console: Console, page: IncidentPage) -> None:
    """What may be done now, with one remark and one class for all of it."""
    t, actor, services = console.t, console.actor, console.services
    kinds = dict(page.kinds)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        note = st.text_input(t("incident.act_note"), max_chars=2_000, key="incident_note", width=360)
        codes = list(kinds)
        kind = st.selectbox(t("incident.act_kind"), codes, index=codes.index(page.kind) if page.kind in kinds else 0,
                            format_func=lambda code: kinds[code], key="incident_kind", width=220)
    with st.container(horizontal=True, gap="small"):
        for name, label in page.actions:
            if st.button(label, key=f"incident_do_{name}"):
                do(console, lambda name=name: incidents.change(  # type: ignore[misc]  # bound now, called now
                    actor, services, page.id, page.version, name, note, kind or ""))
        if st.button(t("incident.mine"), key="incident_mine"):
            do(console, lambda: incidents.assign(actor, services, page.id, page.version, actor.name, note))
        if st.button(t("incident.comment"), key="incident_comment"):
            do(console, lambda: incidents.comment(actor, services, page.id, note))
        if st.button(t("incident.snapshot"), key="incident_snapshot"):
            do(console, lambda: evidence.snapshot(actor, services, page.id, note))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        titles = dict(page.alerts)
        chosen = st.multiselect(t("incident.split_which"), list(titles), format_func=lambda each: plain(titles[each]),
                                placeholder=t("common.choose"), key="incident_split_which", width=420)
        if st.button(t("incident.split"), key="incident_split", disabled=not chosen):
            do(console, lambda: incidents.split(actor, services, page.id, page.version, chosen, note))
    if page.others:
        merging(console, page, note)


def merging(console: Console, page: IncidentPage, note: str) -> None:
    """Another incident of the agency into this one."""
    t = console.t
    known = {other: (version, title) for other, version, title in page.others}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        other = st.selectbox(t("incident.merge_which"), list(known), key="incident_merge_which", width=420, index=None,
                             format_func=lambda each: f"{plain(known[each][1])} {each[:8]}")
        if st.button(t("incident.merge"), key="incident_merge", disabled=not other) and other:
            do(console, lambda: incidents.merge(
                console.actor, console.services, page.id, page.version, [(other, known[other][0])], note))


def do(console: Console, run: Callable[[], object]) -> None:
    """Do it, say what came of it, and show the incident anew."""
    try:
        run()
        said = console.t("incident.done")
    except Conflict:
        said = console.t("incident.conflict")
    except Undrawn as error:
        said = console.t(f"incident.refused_{error.why}")
    except ValueError as error:
        said = console.t("incident.refused_value", reason=error)
    st.session_state[SAID] = said
    st.rerun()
