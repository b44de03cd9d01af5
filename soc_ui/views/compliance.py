"""/compliance: where we stand against the law's demands, and how we know."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import streamlit as st

from casework import compliance
from soc_ui.console import Console
from soc_ui.doing import do, start_of, tell
from soc_ui.vm.compliance import compliance_page


def show(console: Console) -> None:
    page = compliance_page(console.actor, console.services, console.language, console.zone)
    console.cards("compliance_head", main=True, headline=page.headline, note=page.note, tone=page.tone)
    console.table("compliance_lines", [
        (console.t("compliance.demand"), "text"), (console.t("compliance.standing"), "state"),
        (console.t("compliance.evidence"), "plain"),
    ], page.rows, as_of=page.as_of)
    tell()
    if page.declarable:
        with st.expander(console.t("compliance.declare")):
            declare(console, page.declarable)
    with st.expander(console.t("compliance.how")):
        console.table("compliance_queries", [
            (console.t("compliance.demand"), "text"), (console.t("compliance.source"), "plain"),
            (console.t("compliance.query"), "mono"),
        ], page.queries, as_of=page.as_of)
    out = io.StringIO()
    csv.writer(out).writerows(page.export)
    st.download_button(console.t("compliance.export"), b"\xef\xbb\xbf" + out.getvalue().encode(), "self-check.csv",
                       "text/csv")


def declare(console: Console, lines: dict[str, str]) -> None:
    """A person's word on a line: what, on which evidence, until when."""
    t = console.t
    st.caption(t("compliance.declare_note"))
    with st.form("compliance_declare", border=False):
        line = st.selectbox(t("compliance.line"), list(lines), format_func=lambda each: lines[each],
                            key="compliance_line")
        said = st.text_area(t("compliance.text"), max_chars=4_000, key="compliance_text")
        evidence = st.text_input(t("compliance.where"), max_chars=2_000, key="compliance_where")
        until = st.date_input(t("compliance.until"), None, min_value="today", key="compliance_until", width=200)
        if st.form_submit_button(t("compliance.submit"), key="compliance_submit"):
            end = start_of(console, until + timedelta(days=1) if until else None)  # the day itself counts
            do(console, lambda: compliance.declare(
                console.actor, console.services, str(line), said, evidence, "", end), "compliance.declared_done")
