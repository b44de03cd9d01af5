"""`./soc models`: train, eval, compare, promote, rollback, list; one sentence on bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from soc_cli.__main__ import main


def said(capsys: pytest.CaptureFixture[str], *args: str) -> Any:
    assert main(["models", *args, "--json"]) == 0
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def csv(path: Path, shift: int) -> str:
    rows = [f"{'ab' * 4}{n}shop.example,benign" for n in range(shift, shift + 300)]
    rows += [f"xq{n}zkv{n * 7}wj.example,dga" for n in range(shift, shift + 300)]
    path.write_text("domain,label\n" + "\n".join(rows) + "\n")
    return str(path)


def test_the_life_of_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ("--store", str(tmp_path / "data"))
    name = "domain_generation"
    default = said(capsys, "eval", name, *store)
    assert {"model", "n", "auc", "precision", "recall", "fpr", "threshold", "baseline"} <= set(default)
    assert default["auc"] > default["baseline"]["auc"]
    own = csv(tmp_path / "own.csv", 0)
    trained = said(capsys, "train", name, "--data", own, *store)
    assert (trained["version"], trained["promoted"]) == ("0002", True)
    assert trained["data"]["name"] == "own.csv"
    judged = said(capsys, "eval", name, "--data", own, *store)
    assert judged["version"] == "0002"
    assert judged["n"] + judged["left_out"] == 600
    compared = said(capsys, "compare", name, "--data", csv(tmp_path / "other.csv", 5000), "--version", "0001", *store)
    assert (compared["active"]["version"], compared["candidate"]["version"]) == ("0002", "0001")
    assert said(capsys, "rollback", name, *store)["version"] == "0001"
    assert said(capsys, "promote", name, "--version", "0002", *store)["version"] == "0002"
    rows = {row["model"]: row for row in said(capsys, "list", *store)["models"]}
    assert rows[name]["active"] == "0002"
    assert rows["unusual_logon"]["versions"] == []
    assert main(["models", "eval", name, *store]) == 0
    assert "AUC" in capsys.readouterr().out


def test_logons_are_measured_without_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = said(capsys, "eval", "unusual_logon", "--store", str(tmp_path))
    assert figures["auc"] > 0.95
    assert figures["auc"] > figures["baseline"]["auc"]
    assert figures["fpr"] < 0.03


@pytest.mark.parametrize(("args", "reason"), [
    (("eval", "nothing"), "no model named 'nothing'"),
    (("train", "web_attack", "--data", "missing.csv"), "missing.csv"),
    (("rollback", "web_attack"), "no earlier version"),
    (("promote", "web_attack"), "no trained version"),
    (("compare", "web_attack"), "no version of web_attack is in use"),
    (("eval", "web_attack", "--version", "0042"), "no version '0042'"),
])
def test_bad_use_gets_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...],
                                   reason: str) -> None:
    assert main(["models", *args, "--store", str(tmp_path)]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert reason in told[0]
