"""Machine code of kernels is kept by what it was made of."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from soc_core import native

INNER = """from soc_core.native import inner


@inner
def more(number):
    return number + {step}
"""
OUTER = """from kernels_inner import more
from soc_core.native import kernel


@kernel
def twice(number):
    return more(more(number))
"""


@pytest.mark.skipif(native.numba() is None, reason="no numba here")
def test_a_kernel_is_made_anew_when_what_it_calls_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the file in which it stands is the same."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(native, "folder", lambda: tmp_path / "kept")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "kernels_outer.py").write_text(OUTER)
    answers = []
    for step in (1, 10, 1):
        (tmp_path / "kernels_inner.py").write_text(INNER.format(step=step))
        for name in ("kernels_inner", "kernels_outer"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        native.version.cache_clear()
        answers.append(importlib.import_module("kernels_outer").twice(5))
    assert answers == [7, 25, 7]
    assert len(list((tmp_path / "kept").iterdir())) == 4  # two versions of each
    native.version.cache_clear()


def test_machine_code_of_old_versions_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "folder", lambda: tmp_path)
    monkeypatch.setattr(native, "KEPT", 3)
    monkeypatch.setattr(native, "version", lambda module: module)
    for number in range(6):
        path = Path(native._shelf(f"v{number}"))
        path.mkdir()
    assert len(list(tmp_path.iterdir())) == 4
    assert (tmp_path / "v5").exists()
