"""Choices that live in the page's address, so that a link opens the same view.

Streamlit's own binding writes the words that are shown, which differ by language; the address holds our keys.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st


def remember(name: str, default: str) -> None:
    """Write a widget's value into the address, or take it out when it is the default."""
    value = st.session_state.get(f"choice_{name}") or ""
    if value and value != default:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)


def asked(name: str, options: Mapping[str, str], default: str) -> str:
    """The choice that the address names, else the default."""
    value = st.query_params.get(name, default)
    return value if value in options else default


def segments(name: str, label: str, options: Mapping[str, str], default: str) -> str:
    """One of a few, side by side."""
    return st.segmented_control(
        label, list(options), format_func=lambda key: options[key], default=asked(name, options, default),
        required=True, key=f"choice_{name}", label_visibility="collapsed", on_change=remember, args=(name, default),
    ) or default


def select(name: str, label: str, options: Mapping[str, str], width: int) -> str:
    """One of a list; the first is the default."""
    default = next(iter(options))
    keys = list(options)
    chosen = st.selectbox(
        label, keys, index=keys.index(asked(name, options, default)), format_func=lambda key: options[key],
        key=f"choice_{name}", label_visibility="collapsed", width=width, on_change=remember, args=(name, default))
    return chosen or default


def words(name: str, label: str, hint: str, width: int) -> str:
    """A line of text."""
    return st.text_input(
        label, value=st.query_params.get(name, "")[:200], key=f"choice_{name}", label_visibility="collapsed",
        width=width, placeholder=hint, max_chars=200, on_change=remember, args=(name, "")) or ""
