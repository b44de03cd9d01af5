"""Our own components (Streamlit components v2): data in as JSON, acts out; no markup is ever made from data.

Each is registered once in a process and mounted under a fixed key, so that a refresh updates it in place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent
Renderer = Callable[..., Any]


@cache
def renderer(name: str) -> Renderer:
    """The mounting command of NAME.js and NAME.css, with what all share in front."""
    js = (FOLDER / "shared.js").read_text("utf-8") + (FOLDER / f"{name}.js").read_text("utf-8")
    css = (FOLDER / "shared.css").read_text("utf-8") + (FOLDER / f"{name}.css").read_text("utf-8")
    return st.components.v2.component(f"soc_{name}", html="", css=css, js=js)


def nothing() -> None:
    """Streamlit asks for a callback a state; most of ours need none."""


def cards(key: str, data: dict[str, Any]) -> dict[str, Any] | None:
    return _went(renderer("cards")(key=key, data=data, on_go_change=nothing))


def table(key: str, data: dict[str, Any]) -> dict[str, Any] | None:
    return _went(renderer("table")(key=key, data=data, on_go_change=nothing))


def hours(key: str, data: dict[str, Any]) -> None:
    renderer("hours")(key=key, data=data)


def strip(data: dict[str, Any]) -> None:
    renderer("strip")(key="strip", data=data)


def grid(key: str, data: dict[str, Any], on_log: Callable[[], None]) -> dict[str, Any] | None:
    """The queue; `on_log` is called before the page runs when the act log has grown."""
    return _went(renderer("grid")(key=key, data=data, on_log_change=on_log, on_go_change=nothing))


def detail(key: str, data: dict[str, Any], on_log: Callable[[], None]) -> dict[str, Any] | None:
    return _went(renderer("detail")(key=key, data=data, on_log_change=on_log, on_go_change=nothing))


def log_of(key: str) -> list[dict[str, Any]]:
    """The acts that a mounted grid or detail has sent, oldest first."""
    state = st.session_state.get(key)
    found = state.get("log") if state is not None else None
    return [entry for entry in found or [] if isinstance(entry, dict)]


def _went(result: Any) -> dict[str, Any] | None:
    to = getattr(result, "go", None)
    return dict(to) if to else None
