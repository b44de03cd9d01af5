"""Kernels: loops over bytes and numbers that numba compiles, kept in a folder of the user's caches.

A module of kernels decorates its functions with `kernel`; who needs them asks `kernels(name)` when there is work, so
that numba is imported by processes that use it. Where there is no numba, or with SOC_NATIVE=0, the answer is None and
the caller's own Python does the same, slower: tests hold the one to the other. https://numba.readthedocs.io
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

OFF = "SOC_NATIVE"
Function = TypeVar("Function", bound=Callable[..., Any])


def folder() -> Path:
    """Where machine code is kept: XDG_CACHE_HOME or ~/.cache. Losing it costs seconds, never results."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "citysoc" / "kernels"


def wanted() -> bool:
    """Whether kernels may be used: not with SOC_NATIVE=0, and only where numbers lie as the kernels read them."""
    return os.environ.get(OFF, "1") != "0" and sys.byteorder == "little"


def kernels(name: str) -> Any:
    """A module of kernels, or None where they cannot run."""
    return _module(name) if wanted() else None


@cache
def _module(name: str) -> Any:
    return importlib.import_module(name) if numba() is not None else None


@cache
def numba() -> Any:
    """numba, told where to keep what it compiles; None where it is not installed."""
    try:
        found = importlib.import_module("numba")
    except ImportError:
        return None
    found.config.CACHE_DIR = str(folder())
    return found


def kernel(function: Function) -> Function:
    """The function as machine code, made when it is called first with arguments of new types; others may run meanwhile.

    Indexes are not checked: a kernel must not leave its arrays. Nor are references counted, which costs more than most
    kernels do: one cannot make arrays, nor copy slices.
    """
    made: Function = numba().njit(cache=True, nogil=True, boundscheck=False, _nrt=False)(function)
    return made


def inner(function: Function) -> Function:
    """As `kernel`, for what kernels call at every turn: it becomes a part of each that calls it."""
    made: Function = numba().njit(cache=True, nogil=True, boundscheck=False, forceinline=True, _nrt=False)(function)
    return made
