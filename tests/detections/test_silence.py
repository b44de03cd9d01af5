from __future__ import annotations

import numpy as np

from detections import silence
from detections.rhythm import Calendar
from detections.triage import apply
from soc_core.access import EVERYTHING
from soc_core.clock import HOUR, MINUTE
from soc_core.models import Finding
from soc_core.pack import Holidays
from soc_core.state import alerts, commits, rhythms, sources
from soc_core.state.commits import FateDelta
from soc_core.state.database import Database
from soc_core.state.tables import SourceRow


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


def test_a_source_is_heard_by_its_own_habit_and_the_habit_outlives_the_process(database: Database) -> None:
    calendar, start = Calendar(Holidays()), 29_688_000
    with database.begin() as session:
        listener = silence.Listener(session, calendar)
    sent = 0

    def minute(at: int, listener: silence.Listener, speaks: bool = True) -> list[Finding]:
        nonlocal sent
        with database.begin() as session:
            if speaks:
                sent += 1
                session.merge(SourceRow(source="fw", realm="real", organisation="c01", received=sent,
                                        last_ingest=at * MINUTE))
            session.flush()
            return listener.look(session, at * MINUTE)

    for at in range(start, start + 8 * 1440 + 30, 1):
        if at % 7 and at < start + 8 * 1440:  # looks are a minute apart; most need no database
            listener.rhythms.grow(1)
            listener.rhythms.minute(at, np.array([True]))
            listener._minute = at
            listener._heard["fw"] = at * MINUTE
            listener._rows["fw"] = 0
        else:
            assert minute(at, listener) == []
    with database.begin() as session:
        listener.save(session, at * MINUTE)
        assert rhythms.limits(session) == {("fw", "real"): 6 * MINUTE}
        again = silence.Listener(session, calendar)
    assert minute(at + 600, again, speaks=False) == []  # nobody looked for ten hours: no silence yet
    found = [one for quiet in range(1, 12) for one in minute(at + 600 + quiet, again, speaks=False)]
    assert {one.event_id for one in found} == {f"silence:real:fw:{at * MINUTE}"}
    assert found[0].organisation == "c01"
    with database.begin() as session:
        sources.expect(session, "fw", HOUR, organisation="c01")  # a person's word holds
    assert minute(at + 700, again) == []
    assert all(not minute(at + 700 + quiet, again, speaks=False) for quiet in range(1, 30))
