"""What a page is handed: who looks, the services, the language. And the few things every page does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from casework.services import Services
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_ui import components, text


@dataclass(frozen=True)
class Console:
    """One visit of one person. `csrf` goes with requests that change something outside the page."""

    actor: Actor
    services: Services
    language: str
    csrf: str
    places: dict[str, Any]
    actor_now: Callable[[], Actor | None]

    def still_in(self) -> bool:
        """Whether the session holds as it did when the page ran; fragments and callbacks ask before they act."""
        return self.actor_now() == self.actor

    def recheck(self) -> None:
        """At the head of every fragment: without the session, run the whole page, which shows the way to the login."""
        if not self.still_in():
            st.rerun(scope="app")

    def t(self, key: str, **values: Any) -> str:
        return text.translate(self.language, key, **values)

    def n(self, value: float | None) -> str:
        return text.number(self.language, value)

    @property
    def zone(self) -> str:
        return self.services.settings.timezone

    def time(self, at: Micros | None) -> str:
        return text.time(at, self.zone)

    def data(self, **more: Any) -> dict[str, Any]:
        """What every component is handed, and more."""
        return {"words": text.group(self.language, "ui"), "zone": self.zone, **more}

    def go(self, to: dict[str, Any] | None) -> None:
        """Follow a link that a component reported: {"page", "query"}. A page that is not his is ignored."""
        if to and to.get("page") in self.places:
            st.switch_page(self.places[to["page"]], query_params={k: str(v) for k, v in to.get("query", {}).items()})

    def cards(self, key: str, *, headline: str = "", note: str = "", tone: str = "", main: bool = False,
              badge: str = "", tiles: list[dict[str, Any]] | None = None,
              tasks: list[dict[str, Any]] | None = None) -> None:
        """An answer in words with its numbers or tasks."""
        self.go(components.cards(key, self.data(
            headline=headline, note=note, tone=tone, main=main, badge=badge, tiles=tiles or [], tasks=tasks or [])))

    def table(self, key: str, columns: list[tuple[str, str]], rows: list[dict[str, Any]], *, as_of: Micros,
              title: str = "", note: str = "", empty: str = "") -> None:
        """A table to read: columns as (heading, kind), rows as {"cells": [...], "go": …}; kinds in table.js."""
        self.go(components.table(key, self.data(
            columns=[{"label": label, "kind": kind} for label, kind in columns], rows=rows, title=title, note=note,
            empty=empty, as_of=as_of)))
