"""What the first events wait for is loaded before they come."""

from __future__ import annotations

import subprocess
import sys

import pytest

from detections.sigma import ready
from soc_core import native

PROGRAM = """
from detections.sigma import ready
from detections.sigma import kernels, literal_kernels
from soc_core import lexicon_kernels
assert ready.prepare()
modules = (kernels, literal_kernels, lexicon_kernels)
wanted = ("confirm", "count_pairs", "hides", "look", "meet", "sign", "tuples", "find", "lay_ends", "lay_grams", "lower",
          "encode")
held = {name: getattr(module, name) for module in modules for name in wanted if hasattr(module, name)}
assert set(held) == set(wanted)
print([name for name in wanted if len(held[name].signatures) != 1])
"""


def test_kernels_are_loaded_once_for_all() -> None:
    if native.kernels("detections.sigma.kernels") is None:
        pytest.skip("no kernels here")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_loaded_where_there_are_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.OFF, "0")
    assert not ready.prepare()
