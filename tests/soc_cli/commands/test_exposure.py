"""`./soc exposure`: reports in, the list out; what is no report is one sentence and status 2."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from casework.scan_xml import Unsafe
from soc_cli.commands import exposure


def test_a_report_goes_in_and_is_listed(tmp_path: Path) -> None:
    review = tmp_path / "accounts.csv"
    review.write_text("address,account,weakness\n10.8.1.10,admin,default\n10.8.1.10,x,odd\n", encoding="utf-8")
    run = CliRunner().invoke(exposure.app, ["import", str(review), "--data", str(tmp_path), "--json"])
    assert run.exit_code == 1, "a line was not taken"
    taken = orjson.loads(run.stdout.splitlines()[-1])["imports"][0]
    assert (taken["new"], taken["unowned"], len(taken["faults"])) == (1, 0, 1)
    run = CliRunner().invoke(exposure.app, ["list", "--data", str(tmp_path), "--json"])
    listed = orjson.loads(run.stdout.splitlines()[-1])
    assert (listed["total"], listed["exposures"][0]["level"]) == (1, "high")
    assert "admin" in CliRunner().invoke(exposure.app, ["list", "--data", str(tmp_path)]).stdout
    review.write_text("<html/>", encoding="utf-8")
    with pytest.raises(Unsafe):
        CliRunner().invoke(exposure.app, ["import", str(review), "--data", str(tmp_path)], catch_exceptions=False)
