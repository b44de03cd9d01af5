"""/accounts: who may come in, as what, where; and who must have a second factor."""

from __future__ import annotations

import streamlit as st

from casework import accounts, factors
from casework.rights import RIGHTS
from soc_core.access import Role
from soc_ui.console import Console
from soc_ui.doing import do, start_of, tell
from soc_ui.views.account import columns
from soc_ui.vm.account import AccountsPage, accounts_page, role_name


def show(console: Console) -> None:
    t = console.t
    page = accounts_page(console.actor, console.services, console.language)
    console.cards("accounts_head", main=True, headline=page.headline)
    tell()
    may = console.actor.has(*RIGHTS["accounts.create"])
    console.table("accounts_table", [
        (t("accounts.name"), "text"), (t("accounts.display"), "plain"), (t("accounts.person"), "mono"),
        (t("accounts.roles"), "text"), (t("accounts.place"), "plain"), (t("accounts.factor"), "state"),
        (t("accounts.state"), "state"), (t("accounts.last"), "age")], page.rows, as_of=page.as_of)
    if may:
        with st.expander(t("accounts.new")):
            create(console, page)
        with st.expander(t("accounts.change")):
            change(console, page)
    console.table("accounts_policy", [
        (t("accounts.role"), "text"), (t("accounts.since"), "time"), (t("accounts.grace"), "num"),
        (t("accounts.without"), "plain"), (t("accounts.by"), "plain"), (t("accounts.at"), "age")], page.demands,
        as_of=page.as_of, title=t("accounts.policy"), note=t("accounts.policy_note"), empty=t("accounts.policy_none"))
    if may and console.actor.scope.organisations is None:
        policy(console, page)
    console.table("accounts_tokens", columns(console), page.token_rows, as_of=page.as_of, title=t("accounts.tokens"),
                  empty=t("account.no_tokens"))
    if may and page.tokens:
        known = dict(page.tokens)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            which = st.selectbox(t("account.end_which"), list(known), format_func=lambda each: known[each],
                                 key="accounts_end_which", width=420)
            if st.button(t("account.end"), key="accounts_end") and which:
                do(console, lambda: accounts.revoke(console.actor, console.services, which))


def seat(console: Console, page: AccountsPage, key: str, roles: list[Role], place: str) -> tuple[list[Role], str]:
    """The fields of roles and place."""
    places = list(page.places)
    chosen = st.multiselect(console.t("accounts.roles"), list(Role), roles,
                            placeholder=console.t("common.choose"), key=f"{key}_roles",
                            format_func=lambda role: role_name(console.language, role))
    where = st.selectbox(console.t("accounts.place"), places, places.index(place) if place in places else 0,
                         key=f"{key}_place", format_func=lambda each: page.places[each])
    return chosen, where or ""


def create(console: Console, page: AccountsPage) -> None:
    t = console.t

    def make() -> str:
        return accounts.create(console.actor, console.services, name, roles, place, display, person)[1]

    with st.form("accounts_new", border=False):
        with st.container(horizontal=True):
            name = st.text_input(t("accounts.name"), max_chars=200, key="accounts_new_name")
            display = st.text_input(t("accounts.display"), max_chars=200, key="accounts_new_display")
            person = st.text_input(t("accounts.person"), max_chars=100, key="accounts_new_person")
        roles, place = seat(console, page, "accounts_new", [], "")
        if st.form_submit_button(t("accounts.create"), key="accounts_create"):
            do(console, make, "accounts.created")


def change(console: Console, page: AccountsPage) -> None:
    """Roles and place, shut out or let in, another one-time password. Nobody changes his own."""
    t, actor, services = console.t, console.actor, console.services
    others = [name for name in page.known if name != actor.name]
    name = st.selectbox(t("accounts.which"), others, key="accounts_which")
    if not name:
        return
    now = page.known[name]
    roles, place = seat(console, page, f"accounts_{name}", sorted(now.roles), now.organisation)
    factor = st.checkbox(t("accounts.drop_factor"), key="accounts_drop_factor")
    with st.container(horizontal=True):
        if st.button(t("accounts.grant"), key="accounts_grant"):
            do(console, lambda: accounts.grant(actor, services, name, roles, place) and None)
        if st.button(t("accounts.let_in" if now.disabled else "accounts.shut"), key="accounts_disable"):
            do(console, lambda: accounts.disable(actor, services, name, not now.disabled) and None)
        if st.button(t("accounts.reset"), key="accounts_reset"):
            do(console, lambda: accounts.reset(actor, services, name, factor), "accounts.created")


def policy(console: Console, page: AccountsPage) -> None:
    t, actor, services = console.t, console.actor, console.services
    with st.form("accounts_demand", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        roles = st.multiselect(t("accounts.roles"), list(Role),
                               placeholder=t("common.choose"), key="accounts_policy_roles", width=360,
                               format_func=lambda role: role_name(console.language, role))
        since = st.date_input(t("accounts.since"), key="accounts_policy_since", width=160)
        grace = st.number_input(t("accounts.grace"), 0, factors.LONGEST, 14, key="accounts_policy_grace", width=140)
        if st.form_submit_button(t("accounts.demand"), key="accounts_demand_do"):
            do(console, lambda: factors.demand(actor, services, roles, start_of(console, since), int(grace)))
    if page.demanded:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            which = st.selectbox(t("accounts.role"), page.demanded, key="accounts_waive_which", width=360,
                                 format_func=lambda role: role_name(console.language, role))
            if st.button(t("accounts.waive"), key="accounts_waive") and which:
                do(console, lambda: factors.waive(actor, services, [which]))
