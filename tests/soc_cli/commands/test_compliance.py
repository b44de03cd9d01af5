"""`./soc compliance`: every line, an export, and exit 1 while a line is open."""

from __future__ import annotations

import csv
from pathlib import Path

import orjson
from typer.testing import CliRunner

from soc_cli.commands import compliance


def test_lines_are_shown_and_exported(tmp_path: Path) -> None:
    out = tmp_path / "check.csv"
    run = CliRunner().invoke(compliance.app, ["--organisation", "cs-edu", "--data", str(tmp_path), "--json",
                                              "--export", str(out)])
    assert run.exit_code == 1, "nothing was ever received"
    lines = orjson.loads(run.stdout.splitlines()[-1])["lines"]
    assert len(lines) == 9
    with out.open(encoding="utf-8-sig", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [line["id"] for line in lines]
    assert "不是认证" in CliRunner().invoke(compliance.app, ["--data", str(tmp_path)]).stdout
