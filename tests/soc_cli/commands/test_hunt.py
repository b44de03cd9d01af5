"""./soc hunt: the JSON that it promises, its exit states, and log lines that try to steer the terminal."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from soc_cli import rows
from soc_cli.__main__ import main
from soc_core.access import EVERYTHING
from soc_core.config import load
from soc_core.protocols import Query
from soc_core.store.embedded import EmbeddedStore
from tests.soc_core.store.events import batch, identified, plain


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with EmbeddedStore(load(tmp_path).events("real")) as store:
        store.write(batch(identified([
            {"user.name": "root", "organization.name": "长沙市示例局", "message": "evil \x1b[31m\u202etext\nnext"},
            {"user.name": "张伟", "event.dataset": "sshd.auth", "source.ip": "10.0.0.1"},
            {"user.name": "x", "event.original": "y" * 300},
        ])))
    with EmbeddedStore(load(tmp_path).events("demo")) as store:
        store.write(batch(plain(2)))
    return tmp_path


def hunt(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any, str]:
    code = main(["hunt", *map(str, arguments)])
    said = capsys.readouterr()
    return code, orjson.loads(said.out.splitlines()[-1]) if "--json" in arguments and not code else said.out, said.err


def test_json(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found, _ = hunt(capsys, "user.name:*", "--limit", 2, "--data", data, "--json")
    assert (code, found["total"], len(found["rows"])) == (0, 3, 2)
    assert found["rows"][1]["user.name"] == "张伟"
    assert found["rows"][1]["@timestamp"] == "2026-09-21T14:13:21.000000Z"
    _, rest, _ = hunt(capsys, "user.name:*", "--after", found["next"], "--data", data, "--json")
    assert ([row["user.name"] for row in rest["rows"]], rest["next"]) == (["root"], "")
    span = ("--since", "2026-09-21T14:13:21Z", "--until", "2026-09-21T14:13:22Z")
    assert hunt(capsys, "*", *span, "--data", data, "--json")[1]["total"] == 1
    assert hunt(capsys, "*", "--since", "5d", "--until", "1s", "--data", data, "--json")[1]["total"] == 0
    assert hunt(capsys, "*", "--realm", "demo", "--data", data, "--json")[1]["total"] == 2


@pytest.mark.parametrize(("arguments", "says"), [
    (["a AND (b"], 'missing ")" (at character 7)'), (["*", "--since", "soon"], "not a time: 'soon'"),
    (["*", "--after", "x"], "not the key of a page"), (["*", "--realm", "none"], "none"),
    (["*", "--limit", "-1"], "--limit"),
])
def test_bad_usage_is_one_sentence(
    data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    code, _, complaint = hunt(capsys, *arguments, "--data", data)
    assert code == 2
    assert says in complaint
    assert "Traceback" not in complaint


def test_where_nothing_is_kept_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, complaint = hunt(capsys, "*", "--data", tmp_path / "absent")
    assert (code, "no real events are kept" in complaint) == (2, True)
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_log_line_does_not_steer_the_terminal(data: Path, terminal: bool) -> None:
    with EmbeddedStore(load(data).events("real")) as store:
        hits = store.search(Query(), EVERYTHING)
    out = io.StringIO()
    rows.show(hits, "Asia/Shanghai", Console(file=out, force_terminal=terminal, width=160, color_system=None))
    text = out.getvalue()
    assert "evil ⟨001B⟩[31m⟨202E⟩text⏎next" in text
    assert "\x1b[31m" not in text
    assert "\u202e" not in text
    assert "2026-09-21 22:13:20.000" in text
    assert ("共 3 条" in text) == terminal
    assert "长沙市示例局" in text


RULE = """title: root
id: 00000000-0000-4000-8000-000000000001
logsource: {product: linux}
detection: {s: {user.name: root}, condition: s}
"""


def test_rules_judge_what_is_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tags = {"sigma.logsource": ["linux//"]}
    names = ["root", "x", "ROOT", "root"]
    events = identified({"user.name": name, "host.name": f"h{n}", **tags} for n, name in enumerate(names))
    with EmbeddedStore(load(tmp_path).events("real")) as store:
        store.write(batch(events))
    rule = tmp_path / "root.yml"
    rule.write_text(RULE)
    code, found, _ = hunt(capsys, "--rule", rule, "--data", tmp_path, "--json")
    assert (code, found["events"]) == (0, 4)
    assert found["hits"][0] == {
        "rule_id": "00000000-0000-4000-8000-000000000001", "event_id": events[0]["event.id"],
        "timestamp": "2026-09-21T14:13:20.000000Z",
    }
    assert [hit["event_id"] for hit in found["hits"]] == [events[n]["event.id"] for n in (0, 2, 3)]
    span = ("--since", "2026-09-21T14:13:21Z", "--until", "2026-09-21T14:13:23Z")
    assert len(hunt(capsys, "--rule", rule, *span, "--data", tmp_path, "--json")[1]["hits"]) == 1
    assert len(hunt(capsys, "host.name:h3", "--rule", rule, "--data", tmp_path, "--json")[1]["hits"]) == 1
    (tmp_path / "tuning").mkdir()
    (tmp_path / "tuning" / "site.yml").write_text(
        "exceptions: [{rule: 00000000-0000-4000-8000-000000000001, owner: a, reason: b, expires: 2030-01-01,"
        " where: {host.name: h0}}]\n"
    )
    found = hunt(capsys, "--rule", rule, "--data", tmp_path, "--json")[1]
    assert (len(found["hits"]), list(found["suppressed"].values())) == (2, [1])
    code, said, _ = hunt(capsys, "--rule", rule, "--data", tmp_path)
    assert (code, said.splitlines()[-1].startswith("2 hits in 4 events")) == (0, True)


def test_a_rule_that_cannot_be_used(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = tmp_path / "bad.yml", tmp_path / "good.yml"
    bad.write_text("title: x\n")
    good.write_text(RULE)
    for arguments, code, says in (
        (["--rule", bad], 2, "bad.yml:1:"), (["--rule", tmp_path / "no.yml"], 2, "no rule file"), ([], 2, "--rule"),
        (["--rule", bad, "--rule", good], 1, "bad.yml:1:"),
    ):
        found = hunt(capsys, *arguments, "--data", data)
        assert (found[0], says in found[2]) == (code, True)
        assert "Traceback" not in found[2]
