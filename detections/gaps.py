"""Gaps of over ten minutes in what should flow: each is written down and is a finding of its own. 数据缺口

The law wants six months of logs, and a hole in them cannot be proved away later. A source that by its own habit or by
its register speaks less often than every ten minutes has a gap only once it is later than that. Time in which the
platform itself did not run is no source's gap: what was sent meanwhile and kept by its sender is still to come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from soc_core.access import EVERYTHING
from soc_core.clock import MINUTE, SECOND, Micros
from soc_core.models import REAL, Finding
from soc_core.pack import System
from soc_core.state import gaps, rhythms, sources
from soc_core.state.gaps import Gap
from soc_core.state.sources import Source

RULE = "data-gap"
LEAST = 10 * MINUTE
AWAY = 3 * MINUTE  # without a look: nobody watched
STRICT = 3  # protection level from which on a gap weighs more
NOWHERE = -1


@dataclass
class Gaps:
    """Looks once a minute. `systems` tells protection levels and how often each kind of data is due."""

    systems: Mapping[str, System]
    _looked: Micros = 0
    _from: dict[str, Micros] = field(default_factory=dict)  # source → from when on its quiet was watched

    def look(self, session: Session, now: Micros) -> list[Finding]:
        """A finding a gap, at the moment it is longer than it may be; one that ended is closed."""
        watched = now - self._looked <= AWAY
        known = {one.source: one for one in sources.listing(session, EVERYTHING, REAL)}
        limits = rhythms.limits(session)
        for gap in gaps.open_ones(session):
            source = known.get(gap.source)
            if source is None or source.last_ingest > gap.since:
                gaps.end(session, gap.source, gap.realm, gap.since, source.last_ingest if source else now)
        found = []
        for name, source in known.items():
            if not watched:
                self._from[name] = now
            allowed = self.allowed(source, limits.get((name, REAL)))
            began = max(source.last_ingest, self._from.get(name, 0))
            if allowed is not None and source.last_ingest and now - began > allowed:
                found.append(Gap(name, REAL, source.last_ingest, None, source.organisation, source.system))
        gaps.begin(session, found)
        self._looked = now
        return [self.finding(gap, now) for gap in found]

    def allowed(self, source: Source, learned: Micros | None) -> Micros | None:
        """How long it may be quiet before that is a gap; None where nobody can say."""
        own = source.silent_after if source.silent_after is not None else learned
        if own is None and (system := self.systems.get(source.system)):
            own = min((item.every * SECOND for item in system.sources if item.connected), default=None)
        return None if own is None else max(LEAST, own)

    def finding(self, gap: Gap, now: Micros) -> Finding:
        """What is said of one gap."""
        system = self.systems.get(gap.system)
        strict = system is not None and system.level >= STRICT
        minutes = (now - gap.since) // MINUTE
        return Finding(
            rule_id=RULE, event_id=f"gap:{gap.realm}:{gap.source}:{gap.since}", at=gap.since + LEAST,
            level="medium" if strict else "low", title=f"数据缺口 Data gap: {gap.source}",
            group=(("source", gap.source),), entities=(("source", gap.source),), techniques=(),
            organisation=gap.organisation, system=gap.system, realm=gap.realm, partition=NOWHERE, offset=NOWHERE,
            explanation=f"缺口已超过 {minutes} 分钟，六个月留存无法证明 "
                        f"(a gap of over {minutes} min: six months of logs cannot be proved)",
        )
