from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from playbooks.actions import notify_file
from soc_core.config import Settings


def ctx(data: Path, key: str = "run:0") -> dict[str, Any]:
    return {"key": key, "playbook": "p", "alert": {"id": "a", "title": "标题"}, "settings": Settings(data=data)}


def lines(data: Path, name: str = "notifications.jsonl") -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (data / name).read_bytes().splitlines()]


def test_a_key_is_written_once(tmp_path: Path) -> None:
    args = {"message": "高危"}
    assert notify_file.probe(ctx(tmp_path), {"args": args}) == "not done"
    for key in ("run:0", "run:1", "run:0", "run:10"):
        assert notify_file.run(ctx(tmp_path, key), args).ok
    assert [line["key"] for line in lines(tmp_path)] == ["run:0", "run:1", "run:10"]
    assert lines(tmp_path)[0]["message"] == "高危"
    assert lines(tmp_path)[0]["alert"]["title"] == "标题"
    assert notify_file.probe(ctx(tmp_path), {"args": args}) == "done"
    assert notify_file.probe(ctx(tmp_path, "run:2"), {"args": args}) == "not done"


def test_a_torn_line_is_neither_taken_for_done_nor_joined(tmp_path: Path) -> None:
    args = {"message": "x"}
    notify_file.run(ctx(tmp_path, "run:0"), args)
    notify_file.run(ctx(tmp_path, "run:1"), args)
    path = tmp_path / "notifications.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert notify_file.probe(ctx(tmp_path, "run:1"), {"args": args}) == "not done"
    notify_file.run(ctx(tmp_path, "run:1"), args)
    written = path.read_bytes().splitlines()
    assert len(written) == 3
    assert orjson.loads(written[2])["key"] == "run:1"


@pytest.mark.parametrize("file", ["../x.jsonl", "/etc/x.jsonl", "state.db", "", "a/../../x.jsonl"])
def test_only_below_the_data_directory(tmp_path: Path, file: str) -> None:
    with pytest.raises(ValueError, match=r"must be a \.jsonl"):
        notify_file.plan(ctx(tmp_path / "data"), {"message": "x", "file": file})


def test_plan_and_undo_do_nothing(tmp_path: Path) -> None:
    preview = notify_file.plan(ctx(tmp_path), {"message": "x", "file": "sub/n.jsonl"})
    assert (preview.needs_approval, "n.jsonl" in preview.summary) == (False, True)
    assert not notify_file.undo(ctx(tmp_path), {}).ok
    assert list(tmp_path.iterdir()) == []
    notify_file.run(ctx(tmp_path), {"message": "x", "file": "sub/n.jsonl"})
    assert len(lines(tmp_path, "sub/n.jsonl")) == 1
