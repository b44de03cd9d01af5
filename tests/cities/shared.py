"""The shipped city, read once for all tests of a process."""

from __future__ import annotations

from functools import cache

from soc_core import inventory
from soc_core.config import ROOT
from soc_core.inventory import Inventory

CITY = ROOT / "cities" / "changsha"


@cache
def city() -> Inventory:
    return inventory.load(CITY)
