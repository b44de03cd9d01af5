"""`sigma check` of sigma-cli has nothing to say against any rule of ours, nor of a city's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from detections.sigma.load import files
from soc_core.config import ROOT

ONLINE = ("attacktag", "d3_fendtag")  # these fetch lists from the network; ./soc rules check has ATT&CK's beside it


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    options = [word for name in ONLINE for word in ("-x", name)]
    command = [str(Path(sys.executable).with_name("sigma")), "check", "--fail-on-error", "--fail-on-issues", *options]
    return subprocess.run([*command, str(folder)], capture_output=True, text=True, timeout=120)


def test_our_rules_pass(tmp_path: Path) -> None:
    found = files([ROOT / "detections" / "rules", *sorted(ROOT.glob("cities/*/rules"))])
    assert len(found) >= 40
    for number, path in enumerate(found):  # without the rules' own tests, which lie beside them
        shutil.copy(path, tmp_path / f"{number:03d}_{path.name}")
    done = check(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found 0 errors" in done.stdout


def test_it_can_fail(tmp_path: Path) -> None:
    (tmp_path / "bad_rule_of_a_test.yml").write_text(
        "title: x\nid: 1\nlogsource: {product: linux}\ndetection: {a: {b: c}, condition: a and gone}\n")
    assert check(tmp_path).returncode != 0
