"""./soc ingest over native files and public recordings: every record accounted for, nothing stored twice."""

from __future__ import annotations

import gzip
import random
import time
from pathlib import Path

import orjson
import pytest

from tests.corpora import corpus
from tests.running import answer, soc

LINES = [
    f"Nov 23 01:00:{second:02d} gate sshd[411]: Failed password for root from 203.0.113.77 port 40{second:02d} ssh2"
    for second in range(20)
]


def balanced(summary: dict[str, object]) -> bool:
    fates = [summary[name] for name in ("stored", "merged", "quarantined", "duplicate")]
    return summary["read"] == sum(int(str(value)) for value in fates)


def test_a_file_taken_in_twice_is_stored_once(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text("\n".join([*LINES, "Nov 23 01:01:00 not a whole"]) + "\n")
    first = answer("ingest", log, "--data", tmp_path / "data")
    assert balanced(first)
    assert first["stored"] >= 20
    assert [alert["entities"]["source.ip"] for alert in first["alerts"]] == [["203.0.113.77"]]  # type: ignore[attr-defined]
    moved = tmp_path / "moved.log.gz"
    moved.write_bytes(gzip.compress(log.read_bytes()))
    again = answer("ingest", moved, "--data", tmp_path / "data")
    assert balanced(again)
    assert (again["stored"], again["duplicate"], again["alerts"]) == (0, first["read"], [])


def test_a_brute_force_in_a_real_log(tmp_path: Path) -> None:
    log = corpus("beats-oss-modules") / "system" / "auth" / "secure-rhel7.log.gz"
    summary = answer("ingest", log, "--data", tmp_path / "data")
    assert balanced(summary)
    assert summary["quarantined"] == 0
    alerts = summary["alerts"]
    assert isinstance(alerts, list)
    assert any("202.196.224.106" in a["entities"].get("source.ip", []) and a["rule_id"] for a in alerts)


def test_ten_thousand_lines_of_a_real_web_server(tmp_path: Path) -> None:
    summary = answer("ingest", corpus("elastic-examples") / "apache_logs.gz", "--data", tmp_path / "data")
    assert balanced(summary)
    assert (summary["read"], summary["normalised"], summary["quarantined"]) == (10_000, 10_000, 0)


@pytest.mark.parametrize("name", ["sigma-regression", "evtx-attack-samples", "evtx-parser-samples"])
def test_event_logs_from_real_attacks(tmp_path: Path, name: str) -> None:
    """A sample drawn by date (the whole sets take a minute each: ./soc bench evtx)."""
    files = sorted(path for path in corpus(name).rglob("*.evtx*") if path.is_file())
    chosen = random.Random(time.strftime("%Y%m%d")).sample(files, min(25, len(files)))
    summary = answer("ingest", *chosen, "--data", tmp_path / "data", timeout=240)
    assert balanced(summary)
    assert int(str(summary["read"])) > 0
    if name != "evtx-parser-samples":  # those are damaged on purpose
        assert int(str(summary["normalised"])) >= 0.995 * int(str(summary["read"]))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["/nowhere/at-all.log"], "there is no /nowhere/at-all.log"),
        (["README.md", "--format", "klingon"], "no format named 'klingon'"),
        (["README.md", "--city", "docs"], "docs"),
        ([], "Missing argument"),
    ],
)
def test_bad_usage_is_one_sentence_and_status_2(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = soc("ingest", *arguments, "--data", tmp_path / "data", check=False)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_of_no_known_kind_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    (tmp_path / "in" / "auth.log").write_text("\n".join(LINES) + "\n")
    done = soc("ingest", tmp_path / "in", "--data", tmp_path / "data", check=False)
    assert done.returncode == 1
    assert "picture.png" in done.stdout
    assert "stored       20" in done.stdout


@pytest.mark.parametrize(("option", "value", "sentence"), [
    ("--timezone", "Mars", "no time zone named 'Mars'"),
    ("--format", "nope", "no format named 'nope'"),
    ("--source", "two\nlines", "--source may hold printable characters only"),
    ("--zone", "\x01", "--zone may hold printable characters only"),
    ("--rules", "/nonexistent", "no rule file or folder"),
    ("--data", "/dev/null", "/dev/null: "),
])
def test_what_cannot_be_done_is_refused_before_anything_is_read(
    tmp_path: Path, option: str, value: str, sentence: str
) -> None:
    log = tmp_path / "auth.log"
    log.write_text("\n".join(LINES))
    data = () if option == "--data" else ("--data", tmp_path / "data")
    done = soc("ingest", log, *data, option, value, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("soc: ")
    assert sentence in done.stderr
    assert "Errno" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_times_that_no_calendar_has_stop_nobody(tmp_path: Path) -> None:
    """Years 1 and 9999, which time zones push over the edge: kept, listed, counted."""
    stamps = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", 10**15, 10**18, -(2**63), "2026-02-29T00:00:00Z"]
    log = tmp_path / "odd.ndjson"
    rows = [{"@timestamp": stamp, "ecs": {"version": "9.4"}, "event": {"kind": "event"}} for stamp in stamps]
    log.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    summary = answer("ingest", log, "--data", tmp_path / "data")
    assert (summary["read"], summary["stored"]) == (len(stamps), len(stamps))
    shown = soc("hunt", "*", "--data", tmp_path / "data")
    assert "Traceback" not in shown.stderr
    assert soc("status", "--data", tmp_path / "data").returncode == 0


def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text("\n".join(LINES) + "\n")
    answer("ingest", log, "--data", tmp_path / "data")
    readable = [path for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")] if path.stat().st_mode & 0o077]
    assert readable == []


def test_a_failing_detector_is_said_aloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    from detections.models.unusual_logon import UnusualLogon
    from soc_cli.__main__ import main

    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(UnusualLogon, "take", fail)
    monkeypatch.setattr("os.umask", lambda mode: 0o022)  # this process goes on with other tests
    log = tmp_path / "auth.log"
    log.write_text("\n".join(LINES) + "\n")
    assert main(["ingest", str(log), "--data", str(tmp_path / "data")]) == 1
    said = capsys.readouterr().out
    assert "failed" in said
    assert "stored       20" in said
