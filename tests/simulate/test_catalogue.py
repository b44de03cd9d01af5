"""Every code of the telemetry catalogue is read by a format, from the simulator's own lines: what happened, and how."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from collectors.parse import parse
from simulate import templates
from simulate.block import Block, Cast
from simulate.streams import KINDS
from soc_core.clock import from_text
from soc_core.protocols import Frame, Origin, Raws

AT = from_text("2026-11-23T09:00:00+08:00")
FRAME = ("event.kind", "event.category", "event.type", "event.dataset", "@timestamp")
TRIED = {  # codes whose lines all tell of something that was tried: it went well, or not, or nobody can know
    "GW", "SSO", "DBA", "VPN", "BAST", "MAIL", "CAM", "IOT", "ICS", "KSK", "MOB", "AVL", "CONT", "BAK", "CERT",
    "HLTH", "APP", "WEB", "CLD",
}


def lines(name: str, rows: int = 3) -> list[bytes]:
    """Some lines of each template of a kind."""
    cast = Cast(pl.Series(["gov-srv01"]), pl.Series(["10.8.3.7"]), pl.Series(["zhang.san"]), pl.Series(["192.0.2.9"]),
                np.zeros(1, dtype=np.int64))
    none = np.zeros(rows, dtype=np.int64)
    block = Block(cast, np.random.default_rng(5), np.full(rows, AT), none, none, none, np.arange(rows))
    kind = templates.kind(name)
    given = {"device": "34020000001320000009", "file": "list.xlsx", "target": "203.0.113.9", "fc": "5", "setting": "0",
        "fake": "c1ty.example", "words": "bad words", "account": "svc9", "task": "upd", "program": "sshd",
        "client": "10.8.1.9", "message": "Connection closed by 192.0.2.9 port 22", "command": "id",
        "path": "/index.html"}
    found: list[bytes] = []
    for line in kind.document.lines:
        text = templates.Template(kind.document.head + line.text).column(block, kind, given if not line.weight else {})
        found += [one.encode() for one in text]
    return found


@pytest.mark.parametrize("code", sorted(KINDS))
def test_a_code_of_the_catalogue_becomes_events_that_say_what_happened(code: str) -> None:
    document = templates.kind(KINDS[code]).document
    sent = lines(KINDS[code])
    raws = Raws(Origin(source=f"city/{code}", format=document.format), sent, AT)
    found = parse([Frame(0, 0, raws)])
    assert found.faults == []
    assert found.line_no.tolist() == list(range(len(sent)))
    for field in (*FRAME, *(("event.outcome",) if code in TRIED else ())):
        missing = np.flatnonzero(found.batch.column(field).is_null().to_numpy())
        assert not len(missing), (field, [sent[row] for row in missing[:2]])
    formats = set(found.batch.column("soc.format").to_list())
    assert "text" not in formats
    if document.format != "syslog" and code != "WEB":  # an access line may be either server's
        assert formats == {document.parser}
    modules = set(found.batch.column("event.module").to_list())
    assert code == "HOST" or modules.isdisjoint({"system", "syslog", "text"}), modules
