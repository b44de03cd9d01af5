"""Machine code of kernels is kept by what it was made of."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from soc_core import native
from soc_core.config import ROOT

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


READING = """
from soc_core import native
from soc_core.words import folded

native.kernels("soc_core.words")
print(native.folder())
"""


@pytest.mark.skipif(native.numba() is None, reason="no numba here")
def test_where_no_cache_can_be_written_kernels_are_made_for_this_process(tmp_path: Path) -> None:
    """As in a service whose file system is read-only."""
    (nowhere := tmp_path / "file").write_text("no folder")
    (held := tmp_path / "temporary").mkdir()
    made = subprocess.run(
        [sys.executable, "-c", READING], capture_output=True, text=True, check=True, timeout=120, cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(nowhere), "TMPDIR": str(held), "PYTHONPATH": str(ROOT)})
    assert Path(made.stdout.strip()).parent == held
    assert "compiled anew" in made.stderr
    assert list(held.iterdir()) == []
