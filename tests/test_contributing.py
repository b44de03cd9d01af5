"""The recipes of CONTRIBUTING.md, followed to the letter in a copy: every file is new, every command succeeds."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_house import ROOT, files

BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GENERATED = {"docs/sources.md"}  # pages that a command of a recipe makes anew


@pytest.mark.timeout(600)
def test_the_recipes_can_be_followed_to_the_letter(tmp_path: Path) -> None:
    for path in files(""):
        to = tmp_path / path.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, to)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and ".git" not in path.parts}
    blocks = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(blocks) > 10
    for kind, name, body in blocks:
        if kind == "sh":
            for line in body.strip().splitlines():
                follow(tmp_path, line)
        else:
            assert not (tmp_path / name).exists(), f"{name} is no new file"
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(body, encoding="utf-8")
    changed = {path.relative_to(tmp_path).as_posix() for path, text in before.items() if path.read_bytes() != text}
    assert changed <= GENERATED


def follow(place: Path, line: str) -> None:
    """One command of a recipe, in the copy, with the interpreter that runs the tests."""
    command = shlex.split(line)
    assert command[0] == "python"
    env = os.environ | {"PYTHONPATH": str(place)}
    env.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run([sys.executable, *command[1:]], cwd=place, env=env, capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
