"""The table of columns against ECS 9.4 itself."""

from __future__ import annotations

import csv
from functools import cache

from collectors.formats._windows_map import POWERSHELL, SECURITY, SYSMON, SYSTEM
from soc_core.schema import SCHEMA
from tests.corpora import corpus

VENDOR = (  # namespaces that are not ECS: each is some product's own
    "overflow", "sigma.", "soc.", "winlog.", "powershell.", "sysmon.", "apache.", "nginx.", "system.",
)
FAMILY = {
    "keyword": {"keyword", "constant_keyword", "wildcard"}, "wildcard": {"keyword", "wildcard"},
    "text": {"text", "match_only_text"},
    "ip": {"ip"}, "long": {"long", "integer"}, "double": {"float", "scaled_float"}, "boolean": {"boolean"},
    "date": {"date"},
    "json": {"flattened", "object", "nested"},
}


@cache
def ecs() -> dict[str, dict[str, str]]:
    with (corpus("ecs") / "fields.csv").open(encoding="utf-8") as opened:
        return {row["Field"]: row for row in csv.DictReader(opened)}


def vendor(name: str) -> bool:
    return name.startswith(VENDOR) or any(name.startswith(space + ".")
        for space in SCHEMA.namespaces) or name not in _roots(name)


def _roots(name: str) -> set[str]:
    roots = {field.partition(".")[0] for field in ecs()}
    return {name} if name.partition(".")[0] in roots else set()


def test_every_column_outside_vendor_namespaces_is_an_ecs_field_of_that_type() -> None:
    known = ecs()
    wrong = []
    for name, column in SCHEMA.columns.items():
        if vendor(name):
            continue
        if name not in known:
            wrong.append(f"{name}: no such field in ECS")
        elif known[name]["Type"] not in FAMILY[column.kind]:
            wrong.append(f"{name}: {column.kind} here, {known[name]['Type']} in ECS")
    assert wrong == []


def test_arrays_are_where_ecs_has_arrays() -> None:
    known = ecs()
    for name, column in SCHEMA.columns.items():
        if name in known and not vendor(name):
            array = any(known.get(above, {}).get("Normalization") == "array" for above in _above(name))
            assert column.many == array, name


def _above(name: str) -> list[str]:
    steps = name.split(".")
    return [".".join(steps[:n]) for n in range(1, len(steps) + 1)]


def test_no_column_stands_below_another() -> None:
    names = set(SCHEMA.columns)
    assert [name for name in names if names & set(_above(name)[:-1])] == []


def test_every_column_says_what_it_holds_in_both_languages() -> None:
    for name, column in SCHEMA.columns.items():
        assert any("一" <= sign <= "鿿" for sign in column.about), name
        assert any("a" <= sign <= "z" for sign in column.about.lower()), name


def test_the_windows_tables_fill_declared_columns() -> None:
    for table in (SYSMON, SECURITY, POWERSHELL, SYSTEM):
        for kind in table.values():
            assert all(SCHEMA.get(column) for column in kind.fields.values())
