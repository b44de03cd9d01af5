"""./soc normalise: nested ECS documents, one a line, and what could not be read."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest

from soc_cli.__main__ import main

SSH = "<38>Nov 20 08:15:01 web1 sshd[2301]: Failed password for root from 203.0.113.9 port 50273 ssh2"
SYSLOG5424 = '<165>1 2026-11-20T00:20:01.003+08:00 db1 app 1 ID47 [x@1 iut="3"] 失败'


def test_events_come_out_nested_and_in_order(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    log = tmp_path / "auth.log.gz"
    log.write_bytes(gzip.compress(f"{SSH}\n{SYSLOG5424}\n".encode()))
    assert main(["normalise", str(log)]) == 0
    first, second = map(orjson.loads, capsysbinary.readouterr().out.splitlines())
    assert first["source"] == {"address": "203.0.113.9", "ip": "203.0.113.9", "port": 50273}
    assert first["event"]["original"] == SSH
    assert first["@timestamp"].endswith("-11-20T00:15:01.000000Z")
    assert first["log"]["syslog"]["priority"] == 38
    assert second["message"] == "失败"
    assert second["overflow"] == {"log": {"syslog": {"structured_data": {"x@1": {"iut": "3"}}}}}


def test_records_that_cannot_be_read_are_named_and_the_rest_comes_out(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    log = tmp_path / "auth.log"
    log.write_text(f"{SSH}\nnot a header\n{SSH}\n", encoding="utf-8")
    assert main(["normalise", str(log), "--format", "syslog"]) == 1
    shown = capsysbinary.readouterr()
    assert len(shown.out.splitlines()) == 2
    assert b"record 2: no syslog header" in shown.err


@pytest.mark.parametrize("arguments", [["nowhere.log"], ["--format", "nosuch", "."]])
def test_bad_usage_is_one_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["normalise", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
