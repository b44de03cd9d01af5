"""Elasticsearch's index template, made from schema.yml: the only place that knows how a column is indexed.

A column `user.name` becomes a keyword compared regardless of case, with `user.name.raw` beside it as written: for
counting and exact comparison. Times are ECS dates for other tools, and exact microseconds below MICROS for us.
What Elasticsearch cannot index as our query language compares it goes, one entry a value, to LEAF (elastic_leaf.py):
fields that nobody declared, paths within `overflow`, texts that are too long for a term, letters that Lucene makes
lower-case in another way. Nothing is mapped by guessing (`dynamic: false`).
https://www.elastic.co/guide/en/elasticsearch/reference/8.19/mapping.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from soc_core.schema import SCHEMA, Column

HELPERS = "soc.store."  # fields that only the index needs; never part of a row
MICROS = HELPERS + "micros."  # + name of a date column: its exact time
LEAF = HELPERS + "leaf"  # entries of values that their own field cannot hold, in lower case
LEAF_RAW = HELPERS + "leaf_raw"  # the same as written, for counting
ODD = HELPERS + "odd"  # names of the declared columns whose values are in LEAF
LONGEST = 8191  # characters of a term: 4 bytes each and Lucene's limit is 32,766
LONGEST_REGEX = 10_000  # characters; the server reads one by recursion, and a much longer one ends the node
EXACT = ("event.id", "organization.id")  # also found exactly as written
VERBATIM = ("event.original",)  # found by what they contain, so not worth an index of whole values
TEXTS = ("text", "json")

Properties = dict[str, dict[str, Any]]


def searched_whole(name: str, column: Column) -> bool:
    """Whether the column has an index of whole values; the others are searched through their doc values."""
    return column.kind not in TEXTS and name not in VERBATIM


def properties() -> Properties:
    """Every declared column and every helper field, by dotted name."""
    fields: Properties = {}
    for name, column in sorted(SCHEMA.columns.items()):
        fields[name] = _property(name, column)
        if column.kind == "date":
            fields[MICROS + name] = {"type": "long"}
    fields[LEAF] = {"type": "keyword", "doc_values": False}
    fields[LEAF_RAW] = {"type": "keyword", "index": False}
    fields[ODD] = {"type": "keyword", "doc_values": False}
    return fields


def _property(name: str, column: Column) -> dict[str, Any]:
    raw = {"type": "keyword", "index": name in EXACT, "ignore_above": LONGEST}
    match column.kind:
        case "long" | "double" | "boolean":
            return {"type": column.kind}
        case "date":  # a certificate may end in the year 9999, which date_nanos cannot hold
            return {"type": "date", "format": "strict_date_optional_time||epoch_millis", "ignore_malformed": True}
        case "ip":
            return {"type": "ip", "ignore_malformed": True, "fields": {"raw": {**raw, "index": True}}}
    if not searched_whole(name, column):
        return raw
    return {
        "type": "keyword", "normalizer": "lowercase", "doc_values": False, "ignore_above": LONGEST,
        "fields": {"raw": raw},
    }


def mappings() -> dict[str, Any]:
    """The mapping of an index."""
    nested: dict[str, Any] = {}
    for name, field in properties().items():
        *parents, last = name.split(".")
        level = nested
        for parent in parents:
            level = level.setdefault(parent, {}).setdefault("properties", {})
        level[last] = field
    return {"dynamic": False, "date_detection": False, "numeric_detection": False, "properties": nested}


def component(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the component template: settings, mapping, and a digest by which a change is noticed."""
    template = {
        "settings": {
            "index.mapping.total_fields.limit": 4000,
            "index.max_regex_length": LONGEST_REGEX,
            "index.max_terms_count": 65_536,
            **settings,
        },
        "mappings": mappings(),
    }
    digest = hashlib.blake2b(orjson.dumps(template, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
    return {"template": template, "_meta": {"digest": digest}}
