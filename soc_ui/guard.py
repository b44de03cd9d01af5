"""What stands around every page and every part that refreshes itself: the session holds, and errors are sentences."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec

import streamlit as st

from casework.services import NotFound
from soc_core.access import Refused
from soc_ui.console import Console

log = logging.getLogger(__name__)
More = ParamSpec("More")


@contextmanager
def guarded(console: Console) -> Iterator[None]:
    """One sentence instead of an error; what is a defect of ours goes to the log with its trace."""
    try:
        yield
    except (NotFound, Refused):
        st.text(console.t("common.not_found"))
    except OSError as error:
        log.error("a page cannot read", exc_info=error)
        st.text(console.t("common.retry", reason=error))
    except Exception as error:  # a defect of ours is not shown to whoever looks at the page
        log.error("a page failed", exc_info=error)
        st.text(console.t("common.broken"))


def refreshing(seconds: int) -> Callable[
        [Callable[Concatenate[Console, More], None]], Callable[Concatenate[Console, More], None]]:
    """A part of a page that runs again by itself. The session is asked for each time: it may have ended since."""

    def around(draw: Callable[Concatenate[Console, More], None]) -> Callable[Concatenate[Console, More], None]:
        @wraps(draw)
        def run(console: Console, /, *args: More.args, **named: More.kwargs) -> None:
            console.recheck()
            with guarded(console):
                draw(console, *args, **named)

        again: Callable[Concatenate[Console, More], None] = st.fragment(run, run_every=seconds)
        return again

    return around
