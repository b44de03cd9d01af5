"""By the README alone, from a clone to one's own alerts and a second organisation's login; what the walk is made of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.stranger import RULE, Stranger, look
from tests.soc_ui.browser import CHROMIUM
from tests.test_house import ROOT


@pytest.mark.timeout(280)
def test_a_stranger_gets_there(tmp_path: Path) -> None:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no {CHROMIUM} (Debian: apt install chromium)")
    marks = Stranger(tmp_path, sys.prefix).walk(look)
    assert list(marks) == ["the console's page", "the first alert of one's own log file",
                           "an alert of a rule of one's own", "two logins in a browser"]
    assert list(marks.values()) == sorted(marks.values())


def test_both_readmes_show_the_same_rule() -> None:
    english, chinese = (RULE.findall((ROOT / name).read_text(encoding="utf-8")) for name in (
        "README.md", "README.zh-CN.md"))
    assert english == chinese
    assert len(english) == 1
