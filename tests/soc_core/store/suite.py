"""What every event store must do. A test module of an implementation subclasses StoreSuite and gives `make`."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from soc_core.access import EVERYTHING, NOTHING, Scope
from soc_core.events import EventBatch, Part
from soc_core.protocols import EventStore, Page, Query, QueryError
from soc_core.store.query import parse
from tests.soc_core.store import reference
from tests.soc_core.store.events import SECOND, START, Row, batch, found, identified, ids, paged, plain
from tests.soc_core.store.questions import BAD, BY_NUMBER, EVENTS, KINDS, STORED
from tests.soc_core.store.scans import Scans

ONE, TWO, BOTH = Scope(frozenset(["one"])), Scope(frozenset(["two"])), Scope(frozenset(["one", "two"]))


class StoreSuite(Scans):
    """Each test gets a fresh store twice: as written, and after `settle`, which may rearrange but never change."""

    def make(self, path: Path) -> EventStore:
        """A new, empty store."""
        raise NotImplementedError

    def settle(self, store: EventStore) -> None:
        """Do all upkeep that is due."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[EventStore]:
        store = self.make(tmp_path / "events")
        yield store
        store.close()

    @pytest.fixture(params=["as written", "settled"])
    def filled(self, store: EventStore, request: pytest.FixtureRequest) -> EventStore:
        for row in EVENTS[:3]:
            store.write(batch([row]))
        store.write(batch(EVENTS[3:]))
        if request.param == "settled":
            self.settle(store)
        return store

    # ------------------------------------------------------------ identity

    @pytest.mark.parametrize("settled", [False, True])
    def test_a_replay_is_stored_once(self, store: EventStore, settled: bool) -> None:
        rows = plain(50)
        for _ in range(3):
            result = store.write(batch(rows))
            assert (list(result.stored), list(result.duplicate), result.rejected) == (list(range(50)), [], [])
            if settled:
                self.settle(store)
        assert found(store) == ids(rows)

    @pytest.mark.parametrize("settled", [False, True])
    def test_replay_duplicate_and_conflict_are_told_apart(self, store: EventStore, settled: bool) -> None:
        store.write(batch(plain(4)))
        if settled:
            self.settle(store)
        again = plain(6)  # 0 a replay, 1 the same from elsewhere, 2 and 3 contradictions, 4 and 5 new
        again[1]["soc.offset"] = again[2]["soc.offset"] = 900
        again[2]["event.original"] = again[3]["event.original"] = "another"
        again[3]["soc.partition"] = 7
        result = store.write(batch(again))
        assert list(result.stored) == [0, 4, 5]
        assert list(result.duplicate) == [1]
        assert [(r.row, "another content" in r.reason) for r in result.rejected] == [(2, True), (3, True)]
        assert found(store) == ids(plain(6))
        kept = store.get([again[2]["event.id"]], EVERYTHING)[0]
        assert kept["event.original"] == plain(4)[2]["event.original"]

    def test_a_replay_by_a_better_parser_is_still_a_replay(self, store: EventStore) -> None:
        store.write(batch(plain(1, message="old")))
        result = store.write(batch(plain(1, message="new", **{"user.name": "x"})))
        assert list(result.stored) == [0]
        assert len(store.search(Query(), EVERYTHING).rows) == 1

    def test_without_original_all_of_the_sources_columns_count(self, store: EventStore) -> None:
        columns: Row = {"event.original": None, "related.ip": ["10.0.0.1", "10.0.0.2"], "user.name": None}
        store.write(batch(plain(3, **columns)))
        again = [{**row, "soc.offset": 99, "soc.zone": "z", "organization.id": "one"} for row in plain(3, **columns)]
        again[1]["related.ip"] = ["10.0.0.1"]
        again[2]["user.name"] = "x"
        result = store.write(batch(again))
        assert (list(result.stored), list(result.duplicate)) == ([], [0])
        assert [r.row for r in result.rejected] == [1, 2]

    def test_the_same_id_twice_in_one_batch(self, store: EventStore) -> None:
        first, other = plain(1)[0], plain(1, source="t")[0]
        twin, liar = {**first, "soc.offset": 5}, {**first, "soc.offset": 6, "event.original": "lie"}
        result = store.write(batch([first, other, twin, liar, first]))
        assert list(result.stored) == [0, 1, 4]
        assert list(result.duplicate) == [2]
        assert [r.row for r in result.rejected] == [3]
        assert found(store) == ids([first, other])

    def test_many_events_of_one_record_may_come_apart(self, store: EventStore) -> None:
        rows = [{**plain(1)[0], "event.id": plain(1)[0]["event.id"][:28] + f"{n:04x}"} for n in range(4)]
        store.write(batch(rows[:2]))
        result = store.write(batch(rows[2:]))
        assert list(result.stored) == [0, 1]
        assert found(store) == ids(rows)

    def test_positions_below_the_mark_that_were_never_seen_are_new(self, store: EventStore) -> None:
        store.write(batch(plain(3, first=100)))
        assert list(store.write(batch(plain(3, first=50))).stored) == [0, 1, 2]
        assert store.search(Query(), EVERYTHING).total == 6

    def test_ids_of_another_make(self, store: EventStore) -> None:
        rows = [{**row, "event.id": name} for row, name in zip(plain(3), ["x", "一", "A" * 32], strict=True)]
        assert len(store.write(batch(rows)).stored) == 3
        again = [{**row, "soc.offset": 50} for row in rows]
        again[2]["event.original"] = "lie"
        result = store.write(batch(again))
        assert (list(result.duplicate), [r.row for r in result.rejected]) == ([0, 1], [2])
        assert [row["event.id"] for row in store.get(["一", "x", "absent"], EVERYTHING)] == ["一", "x"]

    def test_an_event_without_id_or_time_is_refused(self, store: EventStore) -> None:
        rows = plain(4)
        rows[1]["event.id"] = None
        rows[2]["@timestamp"] = None
        result = store.write(batch(rows))
        assert list(result.stored) == [0, 3]
        assert [(r.row, r.reason) for r in result.rejected] == [(1, "no event.id"), (2, "no @timestamp")]

    def test_a_batch_of_several_shapes(self, store: EventStore) -> None:
        rows = plain(6)
        for n, row in enumerate(rows):
            row["event.dataset"] = "ba"[n % 2]
            row.update({"user.name": f"u{n}"} if n % 2 else {"source.port": n})
        shapes = [[row for row in rows if row["event.dataset"] == name] for name in ("a", "b")]
        parts = [
            Part(pl.Series([rows.index(row) for row in shape], dtype=pl.Int64).to_numpy(), batch(shape).frame())
            for shape in shapes
        ]
        assert list(store.write(EventBatch(6, parts)).stored) == list(range(6))
        assert store.get([row["event.id"] for row in rows], EVERYTHING) == rows
        assert store.write(EventBatch(0, [])).rejected == []

    # ------------------------------------------------------------ questions

    @pytest.mark.parametrize(("text", "expected"), KINDS, ids=[text or "(empty)" for text, _ in KINDS])
    def test_the_table_agrees_with_the_reference(self, text: str, expected: set[int]) -> None:
        assert {n for n, row in enumerate(EVENTS) if reference.matches(parse(text), row)} == expected

    def test_every_kind_of_question(self, filled: EventStore) -> None:
        for text, expected in KINDS:
            rows = filled.search(Query(text=text), EVERYTHING).rows
            assert rows == [STORED[n] for n in sorted(expected, key=lambda n: _key(EVENTS[n]), reverse=True)], text
            assert sum(b.height for b in filled.scan(Query(text=text), EVERYTHING)) == len(expected), text

    def test_a_bad_question_names_the_place(self, filled: EventStore) -> None:
        for text, position in BAD:
            for ask in (filled.search, filled.histogram, lambda q, s: filled.aggregate(q, s, "user.name"),
                        lambda q, s: list(filled.scan(q, s))):
                with pytest.raises(QueryError) as caught:
                    ask(Query(text=text), EVERYTHING)
                assert caught.value.position == position, text

    def test_rows_come_back_as_they_went_in(self, filled: EventStore) -> None:
        got = filled.get([row["event.id"] for row in EVENTS], EVERYTHING)
        assert got == STORED
        assert filled.search(Query(), EVERYTHING, Page(newest_first=False)).rows == sorted(STORED, key=_key)

    def test_times_are_exact_to_the_microsecond(self, filled: EventStore) -> None:
        first = EVENTS[0]["event.id"]
        assert first in found(filled, since=START, until=START + 1)
        assert first not in found(filled, since=START + 1, until=START + SECOND)
        assert first not in found(filled, since=START - 1, until=START)
        assert found(filled, until=START) == [EVENTS[7]["event.id"]]
        assert found(filled, since=START + 10, until=START + 10) == []

    def test_ascending_and_descending_pages(self, store: EventStore) -> None:
        rows = [{**row, "@timestamp": START + n // 5} for n, row in enumerate(plain(33))]  # many share a moment
        for at in range(0, 33, 11):
            store.write(batch(rows[at : at + 11]))
        key = [_key(row) for row in rows]
        for limit, newest in product((1, 4, 5, 33, 100), (True, False)):
            for text in ("", "line"):
                got = [_key(row) for row in paged(store, limit, newest, text)]
                assert got == sorted(key, reverse=newest), (limit, newest, text)

    def test_paging_has_no_gap_and_no_double_under_writes(self, store: EventStore) -> None:
        rows = plain(60)
        store.write(batch(rows))
        seen: list[str] = []
        after, step = "", 0
        while True:
            hits = store.search(Query(), EVERYTHING, Page(7, after))
            seen += [row["event.id"] for row in hits.rows]
            after = hits.next
            if not after:
                break
            # New ones before, behind and exactly at the place reached.
            moment = hits.rows[-1]["@timestamp"]
            late = plain(3, source=f"late{step}")
            store.write(batch([{**row, "@timestamp": moment + shift} for row, shift in
                               zip(late, (1, 0, -1), strict=True)]))
            if step % 2:
                self.settle(store)
            step += 1
        assert len(seen) == len(set(seen))
        assert set(ids(rows)) <= set(seen)

    def test_a_page_that_cannot_be(self, filled: EventStore) -> None:
        assert filled.search(Query(), EVERYTHING, Page(0)) == ([], len(EVENTS), "")
        for page in (Page(-1), Page(5, "nonsense"), Page(5, "1e5~x"), Page(5, "9" * 40 + "~x")):
            with pytest.raises(ValueError, match="page"):
                filled.search(Query(), EVERYTHING, page)

    def test_random_questions_agree_with_the_reference(self, store: EventStore) -> None:
        rng = random.Random(7)
        names = ["Root", "root", "adm-1", "张三", "x y", ""]
        rows = identified([
            {"user.name": rng.choice([*names, None]), "source.ip": f"10.0.{rng.randrange(3)}.{rng.randrange(4)}",
             "source.port": rng.choice([None, 0, 22, 80]), "organization.id": rng.choice(["one", "two", None]),
             "related.user": rng.choice([None, [], ["root"], ["a", "Root"]])}
            for _ in range(300)
        ])
        rng.shuffle(rows)
        for at in range(0, 300, 50):
            store.write(batch(rows[at : at + 50]))
        leaves = ["user.name:root", "user.name:*", "user.name:(adm-1 OR 张三)", "user.name:a*",
                  "source.ip:10.0.1.0/31", "source.ip:10.0.2.*", "source.port:[0 TO 22]", "source.port:>22",
                  "related.user:root", "related.user:*", 'user.name:""', "organization.id:one"]
        for round_ in range(40):
            text = self._random_text(rng, leaves, 3)
            scope = rng.choice([EVERYTHING, ONE, BOTH])
            tree = parse(text)
            wanted = [r for r in rows if reference.matches(tree, r) and _allowed(scope, r)]
            hits = store.search(Query(text=text), scope, Page(rng.choice([1, 5, 400])))
            whole = [{name: value for name, value in row.items() if value is not None} for row in wanted]
            assert hits.rows == sorted(whole, key=_key, reverse=True)[: len(hits.rows)], text
            assert hits.total == len(wanted), text
            counted = Counter(r["source.ip"] for r in wanted)
            top = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:3]
            assert store.aggregate(Query(text=text), scope, "source.ip", 3) == top, text
            if round_ == 20:
                self.settle(store)

    def _random_text(self, rng: random.Random, leaves: list[str], depth: int) -> str:
        if depth == 0 or rng.random() < 0.3:
            return rng.choice(leaves)
        parts = [self._random_text(rng, leaves, depth - 1) for _ in range(2)]
        return rng.choice(["({} AND {})", "({} OR {})", "(NOT {} {})", "({} -{})"]).format(*parts)

    # ------------------------------------------------------------ figures

    def test_aggregate(self, filled: EventStore) -> None:
        def top(field: str, text: str = "", limit: int = 10) -> list[Any]:
            return [tuple(bucket) for bucket in filled.aggregate(Query(text=text), EVERYTHING, field, limit)]

        assert top("organization.id") == [("two", 3), ("one", 2)]
        assert top("related.ip") == [("10.1.2.3", 1), ("10.200.0.1", 1), ("192.0.2.7", 1)]  # equal counts by value
        assert top("related.ip", limit=2) == [("10.1.2.3", 1), ("10.200.0.1", 1)]
        assert top("source.port", "user.name:*") == [(22, 1), (1024, 1), (65535, 1)]
        assert top("@timestamp", "failed") == [(START, 1)]
        assert top("vendor.score") == [("7", 1), ("8", 1)]
        assert top("nothing.of.the.kind") == top("event.category", "user.name:nobody") == []

    def test_an_event_counts_once_for_a_value_it_names_twice(self, store: EventStore) -> None:
        store.write(batch(plain(2, **{"related.ip": ["10.0.0.1", "10.0.0.1", None]})))
        assert store.aggregate(Query(), EVERYTHING, "related.ip") == [("10.0.0.1", 2)]

    def test_histogram(self, filled: EventStore) -> None:
        spans = filled.histogram(Query(since=START, until=START + 10 * SECOND), EVERYTHING, 5)
        assert spans == [(START + n * 2 * SECOND, k) for n, k in enumerate([2, 2, 2, 1, 0])]
        of_all = filled.histogram(Query(), EVERYTHING, 3)
        assert [bucket.n for bucket in of_all] == [8, 0, 1]
        assert of_all[0].key == START - 1
        assert filled.histogram(Query(text="user.name:absent"), EVERYTHING, 3) == []
        empty = filled.histogram(Query(text="user.name:absent", since=0, until=90), EVERYTHING, 3)
        assert empty == [(0, 0), (30, 0), (60, 0)]
        assert [b.n for b in filled.histogram(Query(text="failed"), EVERYTHING, 2)] == [1, 0]
        assert filled.histogram(Query(since=5, until=5), EVERYTHING) == []
        with pytest.raises(ValueError, match="buckets"):
            filled.histogram(Query(), EVERYTHING, 0)

    def test_histogram_counts_each_match_once(self, store: EventStore) -> None:
        rng = random.Random(3)
        rows = [{**row, "@timestamp": START + rng.randrange(10**7)} for row in plain(400)]
        for at in range(0, 400, 100):
            store.write(batch(rows[at : at + 100]))
        for buckets, text in product((1, 2, 7, 60), ("", "line")):
            spans = store.histogram(Query(text=text), EVERYTHING, buckets)
            edges = [*(bucket.key for bucket in spans), START + 10**8]
            assert len(spans) == buckets
            for bucket, (low, high) in zip(spans, pairwise(edges), strict=True):
                assert bucket.n == sum(low <= row["@timestamp"] < high for row in rows)

    # ------------------------------------------------------------ scope

    def test_no_read_shows_what_is_out_of_scope(self, filled: EventStore) -> None:
        owners = {row["event.id"]: row.get("organization.id") for row in EVENTS}
        for scope in (ONE, TWO, BOTH, NOTHING, Scope(frozenset(["three"])), EVERYTHING):
            mine = sorted(name for name, owner in owners.items() if _allowed(scope, {"organization.id": owner}))
            assert found(filled, scope=scope) == mine
            assert sorted(row["event.id"] for row in filled.get(list(owners), scope)) == mine
            assert sorted(n for b in filled.scan(Query(), scope) for n in b.column("event.id").to_list()) == mine
            assert sum(bucket.n for bucket in filled.histogram(Query(), scope, 7)) == len(mine)
            counted = Counter(owner for name, owner in owners.items() if name in mine and owner)
            assert dict(filled.aggregate(Query(), scope, "organization.id")) == counted
            for text, expected in KINDS:
                seen = {BY_NUMBER[name] for name in found(filled, text, scope)}
                assert seen == {n for n in expected if EVENTS[n]["event.id"] in mine}, text

    def test_figures_do_not_tell_of_others(self, filled: EventStore) -> None:
        assert filled.aggregate(Query(), ONE, "user.name") == [("Root", 1), ("administrator", 1)]
        assert filled.aggregate(Query(text="NOT user.name:root"), ONE, "source.ip") == [("10.200.0.1", 1)]
        assert filled.aggregate(Query(), ONE, "vendor.score") == []
        spans = filled.histogram(Query(), ONE, 2)  # nor does the span of all data show through
        assert (spans[0].key, sum(b.n for b in spans)) == (START, 2)
        assert filled.search(Query(), ONE, Page(1)).total == 2

    def test_a_page_key_of_another_scope_opens_nothing(self, filled: EventStore) -> None:
        key = filled.search(Query(), EVERYTHING, Page(1)).next
        rows = filled.search(Query(), ONE, Page(100, key)).rows
        assert {row["organization.id"] for row in rows} == {"one"}

    # ------------------------------------------------------------ life

    def test_what_is_under_a_hold_stays(self, filled: EventStore) -> None:
        whole = len(found(filled))
        assert filled.prune(START + 10**15, [(START - 10**15, START + 10**15)]) == 0
        assert filled.expire(START + 10**18, [(START - 10**15, START + 10**15)]) == 0
        assert len(found(filled)) == whole
        assert filled.prune(START + 3 * SECOND, [(START + 10**14, START + 10**15)]) == 4

    def test_prune(self, filled: EventStore) -> None:
        assert filled.prune(START - 1) == 0
        assert filled.prune(START + 3 * SECOND) == 4  # three of the first second, and the one before
        left = [row for row in EVENTS if row["@timestamp"] >= START + 3 * SECOND]
        assert found(filled) == ids(left)
        assert filled.prune(START + 3 * SECOND) == 0
        assert filled.prune(START + 10**15) == len(left)
        assert filled.search(Query(), EVERYTHING) == ([], 0, "")
        assert len(filled.write(batch(plain(2, first=500))).stored) == 2

    def test_unicode_is_kept(self, store: EventStore) -> None:
        texts = ["\x00\x1b[31m", "\u202eabc", "👩‍💻", "é", "e\u0301", "ſtraße K", " x ", "İ", "\U0010ffff", ""]
        rows = identified([{"message": text, "event.original": text, "user.name": text} for text in texts])
        store.write(batch(rows))
        self.settle(store)
        assert [row["message"] for row in store.get([r["event.id"] for r in rows], EVERYTHING)] == texts
        assert found(store, "user.name:👩‍💻") == [rows[2]["event.id"]]
        assert found(store, "user.name:e\u0301") == [rows[4]["event.id"]]  # not the composed form

    def test_an_empty_store(self, store: EventStore) -> None:
        self.settle(store)
        assert store.search(Query(text="x"), EVERYTHING) == ([], 0, "")
        assert store.get(["x"], EVERYTHING) == store.get([], EVERYTHING) == []
        assert store.aggregate(Query(), EVERYTHING, "user.name") == []
        assert store.histogram(Query(), EVERYTHING) == []
        assert list(store.scan(Query(), EVERYTHING)) == []
        assert store.prune(START) == 0


def _key(row: Row) -> tuple[int, str]:
    return row["@timestamp"], row["event.id"]


def _allowed(scope: Scope, row: Row) -> bool:
    return scope.organisations is None or row.get("organization.id") in scope.organisations
