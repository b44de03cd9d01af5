"""`./soc rules import`: three ways, replayed before the cut-over, from zip, tar and folder, and no bad archive."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from soc_cli.__main__ import main
from tests.corpora import corpus


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def rule(number: int, user: str) -> str:
    return (f"title: rule {number}\nid: 00000000-0000-4000-8000-{number:012d}\nauthor: a\n"
            f"logsource: {{product: linux}}\ndetection: {{s: {{user.name: {user}}}, condition: s}}\n")


def release(path: Path, files: dict[str, str]) -> Path:
    """An archive or a folder, by the path's suffix, with the top folder that a repository's archive has."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr("sigma-r1/" + name, text)
    elif path.suffix == ".tgz":
        with tarfile.open(path, "w:gz") as packed:
            for name, text in files.items():
                item = tarfile.TarInfo("sigma-r1/" + name)
                item.size = len(text.encode())
                packed.addfile(item, io.BytesIO(text.encode()))
    else:
        for name, text in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    code = main(["rules", "import", *map(str, arguments), "--json"])
    lines = capsys.readouterr().out.splitlines()
    return code, json.loads(lines[-1]) if lines else None


FIRST = {
    "LICENSE": "Detection Rule License (DRL) 1.1\n",
    "rules/linux/one.yml": rule(1, "root"), "rules/linux/two.yml": rule(2, "a"), "rules/linux/three.yml": rule(3, "b"),
    "rules/linux/four.yml": rule(4, "c"), "rules/linux/five.yml": rule(5, "d"), "rules/linux/six.yml": rule(6, "e"),
    "rules/linux/x.yml": rule(7, "x"), "rules/linux/y.yml": rule(8, "y"), "rules/linux/nine.yml": rule(9, "z"),
    "tests/no.yml": rule(99, "root"), "deprecated/old.yml": rule(98, "root"),
}
SECOND = {
    "LICENSE": FIRST["LICENSE"],
    "rules/linux/one.yml": rule(1, "nobody"),  # changed: loses its hit
    "rules/linux/two.yml": rule(2, "A"),  # changed there, and here
    "rules/linux/three.yml": rule(3, "b"),  # changed here only
    "rules/linux/five.yml": rule(5, "d"),  # removed here
    "rules/linux/x.yml": rule(8, "y"), "rules/linux/y.yml": rule(7, "x"),  # change places
    "rules/cloud/nine.yml": rule(9, "z"),  # moved
    "rules/linux/ten.yml": rule(10, "root"),  # new: gains
    "rules/linux/bad.yml": "title: no rule\n",
}


