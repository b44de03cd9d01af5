"""`./soc rules`: check, list, test, coverage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from detections.sigma.map import of_site
from soc_cli.__main__ import main
from tests.corpora import corpus


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def last(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_check_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", "--json"]) == 0
    report = last(capsys)
    assert report["failed"] == report["blind"] == report["partly_blind"] == []
    assert report["rules"] == report["loaded"]


def test_check_names_file_and_blindness(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = (
        "title: a\nlogsource: {product: linux, category: file_event}\n"
        "detection: {s: {TargetFilename: x}, condition: s}\n"
    )
    (tmp_path / "good.yml").write_text(good)
    (tmp_path / "blind.yml").write_text(good.replace("TargetFilename", "IntegrityLevel"))
    (tmp_path / "partly.yml").write_text(
        good.replace(
            "{s: {TargetFilename: x}, condition: s}",
            "{s: {TargetFilename: x}, f: {IntegrityLevel: y}, condition: s and not f}",
        )
    )
    (tmp_path / "nobody.yml").write_text(good.replace("product: linux, category: file_event", "product: toaster"))
    (tmp_path / "bad.yml").write_text("title: b\n")
    assert main(["rules", "check", str(tmp_path), "--json"]) == 1
    report = last(capsys)
    assert (report["rules"], report["loaded"]) == (5, 4)
    assert [Path(each["path"]).name for each in report["failed"]] == ["bad.yml"]
    blind = {Path(each["path"]).name: each["missing"] for each in report["blind"]}
    assert set(blind) == {"blind.yml", "nobody.yml"}
    assert "IntegrityLevel" in blind["blind.yml"][0]
    assert [Path(each["path"]).name for each in report["partly_blind"]] == ["partly.yml"]


def test_check_public_rules(capsys: pytest.CaptureFixture[str]) -> None:
    folder = corpus("sigma-rules") / "rules-emerging-threats"
    assert main(["rules", "check", str(folder), "--json"]) == 0
    assert last(capsys)["failed"] == []


def test_list_and_coverage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "list", "--json"]) == 0
    rows = last(capsys)["rules"]
    assert any("SSH 暴力破解" in row["title"] for row in rows)
    out = tmp_path / "layer.json"
    assert main(["rules", "coverage", "--out", str(out)]) == 0
    layer = json.loads(out.read_text())
    assert layer["versions"]["attack"] == "19"
    assert "T1110.001" in {each["techniqueID"] for each in layer["techniques"]}


def test_a_path_that_is_not_there() -> None:
    assert main(["rules", "check", "/nowhere/rules"]) == 2


def test_check_tells_of_exceptions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tuning").mkdir()
    entry = "  - {{rule: {rule}, owner: 张三, reason: scanner, expires: {day}, where: {{source.ip: 192.0.2.1}}}}\n"
    assert main(["rules", "list", "--json"]) == 0
    rule = last(capsys)["rules"][0]["id"]
    text = "exceptions:\n" + entry.format(rule=rule, day="2020-01-31") + entry.format(rule=rule, day="2099-01-31")
    (tmp_path / "tuning" / "site.yml").write_text(text + entry.format(rule="gone", day="2099-01-31"))
    assert main(["rules", "check", "--data", str(tmp_path), "--json"]) == 0
    report = last(capsys)
    assert (report["exceptions"], report["ending"]) == (2, [])
    (gone,) = report["expired"]
    assert (gone["line"], gone["owner"], gone["expires"]) == (2, "张三", "2020-01-31")
    assert [each["error"] for each in report["warnings"]] == ["no rule gone is loaded"]
    (tmp_path / "tuning" / "bad.yml").write_text("exceptions: [{rule: x}]\n")
    assert main(["rules", "check", "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert f"{tmp_path}/tuning/bad.yml:1: exceptions.0.owner: Field required" in said
    assert f"expired: {tmp_path}/tuning/site.yml:2: exception to {rule} of 张三 (scanner), last day 2020-01-31" in said


RULE = """title: The clerk of the site
id: 00000000-0000-4000-8000-0000000000ab
logsource: {product: linux, service: sshd}
detection:
    selection: {LoginName: root, From|cidr: 192.0.2.0/24}
    condition: selection
level: high
"""
TABLE = """about: names that our own rules use
tables:
  - logsource: {product: linux, service: sshd}
    fields: {LoginName: user.name, From: source.ip}
"""
LINE = "Nov 23 10:00:01 web1 sshd[100]: Failed password for root from 192.0.2.7 port 4000 ssh2\n"


def test_a_site_says_where_its_own_names_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the stream, in a hunt, in the check and in the list alike."""
    data, lines = tmp_path / "data", tmp_path / "auth.log"
    (data / "rules").mkdir(parents=True)
    (data / "rules" / "clerk.yml").write_text(RULE)
    lines.write_text(LINE)

    def blind() -> Any:
        assert main(["rules", "check", str(data / "rules"), "--data", str(data), "--json"]) == 0
        return last(capsys)["blind"]

    assert [each["missing"] for each in blind()] == [["LoginName (overflow)", "From (overflow)"]]
    assert main(["rules", "check", str(data / "rules"), "--data", str(data)]) == 0
    assert (f"blind: {data}/rules/clerk.yml: The clerk of the site: wants LoginName (overflow), From (overflow)"
            in capsys.readouterr().out)
    (data / "mapping").mkdir()
    (data / "mapping" / "site.yml").write_text(TABLE)
    assert blind() == []
    assert main(["ingest", str(lines), "--data", str(data), "--json"]) == 0
    assert "The clerk of the site" in {alert["title"] for alert in last(capsys)["alerts"]}
    assert main(["hunt", "--rule", str(data / "rules"), "--data", str(data), "--json"]) == 0
    assert len(last(capsys)["hits"]) == 1
    assert main(["rules", "list", "--data", str(data), "--json"]) == 0
    assert {row["sight"] for row in last(capsys)["rules"] if row["title"] == "The clerk of the site"} == {""}
    (data / "mapping" / "more.yml").write_text("about: x\ntables:\n  - logsource: {produkt: linux}\n")
    assert main(["rules", "check", str(data / "rules"), "--data", str(data), "--json"]) == 1
    (failed,) = last(capsys)["failed"]
    assert (failed["path"], failed["line"]) == (str(data / "mapping" / "more.yml"), 3)
    assert main(["ingest", str(lines), "--data", str(data), "--json"]) == 0  # the rest goes on


def test_our_own_field_tables_are_whole() -> None:
    assert of_site(None).failed == []
