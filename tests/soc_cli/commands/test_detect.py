"""./soc detect: rules over files without a store; one JSON line a hit."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.corpora import corpus
from tests.running import soc

RULE = """title: A shell from the web
id: 11111111-2222-4333-8444-555555555555
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: '\\cmd.exe', CommandLine|contains: whoami}
  condition: selection
"""


def hits(*arguments: str | Path) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in soc("detect", *arguments, timeout=200).stdout.splitlines()]


def test_sigma_taxonomy_is_matched_by_its_own_names(tmp_path: Path) -> None:
    rules, events = tmp_path / "rules", tmp_path / "events.ndjson"
    rules.mkdir()
    (rules / "shell.yml").write_text(RULE)
    shell = "C:\\Windows\\cmd.exe"
    rows = [{"Image": shell, "CommandLine": "cmd /c WHOAMI"}, {"Image": shell, "CommandLine": "cmd /c dir"}]
    events.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    found = hits(events, "--rules", rules, "--taxonomy", "sigma")
    assert [(hit["rule_id"], hit["event_index"]) for hit in found] == [("11111111-2222-4333-8444-555555555555", 0)]


def test_own_rules_on_native_lines(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(
        '203.0.113.9 - - [23/Nov/2026:01:00:00 +0800] "GET /index.html HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n'
        '203.0.113.9 - - [23/Nov/2026:01:00:01 +0800] "GET /a?f=../../../../etc/passwd HTTP/1.1" 200 5 "-" "curl"\n'
    )
    found = hits(log)
    assert {hit["event_index"] for hit in found} == {1}
    assert all(hit["rule_id"] and hit["timestamp"] for hit in found)


def test_a_public_rule_fires_on_its_recording() -> None:
    folder = corpus("sigma-regression")
    recording = min(folder.rglob("*.evtx*"))
    assert hits(recording, "--rules", corpus("sigma-rules") / "rules")


BAD = [["/nowhere.log"], ["README.md", "--taxonomy", "klingon"], ["README.md", "--rules", "/no"]]


@pytest.mark.parametrize("arguments", BAD)
def test_bad_usage(arguments: list[str]) -> None:
    done = soc("detect", *arguments, check=False)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr
