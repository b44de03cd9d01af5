from __future__ import annotations

from soc_core.state import outbox, quarantine
from soc_core.state.database import Database
from soc_core.state.quarantine import KEPT, Item


def item(number: int, source: str = "gw", reason: str = "no time", raw: bytes = b"\xff\x00raw") -> Item:
    return Item(f"{number:032x}", source, "real", "syslog", 1_000 + number, reason, raw, 2, number, position=number * 7)


def test_kept_whole_and_once(database: Database) -> None:
    for _ in range(2):
        with database.begin() as session:
            quarantine.add(session, [item(1), item(2), item(1)])
    with database.read() as session:
        kept = quarantine.get(session, item(1).id)
        listed, following = quarantine.listing(session)
    assert kept == item(1)._replace(size=5)
    assert [each.id for each in listed] == [item(1).id, item(2).id]
    assert following == ""


def test_oversize_is_cut_and_says_where_the_rest_is(database: Database) -> None:
    with database.begin() as session:
        quarantine.add(session, [item(1, raw=b"x" * (KEPT + 5)), item(2, raw=b"y" * KEPT)])
    with database.read() as session:
        cut, whole = quarantine.get(session, item(1).id), quarantine.get(session, item(2).id)
    assert cut is not None
    assert whole is not None
    assert (len(cut.raw), cut.size, cut.pointer) == (KEPT, KEPT + 5, "journal partition 2 offset 1, source position 7")
    assert (len(whole.raw), whole.size, whole.pointer) == (KEPT, KEPT, "")


def test_groups_pages_and_replay(database: Database) -> None:
    with database.begin() as session:
        quarantine.add(session, [item(n) for n in range(7)] + [item(n, "fw", "bad JSON") for n in range(10, 12)])
        quarantine.replay(session, [item(0).id, item(10).id], 5_000)
    with database.read() as session:
        groups = quarantine.groups(session)
        assert [(g.source, g.reason, g.count, g.waiting, g.first, g.last) for g in groups] == [
            ("gw", "no time", 7, 6, 1_000, 1_006), ("fw", "bad JSON", 2, 1, 1_010, 1_011)]
        seen, after = [], ""
        while True:
            page, after = quarantine.listing(session, source="gw", waiting=True, after=after, limit=4)
            seen += [each.offset for each in page]
            if not after:
                break
        assert seen == [1, 2, 3, 4, 5, 6]
        assert [each.offset for each in quarantine.listing(session, reason="bad JSON")[0]] == [10, 11]


def test_what_fails_again_waits_again(database: Database) -> None:
    with database.begin() as session:
        quarantine.add(session, [item(1), item(2)])
        quarantine.replay(session, [item(1).id, item(2).id], 5_000, "syslog")
        asked = [(each.key, each.body) for each in outbox.claim(session, "reader", [quarantine.REPLAY])]
        quarantine.again(session, {item(1).id: "still no time"})
        groups = quarantine.groups(session)
    assert asked == [(f"{item(n).id}:5000", {"id": item(n).id, "format": "syslog"}) for n in (1, 2)]
    assert [(group.reason, group.count, group.waiting) for group in groups] == [
        ("no time", 1, 0), ("still no time", 1, 1)]
