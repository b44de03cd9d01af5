"""What ./soc says when a command fails: a sentence for what a user can mend, a traceback for a defect of ours."""

from __future__ import annotations

import errno
import sqlite3

import orjson
import polars as pl
import pytest
from sqlalchemy.exc import OperationalError

from soc_cli.__main__ import explain

FULL = sqlite3.OperationalError("database or disk is full")


@pytest.mark.parametrize(("error", "sentence"), [
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "/nope"), "/nope: No such file or directory"),
    (ValueError("not a time: 'x'"), "not a time: 'x'"),
    (FULL, "the data directory cannot be used: database or disk is full"),
    (OperationalError("UPDATE x", {}, FULL), "the data directory cannot be used: database or disk is full"),
    (pl.exceptions.ComputeError("parquet: No space left on device (os error 28)\nmore"),
     "the data directory cannot be used: parquet: No space left on device (os error 28)"),
])
def test_one_sentence(error: Exception, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(error) == 2
    assert capsys.readouterr().err == f"soc: {sentence}\n"


def test_where_logs_are_json_the_sentence_is_a_line_of_them(capsys: pytest.CaptureFixture[str],
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOC_LOG", "json")
    assert explain(ValueError("soc.yaml:3: listen: 50%")) == 2
    line = orjson.loads(capsys.readouterr().err)
    assert (line["message"], line["log.level"]) == ("soc.yaml:3: listen: 50%", "critical")


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), sqlite3.OperationalError("no such column: x")])
def test_a_defect_stays_one(error: Exception) -> None:
    with pytest.raises(type(error)):
        explain(error)
