"""Devices' formats together: found by content, read alike at the syslog door, no address from what others wrote."""

from __future__ import annotations

from typing import Any

import pytest

from collectors import parse
from collectors.formats import _payload, iis
from soc_core import registry
from soc_core.protocols import Context, Frame, Origin, Raws
from tests.collectors.formats.fixtures import CONTEXT, HERE, cases, rows

DEVICES = (
    "api_gateway", "cef", "checkpoint", "cisco", "fortigate", "h3c", "haproxy", "huawei", "iis", "leef", "modsecurity",
    "netfilter", "paloalto", "snort", "squid", "traefik",
)
WITHIN_SYSLOG = tuple(name for name in registry.names("collectors.formats")
    if getattr(registry.get("collectors.formats", name), "SYSLOG_MARKS", ()))
TRAP = ("10.9.9.9", "10.9.9.8", "10.6.6.6")  # addresses that only what others wrote names, in every fixture


def lines(name: str) -> list[bytes]:
    return [line for log in sorted((HERE / name).glob("*.log")) for line in log.read_bytes().split(b"\n")[:-1]]


def good(name: str) -> list[bytes]:
    """The fixture's lines without those that the format refuses."""
    held = lines(name)
    bad = {fault.line for fault in registry.get("collectors.formats", name).parse(held, CONTEXT).faults}
    return [line for number, line in enumerate(held) if number not in bad]


def events(held: list[bytes], form: str) -> list[dict[str, Any]]:
    frame = Frame(0, 0, Raws(Origin(source="s", format=form), held, CONTEXT.received))
    found = rows(parse.parse([frame]).batch)
    return [{key: value for key, value in row.items() if key != "soc.format"} for row in found]


@pytest.mark.parametrize("name", DEVICES)
def test_content_tells_the_device(name: str) -> None:
    assert parse.detect(good(name)) == name


# Content cannot tell these from a format that is surer: their access lines and pairs are the same.
TOLD = [(name, log) for name, log in cases() if name not in ("nginx", "tomcat", "key_value")]


@pytest.mark.parametrize(("name", "log"), TOLD, ids=lambda part: part if isinstance(part, str) else part.stem)
def test_no_format_takes_the_samples_of_another(name: str, log: Any) -> None:
    module = registry.get("collectors.formats", name)
    mine = module.sniff(log.read_bytes().split(b"\n")[:-1])
    for other in DEVICES:
        if other != name:
            assert registry.get("collectors.formats", other).sniff(log.read_bytes().split(b"\n")[:-1]) <= mine, other


@pytest.mark.parametrize("name", WITHIN_SYSLOG)
def test_the_syslog_door_reads_a_device_as_its_format_does(name: str) -> None:
    module = registry.get("collectors.formats", name)
    held = [line for line in lines(name) if any(mark.encode() in line for mark in module.SYSLOG_MARKS)]
    whole = module.parse(held, CONTEXT)
    bad = {fault.line for fault in whole.faults} | set(whole.merged)
    held = [line for number, line in enumerate(held) if number not in bad]
    assert held
    if name == "key_value":  # a surer format may take pairs that it knows
        held = [line for line in held if b"fwlog" in line]
    assert events(held, "syslog") == [
        {**row} for row in rows(module.parse(held, Context(-(-CONTEXT.received // 3_600_000_000) * 3_600_000_000,
            CONTEXT.timezone)).batch)]


@pytest.mark.parametrize("name", [*DEVICES, "key_value"])
def test_no_address_comes_from_what_others_wrote(name: str) -> None:
    for row in rows(registry.get("collectors.formats", name).parse(lines(name), CONTEXT).batch):
        named = [row.get(f"{side}.{kind}") for side in ("source", "destination") for kind in ("address", "ip")]
        if row.get("event.code") == "106021":
            continue  # here the spoofed address is what the device itself saw
        assert not set(TRAP) & set(named), row
        assert not set(TRAP) & set(row.get("related.ip", ())), row


def test_a_quoted_device_message_is_not_a_device() -> None:
    """What a program merely repeats keeps the program's own event."""
    head = b"Nov 20 08:15:09 host1 sshd[7]: Invalid user "
    for line in (
        head + b"%ASA-6-605004: Login denied from 10.9.9.9/1 to x:1/ssh from 203.0.113.5 port 22",
        head + b"IN=eth0 OUT= SRC=10.9.9.9 DST=10.1.1.1 PROTO=TCP from 203.0.113.5 port 22",
        b"Nov 20 08:15:09 h app: x CEF:0|a|b|c|d|e|1|src=10.9.9.9",
    ):
        (event,) = events([line], "syslog")
        assert event["event.module"] == "system"
        assert "10.9.9.9" not in (event.get("source.address"), event.get("source.ip"))


def test_a_file_s_own_header_names_the_fields_of_its_later_lines() -> None:
    """A batch is only a cut of a file: what it said of its fields comes beside."""
    header = "#Fields: date time cs-method cs-uri-stem c-ip sc-status"
    line = b"2026-11-20 00:00:01 GET /a 203.0.113.9 404"
    assert iis.parse([line], CONTEXT).faults
    told = Context(CONTEXT.received, CONTEXT.timezone, "", header)
    (event,) = rows(iis.parse([line], told).batch)
    assert (event["source.ip"], event["http.response.status_code"]) == ("203.0.113.9", 404)


def test_marks_are_found_by_name() -> None:
    assert {"cisco", "fortigate", "netfilter"} <= _payload._marked().keys()


@pytest.mark.parametrize("name", [*DEVICES, "key_value", "tomcat"])
def test_long_and_crafted_lines_end_somewhere(name: str) -> None:
    """Shapes that make careless patterns go back again and again: a pattern of that kind would never end here."""
    module = registry.get("collectors.formats", name)
    start = good(name)[-1][:200]
    for filler in (b'a="', b" =", b"a=b ", b"\\", b"|", b"[", b"(x)=y;", b" ", b"1.2.3.4 ", b', User="', b"::"):
        line = start + filler * (200_000 // len(filler))
        found = module.parse([line], CONTEXT)
        assert len(found.faults) + found.batch.height == 1, filler
