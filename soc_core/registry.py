"""Plug-ins found by folder and name: adding one is adding a file, and no list anywhere is kept by hand."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType


@cache
def names(package: str) -> tuple[str, ...]:
    """Names of the modules in a package, sorted; those that begin with an underscore are helpers, not plug-ins."""
    found = importlib.import_module(package)
    return tuple(sorted(m.name for m in pkgutil.iter_modules(found.__path__) if not m.name.startswith("_")))


def get(package: str, name: str) -> ModuleType:
    """The module of that name. Raises LookupError with the names there are."""
    if name not in names(package):
        kind = package.rpartition(".")[2].rstrip("s")
        raise LookupError(f"no {kind} named {name!r}; there are: {', '.join(names(package))}")
    return importlib.import_module(f"{package}.{name}")
