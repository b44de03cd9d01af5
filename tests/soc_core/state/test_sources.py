from __future__ import annotations

import pytest

from soc_core.access import EVERYTHING, NOTHING, Scope
from soc_core.clock import HOUR
from soc_core.state import commits, drills, sources
from soc_core.state.commits import FateDelta
from soc_core.state.database import Database
from soc_core.state.drills import DrillResult


def test_expected_and_heard(database: Database) -> None:
    with database.begin() as session:
        sources.expect(session, "fw", HOUR, organisation="c01", system="s1")
        commits.advance(session, 0, 3, [FateDelta("fw", received=3, stored=3, events=3, last_event=77),
                                        FateDelta("gw", received=1, stored=1, events=1, last_event=5)], 0)
        sources.expect(session, "gw", None, organisation="c02")
    with database.read() as session:
        fw, gw = sources.listing(session, EVERYTHING)
        assert (fw.source, fw.silent_after, fw.received, fw.last_event, fw.system) == ("fw", HOUR, 3, 77, "s1")
        assert fw.heard == fw.last_ingest > 0
        assert (gw.silent_after, gw.expected, gw.organisation) == (None, None, "c02")
        assert [each.source for each in sources.listing(session, Scope(frozenset({"c02"})))] == ["gw"]
        assert sources.listing(session, NOTHING) == []
        assert sources.listing(session, EVERYTHING, realm="demo") == []
    with database.begin() as session, pytest.raises(ValueError, match="positive"):
        sources.expect(session, "fw", 0)


def test_drills_are_kept_latest_first(database: Database) -> None:
    with database.begin() as session:
        for number, scenario in enumerate(("portal", "extranet", "portal")):
            drills.save(session, DrillResult(str(number), scenario, number, 42, f"drill-{number}", {"步骤": number}))
        drills.save(session, DrillResult("2", "portal", 2, 43, "drill-2", {"步骤": 9}))
        assert [each.id for each in drills.listing(session)] == ["2", "1", "0"]
        assert [each.id for each in drills.listing(session, "portal", limit=1)] == ["2"]
        found = drills.get(session, "2")
        assert found is not None
        assert (found.seed, found.result) == (43, {"步骤": 9})
        assert drills.get(session, "x") is None
