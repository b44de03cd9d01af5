"""The bench of equality: it finds a difference where there is one, and goes on where it stopped."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench import equal
from bench._reading import Plain, columns
from detections.sigma.load import parse
from detections.sigma.map import Verbatim
from tests.detections.sigma import events, reference

RULE = """title: {title}
id: 00000000-0000-4000-8000-00000000000{number}
logsource: {{product: windows, category: process_creation}}
detection:
    selection:
        - Image|endswith: '\\{name}.exe'
          CommandLine|contains|all: [a, b]
        - CommandLine|fieldref|startswith: Image
    keywords: [only here]
    filter: {{User: null}}
    condition: (selection or keywords) and not filter
"""


@pytest.fixture
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(equal, "CORPORA", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rules, recorded = tmp_path / "sigma-rules" / "rules", tmp_path / "otrf"
    rules.mkdir(parents=True)
    recorded.mkdir()
    for number, name in enumerate(("whoami", "net")):
        (rules / f"{name}.yml").write_text(RULE.format(title=name, number=number, name=name))
    for file, names in (("one", "whoami net whoami"), ("two", "net net x")):
        lines = [
            json.dumps({"Channel": "Security", "EventID": 4688, "NewProcessName": f"C:\\{name}.exe",
                        "CommandLine": f"{name} {'ba'[: number + 1]}", "SubjectUserName": "u",
                        "EventTime": "2026-11-23 01:00:00", "SourceName": "Microsoft-Windows-Security-Auditing"})
            for number, name in enumerate(names.split())
        ]
        (recorded / f"{file}.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return tmp_path


def test_it_goes_on_where_it_stopped(corpora: Path, tmp_path: Path) -> None:
    whole = equal.run(tmp_path / "a", 600, ["otrf"])
    assert (whole["files_done"], whole["events"], whole["pairs"], whole["differences"]) == (2, 6, 12, [])
    assert whole["rules"] == 2
    work = tmp_path / "b"
    assert equal.run(work, -1, ["otrf"])["files_done"] == 0
    (kept,) = (tmp_path / "a").glob("*.jsonl")
    work.joinpath(kept.name).write_text(kept.read_text().splitlines()[0] + "\n")
    assert equal.run(work, -1, ["otrf"])["files_done"] == 1
    assert equal.run(work, 600, ["otrf"]) == whole


def test_it_finds_what_differs(corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "condition", lambda *_: True)
    found = equal.run(tmp_path / "a", 600, ["otrf"])
    assert len(found["differences"]) == 12
    assert "the reference alone" in found["differences"][0]
    assert [(f["name"], f["met"]) for f in equal.figures()][-1] == ("pairs that differ", False)


def test_many_rows_at_once_are_read_as_one_by_one() -> None:
    text = RULE.format(title="t", number=1, name="net")
    rule = parse(text).rules[0]
    rows: list[dict[str, Any]] = [
        {"Image": image, "CommandLine": line, "User": user, "message": message}
        for image in ("C:\\net.exe", "c:\\NET.EXE", "x") for line in ("A b", "a", "X y", None)
        for user in ("u", None) for message in ("it is Only Here", "no")
    ]
    rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    mapper: Any = Verbatim()
    plain = Plain(yaml.safe_load(text))
    got = plain.rows(columns(rows, mapper, rule.logsource, {}), len(rows))
    want = [
        number for number, row in enumerate(rows)
        if reference.fires(yaml.safe_load(text), events.lookup(row, mapper, rule.logsource), events.texts(row))
    ]
    assert got == want
    assert 0 < len(want) < len(rows)
