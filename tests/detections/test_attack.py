"""The ATT&CK table: the pinned version, and where older ids went."""

from __future__ import annotations

import json

import pytest

from detections import attack
from tests.corpora import corpus


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("T1562", "T1685"),
        ("T1562.001", "T1685"),
        ("T1562.002", "T1685.001"),
        ("T1070.001", "T1685.005"),
        ("T1656", "T1684.001"),
        ("t1059.001", "T1059.001"),
        ("T1086", "T1059.001"),
        ("T0807", "T0807"),
    ],
)
def test_resolve_follows_older_ids(old: str, new: str) -> None:
    found = attack.resolve(old)
    assert found is not None
    assert found.id == new


def test_unknown_ids() -> None:
    assert attack.resolve("T9999") is None
    assert attack.is_technique_tag("attack.t1110.001")
    assert not attack.is_technique_tag("attack.persistence")
    assert not attack.is_technique_tag("attack.g0016")


def test_the_table_is_the_published_one() -> None:
    given = json.loads((corpus("attack") / "attack-19.1-ids.json").read_text())
    table = attack.table()
    assert table.version == given["version"]
    assert set(table.techniques) == {each["id"] for each in given["techniques"]}
    for each in given["techniques"]:
        known = table.techniques[each["id"]]
        assert (known.name, known.domain, list(known.tactics)) == (each["name"], each["domain"], each["tactics"])
    for each in given["gone_since_18"]:
        assert each["id"] not in table.techniques
        assert attack.resolve(each["id"]) is not None, each
    assert all(new in table.techniques for new in table.aliases.values())
    assert not set(table.aliases) & set(table.techniques)
