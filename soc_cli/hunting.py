"""`./soc hunt --rule`: rules over the stored events of one realm."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson

from detections.sigma import cache, tuning
from detections.sigma.hunt import Hunt
from detections.sigma.load import load_rules
from detections.sigma.map import of_site
from detections.sigma.rule import RuleSet
from soc_core import clock, engines
from soc_core.access import PLATFORM
from soc_core.config import Settings
from soc_core.models import Finding
from soc_core.protocols import EventStore, Query
from soc_core.store.embedded import exists


@contextmanager
def store(settings: Settings, realm: str) -> Iterator[EventStore]:
    """The event store of a realm. Raises OSError where nothing is kept."""
    if not settings.event_engine.elastic and not exists(settings.events(realm)):
        raise OSError(f"no {realm} events are kept in {settings.data}; start with ./soc up or ./soc ingest FILE")
    with closing(engines.open_store(settings, realm)) as opened:
        yield opened


def rules(settings: Settings, paths: Sequence[Path]) -> RuleSet:
    """The rules below the paths as the platform runs them, with the site's exceptions. Raises ValueError on none."""
    found = load_rules(paths, cache=cache.default())
    tuned = tuning.apply(found, tuning.read(settings.tuning))
    if not tuned.items:
        reasons = "; ".join(f"{each.path}:{each.line}: {each.reason}" for each in tuned.failed[:3])
        raise ValueError(reasons or f"no rule in {', '.join(map(str, paths))}")
    return tuned


def findings(hunt: Hunt, events: EventStore, query: Query) -> Iterator[Finding]:
    """What the rules say of all events that the query names."""
    for found in hunt.search(events, query, PLATFORM.scope):
        yield from found


def run(settings: Settings, realm: str, paths: Sequence[Path], query: Query, as_json: bool) -> int:
    """Print the hits; how many rules could not be used."""
    loaded = rules(settings, paths)
    for failure in loaded.failed:
        print(f"{failure.path}:{failure.line}: {failure.reason}", file=sys.stderr)
    began = time.perf_counter()
    hunt = Hunt(loaded, of_site(settings.mapping), cache.default())
    with store(settings, realm) as events:
        found = findings(hunt, events, query)
        hits = sorted((each.at, each.rule_id, each.event_id, each.title) for each in found)
    seconds = time.perf_counter() - began
    if as_json:
        listed = [{"rule_id": rule, "event_id": event, "timestamp": clock.to_text(at)} for at, rule, event, _ in hits]
        report: dict[str, Any] = {
            "hits": listed, "events": hunt.events,
            "seconds": round(seconds, 3), "suppressed": dict(hunt.detector.suppressed),
        }
        print(orjson.dumps(report).decode())
    else:
        for at, _, event, title in hits:
            print(f"{clock.to_text(at)}  {event}  {title}")
        rate = hunt.events / max(seconds, 1e-9)
        print(f"{len(hits):,} hits in {hunt.events:,} events, {seconds:.1f} s ({rate:,.0f} events/s)")
    return len(loaded.failed)
