"""The event store of a whole city: Elasticsearch 8 or 9, the official client, nothing but the server's core features.

    elastic_settings.py   section of soc.yaml, names of indices
    mapping.py            index template, from schema.yml
    elastic_client.py     TLS, credentials, patience
    elastic_writing.py    bulk requests and fates             elastic_documents.py   events to documents and back
    elastic_reading.py    pages, figures, scans               elastic_query.py       query tree to query DSL
    elastic_tiers.py      tiers by age, where the cluster has them
    elastic_leaf.py       values that no field of their own can hold

Answers are those of the embedded store, with these differences that the engine imposes: what a pattern means must
lie within 1,000 characters of a text longer than 8,191, and such a text is not counted by `aggregate`; a pattern has
at most 1,000 characters, and event.original takes no range; a query is nested at most 24 deep. A question beyond
that is refused with a QueryError. What another process wrote is seen a second later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from soc_core import clock
from soc_core.access import EVERYTHING, Scope
from soc_core.clock import Micros
from soc_core.events import EventBatch
from soc_core.protocols import Bucket, Hits, Page, Query, Sieve, WriteResult
from soc_core.store import elastic_query, mapping, query
from soc_core.store.elastic_client import Patience, StoreUnavailable, ask, connect
from soc_core.store.elastic_reading import Reader
from soc_core.store.elastic_settings import STANDARD, ElasticSettings
from soc_core.store.elastic_tiers import lifecycle
from soc_core.store.elastic_writing import Writer
from soc_core.store.tree import Everything

__all__ = ["ElasticSettings", "ElasticStore", "StoreUnavailable", "open_store"]

log = logging.getLogger(__name__)
FIRST_PAGE = Page()
EVERY = elastic_query.question(Everything(), None, None, EVERYTHING)


def open_store(settings: ElasticSettings, realm: str) -> ElasticStore:
    """The store of one realm; the cluster is first asked when the store is first used."""
    return ElasticStore(settings, realm)


class ElasticStore:
    """An EventStore (protocols.py) in the indices `prefix-realm-*` of a cluster.

    Reads see what this instance wrote before. Raises StoreUnavailable (an OSError) when the cluster does not answer
    within the patience that the settings give; nothing is lost then, and the same write may be made again.
    """

    def __init__(self, settings: ElasticSettings, realm: str) -> None:
        self.settings, self.realm = settings, realm
        self._client: Elasticsearch = connect(settings)
        self._writer = Writer(self._client, settings, realm)
        self._reader = Reader(self._client, self._writer.indices)
        self._writing = threading.RLock()
        self._prepared = self._unseen = False

    def __enter__(self) -> ElasticStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    @property
    def client(self) -> Elasticsearch:
        """The connection, for questions in the server's own words."""
        return self._client

    @property
    def indices(self) -> str:
        """The pattern of the realm's indices."""
        return self._writer.indices

    # ------------------------------------------------------------ writing

    def write(self, batch: EventBatch) -> WriteResult:
        """Store what is new; what Elasticsearch refuses is rejected one by one with its reason."""
        with self._writing:
            self.prepare()
            self._unseen = True
            return self._writer.write(batch)

    def prepare(self) -> None:
        """Put the templates in place, where they are not or schema.yml has changed since."""
        if self._prepared:
            return
        name = f"{self.settings.prefix}-events"
        copies = "auto_expand_replicas" if "-" in self.settings.replicas else "number_of_replicas"
        body = mapping.component({
            "index.number_of_shards": self.settings.shards, f"index.{copies}": self.settings.replicas,
            **lifecycle(self._client, name, self.settings.patience),
        })
        if self._digest(name) != body["_meta"]["digest"]:
            self._ask(lambda: self._client.cluster.put_component_template(
                name=name, template=body["template"], meta=body["_meta"]))
        if not self._ask(lambda: self._client.indices.exists_index_template(name=name)):
            self._ask(lambda: self._client.indices.put_index_template(
                name=name, index_patterns=[f"{self.settings.prefix}-*"], composed_of=[name], priority=500))
        self._prepared = True

    def _digest(self, name: str) -> str:
        """The digest of the template that is in place, "" when there is none."""
        try:
            held = self._ask(lambda: self._client.cluster.get_component_template(name=name))
        except NotFoundError:
            return ""
        return str(held["component_templates"][0]["component_template"].get("_meta", {}).get("digest", ""))

    def _ask(self, request: Any) -> Any:
        return ask(request, Patience(self.settings.patience))

    # ------------------------------------------------------------ upkeep

    def prune(self, before: Micros, held: Sequence[tuple[Micros, Micros]] = ()) -> int:
        """Delete every event older than `before`; how many there were. Whole indices go where all is older.

        Events with times in a span that is `held` (legal holds) stay.
        """
        with self._writing:
            self._unseen = True  # what others wrote counts too
            self._see()
            deleted = 0
            for index, older in self._by_index(before).items():
                newest = self._reader.newest(index)
                whole = newest is not None and newest < before and self._past(index)
                if whole and not self._holds(index, held):
                    self._ask(lambda index=index: self._client.indices.delete(index=index))
                    deleted += older
                else:
                    deleted += sum(self._delete(index, since, until) for since, until in gaps(before, held))
            self._unseen = True
            return deleted

    def compact(self, now: Micros | None = None) -> int:
        """Elasticsearch merges by itself."""
        return 0

    def forget(self) -> None:
        """Other writers may have had our sources: ask anew what the indices hold of them."""
        with self._writing:
            self._writer.known.forget()

    def expire(self, before: Micros, held: Sequence[tuple[Micros, Micros]] = ()) -> int:
        """Delete the indices whose whole day of receipt lies before this moment; how many events there were.

        `before` is meant for the standard retention class; another class's days are held against it. An index with
        events in a span that is `held` (legal holds, by event time) stays.
        """
        deleted = 0
        with self._writing:
            for name in self._names():
                _, kept, day = name.rsplit("-", 2)
                days = self.settings.retention.get(kept)
                if days is None:
                    log.warning("index %s has retention class %s, which the settings do not name: kept", name, kept)
                elif _received(day) + clock.DAY >= before - (days - self.settings.retention[STANDARD]) * clock.DAY:
                    continue
                elif not self._holds(name, held):
                    deleted += self._reader.count(EVERY, name)
                    self._ask(lambda name=name: self._client.indices.delete(index=name, ignore_unavailable=True))
        return deleted

    def realms(self) -> list[str]:
        """Realms that hold events in this cluster, by name; those with odd names as their indices have them."""
        pattern = f"{self.settings.prefix}-*"
        found = self._ask(lambda: self._client.indices.resolve_index(name=pattern))
        return sorted({item["name"].split("-")[1] for item in found["indices"] if item["name"].count("-") >= 4})

    def shards(self) -> tuple[int, int]:
        """How many shards the cluster has, and may have: with no more of them no day begins anew."""
        health = self._ask(lambda: self._client.cluster.health(filter_path="*_shards,number_of_data_nodes"))
        said = self._ask(lambda: self._client.cluster.get_settings(
            include_defaults=True, filter_path="*.cluster.max_shards_per_node"))
        most = next(said[kind]["cluster"]["max_shards_per_node"] for kind in ("transient", "persistent", "defaults")
                    if kind in said)
        held = health["active_shards"] + health["initializing_shards"] + health["unassigned_shards"]
        return held, int(most) * health["number_of_data_nodes"]

    def _names(self) -> list[str]:
        """All indices of the realm, oldest first."""
        found = self._ask(lambda: self._client.indices.resolve_index(name=self._writer.indices))
        return sorted((item["name"] for item in found["indices"]), key=lambda name: name.rsplit("-", 1)[1])

    def _by_index(self, before: Micros) -> dict[str, int]:
        """Index → number of events older than `before`."""
        older = elastic_query.question(Everything(), None, before, EVERYTHING)
        return {name: held for name in self._names() if (held := self._reader.count(older, name))}

    def _past(self, index: str) -> bool:
        """Nothing is received into the index any more (a late replay apart, which finds its events deleted)."""
        return _received(index.rsplit("-", 1)[1]) < clock.now() - 2 * clock.DAY

    def _holds(self, index: str, held: Sequence[tuple[Micros, Micros]]) -> bool:
        """Whether an index has events in one of these spans."""
        spans = (elastic_query.question(Everything(), since, until + 1, EVERYTHING) for since, until in held)
        return any(self._reader.count(span, index) for span in spans)

    def _delete(self, index: str, since: Micros | None, until: Micros) -> int:
        """Delete events of [since, until) one by one: the index holds others too."""
        older = elastic_query.question(Everything(), since, until, EVERYTHING)
        deleted = 0
        for hits in self._reader.hits(older, False, index):
            lines = [{"delete": {"_index": hit["_index"], "_id": hit["_id"]}} for hit in hits]
            answer = self._ask(lambda lines=lines: self._client.bulk(operations=lines))
            deleted += sum(item["delete"]["status"] == 200 for item in answer["items"])
        return deleted

    # ------------------------------------------------------------ reading

    def _see(self) -> None:
        """Make searches see what this instance wrote."""
        if self._unseen:
            self._writer.known.refresh()
            self._unseen = False

    def _question(self, asked: Query, scope: Scope) -> elastic_query.Dsl:
        node = query.parse(asked.text)
        self._see()
        return elastic_query.question(node, asked.since, asked.until, scope)

    def get(self, ids: Sequence[str], scope: Scope) -> list[dict[str, Any]]:
        """Rows by id in the order asked; an id out of scope is as one that does not exist."""
        self._see()
        return self._reader.rows(ids, elastic_query.owned(scope))

    def search(self, query: Query, scope: Scope, page: Page = FIRST_PAGE) -> Hits:
        return self._reader.page(self._question(query, scope), page)

    def aggregate(self, query: Query, scope: Scope, field: str, limit: int = 10) -> list[Bucket]:
        return self._reader.aggregate(self._question(query, scope), field, limit)

    def histogram(self, query: Query, scope: Scope, buckets: int = 60) -> list[Bucket]:
        return self._reader.histogram(self._question(query, scope), query.since, query.until, buckets)

    def scan(
        self, query: Query, scope: Scope, fields: Collection[str] | None = None, sieves: Sequence[Sieve] = ()
    ) -> Iterator[EventBatch]:
        yield from self._reader.scan(self._question(query, scope), fields, sieves)

    def matching(
        self, asked: Mapping[str, elastic_query.Dsl], within: Query, scope: Scope
    ) -> Iterator[tuple[str, str]]:
        """(name, id) of each event that meets a query in the server's own words: rules that are pushed down."""
        question = self._question(within, scope)
        named = [{"bool": {"filter": [one], "_name": name}} for name, one in asked.items()]
        whole: elastic_query.Dsl = {"bool": {"filter": [question], "should": named, "minimum_should_match": 1}}
        for hits in self._reader.hits(whole, False):
            yield from ((name, hit["_id"]) for hit in hits for name in hit["matched_queries"])


def _received(day: str) -> Micros:
    """The first moment of the day at the end of an index name."""
    return clock.from_text(day.replace(".", "-"))


def gaps(before: Micros, held: Sequence[tuple[Micros, Micros]]) -> list[tuple[Micros | None, Micros]]:
    """What is older than `before` and in none of the spans [since, until], as half-open spans."""
    found: list[tuple[Micros | None, Micros]] = []
    at: Micros | None = None
    for since, until in sorted(held):
        if at is None or since > at:
            found.append((at, min(since, before)))
        at = until + 1 if at is None else max(at, until + 1)
    found.append((at, before))
    return [(since, until) for since, until in found if since is None or since < until]
