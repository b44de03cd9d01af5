from __future__ import annotations

from pathlib import Path

import pytest

from playbooks import document
from playbooks.document import Trigger, fill
from soc_core import registry
from soc_core.config import Settings
from soc_core.documents import DocumentError

GOOD = """id: tell
title: 通知
trigger: {level: high}
steps:
  - action: notify_file
    args:
      message: "{alert.title}"
"""


def write(folder: Path, text: str, name: str = "tell") -> Path:
    path = folder / f"{name}.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_we_ship_can_be_read() -> None:
    found = document.library(Settings().playbooks)
    assert "notify_on_high" in [playbook.id for playbook in found]
    assert len(found) == len([path for folder in Settings().playbooks for path in folder.glob("*.yml")])


@pytest.mark.parametrize(("change", "line", "says"), [
    (("level: high", "level: loud"), 3, "trigger.level"),
    (("action: notify_file", "action: reboot"), 5, "no action named 'reboot'; there are: .*notify_file"),
    (("message:", "massage:"), 5, "notify_file takes no massage"),
    (('message: "{alert.title}"', "file: a.jsonl"), 5, "notify_file needs message"),
    (("alert.title", "alert.secret"), 5, "no field alert.secret"),
    (("title: 通知", "title: 通知\nabuot: x"), 3, "unknown key"),
    (("id: tell", "id: other"), 1, "not the file's name"),
    (("steps:", "steps: []\nrest:"), 4, "steps"),
])
def test_mistakes_are_found_when_read(tmp_path: Path, change: tuple[str, str], line: int, says: str) -> None:
    path = write(tmp_path, GOOD.replace(*change))
    with pytest.raises(DocumentError, match=says) as caught:
        document.read(path)
    assert caught.value.path == str(path)
    assert caught.value.line == line


def test_a_broken_one_does_not_stop_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, "id: [", "broken")
    assert [each.id for each in document.library([tmp_path, tmp_path / "none"])] == ["tell"]
    assert "broken.yml:2" in caplog.text


@pytest.mark.parametrize(("trigger", "fires"), [
    (Trigger(), True),
    (Trigger(topics=["alert.updated"]), False),
    (Trigger(level="high"), True),
    (Trigger(level="critical"), False),
    (Trigger(rules=["r1", "r2"]), True),
    (Trigger(rules=["r2"]), False),
    (Trigger(techniques=["T1110"]), True),
    (Trigger(techniques=["T1110.003"]), True),
    (Trigger(techniques=["T111"]), False),
    (Trigger(realms=["demo"]), False),
])
def test_triggers(trigger: Trigger, fires: bool) -> None:
    alert = {"level": "high", "realm": "real", "rule_id": "r1", "techniques": ["T1110.003"]}
    assert trigger.fires("alert.raised", alert) is fires


def test_places_are_filled() -> None:
    known = {"alert.title": "标题 {alert.id}", "alert.count": 3, "alert.entities": {"ip": ["a", "b"]}}
    args = {"n": "{alert.count}", "e": "{alert.entities}", "t": ["{alert.title}: {alert.entities}", 5, {"k": "{no"}]}
    assert fill(args, known) == {
        "n": 3, "e": {"ip": ["a", "b"]}, "t": ["标题 {alert.id}: ip a, b", 5, {"k": "{no"}]}


def test_every_action_keeps_its_protocol() -> None:
    for name in registry.names(document.ACTIONS):
        module = registry.get(document.ACTIONS, name)
        assert module.__doc__.startswith(f"{name}: ")
        assert all(callable(getattr(module, each)) for each in ("plan", "run", "probe", "undo"))
        assert all(f"`{field}`" in module.__doc__ for field in module.Args.model_fields)
