"""/account: who am I here, how do I sign in, and what do my machines hold."""

from __future__ import annotations

import streamlit as st

from casework import account
from soc_ui.console import Console
from soc_ui.doing import do, tell
from soc_ui.vm.account import AccountPage, account_page, role_name


def show(console: Console) -> None:
    t = console.t
    page = account_page(console.actor, console.services, console.language, console.zone)
    console.cards("account_head", main=True, headline=page.headline, note=page.note, tone=page.tone)
    tell()
    with st.container(horizontal=True, gap="small"):
        if not page.second_factor:
            st.link_button(t("account.set_up"), "/factor")
        st.link_button(t("nav.password"), "/password")
    console.table("account_tokens", columns(console), page.rows, as_of=page.as_of, title=t("account.tokens"),
                  note=t("account.tokens_note"), empty=t("account.no_tokens"))
    tokens(console, page)


def columns(console: Console) -> list[tuple[str, str]]:
    """Of a table of tokens."""
    t = console.t
    return [(t("account.token"), "text"), (t("accounts.roles"), "plain"), (t("accounts.place"), "plain"),
            (t("account.creator"), "plain"), (t("account.expires"), "time"), (t("accounts.state"), "state")]


def tokens(console: Console, page: AccountPage) -> None:
    t, actor, services = console.t, console.actor, console.services

    def issue() -> str:
        return account.issue(actor, services, name, roles, days=int(days))[1]

    with st.form("account_issue", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(t("account.token"), max_chars=100, key="account_token_name", width=200)
        roles = st.multiselect(t("accounts.roles"), sorted(actor.roles),
                               placeholder=t("common.choose"), key="account_token_roles", width=320,
                               format_func=lambda role: role_name(console.language, role))
        days = st.number_input(t("account.days"), 1, account.LONGEST, 90, key="account_token_days", width=120)
        if st.form_submit_button(t("account.issue"), key="account_issue_do"):
            do(console, issue, "account.issued")
    if page.tokens:
        known = dict(page.tokens)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            which = st.selectbox(t("account.end_which"), list(known), format_func=lambda each: known[each],
                                 key="account_end_which", width=420)
            if st.button(t("account.end"), key="account_end") and which:
                do(console, lambda: account.revoke_own(actor, services, which))
