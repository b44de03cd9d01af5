from __future__ import annotations

import pytest

from soc_core import held
from soc_core.models import DEMO, REAL
from soc_core.state import commits
from soc_core.state.claims import SHARED
from soc_core.state.commits import FateDelta, OtherJournal, OtherWorker
from soc_core.state.database import Database


def test_marks_advance_from_where_they_are(database: Database) -> None:
    with database.begin() as session:
        assert commits.mark(session, 3) == 0
        commits.advance(session, 3, 10, [], expect=0)
    with database.begin() as session:
        commits.advance(session, 3, 25, [], expect=10)
        assert commits.mark(session, 3) == 25
        assert commits.marks(session) == {3: 25}


def test_another_worker_is_noticed_and_nothing_counted(database: Database) -> None:
    with database.begin() as session:
        commits.advance(session, 0, 10, [FateDelta("a", received=10, stored=10)], expect=0)
    with pytest.raises(OtherWorker, match="committed up to 10, not 0"), database.begin() as session:
        commits.advance(session, 0, 20, [FateDelta("a", received=20, stored=20)], expect=0)
    with database.read() as session:
        assert commits.mark(session, 0) == 10
        assert commits.fates(session)[0].received == 10


def test_fates_add_up_by_source_and_realm(database: Database) -> None:
    with database.begin() as session:
        commits.advance(session, 0, 10, [
            FateDelta("a", received=6, stored=3, duplicate=1, merged=1, quarantined=1, events=5, last_event=900),
            FateDelta("a", DEMO, received=4, stored=4, events=4, last_event=100),
        ], expect=0)
        commits.advance(session, 0, 13, [FateDelta("a", received=3, stored=1, events=1, last_event=800)], expect=10)
        commits.shed(session, "a", REAL, 7)
    with database.read() as session:
        demo, real = commits.fates(session)
    assert (demo.realm, demo.received, demo.stored, demo.pending) == (DEMO, 4, 4, 0)
    assert real.received == 16
    assert real.received == real.stored + real.duplicate + real.merged + real.quarantined + real.shed + real.pending
    assert (real.stored, real.duplicate, real.merged, real.quarantined, real.shed, real.pending) == (4, 1, 1, 1, 7, 2)
    assert (real.events, real.last_event) == (6, 900)
    assert real.last_ingest > 0


def test_one_source_named_twice_in_one_commit(database: Database) -> None:
    with database.begin() as session:
        commits.advance(session, 0, 2, [FateDelta("a", received=1, stored=1), FateDelta("a", received=1, merged=1)], 0)
        assert commits.fates(session)[0].received == 2


def test_checkpoint_is_replaced(database: Database) -> None:
    with database.begin() as session:
        assert commits.checkpoint(session, 1) is None
        commits.save_checkpoint(session, 1, 5, b"\x00first")
        commits.save_checkpoint(session, 1, 9, b"second\xff")
    with database.read() as session:
        kept = commits.checkpoint(session, 1)
    assert kept is not None
    assert (kept.offset, kept.state) == (9, b"second\xff")


def test_marks_belong_to_one_journal(database: Database) -> None:
    with database.begin() as session:
        commits.adopt_epoch(session, "one")
        commits.advance(session, 0, 10, [], expect=0)
    with database.begin() as session:
        commits.adopt_epoch(session, "one")
    with pytest.raises(OtherJournal, match=r"epoch two.*one"), database.begin() as session:
        commits.adopt_epoch(session, "two")
    with database.begin() as session:
        commits.replace_epoch(session, "two")
        assert commits.mark(session, 0) == 0
        commits.adopt_epoch(session, "two")


def test_a_journal_made_anew_takes_along_what_was_its_own(database: Database) -> None:
    def filled(name: str) -> list[object]:
        """What is left of both journals after one was made anew."""
        with database.begin() as session:
            for partition in (3, SHARED + 1):
                commits.advance(session, partition, 10, [], expect=commits.mark(session, partition))
                commits.save_checkpoint(session, partition, 10, b"state")
            held.save(session, 3, [7, 9])
            commits.replace_epoch(session, f"{name} anew", name)
            kept = [commits.checkpoint(session, place) for place in (3, SHARED + 1)]
            assert [each and each.state for each in kept] == [b"state", b"state"]
            return [commits.marks(session), [each and each.offset for each in kept], held.load(session, 3)]

    assert filled(commits.SHARED_EPOCH) == [{3: 10}, [10, 0], [7, 9]]
    with database.begin() as session:
        commits.replace_epoch(session, "anew", commits.SHARED_EPOCH)
    assert filled(commits.EPOCH) == [{SHARED + 1: 10}, [0, 10], []]


def test_nothing_is_committed_of_a_journal_that_was_replaced(database: Database) -> None:
    with database.begin() as session:
        commits.adopt_epoch(session, "one")
        commits.current(session, "one")
        commits.current(session, "whatever", commits.SHARED_EPOCH)  # nobody has said yet which it is
        commits.replace_epoch(session, "two")
        with pytest.raises(commits.Outdated, match="epoch one was replaced by one of two"):
            commits.current(session, "one")


def test_what_is_lost_is_skipped_and_nothing_is_done_twice(database: Database) -> None:
    with database.begin() as session:
        commits.advance(session, 0, 10, [], expect=0)
        commits.save_checkpoint(session, 0, 8, b"memory")
        commits.skip(session, 0, 6)
        assert commits.mark(session, 0) == 10
        commits.skip(session, 0, 20)
        commits.skip(session, 1, 4)
    with database.read() as session:
        assert commits.marks(session) == {0: 20, 1: 4}
        kept = commits.checkpoint(session, 0)
        assert kept is not None
        assert (kept.offset, kept.state) == (20, b"memory")
