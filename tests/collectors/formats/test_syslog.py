"""Syslog: headers of every kind, payloads, and the traps of attacker-written text."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.formats import syslog
from soc_core import clock
from soc_core.protocols import Context
from tests.collectors.formats.fixtures import CONTEXT, rows


def events(*lines: str, ctx: Context = CONTEXT) -> list[dict[str, Any]]:
    parsed = syslog.parse([line.encode() for line in lines], ctx)
    assert parsed.faults == []
    return rows(parsed.batch)


@pytest.mark.parametrize("line", [
    "<38>Nov 20 08:15:01 web1 sshd[7]: Server listening on 0.0.0.0 port 22.",
    "Nov 20 08:15:01 web1 sshd[7]: Server listening on 0.0.0.0 port 22.",
    "2026-11-20T08:15:01+08:00 web1 sshd[7]: Server listening on 0.0.0.0 port 22.",
    "<38>2026-11-20T00:15:01.000000Z web1 sshd[7]: Server listening on 0.0.0.0 port 22.",
    "<38>1 2026-11-20T08:15:01+08:00 web1 sshd 7 - - Server listening on 0.0.0.0 port 22.",
    "<38>1 2026-11-20T08:15:01+08:00 web1 sshd 7 ID1 [a b=\"c\"] \ufeffServer listening on 0.0.0.0 port 22.",
    "<38>1 2026-11-20T08:15:01+08:00 web1 sshd[7] - - - Server listening on 0.0.0.0 port 22.",
    "<38>Nov 20 2026 08:15:01 web1 sshd[7]: Server listening on 0.0.0.0 port 22.",
])
def test_every_header_gives_the_same_event(line: str) -> None:
    (event,) = events(line)
    assert event["@timestamp"] == "2026-11-20T00:15:01.000000Z"
    assert (event["host.name"], event["process.name"], event["process.pid"]) == ("web1", "sshd", 7)
    assert event["message"] == "Server listening on 0.0.0.0 port 22."
    assert event["event.action"] == "ssh_listen"


@pytest.mark.parametrize("text", [
    "Failed password for invalid user a from 10.9.9.9 port 1 ssh2 from 203.0.113.9 port 50274 ssh2",
    "Failed password for invalid user a from 10.9.9.9 port 1 ssh2: RSA SHA256:x from 203.0.113.9 port 50274 ssh2",
    "Invalid user a from 10.9.9.9 port 22 from 203.0.113.9 port 50274",
    "Connection closed by invalid user a 10.9.9.9 port 1 [preauth] 203.0.113.9 port 50274 [preauth]",
    "Disconnected from authenticating user a 10.9.9.9 port 1 203.0.113.9 port 50274 [preauth]",
    "error: maximum authentication attempts exceeded for invalid user a from 10.9.9.9 port 1 ssh2 from 203.0.113.9 "
    "port 50274 ssh2 [preauth]",
    "Failed publickey for root from 203.0.113.9 port 50274 ssh2: RSA-CERT ID a from 10.9.9.9 port 1 ssh2: RSA "
    "SHA256:x (serial 0) CA RSA SHA256:y",
    "Bad protocol version identification 'x' from 10.9.9.9 port 1' from 203.0.113.9 port 50274",
    "Received disconnect from 203.0.113.9 port 50274:11: bye from 10.9.9.9 port 1",
    "Unable to negotiate with 203.0.113.9 port 50274: no matching cipher found. Their offer: x from 10.9.9.9 port 1",
])
def test_an_address_in_foreign_text_is_never_taken(text: str) -> None:
    (event,) = events(f"<38>Nov 20 08:15:01 web1 sshd[7]: {text}")
    assert (event["source.ip"], event["source.port"]) == ("203.0.113.9", 50274)
    assert event["related.ip"] == ["203.0.113.9"]


def test_a_shape_that_sshd_never_writes_gives_no_address() -> None:
    (event,) = events("<38>Nov 20 08:15:01 web1 sshd[7]: user says Failed password for root from 10.9.9.9 port 1 ssh2")
    assert "source.ip" not in event
    assert event["event.dataset"] == "system.auth"


def test_the_29th_of_february_belongs_to_a_leap_year() -> None:
    (event,) = events("Feb 29 08:00:00 h app: x")
    assert event["@timestamp"].startswith("2024-02-29")


def test_a_clock_change_loses_no_time() -> None:
    ctx = Context(clock.from_text("2026-11-23T00:00:00Z"), "Europe/Berlin")
    assert [event["@timestamp"] for event in events("Mar 29 02:30:00 h app: x", "Mar 29 03:30:00 h app: x",
        ctx=ctx)] == [
        "2026-03-29T01:30:00.000000Z", "2026-03-29T01:30:00.000000Z"]


@pytest.mark.parametrize("line", [b"", b"plain words", b"2026-11-20 08:00:00 INFO app: java says", b'{"a":1}', b"<34",
    b"<34>"])
def test_what_has_no_header_is_a_fault(line: bytes) -> None:
    parsed = syslog.parse([line], CONTEXT)
    assert parsed.batch.height == 0
    assert parsed.faults == [(0, "no syslog header")]


def test_payloads_of_other_formats_keep_the_header() -> None:
    access, eve, xml = events(
        '<190>Nov 20 08:21:00 web1 nginx: 192.0.2.55 - - [20/Nov/2026:08:21:00 +0800] "GET /x HTTP/1.1" 404 153 "-" '
        '"curl/8.5.0"',
        '<134>Nov 20 08:21:01 ids1 suricata[9]: @cee: '
        '{"timestamp":"2026-11-20T08:21:01+0800","event_type":"dns","src_ip":"10.1.2.3","dns":{"type":"query"}}',
        "Nov 20 08:21:02 lx1 sysmon: <Event><System><Provider "
        "Name='Linux-Sysmon'/><EventID>1</EventID><Channel>Linux-Sysmon/Operational</Channel>"
        "<Computer>lx1</Computer></System><EventData><Data Name='Image'>/bin/sh</Data></EventData></Event>",
    )
    assert (access["event.dataset"], access["host.name"], access["log.syslog.priority"]) == ("nginx.access", "web1",
        190)
    assert (eve["event.dataset"], eve["host.name"], eve["source.ip"]) == ("suricata.eve", "ids1", "10.1.2.3")
    assert (xml["process.executable"], xml["sigma.logsource"]) == ("/bin/sh", ["linux/process_creation/"])


def test_a_device_is_not_taken_for_linux() -> None:
    linux, device = events("<189>Nov 20 08:21:00 h app: x",
        "<189>Nov 20 08:21:00 asa : %ASA-6-302013: Built outbound TCP")
    assert "linux//" in linux["sigma.logsource"]
    assert not any(tag.startswith("linux") for tag in device["sigma.logsource"])


def test_a_tag_of_before_is_taken_apart_alone() -> None:
    """Beside a process id of its own, or with no number in it, it is the name that it is."""
    head = "<38>1 2026-11-20T08:15:01+08:00 web1"
    found = events(f"{head} sshd[7] 9 - - hello", f"{head} sshd[x] - - - hello", f"{head} cron[8] - - - hello",
                   f"{head} sshd 7 - - hello", f"{head} - - - - hello")
    assert [(each.get("process.name"), each.get("process.pid")) for each in found] == [
        ("sshd[7]", 9), ("sshd[x]", None), ("cron", 8), ("sshd", 7), (None, None)]
