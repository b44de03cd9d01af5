"""What an alert's page says of its rule: also who wrote it, and under which licence."""

from __future__ import annotations

import json
from pathlib import Path

from casework.rules import Shelf

RULE = "title: {0}\nid: {0}\nauthor: {1}\n{2}detection: {{s: {{a: long enough}}, condition: s}}\n"


def test_author_and_licence(tmp_path: Path) -> None:
    public, own = tmp_path / "public", tmp_path / "own"
    for folder in (public / "linux", own):
        folder.mkdir(parents=True)
    (public / "LICENSE.Detection.Rules.md").write_text("\n# Detection Rule License (DRL) 1.1\n\nPermission is\n")
    (public / "linux" / "a.yml").write_text(RULE.format("a", "Florian 示例", ""))
    (public / "linux" / "b.yml").write_text(RULE.format("b", "x, y", "license: MIT\n"))
    (own / "c.yml").write_text(RULE.format("c", "", ""))
    (own / "d.yaml").write_text("---\n".join([RULE.format("d", "D", ""), RULE.format("E", "Li", "license: X\n")]))
    (own / "none.yml").write_text("\n---\n".join(f"title: {n}\nauthor: {n}\nname: {n}\n" for n in ("n0", "N1")))
    (own / "file.yml").write_text("\n---\n".join(f"title: {n}\nauthor: {n}\n" for n in ("f0", "f1", "f2")))
    (public / "mine.yml").write_text(RULE.format("mine", "me", ""))
    files = {"1": ["linux/a.yml", "0"], "2": ["linux/b.yml", "0"], "3": ["LICENSE.Detection.Rules.md", "0"]}
    (public / ".imported.json").write_text(json.dumps({"files": files}))  # the licence is theirs, not of what is beside
    shelf = Shelf((public, own))
    assert (shelf.get("mine").author, shelf.get("mine").license) == ("me", "")
    named = {name: shelf.get(name).author for name in ("d", "e", "n0", "N1", "file", "file-1", "file-2")}
    assert list(named.values()) == ["D", "Li", "n0", "N1", "f0", "f1", "f2"]  # a correlation beside its rules, too
    assert [(rule.author, rule.license) for rule in map(shelf.get, "abc")] == [
        ("Florian 示例", "Detection Rule License (DRL) 1.1"), ("x, y", "MIT"), ("", ""),
    ]
