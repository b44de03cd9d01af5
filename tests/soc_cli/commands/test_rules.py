"""`./soc rules`: check, list, test, coverage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soc_cli.__main__ import main
from tests.corpora import corpus


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def last(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_check_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", "--json"]) == 0
    report = last(capsys)
    assert report["failed"] == report["blind"] == report["partly_blind"] == []
    assert report["rules"] == report["loaded"]


def test_check_names_file_and_blindness(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = (
        "title: a\nlogsource: {product: windows, category: file_event}\n"
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
    (tmp_path / "nobody.yml").write_text(good.replace("product: windows, category: file_event", "product: toaster"))
    (tmp_path / "bad.yml").write_text("title: b\n")
    assert main(["rules", "check", str(tmp_path), "--json"]) == 1
    report = last(capsys)
    assert (report["rules"], report["loaded"]) == (5, 4)
    assert [Path(each["path"]).name for each in report["failed"]] == ["bad.yml"]  # type: ignore[attr-defined]
    blind = {Path(each["path"]).name: each["missing"] for each in report["blind"]}  # type: ignore[attr-defined]
    assert set(blind) == {"blind.yml", "nobody.yml"}
    assert "IntegrityLevel" in blind["blind.yml"][0]
    assert [Path(each["path"]).name for each in report["partly_blind"]] == ["partly.yml"]  # type: ignore[attr-defined]


def test_check_public_rules(capsys: pytest.CaptureFixture[str]) -> None:
    folder = corpus("sigma-rules") / "rules-emerging-threats"
    assert main(["rules", "check", str(folder), "--json"]) == 0
    assert last(capsys)["failed"] == []


def test_list_and_coverage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "list", "--json"]) == 0
    rows = last(capsys)["rules"]
    assert any("SSH 暴力破解" in row["title"] for row in rows)  # type: ignore[attr-defined]
    out = tmp_path / "layer.json"
    assert main(["rules", "coverage", "--out", str(out)]) == 0
    layer = json.loads(out.read_text())
    assert layer["versions"]["attack"] == "19"
    assert "T1110.001" in {each["techniqueID"] for each in layer["techniques"]}


def test_a_path_that_is_not_there() -> None:
    assert main(["rules", "check", "/nowhere/rules"]) == 2
