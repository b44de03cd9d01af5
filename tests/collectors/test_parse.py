"""Many frames at once: formats found, second chances, exceptions contained, nothing lost."""

from __future__ import annotations

import pytest

from collectors import parse
from collectors.formats import syslog
from soc_core import clock, registry
from soc_core.protocols import Frame, Origin, ParsedFrames, Raws

NOW = clock.from_text("2026-11-23T00:00:00Z")
SSH = b"Nov 20 08:15:01 web1 sshd[2301]: Failed password for root from 203.0.113.9 port 50273 ssh2"
ACCESS = b'192.0.2.10 - - [20/Nov/2026:08:00:01 +0800] "GET / HTTP/1.1" 200 5 "-" "-"'
EVE = (
    b'{"timestamp":"2026-11-20T08:24:38.000000+0800","event_type":"dns","src_ip":"10.1.2.3","dest_ip":"10.1.0.53",'
    b'"dns":{"type":"query"}}'
)
WINDOWS = b'{"EventID":4625,"Channel":"Security","Hostname":"h","@timestamp":"2026-11-20T01:00:00Z"}'


def frame(lines: list[bytes], *, format: str = "", source: str = "s", damaged: dict[int, str] | None = None,
    received: int = NOW,
          encoding: str = "") -> Frame:
    return Frame(0, 0, Raws(Origin(source=source, format=format, encoding=encoding), lines, received, None, damaged
        or {}))


def places(found: ParsedFrames) -> list[tuple[int, int]]:
    return list(zip(found.frame_no.tolist(), found.line_no.tolist(), strict=True))


@pytest.mark.parametrize(("line", "name"), [(SSH, "syslog"), (ACCESS, "apache"), (EVE, "suricata_eve"), (WINDOWS,
    "windows_event"),
                                            (b'{"@timestamp":"2026-11-20T01:00:00Z","event":{"kind":"event"}}', "ecs"),
                                            (b"hello", "text"), (b"", "text")])
def test_content_tells_the_format(line: bytes, name: str) -> None:
    assert parse.detect([line] * 3) == name


def test_detection_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(lines: object) -> float:
        raise RuntimeError("broken")

    monkeypatch.setattr(syslog, "sniff", broken)
    assert parse.detect([SSH]) == "text"
    assert parse.detect([]) == "text"


def test_events_stand_in_the_order_of_frames_and_lines() -> None:
    found = parse.parse([frame([SSH, ACCESS, b"\x80\x81garbage", SSH], format="syslog"), frame([EVE, WINDOWS]),
        frame([ACCESS], format="nginx")])
    assert places(found) == [(0, 0), (0, 1), (0, 3), (1, 0), (1, 1), (2, 0)]
    assert found.batch.column("soc.format").to_list() == ["syslog", "apache", "syslog", "suricata_eve", "windows_event",
        "nginx"]
    assert [(fault.frame, fault.line) for fault in found.faults] == [(0, 2)]


def test_a_second_format_must_be_sure_of_the_very_line() -> None:
    found = parse.parse([frame([SSH] * 40 + [b"just words", b'{"a":1}', EVE, b""] + [WINDOWS] * 3, format="syslog")])
    assert [fault.line for fault in found.faults] == [40, 41, 43]
    assert all(fault.reason == "no syslog header" for fault in found.faults)
    assert found.batch.column("soc.format").to_list()[-4:] == ["suricata_eve", *["windows_event"] * 3]


def test_damaged_records_go_to_the_faults_unparsed() -> None:
    found = parse.parse([frame([SSH, SSH], damaged={0: "cut short"})])
    assert places(found) == [(0, 1)]
    assert found.faults[0] == (0, 0, "cut short")


def test_an_exception_costs_the_line_that_raises_it_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    real = syslog.parse

    def fragile(lines: list[bytes], ctx: object) -> object:
        if any(b"poison" in line for line in lines):
            raise ZeroDivisionError("deep inside")
        return real(lines, ctx)  # type: ignore[arg-type]

    monkeypatch.setattr(syslog, "parse", fragile)
    lines = [SSH] * 20
    lines[3] = lines[17] = SSH + b" poison"
    found = parse.parse([frame(lines, format="syslog")])
    assert [fault.line for fault in found.faults] == [3, 17]
    assert all(fault.reason.startswith("parser error: syslog: ZeroDivisionError") for fault in found.faults)
    assert places(found) == [(0, n) for n in range(20) if n not in (3, 17)]


def test_a_format_that_fails_to_look_at_lines_is_passed_over_and_logged_once(
        monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(lines: list[bytes]) -> float:
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(syslog, "sniff", broken)
    monkeypatch.setattr(parse, "BROKEN", set())
    assert parse.detect([EVE] * 3) == "suricata_eve"
    assert parse.detect([EVE]) == "suricata_eve"
    (said,) = [record for record in caplog.records if "syslog" in record.message]
    assert said.exc_info


def test_how_frames_are_cut_changes_nothing() -> None:
    lines = [SSH, ACCESS, EVE, b"junk", WINDOWS] * 4
    whole = parse.parse([frame(lines, format="syslog")])
    cut = parse.parse([frame(lines[at : at + 3], format="syslog") for at in range(0, len(lines), 3)])
    assert whole.batch.height == cut.batch.height
    assert [n * 3 + line for n, line in places(cut)] == [line for _, line in places(whole)]
    for name in sorted(whole.batch.fields):
        assert whole.batch.column(name).to_list() == cut.batch.column(name).to_list(), name


def test_the_year_comes_from_receipt_and_wraps() -> None:
    new_year = clock.from_text("2027-01-01T00:30:00+08:00")
    line = b"Dec 31 23:59:59 h app: x"
    found = parse.parse([frame([line, b"Jan  1 00:10:00 h app: x"], format="syslog", received=new_year)])
    assert [at.isoformat() for at in found.batch.column("@timestamp").to_list()] == ["2026-12-31T15:59:59+00:00",
        "2026-12-31T16:10:00+00:00"]
    ahead = parse.parse([frame([b"Jan  1 00:00:05 h app: x"], format="syslog",
        received=clock.from_text("2026-12-31T23:59:59+08:00"))])
    assert ahead.batch.column("@timestamp")[0].isoformat() == "2026-12-31T16:00:05+00:00"


def test_text_in_other_codecs() -> None:
    chinese = "Nov 20 08:15:01 web1 app: 登录失败"
    found = parse.parse([frame([chinese.encode("gb18030"), chinese.encode()], format="syslog"),
                         frame([chinese.encode("utf-16-le")], format="syslog", encoding="utf-16-le")])
    messages = found.batch.column("message").to_list()
    assert messages[:2] == ["登录失败", "登录失败"]
    assert messages[-1] == "登录失败"
    text = parse.parse([frame([b"a\x00b\x1bc", b"\x80\x80\xff"], format="text")])
    assert text.batch.column("message").to_list() == ["a\x00b\x1bc"]
    assert "not text" in text.faults[0].reason


def test_an_unknown_format_name_is_no_name() -> None:
    found = parse.parse([frame([SSH], format="nosuch")])
    assert found.batch.column("soc.format").to_list() == ["syslog"]


def test_nothing_gives_nothing() -> None:
    assert parse.parse([]).batch.height == 0
    assert parse.parse([frame([])]).batch.height == 0


def test_formats_are_listed_with_what_they_read() -> None:
    listed = dict(parse.formats())
    assert set(listed) == set(registry.names("collectors.formats"))
    assert all(listed.values())
