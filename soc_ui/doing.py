"""One act of a page: do it, say in a sentence what came of it, show the page anew. Secrets are shown once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from types import MappingProxyType
from zoneinfo import ZoneInfo

import streamlit as st

from casework.services import NotFound
from soc_core import clock
from soc_core.access import Refused
from soc_core.clock import Micros
from soc_ui.console import Console

SAID, SECRET = "said", "secret"


def do(console: Console, run: Callable[[], object], done: str = "common.done",
       found: Mapping[str, object] = MappingProxyType({})) -> None:
    """Do it. What `run` returns, where it is a text, is a secret to be shown this once; what it finds out goes into
    the sentence."""
    try:
        made = run()
        said = console.t(done, **found)
        if isinstance(made, str):
            st.session_state[SECRET] = made
    except (Refused, NotFound):
        said = console.t("common.not_found")
    except ValueError as error:
        said = console.t("common.not_done", reason=error)
    st.session_state[SAID] = said
    st.rerun()


def tell() -> None:
    """What came of the last act."""
    if said := st.session_state.pop(SAID, ""):
        st.text(said)
    if secret := st.session_state.pop(SECRET, ""):
        st.code(secret, language=None)


def start_of(console: Console, day: date | None) -> Micros | None:
    """Midnight at the beginning of a day in the city's zone."""
    return clock.from_datetime(datetime.combine(day, time(), ZoneInfo(console.zone))) if day else None
