"""/unit: what must our agency do now, and is anybody watching."""

from __future__ import annotations

import streamlit as st

from casework import agency, lookers
from casework.rights import RIGHTS
from soc_ui.console import Console
from soc_ui.guard import refreshing
from soc_ui.vm.standing import standing
from soc_ui.vm.unit import Unit, look_line, unit_home

LOOKED = RIGHTS["lookers.listing"]


def show(console: Console) -> None:
    chosen = choose(console)
    if not chosen:
        st.text(console.t("unit.none" if chosen is None else "common.not_found"))
        return
    draw(console, chosen)
    stand(console, chosen)
    if console.actor.has(*LOOKED):
        looked(console, chosen)


def choose(console: Console) -> str | None:
    """The agency to show: the only one there is, or one from a list; None where there is none, "" for another's."""
    known = {item.id: item.name for item in agency.choices(console.actor, console.services, limit=5_000)}
    if len(known) <= 1:
        for name in known.values():
            st.caption(name)
        return next(iter(known), None)
    asked = st.query_params.get("org", "")
    if asked and asked not in known:
        return ""
    start = list(known).index(asked) if asked else 0
    chosen = st.selectbox(console.t("unit.choose"), list(known), index=start, format_func=lambda key: known[key],
                          key="unit_org", label_visibility="collapsed")
    if chosen and chosen != asked and (asked or chosen != next(iter(known))):
        st.query_params["org"] = chosen
    return chosen or None


@refreshing(15)
def draw(console: Console, organisation: str) -> None:
    home = unit_home(console.actor, console.services, console.language, organisation)
    todo(console, home)
    console.cards("unit_watched", headline=console.t("unit.watched"), note=home.watched)
    with st.expander(console.t("unit.register", n=len(home.register))):
        console.table("unit_register", [
            (console.t("unit.system"), "text"), (console.t("unit.kind"), "plain"),
            (console.t("unit.state"), "state"), (console.t("unit.last"), "age"), (console.t("unit.every"), "plain"),
        ], home.register, as_of=home.as_of, empty=console.t("unit.empty_sources"))
    console.cards("unit_happened", headline=console.t("unit.happened"), note=home.happened)
    if home.alerts:
        console.table("unit_alerts", [
            (console.t("unit.title"), "text"), (console.t("ui.col_level"), "level"),
            (console.t("sources.realm"), "realm"),
            (console.t("unit.system"), "plain"), (console.t("ui.col_count"), "num"),
            (console.t("ui.col_last"), "age"),
        ], home.alerts, as_of=home.as_of)
    st.caption(console.t("unit.who"))


@refreshing(60)
def stand(console: Console, organisation: str) -> None:
    """Score, retention, gaps, weaknesses: the state behind the answers above."""
    page = standing(console.actor, console.services, console.language, organisation)
    console.cards("unit_score", headline=page.headline, note=page.note)
    with st.expander(console.t("standing.more")):
        console.table("unit_parts", [
            (console.t("standing.part"), "text"), (console.t("standing.value"), "state"),
            (console.t("standing.weight"), "num"), (console.t("standing.behind"), "plain"),
        ], page.parts, as_of=page.as_of, title=console.t("standing.parts"))
        console.table("unit_retention", [
            (console.t("unit.system"), "text"), (console.t("standing.kept"), "state"),
            (console.t("standing.oldest"), "age"), (console.t("standing.empty_days"), "num"),
        ], page.retention, as_of=page.as_of, title=console.t("standing.retention"))
        console.table("unit_gaps", [
            (console.t("sources.source"), "mono"), (console.t("unit.system"), "plain"),
            (console.t("standing.since"), "age"), (console.t("standing.length"), "plain"),
            (console.t("unit.state"), "plain"),
        ], page.gaps, as_of=page.as_of, title=console.t("standing.gaps"), empty=console.t("standing.no_gaps"))
        console.table("unit_weak", [
            (console.t("standing.weakness"), "text"), (console.t("ui.col_level"), "level"),
            (console.t("unit.kind"), "plain"), (console.t("unit.system"), "plain"),
            (console.t("standing.place"), "mono"), (console.t("standing.left"), "plain"),
            (console.t("standing.first"), "age"),
        ], page.weaknesses, as_of=page.as_of, title=console.t("standing.weak", n=page.weak),
            empty=console.t("standing.no_weak"))


@refreshing(60)
def looked(console: Console, organisation: str) -> None:
    """Who looked at its data."""
    found = lookers.listing(console.actor, console.services, organisation)
    with st.expander(console.t("looks.title", n=found.total)):
        console.table("unit_looks", [
            (console.t("looks.when"), "age"), (console.t("looks.who"), "text"), (console.t("looks.what"), "plain"),
            (console.t("looks.object"), "mono"), (console.t("looks.why"), "plain"),
        ], [look_line(each, console.language) for each in found.rows], as_of=found.as_of,
            empty=console.t("looks.none"))


def todo(console: Console, home: Unit) -> None:
    note = "" if home.tasks else console.t("unit.nothing")
    console.cards("unit_todo", main=True, headline=console.t("unit.now"), note=note, tasks=home.tasks)
    if home.more:
        st.caption(home.more)
