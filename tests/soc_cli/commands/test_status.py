"""./soc status: the fates of each source, and a clear word where nothing was received."""

from __future__ import annotations

from pathlib import Path

import pytest

from soc_core import clock
from soc_core.config import load
from soc_core.state import claims, collectors, outbox
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


def test_status_tells_of_doors_and_where_the_time_goes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    log = tmp_path / "a.log"
    log.write_text("hello\n")
    answer("ingest", log, "--data", data)
    told = {"running": True, "stalled": "no [space] left", "sources": {
        "syslog-udp:5514": {"received": 1200, "shed": 3, "kernel_drops": 4, "committed": 1150},
        "http:8514": {"received": 7, "shed": 0, "kernel_drops": 0, "committed": 7}}}
    state = Database(load(data).state_url)
    with state.begin() as session:
        collectors.tell(session, "gate:/data", told, clock.now() - clock.HOUR)
        claims.appear(session, "w1", clock.now(), {"trace": {"stages": {"parse": 6.0, "store": 3.99, "read": 0.01}}})
    state.close()
    shown = soc("status", "--data", data).stdout
    assert "collector gate:/data: silent for 3,6" in shown
    assert "waits: no [space] left" in shown
    assert "  syslog-udp:5514: 1,150 into the journal, 3 shed, 4 dropped by the kernel, 50 waiting\n" in shown
    assert "  http:8514: 7 into the journal\n" in shown
    assert "  w1: 0 lanes; parse 60%, store 40%\n" in shown


@pytest.mark.parametrize(("said", "sentence"), [
    ("events: {elastic: {urls: ['http://127.0.0.1:9']}}", "events Elasticsearch does not answer"),
    ("journal: {kafka: {servers: '127.0.0.1:9', patience: 1}}", "journal the journal's broker 127.0.0.1:9"),
], ids=["events", "journal"])
def test_an_engine_that_is_away_hides_nothing_of_the_rest(tmp_path: Path, said: str, sentence: str) -> None:
    data, log = tmp_path / "data", tmp_path / "a.log"
    log.write_text("hello\n")
    answer("ingest", log, "--data", data)
    (data / "soc.yaml").write_text(said)
    done = soc("status", "--data", data, check=False)
    assert done.returncode == 1
    assert sentence in done.stdout
    assert "file:" in done.stdout
    assert "records to be worked off by 0 workers" in done.stdout


def test_status_of_nothing_is_one_sentence(tmp_path: Path) -> None:
    done = soc("status", "--data", tmp_path / "empty", check=False)
    assert done.returncode == 2
    assert "nothing was ever received" in done.stderr
