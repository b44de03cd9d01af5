"""Tests of rules: native log lines that must and must not fire, through the real parser and the real engine.

A rule's tests stand beside it as `<rule>.test.yml`. `{n}` in a line is the number of its repetition (`{n:02d}` with
leading zero); other braces are as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import files, load_rules
from detections.sigma.rule import RuleSet
from soc_cli import reading
from soc_core import documents, registry
from soc_core.documents import DocumentError

REPETITION = re.compile(r"\{n(?::0(\d)d)?\}")


class Case(BaseModel):
    """Lines of one format, `times` over, and whom the finding must name (`entities`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    format: str
    lines: list[str] = Field(min_length=1)
    times: int = Field(default=1, ge=1, le=10_000)
    rule: str = ""  # id of a rule of the file; "" is its last
    entities: dict[str, str] = {}


class RuleTests(BaseModel):
    """One `.test.yml`. `action: reset` makes Sigma's own tools pass the document over."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["reset"]
    positive: list[Case] = Field(min_length=1)
    negative: list[Case] = Field(min_length=1)


class Outcome(NamedTuple):
    """One case run: `problem` is "" where it did what it should."""

    path: Path
    about: str
    problem: str


def tests_of(rule: Path) -> Path:
    """The file of a rule file's tests."""
    return rule.with_name(rule.stem + ".test.yml")


def untested(folders: Sequence[Path]) -> list[Path]:
    """Rule files without tests."""
    return [path for path in files(folders) if not tests_of(path).exists()]


def run(folders: Sequence[Path], only: Path | None = None) -> list[Outcome]:
    """Every case of every test file below the folders; a test file that is wrong is one that failed."""
    rules = load_rules(folders)
    detector = SigmaDetector(rules)
    out = []
    for path in files(folders):
        tests = tests_of(path)
        if tests.exists() and (only is None or path == only):
            try:
                document = documents.read(tests, RuleTests)
            except DocumentError as error:
                out.append(Outcome(tests, f"line {error.line}", error.reason))
                continue
            mine = [item.head for item in rules.items if item.head.path == str(path)]
            last = max(mine, key=lambda head: head.line, default=None)
            for fires, cases in ((True, document.positive), (False, document.negative)):
                for case in cases:
                    wanted = case.rule or (last.id if last else "")
                    out.append(Outcome(tests, case.about, check(rules, detector, case, wanted, fires)))
    return out


def check(rules: RuleSet, detector: SigmaDetector, case: Case, rule: str, fires: bool) -> str:
    """What went otherwise than it should, or "". A rule that only serves correlations counts where it matches."""
    if not any(item.id == rule for item in rules.items):
        return f"no rule {rule} in the file"
    detector.restore(b"")
    if case.format not in registry.names("collectors.formats"):
        return f"no format named {case.format!r}"
    batch = reading.lines(repeated(case), case.format)
    if batch.height < len(case.lines) * case.times:
        return f"the format {case.format} read {batch.height} of {len(case.lines) * case.times} lines"
    matched = {detector.program.rules[n].rule.id for _, hits in detector.hits(batch) for hit in hits for n in hit.rules}
    found = [*detector.detect(batch), *detector.settle()]  # what waits for later records waits for none here
    findings = [finding for finding in found if finding.rule_id == rule]
    fired = bool(findings) or rule in matched
    if fired != fires:
        return "fired" if fired else "did not fire"
    for name, value in case.entities.items() if findings else ():
        if not any((name, value) in finding.entities for finding in findings):
            return f"names {sorted(set(findings[0].entities))}, not {name}={value}"
    return ""


def repeated(case: Case) -> list[str]:
    """The lines, once for each repetition."""
    def one(line: str, number: int) -> str:
        return REPETITION.sub(lambda found: f"{number:0{found[1] or 1}d}", line)

    return [one(line, number) for number in range(case.times) for line in case.lines]
