"""Whatever the format: an event says what it is in ECS's words, relates what it names, and has declared fields."""

from __future__ import annotations

import csv
from functools import cache
from typing import Any

import pytest

from soc_core.schema import SCHEMA
from tests.collectors.formats.fixtures import cases, observed
from tests.corpora import corpus

KINDS = {"alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error", "signal"}
CATEGORIES = {
    "api", "authentication", "configuration", "database", "driver", "email", "file", "host", "iam",
    "intrusion_detection", "library", "malware", "network", "package", "process", "registry", "session", "threat",
    "vulnerability", "web",
}
TYPES = {
    "access", "admin", "allowed", "change", "connection", "creation", "deletion", "denied", "device", "end", "error",
    "group", "indicator", "info", "installation", "protocol", "start", "user",
}
OUTCOMES = {"success", "failure", "unknown"}
RELATED = {
    "related.ip": ("source.ip", "destination.ip", "client.ip", "server.ip", "host.ip"),
    "related.user": ("user.name", "user.target.name", "user.effective.name"),
    "related.hosts": ("host.name", "host.hostname"),
    "related.hash": ("file.hash.md5", "file.hash.sha256", "process.hash.sha256"),
}
NOBODY = {"", "-", "n/a", "(null)", "null", "none", "unknown", "(empty)", "<unknown>", "0.0.0.0", "::"}
OURS = ("soc.", "sigma.", "overflow")


@cache
def every() -> list[tuple[str, dict[str, Any]]]:
    """(format and file, event) of all fixtures."""
    return [(f"{name}/{log.name}", event) for name, log in cases() for event in observed(name, log)["events"]]


def test_each_event_has_the_categorisation_of_ecs() -> None:
    """An ECS document keeps the words of its sender: of it only the kind is ours."""
    wrong = []
    for where, event in every():
        said = where.startswith("ecs/")
        good = (
            event.get("event.kind") in KINDS
            and (said or (bool(event.get("event.category")) and set(event["event.category"]) <= CATEGORIES))
            and (said or (bool(event.get("event.type")) and set(event["event.type"]) <= TYPES))
            and event.get("event.outcome", "unknown") in OUTCOMES
        )
        if not good:
            wrong.append((where, event["line"], [event.get(f"event.{one}")
                for one in ("kind", "category", "type", "outcome")]))
    assert not wrong, wrong[:10]


def test_what_an_event_names_is_related() -> None:
    wrong = []
    for where, event in every():
        for related, fields in RELATED.items():
            for field in fields:
                values = event.get(field)
                wrong += [
                    (where, event["line"], field, value) for value in (values if isinstance(values, list) else [values])
                    if value and str(value).lower() not in NOBODY and value not in event.get(related, ())
                ]
    assert not wrong, wrong[:10]


def test_each_column_is_declared_with_type_and_description() -> None:
    for where, event in every():
        for field in event.keys() - {"line"}:
            assert SCHEMA.get(field) is not None, (where, field)
    for name, column in SCHEMA.columns.items():
        assert column.about.strip(), name
    for name, about in SCHEMA.namespaces.items():
        assert about.strip(), name


def test_declared_columns_are_of_ecs_or_of_a_vendor() -> None:
    """A name below a field set of ECS is one of ECS's own, with its type; other names begin with a vendor's."""
    with (corpus("ecs") / "fields.csv").open(encoding="utf-8") as opened:
        fields = {row["Field"]: row["Type"] for row in csv.DictReader(opened)}
    sets = {name.split(".")[0] for name in fields}
    like = {"long": {"long", "integer", "short", "scaled_float"}, "double": {"float", "double", "scaled_float"},
        "keyword": {"keyword", "constant_keyword", "wildcard", "flattened"}, "text": {"match_only_text", "text"},
        "wildcard": {"wildcard", "keyword"}, "ip": {"ip"}, "boolean": {"boolean"}, "date": {"date"}, "json": {"object"}}
    alien, other = [], []
    for name, column in SCHEMA.columns.items():
        if name in fields:
            if fields[name] not in like[column.kind]:
                other.append((name, column.kind, fields[name]))
        elif name.split(".")[0] in sets and not name.startswith(OURS):
            alien.append(name)
    assert not other
    assert alien == []


@pytest.mark.parametrize("related", sorted(RELATED))
def test_relations_are_lists_without_repeats(related: str) -> None:
    for where, event in every():
        values = event.get(related, [])
        assert len(values) == len(set(values)), (where, event["line"])
