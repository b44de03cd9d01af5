"""docs/benchmarks.md is what the promises and the records give; every promise can be proved."""

from __future__ import annotations

from pathlib import Path

import pytest

from soc_cli import figures, promises
from soc_cli.promises import Promises
from soc_core import documents
from soc_core.config import ROOT


def test_the_page_is_current() -> None:
    assert promises.PAGE.read_text(encoding="utf-8") == promises.page(), "./soc bench --page"


def test_each_promise_names_a_bench_or_a_test_that_exists() -> None:
    for area in documents.read(promises.PROMISES, Promises).areas:
        for one in area.promises:
            if one.bench:
                assert one.bench in figures.names(), one.what
            else:
                assert (ROOT / one.test).exists(), one.what


def test_a_figure_that_was_not_measured_and_one_that_falls_short_are_said_so(tmp_path: Path) -> None:
    wanted, records = tmp_path / "promises.yml", tmp_path / "records.json"
    wanted.write_text(
        "areas: [{area: Speed, promises: [{what: lines, must: '9', bench: kill, figure: lines of, short: parsing},"
        " {what: alerts, must: '1', bench: kill, figure: alerts}]}]", encoding="utf-8")
    records.write_text(
        '{"lines of 5": {"value": 3, "unit": "/s", "peer": "other", "peer_value": 6, "ratio": 0.5, "met": false,'
        ' "date": "2026-01-01"}, "rest": {"value": 1, "unit": "", "peer": null, "met": null, "date": "2026-01-01"}}',
        encoding="utf-8")
    page = promises.page(wanted, records)
    assert "| lines | 9 |  | 3 /s | other 6 (ratio 0.5) | **no** | 2026-01-01 | `./soc bench kill` |" in page
    assert "| alerts | 1 |  | not measured yet |" in page
    assert "- **lines**: parsing" in page
    assert "## Measured beside" in page.partition("| rest |")[0]


def test_a_promise_without_proof_is_refused() -> None:
    with pytest.raises(ValueError, match="its bench"):
        promises.Promise(what="x", must="1")
    with pytest.raises(ValueError, match="names the figure"):
        promises.Promise(what="x", must="1", bench="kill")
