"""docs/city.md alone makes a city: its blocks are written to an empty folder, and everything works on it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulate.attribution import attribution
from simulate.demo import DemoSource
from simulate.run import Simulation
from soc_cli.commands.city import app
from soc_core import clock, inventory
from soc_core.config import ROOT
from soc_core.documents import DocumentError
from soc_core.inventory import Owner

PAGE = (ROOT / "docs" / "city.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?:yaml|csv) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def lakeside(tmp_path: Path) -> Path:
    for name, text in BLOCK.findall(PAGE):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def said(arguments: list[str]) -> dict[str, object]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    found: dict[str, object] = json.loads(result.output.splitlines()[-1])
    return found


def test_the_page_makes_a_city_of_three_organisations(lakeside: Path) -> None:
    assert {path.name for path in lakeside.iterdir()} == {
        "city.yml", "organisations.csv", "systems.yml", "networks.csv", "hosts.csv", "paths.yml"}
    city = inventory.load(lakeside)
    assert len(city.organisations) == 3
    assert city.subtree("north") == {"north", "north-v01"}
    before, after = clock.from_text("2026-06-30T15:59:00Z"), clock.from_text("2026-06-30T16:01:00Z")
    assert city.locate("city", "10.20.9.200", at=before) == Owner("lakeside", "")
    assert city.locate("city", "10.20.9.200", at=after) == Owner("north", "hall")
    assert city.locate("city", host="hall-kiosk-17") == Owner("north", "hall")
    assert said(["show", "--city", str(lakeside)])["organisations"] == 3
    rows = said(["check", "--city", str(lakeside)])["systems"]
    assert [row["id"] for row in rows] == ["portal", "other_key_apps"]  # type: ignore[attr-defined]


def test_the_simulator_and_the_demo_run_on_it(lakeside: Path, tmp_path: Path) -> None:
    city = inventory.load(lakeside)
    run = Simulation(city, 1, clock.from_text("2026-11-23T10:00:00+08:00"), 2000, 20.0, attacks=0)
    found = [attribution(block, run.traffic.streams, city) for block in run.blocks()]
    assert sum(part.right for part in found) / 2000 > 0.99
    out = tmp_path / "out"
    report = said(["simulate", "--city", str(lakeside), "--lines", "3000", "--span", "1d", "--attacks", "3",
                   "--out", str(out)])
    assert (report["lines"], report["attacks"]) == (3000, 3)
    assert (out / "truth.jsonl").read_text(encoding="utf-8").count("portal-to-sso") == 2
    at = [clock.from_text("2026-11-23T10:00:00+08:00")]
    source = DemoSource(1, city, now=lambda: at[0])
    at[0] += 5 * clock.SECOND
    assert sum(len(raws.lines) for raws in source.next_batch()[0]) > 10


def test_the_error_that_the_page_quotes(lakeside: Path) -> None:
    text = (lakeside / "networks.csv").read_text(encoding="utf-8")
    (lakeside / "networks.csv").write_text(text.replace(",portal,", ",portall,"), encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        inventory.load(lakeside)
    quoted = re.search(r"for instance `(networks\.csv:3: .*?)`\.", PAGE)
    assert quoted
    assert str(caught.value).endswith(quoted[1])


def test_only_changsha_is_generated(lakeside: Path) -> None:
    result = CliRunner().invoke(app, ["pack", "--city", str(lakeside)])
    assert isinstance(result.exception, ValueError)
    assert "docs/city.md" in str(result.exception)
