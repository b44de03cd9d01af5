"""./soc: installs what a lock names, once, and passes on what it was given. No package is fetched here."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.test_house import ROOT


def run(venv: Path, *arguments: str, **more: str) -> str:
    done = subprocess.run([str(ROOT / "soc"), *arguments], capture_output=True, text=True, check=True, timeout=60,
                          env={"PATH": "/usr/bin:/bin", "SOC_VENV": str(venv), **more})
    return done.stdout


def test_each_lock_is_installed_once(tmp_path: Path) -> None:
    venv, asked = tmp_path / "venv", tmp_path / "asked"
    (venv / "bin").mkdir(parents=True)
    for name, script in (("pip", f'echo "$@" >> {asked}'), ("python", 'echo "$@"')):
        (venv / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (venv / "bin" / name).chmod(0o755)
    assert run(venv, "status", "--data", "a b") == "-m soc_cli status --data a b\n"
    for _ in range(2):
        run(venv, "doctor", SOC_LOCK="deploy/requirements.lock")
        run(venv, "status")
    locks = [line.rpartition(" ")[2] for line in asked.read_text().splitlines()]
    assert locks == [f"{ROOT}/requirements.lock", f"{ROOT}/deploy/requirements.lock"]
    assert all("--require-hashes" in line for line in asked.read_text().splitlines())
