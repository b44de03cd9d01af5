"""Sources that fell silent: each has its own limit, and its silence is an alert about the monitoring itself. 静默

One silence is one finding, however often it is looked at: its time is the moment at which the limit ran out.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from soc_core.access import EVERYTHING
from soc_core.clock import MINUTE, Micros
from soc_core.models import Finding
from soc_core.state import sources

RULE = "source-silent"
NO_JOURNAL = -1  # the finding has no place there


def findings(session: Session, now: Micros) -> list[Finding]:
    """A finding for every source that has been silent for longer than its limit, as of `now` (microseconds)."""
    found = []
    for source in sources.listing(session, EVERYTHING):
        if source.silent_after is None or now - source.heard <= source.silent_after:
            continue
        quiet, limit = (now - source.heard) // MINUTE, source.silent_after // MINUTE
        why = f"已 {quiet} 分钟没有数据，限度 {limit} 分钟 (nothing arrived for {quiet} min, the limit is {limit} min)"
        found.append(Finding(
            rule_id=RULE,
            event_id=f"silence:{source.realm}:{source.source}:{source.heard}",
            at=source.heard + source.silent_after,
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
            explanation=why,
        ))
    return found
