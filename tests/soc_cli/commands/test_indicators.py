from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from soc_cli.__main__ import main

LINE = '{ip} - - [23/Nov/2026:02:14:{n:02d} +0800] "GET /{name}?{n} HTTP/1.1" 200 531 "-" "curl/8.5"\n'


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, Any]]:
    code = main(list(argv))
    return code, orjson.loads(capsys.readouterr().out.splitlines()[-1])


def ingest(folder: Path, name: str, rules: Path) -> None:
    log = folder / f"{name}.log"
    log.write_text("".join(LINE.format(ip="203.0.113.9" if n % 2 else "10.0.0.1", n=n, name=name)
                           for n in range(6)), "utf-8")
    assert main(["ingest", str(log), "--data", str(folder / "data"), "--rules", str(rules), "--json"]) == 0


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """One rule that fires on nothing here: the indicators are what is tested."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "none.yml").write_text(
        "title: none\nid: 11111111-2222-4333-8444-555555555555\nstatus: test\nlevel: low\n"
        "logsource: {category: webserver}\ndetection: {s: {cs-uri-query: never-asked-for}, condition: s}\n", "utf-8")
    return tmp_path / "rules"


def test_what_was_stored_before_and_what_comes_after(
        tmp_path: Path, rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--data", str(tmp_path / "data"), "--json")
    ingest(tmp_path, "before", rules)
    feed = tmp_path / "feed.csv"
    feed.write_text("value,name,valid_from\n203.0.113.9,Scanner,2026-01-01T00:00:00Z\nno value,,\n", "utf-8")
    code, taken = run(capsys, "indicators", "import", str(feed), *data)
    assert (code, taken["new"], [each["where"] for each in taken["refused"]]) == (1, 1, ["line 3"])
    assert run(capsys, "indicators", "match", *data) == (0, {"findings": 3})
    assert run(capsys, "indicators", "match", *data) == (0, {"findings": 0})
    ingest(tmp_path, "after", rules)
    capsys.readouterr()
    _, found = run(capsys, "alerts", *data)
    (alert,) = found["alerts"]
    assert (alert["count"], alert["level"], alert["entities"]["source.ip"]) == (6, "high", ["203.0.113.9"])
    code, listed = run(capsys, "indicators", "list", *data)
    (indicator,) = listed["indicators"]
    assert (code, indicator["value"], indicator["feed"]) == (0, "203.0.113.9", "feed")
    assert alert["rule_id"] == f"indicator:{indicator['id']}"
    revoke = ("indicators", "revoke", indicator["id"], "--note", "shared address", *data)
    assert run(capsys, *revoke) == (0, {"revoked": 1})
    assert main([*revoke]) == 2


def test_a_bundle_by_its_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feed = tmp_path / "x.txt"
    sign = {"type": "indicator", "id": "indicator--1", "pattern_type": "stix",
            "pattern": "[domain-name:value = 'evil.example']"}
    feed.write_bytes(orjson.dumps({"type": "bundle", "objects": [sign]}))
    code, taken = run(capsys, "indicators", "import", str(feed), "--data", str(tmp_path / "data"), "--json")
    assert (code, taken) == (0, {"new": 1, "changed": 0, "known": 0, "refused": []})
    assert main(["indicators", "list", "--data", str(tmp_path / "data")]) == 0
    assert "evil.example" in capsys.readouterr().out
    assert main(["indicators", "import", str(tmp_path / "none"), "--data", str(tmp_path / "data")]) == 2
