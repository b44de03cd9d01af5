from __future__ import annotations

from detections import silence
from detections.triage import apply
from soc_core.access import EVERYTHING
from soc_core.clock import HOUR, MINUTE
from soc_core.state import alerts, commits, sources
from soc_core.state.commits import FateDelta
from soc_core.state.database import Database


def test_a_source_silent_beyond_its_limit_is_one_alert(database: Database) -> None:
    with database.begin() as session:
        sources.expect(session, "fw", 10 * MINUTE, organisation="c01", system="s1")
        sources.expect(session, "slow", 24 * HOUR)
        deltas = [FateDelta(name, received=1, stored=1) for name in ("fw", "free")]
        commits.advance(session, 0, 2, deltas, expect=0)
        heard = next(each.heard for each in sources.listing(session, EVERYTHING) if each.source == "fw")
    for later in (10 * MINUTE, 10 * MINUTE + 1, 30 * MINUTE, 3 * HOUR):
        with database.begin() as session:
            found = silence.findings(session, heard + later)
            assert bool(found) == (later > 10 * MINUTE)
            apply(session, found, heard + later)
    with database.read() as session:
        (alert,), total = alerts.find(session, EVERYTHING)
    assert total == alert.count == 1
    assert (alert.rule_id, alert.organisation, alert.system) == (silence.RULE, "c01", "s1")
    assert alert.first_seen == heard + 10 * MINUTE
    assert "10 分钟" in alert.explanation


def test_a_source_never_heard_is_missed_too_and_a_voice_ends_it(database: Database) -> None:
    with database.begin() as session:
        sources.expect(session, "new", HOUR)
        (source,) = sources.listing(session, EVERYTHING)
        assert source.expected is not None
        late = source.expected + HOUR + 1
        assert [each.entities for each in silence.findings(session, late)] == [(("source", "new"),)]
        commits.advance(session, 0, 1, [FateDelta("new", received=1, stored=1)], 0)
        assert silence.findings(session, sources.listing(session, EVERYTHING)[0].heard + HOUR) == []
