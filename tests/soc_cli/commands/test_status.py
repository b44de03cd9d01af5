"""./soc status: the fates of each source, and a clear word where nothing was received."""

from __future__ import annotations

from pathlib import Path

from soc_core import clock
from soc_core.config import load
from soc_core.state import outbox
from soc_core.state.database import Database
from tests.running import answer, soc


def test_status_counts_every_record(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("Nov 23 01:00:00 gate sshd[4]: Failed password for root from 203.0.113.7 port 4000 ssh2\n" * 3)
    answer("ingest", log, "--data", tmp_path / "data")
    whole = answer("status", "--data", tmp_path / "data")
    assert whole["balanced"] is True
    totals = whole["totals"]
    assert isinstance(totals, dict)
    assert (totals["received"], totals["stored"], totals["pending"]) == (3, 3, 0)
    assert "file:" in soc("status", "--data", tmp_path / "data").stdout


def test_status_tells_of_consequences_that_were_given_up(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("hello\n")
    answer("ingest", log, "--data", tmp_path / "data")
    state = Database(load(tmp_path / "data").state_url)
    with state.begin() as session:
        outbox.put(session, "a", "key", {})
    at = 0
    for _ in range(outbox.ATTEMPTS):
        at += clock.DAY
        with state.begin() as session:
            for item in outbox.claim(session, "playbooks", ["a"], 1, at=at):
                outbox.failed(session, "playbooks", item.id, "the mail host [mx1] refuses", at=at)
    state.close()
    assert answer("status", "--data", tmp_path / "data")["given_up"] == [
        {"consumer": "playbooks", "topic": "a", "key": "key", "why": "the mail host [mx1] refuses"}]
    shown = soc("status", "--data", tmp_path / "data").stdout
    assert "playbooks gave up 1 of what follows from alerts (--retry): the mail host [mx1] refuses" in shown
    assert answer("status", "--retry", "--data", tmp_path / "data")["given_up"] == []


def test_status_of_nothing_is_one_sentence(tmp_path: Path) -> None:
    done = soc("status", "--data", tmp_path / "empty", check=False)
    assert done.returncode == 2
    assert "nothing was ever received" in done.stderr
