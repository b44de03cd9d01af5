"""Each modifier of the specification by example, on both engines."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from sigma.rule import SigmaDetectionItem
from sigma.types import SigmaExpansion

from detections.sigma import modifiers
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import load_rules, parse
from detections.sigma.map import Verbatim
from soc_core.events import EventBatch
from tests.detections.sigma import reference
from tests.detections.sigma.conftest import fired

INNER = base64.b64encode("xxpowershell -enc".encode("utf-16-le")).decode()

CASES: list[tuple[str, Any, Any, bool]] = [
    ("F", "ABC", "abc", True),
    ("F", "abc", "abcd", False),
    ("F", "a*d", "a\nxd", True),
    ("F", "a?c", "a中c", True),
    ("F", "a?c", "ac", False),
    ("F", r"a\*c", "a*c", True),
    ("F", r"a\*c", "abc", False),
    ("F", r"C:\x", r"c:\X", True),
    ("F", r"a\\*", r"a\b", True),
    ("F", "ß", "ẞ", True),
    ("F", "ss", "ß", False),
    ("F", "İ", "i", False),
    ("F", "k", "\u212a", True),
    ("F", "ÉCOLE", "école", True),
    ("F", " a ", "a", False),
    ("F", "", "", True),
    ("F", "", None, False),
    ("F", None, None, True),
    ("F", None, "", False),
    ("F", 4688, "4688", True),
    ("F", 4688, "04688", False),
    ("F", True, "TRUE", True),
    ("F", 1.0, "1", True),
    ("F", 16, "0x10", False),
    ("F|contains", "b", "aBc", True),
    ("F|startswith", "a", "ABc", True),
    ("F|endswith", "c", "abC", True),
    ("F|contains", "*", "", True),
    ("F|contains|all", ["a", "c"], "cba", True),
    ("F|contains|all", ["a", "z"], "cba", False),
    ("F|all", ["a*", "*c"], ["ax", "xc"], True),
    ("F|cased", "Ab", "Ab", True),
    ("F|cased", "Ab", "ab", False),
    ("F|contains|cased", "B", "abc", False),
    ("F|cased|contains", "B", "aBc", True),
    ("F|re", "a.c", "xabcx", True),
    ("F|re", "A", "a", False),
    ("F|re|i", "A", "a", True),
    ("F|re", "^b", "a\nb", False),
    ("F|re|m", "^b", "a\nb", True),
    ("F|re|m", "^$", "a\n", True),
    ("F|re|m", "a\n^", "a\n", True),
    ("F|re|m", "^$", "a\n\nb", True),
    ("F|re|m", "^$", "a\nb", False),
    ("F|re|m", "a$", "a\n\n", True),
    ("F|re|i|m", "^B$", "a\nb\nc", True),
    ("F|re", "(?m)^b$", "a\nb\nc", True),
    ("F|re", "(?im)^B$", "a\nb\nc", True),
    ("F|re", "(?i)^B$", "a\nb", False),
    ("F|re", "^$", "\n", True),
    ("F|re", "a.b", "a\nb", False),
    ("F|re|s", "a.b", "a\nb", True),
    ("F|re", "a$", "a\n", True),
    ("F|re", "a$", "a\n\n", False),
    ("F|re", r"\d", "٣", False),
    ("F|cidr", "10.0.0.0/8", "10.1.2.3", True),
    ("F|cidr", "10.0.0.0/8", "::ffff:10.1.2.3", True),
    ("F|cidr", "10.0.0.0/8", "AWS Internal", False),
    ("F|cidr", "2001:db8::/32", "2001:db8::1", True),
    ("F|cidr", "10.0.0.0/8", "-", False),
    ("F|lt", 5, "4", True),
    ("F|lte", 5, "5", True),
    ("F|gt", 5, "5", False),
    ("F|gte", 5, "5.0", True),
    ("F|gt", 5, "x", False),
    ("F|gt", 5, "0x10", False),
    ("F|neq", "a", "b", True),
    ("F|neq", "a", "A", False),
    ("F|neq", ["a", "b"], "c", True),
    ("F|neq", ["a", "b"], "b", False),
    ("F|exists", True, "", True),
    ("F|exists", True, None, False),
    ("F|exists", False, None, True),
    ("F|windash|contains", " -x", "a /x", True),
    ("F|contains|windash", " -x", "a ―x", True),
    ("F|contains|windash", " -x-y", "a /x/y", False),
    ("F|contains|windash", "–x", " -x", True),
    ("F|base64", "foobar", "Zm9vYmFy", True),
    ("F|base64offset|contains", "powershell", base64.b64encode(b"xpowershelly").decode(), True),
    ("F|base64offset|contains", "powershell", base64.b64encode(b"xxpowershelly").decode(), True),
    ("F|base64offset|contains", "powershell", "cG93", False),
    ("F|wide|base64offset|contains", "powershell", INNER, True),
    ("F|utf16le|base64offset|contains", "powershell", INNER, True),
    ("F|utf16|base64", "cmd", base64.b64encode(b"\xff\xfec\0m\0d\0").decode(), True),
    ("F|utf16be|base64", "cmd", base64.b64encode(b"\0c\0m\0d").decode(), True),
    ("F|wide|base64", "é中", base64.b64encode("é中".encode("utf-16-le")).decode(), True),
    ("F|base64", "a\\*b", base64.b64encode(b"a*b").decode(), True),
    ("F|minute", 7, "2026-11-23T01:07:00Z", True),
    ("F|hour", 1, "2026-11-23T01:07:00+08:00", True),
    ("F|day", 23, "2026-11-23", True),
    ("F|week", 48, "2026-11-23T01:07:00Z", True),
    ("F|month", 11, "2026-11-23T01:07:00Z", True),
    ("F|year", 2026, "2026-11-23T01:07:00Z", True),
    ("F|year", 2026, "yesterday", False),
    ("F|hour|gte", 20, "2026-11-23T19:59:59Z", False),
    ("F|hour|gte", 20, "2026-11-23T20:00:00Z", True),
    ("F|hour|lt", 6, "2026-11-23T05:59:00Z", True),
    ("F|hour|lt", 6, "2026-11-23T06:00:00Z", False),
    ("F|minute|lte", 0, "2026-11-23T06:00:00Z", True),
    ("F|day|gt", 30, "2026-10-31", True),
    ("F|week|gte", 53, "2026-12-31", True),
    ("F|month|lte", 2, "2026-03-01", False),
    ("F|year|gt", 2025, "2026-03-01", True),
    ("F|hour|neq", 2, "2026-11-23T02:00:00Z", False),
    ("F|neq|fieldref", "G", "Same", False),
    ("F|fieldref|neq", "G", "other", True),
    ("F|cased|base64", "foo", "Zm9v", True),
    ("F|cased|base64", "foo", "zm9v", False),
    ("F|base64|cased", "foo", "zm9v", False),
    ("F|cased|wide|base64offset|contains", "powershell", INNER, True),
    ("F|cased|wide|base64offset|contains", "powershell", INNER.lower(), False),
    ("F|cased|wide", "Cmd", "c\0m\0d\0", False),
    ("F|wide", "Cmd", "c\0m\0d\0", True),
    ("F|cased|windash", "-Foo", "/Foo", True),
    ("F|cased|windash", "-Foo", "/foo", False),
    ("F|windash|cased", "-Foo", "/foo", False),
    ("F|windash|base64", "-f", "L2Y=", True),
    ("F|fieldref", "G", "Same", True),
    ("F|fieldref", "G", "other", False),
    ("F|fieldref|startswith", "G", "SAMEx", True),
    ("F|fieldref", "H", "same", False),
    ("F|fieldref|endswith", "G", "xsame", True),
    ("F|fieldref|contains", "G", "xsamex", True),
]


@pytest.mark.parametrize("engine", ["auto", "re2"])
def test_every_modifier(engine: Any) -> None:
    wrong = []
    for number, (key, value, held, expected) in enumerate(CASES):
        rule = {"title": "t", "logsource": {"product": "x"}, "detection": {"s": {key: value}, "condition": "s"}}
        loaded = parse(yaml.safe_dump(rule, allow_unicode=True))
        assert loaded.failed == [], key
        row = {"sigma.logsource": ["x//"], "G": "same"} | ({} if held is None else {"F": held})
        import polars as pl

        columns = [
            pl.Series(name, [cell], dtype=pl.List(pl.String) if isinstance(cell, list) else pl.String)
            for name, cell in row.items()
        ]
        batch = EventBatch.of(pl.DataFrame(columns))
        if bool(fired(SigmaDetector(loaded, Verbatim(), engine=engine), batch)) != expected:
            wrong.append((number, key, value, held))
    assert wrong == []


def test_the_reference_reads_every_modifier_so() -> None:
    wrong = []
    for number, (key, value, held, expected) in enumerate(CASES):
        row = {"G": ["same"]} | ({} if held is None else {"F": held if isinstance(held, list) else [held]})
        if reference.fires({"detection": {"s": {key: value}, "condition": "s"}}, row.get, []) != expected:
            wrong.append((number, key, value, held))
    assert wrong == []


@pytest.mark.parametrize(("key", "value", "why"), [
    ("F|expand|base64", "%x%", "placeholders cannot be encoded"),
    ("F|expand|wide", "a%x%", "placeholders cannot be encoded"),
    ("F|contains|base64", "x", "wildcards cannot be encoded"),
    ("F|cased|fieldref", "G", "cased does not go with fieldref"),
    ("F|fieldref|cased", "G", "incompatible"),
    ("F|re|startswith", "x", "begins and ends with"),
    ("F|re|endswith", "x", "begins and ends with"),
    ("F|hour|gt", 23, "no hour is gt 23"),
    ("F|gte|hour", 23, "incompatible"),
])
def test_what_no_event_could_be_judged_by_is_set_aside(key: str, value: Any, why: str) -> None:
    """These were taken in silence, and matched nothing, everything, or without regard to case."""
    rule = {"title": "t", "logsource": {"product": "x"}, "detection": {"s": {key: value}, "condition": "s"}}
    loaded = parse(yaml.safe_dump(rule), placeholders={"x": ["foo"]})
    assert loaded.rules == []
    assert why in loaded.failed[0].reason


def test_placeholders(tmp_path: Path) -> None:
    text = (
        "title: t\nlogsource: {product: x}\ndetection:\n  s:\n    F|expand: '%Servers%-\\%x%Sites%'\n  condition: s\n"
    )
    loaded = parse(text, placeholders={"Servers": ["srv*", "dc"], "Sites": ["a"]})
    detector = SigmaDetector(loaded, Verbatim())
    for value, expected in (("srv17-%xa", True), ("DC-%xa", True), ("dc-%xb", False)):
        batch = EventBatch.from_dicts([{"sigma.logsource": ["x//"], "F": value}])
        assert bool(fired(detector, batch)) == expected
    (tmp_path / "rule.yml").write_text(text)
    (tmp_path / "placeholders.yml").write_text("placeholders:\n  Servers: [web1]\n  Sites: [a]\n")
    stated = load_rules([tmp_path])
    assert stated.failed == []
    assert fired(
        SigmaDetector(stated, Verbatim()), EventBatch.from_dicts([{"sigma.logsource": ["x//"], "F": "WEB1-%xa"}])
    )
    unknown = parse(text)
    assert unknown.failed == []
    assert SigmaDetector(unknown, Verbatim()).program.rules == []


@pytest.mark.parametrize("key", ["F|expand|cased", "F|cased|expand", "F|expand|contains|cased"])
def test_values_of_placeholders_are_cased_where_the_rule_says_so(key: str) -> None:
    rule = {"title": "t", "logsource": {"product": "x"}, "detection": {"s": {key: "%who%"}, "condition": "s"}}
    loaded = parse(yaml.safe_dump(rule), placeholders={"who": ["Root", "Adm*"]})
    detector = SigmaDetector(loaded, Verbatim())
    for value, expected in (("Root", True), ("root", False), ("Admin", True), ("admin", False)):
        batch = EventBatch.from_dicts([{"sigma.logsource": ["x//"], "F": value}])
        assert bool(fired(detector, batch)) == expected


def test_null_is_no_keyword() -> None:
    """It fired on every event without a text."""
    for detection in ({"s": None, "condition": "s"}, {"s": ["a", None], "condition": "s"}):
        loaded = parse(yaml.safe_dump({"title": "t", "logsource": {"product": "x"}, "detection": detection}))
        assert loaded.rules == []
        assert "null" in loaded.failed[0].reason.lower()


@pytest.mark.parametrize(("value", "fixed"), [
    ("foobar", ["Zm9vYmFy", "Zvb2Jhc", "mb29iYX"]),
    ("http://", ["aHR0cDovL", "h0dHA6Ly", "odHRwOi8v"]),
    ("four", ["Zm91c", "ZvdX", "mb3Vy"]),
])
def test_of_an_encoded_value_just_what_is_fixed_is_looked_for(value: str, fixed: list[str]) -> None:
    modifiers.register()
    (found,) = SigmaDetectionItem.from_mapping("F|base64offset", value).value
    assert isinstance(found, SigmaExpansion)
    assert [str(each) for each in found.values] == fixed
    for shift, text in enumerate(fixed):  # whatever stands before and behind
        for before, behind in ((b"\0" * shift, b"\0\0"), (b"\xff" * shift, b"\xff\xff"), (b"\xff" * shift, b"")):
            assert text in base64.b64encode(before + value.encode() + behind).decode()