@pytest.mark.parametrize("kind", ["r.zip", "r.tgz", "r"])
def test_three_ways(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    into, golden = tmp_path / "rules", tmp_path / "golden"
    golden.mkdir()
    (golden / "auth.log").write_text(
        "Nov 20 10:00:00 web01 sshd[4]: Failed password for root from 203.0.113.9 port 40022 ssh2\n"
    )
    code, first = run(capsys, release(tmp_path / ("1" + kind), FIRST), "--into", into, "--golden", golden)
    assert (code, len(first["changes"]["new"]), first["rules"], first["cut_over"]) == (0, 10, 9, True)
    assert [(each["rule_id"][-2:], each["hits"]) for each in first["replay"]["gained"]] == [("01", 1)]
    assert (into / "LICENSE").exists()
    (into / "rules/linux/two.yml").write_text(rule(2, "mine"))
    (into / "rules/linux/three.yml").write_text(rule(3, "mine"))
    (into / "rules/linux/six.yml").write_text(rule(6, "mine"))
    (into / "rules/linux/five.yml").unlink()
    (into / "own.yml").write_text(rule(50, "own"))
    second = release(tmp_path / ("2" + kind), SECOND)
    before = {path: path.read_bytes() for path in into.rglob("*") if path.is_file()}
    code, dry = run(capsys, second, "--into", into, "--golden", golden, "--dry-run")
    assert {path: path.read_bytes() for path in into.rglob("*") if path.is_file()} == before
    code, found = run(capsys, second, "--into", into, "--golden", golden)
    assert dry | {"cut_over": True} == found
    assert code == 1
    assert [Path(each["path"]) for each in found["failed"]] == [into / "rules/linux/bad.yml"]
    changes = {kind: each for kind, each in found["changes"].items() if each}
    assert changes == {
        "new": ["rules/linux/ten.yml", "rules/linux/bad.yml"], "changed": ["rules/linux/one.yml"],
        "moved": ["rules/linux/y.yml", "rules/linux/x.yml", "rules/cloud/nine.yml"],
        "removed": ["rules/linux/four.yml"], "locally_removed": ["rules/linux/five.yml"],
        "locally_changed": ["rules/linux/two.yml", "rules/linux/three.yml", "rules/linux/six.yml"],
        "conflicts": ["rules/linux/two.yml"], "unchanged": 1,
    }
    assert [each["rule_id"][-2:] for each in found["replay"]["gained"]] == ["10"]
    assert [each["rule_id"][-2:] for each in found["replay"]["lost"]] == ["01"]
    assert sorted(path.name for path in into.rglob("*.yml")) == [
        "bad.yml", "nine.yml", "one.yml", "own.yml", "six.yml", "ten.yml", "three.yml", "two.yml", "x.yml", "y.yml",
    ]
    assert (into / "rules/linux/two.yml").read_text() == rule(2, "mine")
    assert (into / "rules/linux/two.yml.release").read_text() == rule(2, "A")
    assert ((into / "rules/linux/x.yml").read_text(), (into / "rules/linux/y.yml").read_text()) == (
        rule(8, "y"), rule(7, "x"),
    )
    assert (tmp_path / "rules.previous" / "rules/linux/four.yml").exists()
    assert not list(tmp_path.glob(".rules.*"))


def test_archives_that_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../../evil.yml", rule(1, "root"))
    with zipfile.ZipFile(tmp_path / "huge.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rules/a.yml", b"a" * (5 << 20))
    (tmp_path / "cut.zip").write_bytes(release(tmp_path / "whole.zip", FIRST).read_bytes()[:-40])
    (tmp_path / "text.zip").write_text("hello")
    release(tmp_path / "none.zip", {"readme.txt": "hello"})
    release(tmp_path / "bad.zip", {"rules/bad.yml": "title: no rule\n"})
    (tmp_path / "manifest").mkdir()
    (tmp_path / "manifest" / ".imported.json").write_text("[]")
    for name, into, says in (
        ("out.zip", "r", "outside"), ("huge.zip", "r", "larger"), ("cut.zip", "r", "neither"),
        ("text.zip", "r", "neither"), ("none.zip", "r", "no rule file"), ("bad.zip", "r", "not a Sigma rule"),
        ("absent.zip", "r", "no release"), ("whole.zip", "manifest", ".imported.json"),
    ):
        assert main(["rules", "import", str(tmp_path / name), "--into", str(tmp_path / into)]) == 2
        said = capsys.readouterr().err
        assert (says in said, "Traceback" in said) == (True, False), said
    assert not (tmp_path / "r").exists()
    assert not (tmp_path.parent / "evil.yml").exists()


def test_public_rules_over_the_lines_of_our_tests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = run(capsys, corpus("sigma-rules") / "rules" / "linux", "--into", tmp_path / "public")
    assert (code, found["failed"], found["replay"]["lost"]) == (0, [], [])
    assert found["rules"] == len(found["changes"]["new"]) >= 200
    assert found["replay"]["after"] > 0


def test_of_two_rules_with_one_id_the_first_is_the_same_here_and_in_the_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder was read in another order than an archive: a conflict passed for a rule that was changed here alone."""
    into, names = tmp_path / "rules", ("rules-emerging-threats/one.yml", "rules/one.yml")
    code, first = run(capsys, release(tmp_path / "1.zip", {name: rule(1, "a") for name in names}), "--into", into)
    assert [Path(each["path"]) for each in first["failed"]] == [into / names[0]]
    assert first["failed"][0]["error"] == f"id 00000000-0000-4000-8000-000000000001 is used by {into / names[1]}"
    (into / names[1]).write_text(rule(1, "mine"))
    second = {names[0]: rule(1, "a"), names[1]: rule(1, "b")}
    code, found = run(capsys, release(tmp_path / "2.zip", second), "--into", into)
    assert (code, found["changes"]["conflicts"], found["changes"]["unchanged"]) == (1, [names[1]], 1)
