"""Sources that fell silent: each has its own limit, and its silence is an alert about the monitoring itself. 静默

A limit that a person set holds; else the one that the source's own habit gives (rhythm.py). One silence is one finding,
however often it is looked at: its time is the moment at which the limit ran out.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy.orm import Session

from detections.rhythm import Calendar, Rhythms, minute_of
from soc_core.access import EVERYTHING
from soc_core.clock import MINUTE, Micros
from soc_core.models import REAL, Finding
from soc_core.state import rhythms, sources
from soc_core.state.rhythms import Rhythm
from soc_core.state.sources import Source

RULE = "source-silent"
NO_JOURNAL = -1  # the finding has no place there
AWAY = 3  # minutes without a look after which open gaps are nobody's
SAVE = 15  # minutes between two times of keeping


def findings(session: Session, now: Micros) -> list[Finding]:
    """A finding for every source that has been silent for longer than the limit set for it, as of `now`."""
    return [
        finding(source, source.silent_after, now) for source in sources.listing(session, EVERYTHING)
        if source.silent_after is not None and now - source.heard > source.silent_after
    ]


def finding(source: Source, limit: Micros, now: Micros) -> Finding:
    """What is said of a source that is silent beyond its limit."""
    quiet, most = (now - source.heard) // MINUTE, limit // MINUTE
    return Finding(
        rule_id=RULE,
        event_id=f"silence:{source.realm}:{source.source}:{source.heard}",
        at=source.heard + limit,
        level="medium",
        title=f"数据源静默 Source silent: {source.source}",
        group=(("source", source.source),),
        entities=(("source", source.source),),
        techniques=(),
        organisation=source.organisation,
        system=source.system,
        realm=source.realm,
        partition=NO_JOURNAL,
        offset=NO_JOURNAL,
        explanation=f"已 {quiet} 分钟没有数据，限度 {most} 分钟 "
                    f"(nothing arrived for {quiet} min, the limit is {most} min)",
    )


class Listener:
    """Learns habits and hears silences, a look a minute; what it learned is kept in the state database.

    Time in which nobody looked (the platform was down) counts for nothing: neither as habit nor as silence.
    """

    def __init__(self, session: Session, calendar: Calendar) -> None:
        self.rhythms = Rhythms(calendar)
        self._rows: dict[str, int] = {}
        self._heard: dict[str, Micros] = {}
        self._minute = self._saved = 0
        self._told: set[str] = set()
        kept = [rhythm for rhythm in rhythms.listing(session) if rhythm.realm == REAL]
        self.rhythms.grow(len(kept))
        for number, rhythm in enumerate(kept):
            self._rows[rhythm.source] = number
            self.rhythms.know(number, rhythm.kept)
        self.rhythms.lost()

    def look(self, session: Session, now: Micros) -> list[Finding]:
        """Findings of every source that is silent now, by the limit set or by its habit."""
        minute = minute_of(now)
        heard = {one.source: one for one in sources.listing(session, EVERYTHING, REAL)}
        if minute > self._minute:
            self._tell(minute, heard)
        found = findings(session, now)
        for name in self._told:
            source = heard.get(name)
            if source is not None and source.silent_after is None:
                limit = self.rhythms.limit(self._rows[name], minute_of(source.heard))
                if limit is not None:
                    found.append(finding(source, limit.limit, now))
        if minute - self._saved >= SAVE:
            self.save(session, now)
        return found

    def _tell(self, minute: int, known: dict[str, Source]) -> None:
        for name in known:
            self._rows.setdefault(name, len(self._rows))
        self.rhythms.grow(len(self._rows))
        if minute - self._minute > AWAY:
            self.rhythms.lost()
            self._minute = minute - 1
            self._heard = {name: source.last_ingest for name, source in known.items()}
        sent = np.zeros(len(self._rows), dtype=bool)
        for name, source in known.items():
            sent[self._rows[name]] = source.last_ingest > self._heard.get(name, 0)
            self._heard[name] = source.last_ingest
        for passed in range(self._minute + 1, minute + 1):
            silent = self.rhythms.minute(passed, sent)
            sent = np.zeros_like(sent)
        self._told = {name for name in known if silent[self._rows[name]]}
        self._minute = minute

    def save(self, session: Session, now: Micros) -> None:
        """Keep what was learned, with the limit of a gap that began now."""
        limits = self.rhythms.limits(minute_of(now))
        active, spread, gaps = self.rhythms.basis()
        rhythms.save(session, (
            Rhythm(name, REAL, self.rhythms.row(number), None if np.isnan(limits[number])
                   else int(limits[number]) * MINUTE, float(active[number]), float(spread[number]), int(gaps[number]))
            for name, number in self._rows.items()
        ), now)
        self._saved = minute_of(now)
