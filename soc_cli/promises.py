"""docs/benchmarks.md: every promised figure, what must be reached, what was measured, and what to do where it is short.

The promises stand in bench/promises.yml, the measurements in docs/benchmarks.json (`./soc bench NAME --record`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from soc_cli import figures
from soc_core import documents
from soc_core.config import ROOT

PROMISES = ROOT / "bench" / "promises.yml"
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Made by `./soc bench --page` from bench/promises.yml and docs/benchmarks.json; `./soc bench NAME --record` measures
again. *Must* is required, *goal* is where we aim. A ratio is ours to the peer's in the same run on the same machine,
which is shared and noisy: trust ratios before rates. A figure without a bench is held by the test named instead.
"""
MARKS = {True: "yes", False: "**no**", None: ""}


class Promise(BaseModel):
    """One promised figure: `figure` is how its name in the records begins, or `test` the test that holds it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: str
    must: str
    goal: str = ""
    bench: str = ""
    figure: str = ""
    test: str = ""
    measured: str = ""  # by a command that prints no figure of a bench
    short: str = ""  # where it falls short: the profile, and the next idea

    @model_validator(mode="after")
    def _provable(self) -> Promise:
        if bool(self.bench) == bool(self.test):
            raise ValueError("a promise names either its bench (and figure) or its test")
        if self.bench and not self.figure:
            raise ValueError("a promise with a bench names the figure")
        return self


class Area(BaseModel):
    """The promises about one part of the product."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    area: str
    promises: list[Promise] = Field(min_length=1)


class Promises(BaseModel):
    """bench/promises.yml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    areas: list[Area]


def page(promises: Path = PROMISES, records: Path = figures.RECORDS) -> str:
    """The page as Markdown. Raises DocumentError where the promises cannot be read."""
    measured: dict[str, Any] = orjson.loads(records.read_bytes())
    parts, claimed = [HEAD], set()
    for area in documents.read(promises, Promises).areas:
        rows = ["| figure | must | goal | measured | peer | met | date | proof |", "|---|---|---|---|---|---|---|---|"]
        rows += [_row(one, measured) for one in area.promises]
        short = [f"- **{one.what}**: {one.short.strip()}" for one in area.promises if one.short]
        parts += [f"## {area.area}\n", "\n".join(rows) + "\n"]
        parts += ["What is short, why, and the next idea:\n", "\n".join(short) + "\n"] if short else []
        claimed |= {name for one in area.promises if (name := _name(one, measured))}
    rest = [_row(Promise(what=name, must="", bench=one.get("bench") or "?", figure=name), measured)
            for name, one in measured.items() if name not in claimed]
    if rest:
        parts += ["## Measured beside\n", "| figure | must | goal | measured | peer | met | date | proof |",
                  "|---|---|---|---|---|---|---|---|", "\n".join(rest) + "\n"]
    return "\n".join(parts)


def _name(one: Promise, measured: dict[str, Any]) -> str:
    """The recorded figure of a promise: that very name, or the first that begins so; "" where there is none."""
    if not one.figure or one.figure in measured:
        return one.figure
    return next((name for name in sorted(measured) if name.startswith(one.figure)), "")


def _row(one: Promise, measured: dict[str, Any]) -> str:
    if one.test:
        cells = [one.what, one.must, one.goal, one.measured or "held", "", "yes", "", f"`{one.test}`"]
        return "| " + " | ".join(cells) + " |"
    found = measured.get(_name(one, measured))
    proof = f"`./soc bench {one.bench}`"
    if found is None:
        return "| " + " | ".join([one.what, one.must, one.goal, "not measured yet", "", "", "", proof]) + " |"
    peer = ""
    if found["peer"] is not None:
        ratio = "" if found["ratio"] is None else f" (ratio {figures.number(found['ratio'])})"
        peer = f"{found['peer']} {figures.number(found['peer_value'])}{ratio}"
    value = f"{figures.number(found['value'])} {found['unit'] or ''}".strip()
    cells = [one.what, one.must, one.goal, value, peer, MARKS[found["met"]], found["date"], proof]
    return "| " + " | ".join(cells) + " |"


def write() -> Path:
    """Make the page anew."""
    PAGE.write_text(page(), encoding="utf-8")
    return PAGE
