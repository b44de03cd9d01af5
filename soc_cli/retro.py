"""New threat indicators over stored events: what a sign that is known only now was already seen on."""

from __future__ import annotations

import logging

from detections.stream.indicators import FACTS, FIELDS, NAMED, back, question
from soc_cli.wiring import Platform
from soc_core import engines
from soc_core.access import EVERYTHING
from soc_core.clock import SECOND, Micros
from soc_core.models import Finding
from soc_core.state import indicators

log = logging.getLogger(__name__)

SETTLE = 20 * SECOND  # by then every worker knows an indicator, so that what arrives later is matched on arrival
BATCH = 5_000  # findings a transaction


def run_once(platform: Platform, at: Micros, settle: Micros = SETTLE) -> int:
    """Match back what was not yet, in every realm; how many findings there were."""
    with platform.state.read() as session:
        items = indicators.unmatched(session, at - settle)
    if not items:
        return 0
    columns = {*FIELDS, *FACTS, *NAMED}
    count = 0
    for realm in engines.realms(platform.settings):
        found: list[Finding] = []
        for finding in back(items, platform.store(realm).scan(question(items), EVERYTHING, columns)):
            found.append(finding)
            if len(found) >= BATCH:
                count += take(platform, found, at)
                found = []
        count += take(platform, found, at)
    with platform.state.begin() as session:
        indicators.matched(session, items, at)
    log.info("%d indicators matched back over stored events: %d findings", len(items), count)
    return count


def take(platform: Platform, found: list[Finding], at: Micros) -> int:
    if found:
        with platform.state.begin() as session:
            platform.triage(session, found, at)
    return len(found)
