"""The frame around every page: who looks, navigation, top strip, and one sentence when a page fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from soc_api.auth import COOKIE, Entry
from soc_core import clock
from soc_core.access import Actor
from soc_core.models import DEMO, REAL
from soc_ui import components, pages, runtime, text
from soc_ui.console import Console
from soc_ui.gate import LANGUAGE
from soc_ui.guard import guarded

ICON = Path(__file__).with_name("icon.svg")
FRAME = """<style>
[data-testid="stHeader"] { height: 2.25rem; background: transparent; }
[data-testid="stMainBlockContainer"] { padding: 0.75rem 1.25rem 2rem; max-width: 1680px; }
[data-testid="stSidebarContent"] [data-testid="stPageLink-NavLink"] { min-height: 32px; }
[data-testid="stSidebar"] { min-width: 196px; max-width: 196px; }
[data-testid="stSidebarHeader"] { height: 2.25rem; min-height: 0; margin: 0; padding-block: 0.25rem; }
[data-testid="stSidebarUserContent"] [data-testid="stVerticalBlock"] { gap: 0.25rem; }
[data-testid="stSidebarUserContent"] [data-testid="stCaptionContainer"] { padding-top: 0.5rem; }
[data-testid="stToolbarActions"], [data-testid="stAppDeployButton"], [data-testid="stMainMenu"],
[data-testid="stStatusWidget"], [data-testid="stElementToolbar"], [data-testid="InputInstructions"],
[data-testid="stFileUploaderDropzoneInstructions"] { display: none; }
[data-testid="stMarkdownContainer"]:has(> style), [data-testid="stElementContainer"]:has(style) { display: none; }
@media (max-width: 640px) { [data-testid="stMainBlockContainer"] { padding: 2.4rem 0.9rem 2rem; } }
</style>"""


def cookies() -> dict[str, str]:
    """The cookies that came with this session's connection."""
    return st.context.cookies.to_dict()


def run() -> None:
    """One run of the page script."""
    jar = cookies()
    language = jar.get(LANGUAGE, "zh") if jar.get(LANGUAGE, "zh") in text.LANGUAGES else "zh"
    st.set_page_config(page_title=text.translate(language, "common.product"), page_icon=str(ICON), layout="wide")
    st.html(FRAME)
    who = runtime.logins().entry(jar.get(COOKIE, ""))
    if who is None or who.halted:  # the gate lets nobody so far in; the session may have ended since
        st.text(text.translate(language, "login.expired"))
        st.link_button(text.translate(language, "login.enter"), "/login")
        st.stop()
    places = pages.of(who.actor)
    console = make(who, language, places)
    landing = console.places[places[0].path]
    front = st.Page(lambda: None, title=landing.title, url_path="front", default=True)
    current = st.navigation([front, *console.places.values()], position="hidden")
    if current == front:
        st.switch_page(landing, query_params=st.query_params.to_dict())
    here = next(place for place in places if console.places[place.path] == current)
    navigation(console, places)
    strip(console, who, here)
    current.run()


def make(who: Entry, language: str, places: list[pages.Place]) -> Console:
    """The console of this visit, with a Streamlit page for each place."""
    known: dict[str, st.Page] = {}
    token = cookies().get(COOKIE, "")

    def actor_now() -> Actor | None:
        found = runtime.logins().entry(token)
        return found.actor if found and not found.halted else None

    console = Console(who.actor, runtime.services(), language, runtime.logins().csrf(who), known, actor_now)
    for place in places:
        known[place.path] = st.Page(page(console, place), title=console.t(f"nav.{place.path}"), url_path=place.path)
    return console


def page(console: Console, place: pages.Place) -> Callable[[], None]:
    def show() -> None:
        with guarded(console):
            place.show(console)

    show.__name__ = f"page_{place.path}"
    return show


def navigation(console: Console, places: list[pages.Place]) -> None:
    """Our own list of links: the built-in one fails accessibility checks."""
    with st.sidebar:
        st.caption(console.t("common.product"))
        for section in dict.fromkeys(place.section for place in places if place.section):
            st.caption(console.t(f"nav.{section}"))
            for place in places:
                if place.section == section:
                    st.page_link(console.places[place.path], label=console.t(f"nav.{place.path}"))


def strip(console: Console, who: Entry, here: pages.Place) -> None:
    realms = [name for name in console.services.stores.realms() if name != REAL]
    other = "en" if console.language == "zh" else "zh"
    components.strip(console.data(
        title=console.t(f"nav.{here.path}"), help=console.t(f"help.{here.path}"), user=who.display, csrf=console.csrf,
        lang=text.LANGUAGES[console.language].replace("_", "-"), as_of=clock.now(),
        demo=console.t("common.demo_note") if DEMO in realms and REAL not in console.services.stores.realms() else "",
        drill=console.t("common.drill_note") if any(name != DEMO for name in realms) else "",
        other=text.translate(other, "common.language"), other_url=f"/language/{other}?next=/{here.path}",
        other_lang=text.LANGUAGES[other].replace("_", "-"),
    ))
