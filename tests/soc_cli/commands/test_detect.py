"""`./soc detect`: hits as JSON lines, in either taxonomy, and what it says of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soc_cli.__main__ import main

RULE = """title: whoami
id: 00000000-0000-4000-8000-000000000001
logsource: {product: windows, category: process_creation}
detection:
    selection:
        Image|endswith: '\\whoami.exe'
    condition: selection
"""


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "whoami.yml").write_text(RULE)
    return folder


def hits(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_sigma_taxonomy_takes_the_log_source_from_the_event(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = {"Image": "C:\\Windows\\System32\\WHOAMI.EXE", "@timestamp": "2026-11-23T01:00:00Z"}
    sysmon = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1}
    events = [
        program,  # no log source: judged by every rule
        program | {"logsource": {"product": "windows", "category": "process_creation"}},
        program | {"logsource": {"product": "linux", "category": "process_creation"}},
        program | sysmon,
        program | sysmon | {"EventID": 11},
        program | {"sigma.logsource": ["windows/process_creation/"]},
        {"Image": "C:\\x.exe"},
    ]
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text("".join(json.dumps(event) + "\n" for event in events))
    second.write_text(json.dumps(program) + "\n")
    assert main(["detect", str(first), str(second), "--rules", str(rules), "--taxonomy", "sigma"]) == 0
    found = hits(capsys)
    assert [hit["event_index"] for hit in found] == [0, 1, 3, 5, 7]
    assert found[0] == {
        "rule_id": "00000000-0000-4000-8000-000000000001",
        "event_index": 0,
        "timestamp": "2026-11-23T01:00:00.000000Z",
    }


def test_sigma_taxonomy_gates_by_the_parts_that_an_event_states(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = {"Image": "C:\\Windows\\System32\\WHOAMI.EXE"}
    events = [
        program | {"product": "windows", "category": "process_creation"},
        program | {"product": "Windows"},  # its category is not stated: any may apply
        program | {"category": "process_creation"},
        program | {"product": "linux", "category": "process_creation"},
        program | {"product": "windows", "category": "file_event"},
        program | {"product": "windows", "service": "sysmon"},  # the rule states no service
        program | {"service": "sshd"},
        program | {"logsource": {"category": "file_event"}},
        program | {"logsource": {"product": "windows"}, "product": "Microsoft Windows Operating System"},
        program | {"product": 7, "category": None, "service": {"name": "x"}},  # no texts: nothing is stated
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert main(["detect", str(path), "--rules", str(rules), "--taxonomy", "sigma"]) == 0
    assert [hit["event_index"] for hit in hits(capsys)] == [0, 1, 2, 5, 6, 8, 9]


def test_ecs_taxonomy_reads_native_records(rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = {
        "EventTime": "2026-11-23 01:00:00",
        "Hostname": "pc1",
        "Channel": "Security",
        "EventID": 4688,
        "SourceName": "Microsoft-Windows-Security-Auditing",
        "NewProcessName": "C:\\Windows\\System32\\whoami.exe",
    }
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(record) + "\n" + json.dumps(record | {"NewProcessName": "C:\\x.exe"}) + "\n")
    assert main(["detect", str(path), "--rules", str(rules)]) == 0
    assert [hit["event_index"] for hit in hits(capsys)] == [0]


def test_bad_input(rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", str(tmp_path / "nowhere"), "--rules", str(rules)]) == 2
    assert "Traceback" not in capsys.readouterr().err
    (rules / "bad.yml").write_text("title: x\n")
    log = tmp_path / "a.jsonl"
    log.write_text("{}\n")
    assert main(["detect", str(log), "--rules", str(rules), "--taxonomy", "sigma"]) == 1
    assert "bad.yml:1:" in capsys.readouterr().err
