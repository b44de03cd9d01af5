from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from detections.triage import apply
from soc_cli.__main__ import main
from soc_core import clock
from soc_core.models import Finding
from soc_core.state.database import Database

T = clock.from_text("2026-11-23T01:00:00Z")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    database.migrate()
    findings = [
        Finding(rule, f"{n:032x}", T + n * clock.HOUR, level, f"{rule} 标题", (("source.ip", "192.0.2.9"),),  # type: ignore[arg-type]
                (("source.ip", "192.0.2.9"),), ("T1110",), "c01", "s1", realm, 0, n)
        for n, (rule, level, realm) in enumerate(
            [("scan", "low", "real"), ("brute", "high", "real"), ("shell", "critical", "demo")])
    ]
    with database.begin() as session:
        apply(session, findings, T)
    database.close()
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["alerts", *argv])
    said = capsys.readouterr()
    return code, said.out, said.err


def rules(out: str) -> list[str]:
    return [alert["rule_id"] for alert in orjson.loads(out.splitlines()[-1])["alerts"]]


@pytest.mark.parametrize(("narrow", "expected"), [
    ([], ["shell", "brute", "scan"]),
    (["--level", "high"], ["shell", "brute"]),
    (["--realm", "real"], ["brute", "scan"]),
    (["--rule", "scan"], ["scan"]),
    (["--since", "2026-11-23T02:00:00Z"], ["shell", "brute"]),
    (["--until", "2026-11-23T02:00:00Z"], ["scan"]),
    (["--text", "BRUTE"], ["brute"]),
    (["--status", "closed"], []),
    (["--limit", "1"], ["shell"]),
])
def test_what_is_listed(data: Path, capsys: pytest.CaptureFixture[str], narrow: list[str], expected: list[str]) -> None:
    code, out, _ = run(capsys, "--data", str(data), "--json", *narrow)
    assert (code, rules(out)) == (0, expected)


def test_json_has_what_it_promises(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--data", str(data), "--json", "--rule", "brute")
    (alert,) = orjson.loads(out)["alerts"]
    assert alert["entities"] == {"source.ip": ["192.0.2.9"]}
    assert alert["first_seen"] == "2026-11-23T02:00:00.000000Z"
    assert (alert["count"], alert["level"], alert["status"], alert["realm"]) == (1, "high", "new", "real")
    assert {"id", "title", "last_seen", "organisation", "system", "techniques", "events"} <= set(alert)


def test_table_marks_the_demo(data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    _, out, _ = run(capsys, "--data", str(data))
    lines = {rule: next(line for line in out.splitlines() if rule in line) for rule in ("shell", "brute")}
    assert "[演示 demo]" in lines["shell"]
    assert "demo" not in lines["brute"]


@pytest.mark.parametrize(("argv", "says"), [
    (["--level", "loud"], "is not one of informational, low"),
    (["--status", "gone"], "is not one of new, open"),
    (["--since", "yesterday"], "not a time: 'yesterday'"),
    (["--data", "/nowhere/at/all"], "no data directory"),
    (["--limit", "-1"], "greater than or equal to 0"),
])
def test_bad_usage_is_one_sentence(
    data: Path, capsys: pytest.CaptureFixture[str], argv: list[str], says: str
) -> None:
    code, out, err = run(capsys, "--data", str(data), *argv)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
