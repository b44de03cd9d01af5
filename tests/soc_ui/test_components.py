"""Components: nothing turns data into markup, nothing asks outside, and the colours can be told apart."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from soc_ui.options import DARK, LIGHT, options

ROOT = Path(__file__).resolve().parents[2] / "soc_ui"
SCRIPTS = sorted((ROOT / "components").glob("*.js"))
FORBIDDEN = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|Timeout\(['\"]")
READS_MARKDOWN = re.compile(r"st\.(markdown|write|metric|error|warning|success|info|toast|title|header)\(")


def test_no_markup_is_made_from_data() -> None:
    assert len(SCRIPTS) >= 6
    for path in SCRIPTS:
        code = re.sub(r"^//.*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
        assert not FORBIDDEN.search(code), path.name
        assert len(code.splitlines()) <= 400, path.name
    for path in ROOT.rglob("*.py"):
        code = path.read_text("utf-8")
        assert "unsafe_allow" not in code, path.name
        assert not READS_MARKDOWN.search(code), path.name


def test_nothing_is_asked_from_outside() -> None:
    for path in [*ROOT.rglob("*.js"), *ROOT.rglob("*.css"), *ROOT.rglob("*.html"), *ROOT.rglob("*.py")]:
        found = [url for url in re.findall(r"https?://[\w./-]+", path.read_text("utf-8")) if "www.w3.org" not in url]
        assert not found, f"{path.name}: {found}"


def test_streamlit_knows_every_option_and_is_shut() -> None:
    from streamlit import config

    given = options("127.0.0.1", 8501)
    for name in given:
        assert config._config_options_template.get(name) is not None, name
    assert given["server.address"] == "127.0.0.1"
    assert given["browser.gatherUsageStats"] is False
    assert given["runner.postScriptGC"] is False
    assert given["server.enableAgentApi"] is False


def linear(colour: str) -> list[float]:
    parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def contrast(one: str, other: str) -> float:
    lights = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(one), linear(other))]
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def levels() -> dict[str, tuple[str, str]]:
    css = (ROOT / "components" / "shared.css").read_text("utf-8")
    found = dict(re.findall(r"--(crit|high|med|low|info): light-dark\((#\w{6}, #\w{6})\)", css))
    return {name: (pair[:7], pair[9:]) for name, pair in found.items()}


@pytest.mark.parametrize("at", [0, 1], ids=["light", "dark"])
def test_text_and_marks_can_be_read(at: int) -> None:
    theme = (LIGHT, DARK)[at]
    assert contrast(theme["textColor"], theme["backgroundColor"]) >= 12
    assert contrast(theme["primaryColor"], theme["backgroundColor"]) >= 4.5
    for name, pair in levels().items():
        assert contrast(pair[at], theme["backgroundColor"]) >= 3, name


SIMULATED = {  # Viénot, Brettel, Mollon 1999, in linear RGB
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.11238, 0.88762, 0), (0.11238, 0.88762, 0), (0.00401, -0.00401, 1)),
    "deutan": ((0.29275, 0.70725, 0), (0.29275, 0.70725, 0), (-0.02234, 0.02234, 1)),
}


def lab(colour: str, seen: tuple[tuple[float, ...], ...]) -> list[float]:
    source = linear(colour)
    r, g, b = (min(1, max(0, sum(w * c for w, c in zip(row, source, strict=True)))) for row in seen)
    x, y, z = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047, 0.2126 * r + 0.7152 * g + 0.0722 * b, (
        0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883
    f = [t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z)]
    return [116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])]


@pytest.mark.parametrize("seen", SIMULATED)
@pytest.mark.parametrize("at", [0, 1], ids=["light", "dark"])
def test_levels_can_be_told_apart_also_by_the_colour_blind(at: int, seen: str) -> None:
    marks = {name: lab(pair[at], SIMULATED[seen]) for name, pair in levels().items()}
    assert len(marks) == 5
    for one, other in itertools.combinations(marks, 2):
        distance = sum((a - b) ** 2 for a, b in zip(marks[one], marks[other], strict=True)) ** 0.5
        assert distance > 10, (one, other, distance)
