from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from soc_cli.__main__ import main

LINES = "".join(f"time=2026-11-23T01:00:0{n}Z level=info n={n} msg=line\n" for n in range(6))


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, Any]]:
    code = main(list(argv))
    return code, orjson.loads(capsys.readouterr().out.splitlines()[-1])


def test_read_as_the_wrong_thing_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, data = tmp_path / "access.log", ("--data", str(tmp_path / "data"), "--json")
    log.write_text(LINES + "\\x00")
    _, taken = run(capsys, "ingest", str(log), "--format", "nginx", *data)
    assert (taken["stored"], taken["quarantined"]) == (0, 7)
    code, held = run(capsys, "quarantine", "list", *data)
    assert (code, held["waiting"], {group["source"] for group in held["groups"]}) == (
        0, 7, {held["groups"][0]["source"]})
    assert run(capsys, "quarantine", "replay", "--reason", "none such", *data) == (
        0, {"asked": 0, "cut": 0, "failed_again": 0})
    assert run(capsys, "quarantine", "replay", *data) == (1, {"asked": 7, "cut": 0, "failed_again": 7})
    code, done = run(capsys, "quarantine", "replay", "--format", "key_value", *data)
    assert (code, done["asked"], done["failed_again"]) == (1, 7, 1)
    _, status = run(capsys, "status", *data)
    assert run(capsys, "quarantine", "list", *data)[1]["waiting"] == 1
    (source,) = [row for row in status["sources"] if row["realm"] == "real"]
    assert (source["received"], source["stored"], source["duplicate"], source["quarantined"]) == (21, 6, 8, 7)


def test_a_format_that_is_none_is_said_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, data = tmp_path / "access.log", ("--data", str(tmp_path / "data"), "--json")
    log.write_text(LINES)
    assert main(["ingest", str(log), "--format", "nginx", *data]) == 0
    assert main(["quarantine", "replay", "--format", "nonsense", *data]) == 2
    assert "no format is called 'nonsense'" in capsys.readouterr().err
