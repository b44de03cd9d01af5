"""The one set of services of this process, made from the environment that serve.py prepared."""

from __future__ import annotations

import logging
import os
import threading
from functools import cache
from pathlib import Path

from casework import services as parts
from casework.services import Services
from soc_api.auth import Logins
from soc_core import config

log = logging.getLogger(__name__)
_once = threading.Lock()


@cache
def _made(data: str, city: str) -> tuple[Services, Logins]:
    settings = config.load(data=Path(data) if data else None, city=Path(city) if city else None)
    made = parts.open_services(settings)
    return made, Logins(made)


def _both() -> tuple[Services, Logins]:
    with _once:  # two first visitors at once open the databases once
        return _made(os.environ.get("SOC_DATA", ""), os.environ.get("SOC_CITY", ""))


def services() -> Services:
    """Databases, stores and inventory, shared by all sessions of this process."""
    return _both()[0]


def logins() -> Logins:
    """Who may come in."""
    return _both()[1]


def warm() -> None:
    """Do before the first visitor what he would wait for: read the city, import the pages, open the stores."""
    try:
        from soc_ui import pages

        pages.load()
        made = services()
        made.inventory.children  # noqa: B018 - a cached property, filled here
        made.stores.realms()
    except (OSError, ValueError) as error:
        log.error("the console is not ready: %s", error)


def report(error: Exception) -> bool:
    """Errors of pages go to our log, with their trace; the reader sees one sentence (main.py)."""
    log.error("a page failed", exc_info=error)
    return False
