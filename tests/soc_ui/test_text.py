"""Words: both catalogues say the same things, every key that is used exists, and no page speaks past them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from soc_core import clock
from soc_ui import pages, text

ROOT = Path(__file__).resolve().parents[2] / "soc_ui"
SOURCES = sorted(ROOT.rglob("*.py"))
HAN = re.compile(r"[\u4e00-\u9fff]")
SAME = {"common.language"}  # a language's own name


def test_both_catalogues_have_the_same_keys_and_places() -> None:
    zh, en = text.catalogue("zh"), text.catalogue("en")
    assert set(zh) == set(en)
    for key in zh:
        places = [sorted(re.findall(r"{\w+}", words[key])) for words in (zh, en)]
        assert places[0] == places[1], key
        assert not HAN.search(en[key]), key
        assert zh[key].strip()


def test_every_key_that_code_names_exists() -> None:
    zh = text.catalogue("zh")
    used = 0
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and called in ("t", "translate"):
                for given in node.args[:2]:
                    if isinstance(given, ast.Constant) and isinstance(given.value, str) and "." in given.value:
                        assert given.value in zh, f"{path.name}: {given.value}"
                        used += 1
    assert used > 80


def test_pages_speak_only_through_the_catalogues() -> None:
    for path in SOURCES:
        tree = ast.parse(path.read_text("utf-8"))
        documents = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(
            node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.body and isinstance(
            node.body[0], ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
                spoken = HAN.search(node.value) and node.value not in (" 亿", " 万")
                assert not spoken, f"{path.name}:{node.lineno}: {node.value}"
    for path in (ROOT / "components").glob("*.js"):
        assert not HAN.search(path.read_text("utf-8")), path.name


def test_every_page_has_a_name_and_a_help_text() -> None:
    for place in pages.PLACES:
        for key in (f"nav.{place.path}", f"help.{place.path}", *([f"nav.{place.section}"] if place.section else [])):
            assert text.translate("zh", key)


@pytest.mark.parametrize(("value", "zh", "en"), [
    (None, "—", "—"), (0, "0", "0"), (12_345, "12,345", "12,345"), (123_456, "12.3 万", "123.5K"),
    (1_230_000, "123.0 万", "1.2M"), (250_000_000, "2.5 亿", "250.0M"),
])
def test_numbers(value: float | None, zh: str, en: str) -> None:
    assert (text.number("zh", value), text.number("en", value)) == (zh, en)


def test_times() -> None:
    at = clock.from_text("2020-11-22T02:02:33Z")
    assert text.time(at, "Asia/Shanghai") == "2020-11-22 10:02:33"
    assert text.time(0, "Asia/Shanghai") == "—"
    assert text.span("zh", 90 * clock.SECOND) == "1 分钟"
    assert text.span("en", 3 * clock.DAY) == "3 days"
    assert text.age("zh", at, at + 5 * clock.SECOND) == "5 秒前"
    assert text.share(24, 25) == "96%（24/25）"
    assert text.share(0, 0) == "—"
