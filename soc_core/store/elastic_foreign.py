"""Events that others wrote into our indices (Beats, Logstash) and that did not pass the pipeline: found, and read.

They have an ECS document's shape, nested or dotted, their @timestamp as a date, and nothing of what the pipeline adds;
their id is the document's. Their indices are mapped by our template (any name that begins with the prefix).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from elasticsearch import Elasticsearch

from soc_core import clock
from soc_core.clock import Micros
from soc_core.schema import SCHEMA
from soc_core.store.elastic_client import Patience, ask
from soc_core.store.mapping import HELPERS

Dsl = dict[str, Any]
Row = dict[str, Any]
OURS = "soc.partition"  # every event that passed the pipeline has it
SIZE, KEEP = 1000, "2m"


class Hit:
    """An event, and the names of the queries that it meets."""

    __slots__ = ("names", "row")

    def __init__(self, names: list[str], row: Row) -> None:
        self.names, self.row = names, row


def question(since: Micros, until: Micros) -> Dsl:
    """Events of others in a span of time."""
    span = {"gte": -(-since // 1000), "lt": -(-until // 1000), "format": "epoch_millis"}
    return {"bool": {"filter": [{"range": {"@timestamp": span}}], "must_not": [{"exists": {"field": OURS}}]}}


def records(partition: int, first: int, last: int) -> Dsl:
    """Events of ours by the journal's records they came from: `first` … `last` - 1."""
    return {"bool": {"filter": [{"term": {OURS: partition}}, {"range": {"soc.offset": {"gte": first, "lt": last}}}]}}


def count(client: Elasticsearch, indices: str, within: Dsl) -> int:
    """How many there are."""
    answer = ask(lambda: client.count(index=indices, query=within, ignore_unavailable=True), Patience(10.0))
    return int(answer["count"])


def matching(client: Elasticsearch, indices: str, within: Dsl, asked: Mapping[str, Dsl]) -> Iterator[Hit]:
    """Events of `within` that meet at least one of the named queries."""
    named = [{"bool": {"filter": [one], "_name": name}} for name, one in asked.items()]
    whole: Dsl = {"bool": {"filter": [within], "should": named, "minimum_should_match": 1}}
    pit = ask(lambda: client.open_point_in_time(index=indices, keep_alive=KEEP, ignore_unavailable=True),
              Patience(10.0))["id"]
    after: list[Any] | None = None
    try:
        while True:
            more: Dsl = {"search_after": after} if after is not None else {}
            answer = ask(lambda pit=pit, more=more: client.search(  # type: ignore[misc]  # bound now
                pit={"id": pit, "keep_alive": KEEP}, query=whole, size=SIZE, sort=[{"_shard_doc": "asc"}],
                track_total_hits=False, allow_partial_search_results=False, **more), Patience(10.0))
            pit = answer["pit_id"]
            hits = answer["hits"]["hits"]
            for hit in hits:
                yield Hit(list(hit["matched_queries"]), row(hit["_id"], hit["_source"]))
            if len(hits) < SIZE:
                return
            after = hits[-1]["sort"]
    finally:
        client.options(ignore_status=404).close_point_in_time(id=pit)


def row(known: str, source: Mapping[str, Any]) -> Row:
    """A document as a dotted row in the schema's types."""
    made: Row = {}
    for name, value in _leaves(source, ""):
        if name.startswith(HELPERS):
            continue
        column = SCHEMA.get(name)
        values = [one for one in (value if isinstance(value, list) else [value]) if one is not None]
        if column is None or not values:
            continue
        typed = [each for each in (_typed(column.kind, one) for one in values) if each is not None]
        if typed:
            made[name] = typed if column.many else typed[0]
    made["event.id"] = known
    return made


def _leaves(value: Mapping[str, Any], path: str) -> Iterable[tuple[str, Any]]:
    for key, item in value.items():
        name = f"{path}.{key}" if path else key
        if isinstance(item, Mapping) and name not in SCHEMA.columns:
            yield from _leaves(item, name)
        else:
            yield name, item


def _typed(kind: str, value: Any) -> Any:
    """A value as its column holds it; None where it cannot be read so."""
    try:
        match kind:
            case "long":
                return int(value)
            case "double":
                return float(value)
            case "boolean":
                return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())
            case "date":
                return clock.from_text(value) if isinstance(value, str) else int(value) * 1000
    except (ValueError, OverflowError):
        return None
    return value if isinstance(value, str) else str(value)
