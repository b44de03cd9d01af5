"""Questions to Elasticsearch: pages, figures, whole scans. Totals and counts are exact, whatever the shards.

Pages go by (time, id), so that nothing is missed or shown twice while events arrive; scans hold a point in time.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from soc_core.clock import Micros
from soc_core.events import EventBatch
from soc_core.protocols import Bucket, Hits, Page, QueryError, Sieve
from soc_core.schema import SCHEMA
from soc_core.store import elastic_documents, query
from soc_core.store.elastic_client import Patience, StoreUnavailable, ask
from soc_core.store.elastic_leaf import NUL
from soc_core.store.elastic_query import ALL, TIME, Dsl, literal
from soc_core.store.mapping import LEAF_RAW, MICROS, searched_whole
from soc_core.store.segments import ID

AT = MICROS + TIME
ROWS_A_REQUEST = 5000
MAX_BUCKETS = KEYS_A_REQUEST = 10_000
KEYS_A_SHARD = 2000  # values that a shard tells of before a count is taken value by value
KEEP = "5m"
PATIENCE = 10.0  # seconds; somebody is waiting
Row = dict[str, Any]


class Reader:
    """Asks the indices of one realm."""

    def __init__(self, client: Elasticsearch, indices: str) -> None:
        self._client, self._indices = client, indices

    def _search(self, body: Dsl, index: str | None = None) -> Dsl:
        """The answer, from every shard or not at all."""
        where: Dsl = {} if "pit" in body else {"index": index or self._indices, "ignore_unavailable": True}
        try:
            answer = ask(lambda: self._client.search(
                **where, **body, allow_partial_search_results=False), Patience(PATIENCE))
        except ApiError as error:
            reason = _root(error)
            if "eterminiz" in reason or "too complex" in reason.lower():
                raise QueryError("a pattern with so many wildcards is too much for Elasticsearch", 0) from error
            if error.status_code == 400:
                raise QueryError(f"Elasticsearch does not take this query: {reason}", 0) from error
            raise StoreUnavailable(f"Elasticsearch cannot answer: {reason}") from error
        return dict(answer.body)

    # ------------------------------------------------------------ rows

    def page(self, question: Dsl, page: Page) -> Hits:
        """Rows in order of (time, id) and the exact total. Raises ValueError on a page that cannot be."""
        if page.limit < 0:
            raise ValueError(f"a page cannot have {page.limit} rows")
        after = place(page.after)
        order = "desc" if page.newest_first else "asc"
        sort = [{AT: {"order": order, "unmapped_type": "long"}},
                {f"{ID}.raw": {"order": order, "unmapped_type": "keyword"}}]
        rows: list[Row] = []
        total = -1
        wanted = page.limit + 1 if page.limit else 0
        while True:
            body: Dsl = {"query": question, "sort": sort, "size": min(wanted - len(rows), ROWS_A_REQUEST),
                         "track_total_hits": total < 0}
            if after:
                body["search_after"] = after
            hits = self._search(body)["hits"]
            total = hits["total"]["value"] if total < 0 else total
            rows += [elastic_documents.row(hit["_source"]) for hit in hits["hits"]]
            if len(rows) >= wanted or len(hits["hits"]) < body["size"]:
                break
            after = hits["hits"][-1]["sort"]
        shown = rows[: page.limit]
        return Hits(shown, total, f"{shown[-1][TIME]}~{shown[-1][ID]}" if len(rows) > page.limit > 0 else "")

    def rows(self, ids: Sequence[str], scope: Dsl) -> list[Row]:
        """The rows with these ids, in their order, as far as they are there and in scope."""
        wanted = list(dict.fromkeys(ids))
        found: dict[str, Row] = {}
        for at in range(0, len(wanted), ROWS_A_REQUEST):
            some = wanted[at : at + ROWS_A_REQUEST]
            asked = {"bool": {"filter": [{"ids": {"values": some}}, scope]}}
            for hit in self._search({"query": asked, "size": len(some)})["hits"]["hits"]:
                found[hit["_id"]] = elastic_documents.row(hit["_source"])
        return [found[name] for name in wanted if name in found]

    def scan(self, question: Dsl, fields: Collection[str] | None, sieves: Sequence[Sieve]) -> Iterator[EventBatch]:
        """All matching rows as of now, older ones first; of them the columns and rows that are asked for."""
        source: bool | list[str] = True
        if fields is not None:
            fields = {TIME, *fields}
            wanted = sorted(fields.union(*(sieve.fields for sieve in sieves)))
            source = [*wanted, *(MICROS + name for name in wanted)]
        for hits in self.hits(question, source):
            rows = [elastic_documents.row(hit["_source"]) for hit in hits]
            for sieve in sieves if rows else ():
                rows = [rows[place] for place in sieve.rows(EventBatch.of(elastic_documents.frame(rows))).tolist()]
            if fields is not None:
                rows = [{name: value for name, value in row.items() if name in fields} for row in rows]
            if rows:
                yield elastic_documents.batch(rows)

    def hits(self, question: Dsl, source: bool | list[str], index: str | None = None) -> Iterator[list[Dsl]]:
        """All hits as of now, in runs, by time."""
        pit = ask(lambda: self._client.open_point_in_time(
            index=index or self._indices, keep_alive=KEEP, ignore_unavailable=True), Patience(PATIENCE))["id"]
        try:
            after: list[Any] | None = None
            while True:
                body: Dsl = {
                    "query": question, "size": ROWS_A_REQUEST, "pit": {"id": pit, "keep_alive": KEEP},
                    "sort": [{AT: {"order": "asc", "unmapped_type": "long"}}], "track_total_hits": False,
                    "source": source,
                }
                if after is not None:
                    body["search_after"] = after
                answer = self._search(body)
                pit = answer["pit_id"]
                hits = answer["hits"]["hits"]
                if hits:
                    yield hits
                if len(hits) < ROWS_A_REQUEST:
                    return
                after = hits[-1]["sort"]
        finally:
            self._client.options(ignore_status=404).close_point_in_time(id=pit)

    # ------------------------------------------------------------ figures

    def aggregate(self, question: Dsl, field: str, limit: int) -> list[Bucket]:
        """The values that most events have; equal counts go by value."""
        name = query.field_name(field)
        counted, prefix = counted_field(name)
        if limit <= 0:
            return []
        terms: Dsl = {"field": counted, "size": limit, "shard_size": max(KEYS_A_SHARD, limit),
                      "order": [{"_count": "desc"}, {"_key": "asc"}]}
        if prefix:
            terms["include"] = f"{literal(prefix)}.*"
        answer = self._search({"query": question, "size": 0, "aggs": {"top": {"terms": terms}},
                               "track_total_hits": False})
        found = answer.get("aggregations", {}).get("top")
        if found is None:
            return []
        if found["doc_count_error_upper_bound"] != 0:  # shards left values out: count every value
            counts = self._every_value(question, counted, prefix)
            top = heapq.nsmallest(limit, counts, key=lambda bucket: (-bucket.n, bucket.key))
        else:
            top = [Bucket(bucket["key"], bucket["doc_count"]) for bucket in found["buckets"]]
        column = SCHEMA.get(name)
        if column is not None and column.kind == "boolean":
            return [Bucket(bool(key), n) for key, n in top]
        return [Bucket(key[len(prefix):], n) for key, n in top] if prefix else top

    def _every_value(self, question: Dsl, counted: str, prefix: str) -> Iterator[Bucket]:
        after: Dsl = {"key": prefix} if prefix else {}
        while True:
            composite: Dsl = {"size": KEYS_A_REQUEST, "sources": [{"key": {"terms": {"field": counted}}}]}
            if after:
                composite["after"] = after
            answer = self._search({"query": question, "size": 0, "track_total_hits": False,
                                   "aggs": {"all": {"composite": composite}}})["aggregations"]["all"]
            for bucket in answer["buckets"]:
                if not str(bucket["key"]["key"]).startswith(prefix):
                    return
                yield Bucket(bucket["key"]["key"], bucket["doc_count"])
            if "after_key" not in answer:
                return
            after = answer["after_key"]

    def histogram(self, question: Dsl, since: Micros | None, until: Micros | None, buckets: int) -> list[Bucket]:
        """Counts in spans of equal width; an open end is that of the matches."""
        if not 1 <= buckets <= MAX_BUCKETS:
            raise ValueError(f"a histogram has 1 to {MAX_BUCKETS} buckets, not {buckets}")
        if since is None or until is None:
            span = self.span(question)
            if span is None:
                return []
            since, until = (span[0] if since is None else since), (span[1] + 1 if until is None else until)
        if since >= until:
            return []
        width = -(-(until - since) // buckets)
        ranges = [{"from": since + n * width, "to": since + (n + 1) * width} for n in range(buckets)]
        answer = self._search({"query": question, "size": 0, "track_total_hits": False,
                               "aggs": {"spans": {"range": {"field": AT, "ranges": ranges}}}})
        found = answer.get("aggregations", {}).get("spans", {}).get("buckets", [])
        counts = {int(bucket["from"]): bucket["doc_count"] for bucket in found}
        return [Bucket(span["from"], counts.get(span["from"], 0)) for span in ranges]

    def span(self, question: Dsl) -> tuple[Micros, Micros] | None:
        """The lowest and highest time of the matching rows."""
        ends = []
        for order in ("asc", "desc"):  # an aggregation would give doubles
            hits = self._search({"query": question, "size": 1, "source": False, "track_total_hits": False,
                                 "sort": [{AT: {"order": order, "unmapped_type": "long"}}]})["hits"]["hits"]
            if not hits:
                return None
            ends.append(int(hits[0]["sort"][0]))
        return ends[0], ends[1]


    def count(self, question: Dsl, index: str) -> int:
        """How many events of one index match."""
        found = self._search({"query": question, "size": 0, "track_total_hits": True}, index)
        return int(found["hits"]["total"]["value"])

    def newest(self, index: str) -> Micros | None:
        """The highest time in an index."""
        found = self._search({"query": ALL, "size": 1, "source": False, "track_total_hits": False,
                              "sort": [{AT: "desc"}]}, index)["hits"]["hits"]
        return int(found[0]["sort"][0]) if found else None


def place(after: str) -> list[Any] | None:
    """A page's key taken apart."""
    if not after:
        return None
    at, tilde, name = after.partition("~")
    if not tilde or not at.lstrip("-").isdecimal() or len(at) > 18:
        raise ValueError(f"not the key of a page: {after!r}")
    return [int(at), name]


def counted_field(name: str) -> tuple[str, str]:
    """The field whose values are counted for a column, and the prefix of those that belong to it."""
    column = SCHEMA.columns.get(name)
    if column is None:
        return LEAF_RAW, name + NUL
    if column.kind == "date":
        return MICROS + name, ""
    if column.kind in ("long", "double", "boolean"):
        return name, ""
    return (f"{name}.raw" if searched_whole(name, column) else name), ""


def _root(error: ApiError) -> str:
    info = error.info if isinstance(error.info, dict) else {}
    cause = info.get("error", {})
    if isinstance(cause, dict):
        causes = [str(item.get("reason")) for item in cause.get("root_cause", [])]
        failed = [str(item.get("reason", {}).get("reason")) for item in cause.get("failed_shards", [])]
        return "; ".join(dict.fromkeys([*causes, *failed])) or error.message
    return error.message
