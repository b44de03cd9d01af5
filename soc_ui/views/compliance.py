"""/compliance: where we stand against the law's demands, and how we know."""

from __future__ import annotations

import csv
import io

import streamlit as st

from soc_ui.console import Console
from soc_ui.vm.compliance import compliance_page


def show(console: Console) -> None:
    page = compliance_page(console.actor, console.services, console.language, console.zone)
    console.cards("compliance_head", main=True, headline=page.headline, note=page.note, tone=page.tone)
    console.table("compliance_lines", [
        (console.t("compliance.demand"), "text"), (console.t("compliance.standing"), "state"),
        (console.t("compliance.evidence"), "plain"),
    ], page.rows, as_of=page.as_of)
    with st.expander(console.t("compliance.how")):
        console.table("compliance_queries", [
            (console.t("compliance.demand"), "text"), (console.t("compliance.source"), "plain"),
            (console.t("compliance.query"), "mono"),
        ], page.queries, as_of=page.as_of)
    out = io.StringIO()
    csv.writer(out).writerows(page.export)
    st.download_button(console.t("compliance.export"), b"\xef\xbb\xbf" + out.getvalue().encode(), "self-check.csv",
                       "text/csv")
