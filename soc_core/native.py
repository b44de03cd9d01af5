"""Kernels: loops over bytes and numbers that numba compiles, kept in a folder of the user's caches.

A module of kernels decorates its functions with `kernel`; who needs them asks `kernels(name)` when there is work, so
that numba is imported by processes that use it. Where there is no numba, or with SOC_NATIVE=0, the answer is None and
the caller's own Python does the same, slower: tests hold the one to the other. https://numba.readthedocs.io
"""

from __future__ import annotations

import atexit
import hashlib
import importlib
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

log = logging.getLogger(__name__)
OFF = "SOC_NATIVE"
KEPT = 32  # versions of modules whose machine code is kept
IMPORTED = re.compile(rb"^from ([\w.]+) import", re.M)
Function = TypeVar("Function", bound=Callable[..., Any])


@cache
def folder() -> Path:
    """Where machine code is kept: XDG_CACHE_HOME or ~/.cache. Losing it costs seconds, never results.

    Where that cannot be written, a folder of this process's own, which goes with it: no other's code is ever taken.
    """
    held = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "citysoc" / "kernels"
    try:
        held.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=held).close()
    except OSError as error:
        log.warning("kernels are compiled anew at every start: %s", error)
        held = Path(tempfile.mkdtemp(prefix="citysoc-kernels-"))
        atexit.register(shutil.rmtree, held, ignore_errors=True)
    return held


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
    """numba; None where it is not installed."""
    try:
        found = importlib.import_module("numba")
    except ImportError:
        return None
    return found


@cache
def version(module: str) -> str:
    """What a module of kernels is made of: its source, and those of the modules of kernels that it takes things from.

    numba looks at the one file alone; a kernel has in it what it calls from others.
    """
    source = Path(str(sys.modules[module].__file__)).read_bytes()
    digest = hashlib.blake2b(source, digest_size=8)
    for name in sorted({found.decode() for found in IMPORTED.findall(source)} - {module}):
        path = getattr(sys.modules.get(name), "__file__", None) or ""
        if path.endswith(".py") and (name == __name__ or __name__.encode() in Path(path).read_bytes()):
            digest.update(version(name).encode())
    return digest.hexdigest()


def _shelf(module: str) -> str:
    """The folder for the machine code of a module; where there are too many, the oldest go."""
    held = folder() / version(module)
    if not held.exists():
        try:
            every = sorted(folder().iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        except OSError:  # there is none yet, or another process tidies up
            every = []
        for path in every[KEPT:]:
            shutil.rmtree(path, ignore_errors=True)
    return str(held)


def kernel(function: Function) -> Function:
    """The function as machine code, made when it is called first with arguments of new types; others may run meanwhile.

    Indexes are not checked: a kernel must not leave its arrays. Nor are references counted, which costs more than most
    kernels do: one cannot make arrays, nor copy slices.
    """
    numba().config.CACHE_DIR = _shelf(function.__module__)
    made: Function = numba().njit(cache=True, nogil=True, boundscheck=False, _nrt=False)(function)
    return made


def inner(function: Function) -> Function:
    """As `kernel`, for what kernels call at every turn: it becomes a part of each that calls it."""
    numba().config.CACHE_DIR = _shelf(function.__module__)
    made: Function = numba().njit(cache=True, nogil=True, boundscheck=False, forceinline=True, _nrt=False)(function)
    return made
