"""An operator takes the journals as they are: made anew, or without records that were still wanted.

What they no longer hold is lost; what was stored is not. Records that waited for others have been received, so they
get a fate: quarantine, empty.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Collection

from sqlalchemy.orm import Session

from soc_cli.wiring import Platform
from soc_core import clock, held
from soc_core.protocols import Journal
from soc_core.state import commits, quarantine
from soc_core.state.claims import SHARED
from soc_core.state.commits import FateDelta

log = logging.getLogger(__name__)
REASON = "journal: lost while it waited for others"


def accept(platform: Platform) -> None:
    """Go on with both journals. Raises OSError where an engine is away."""
    for name, journal, base in ((commits.EPOCH, platform.journal, 0), (commits.SHARED_EPOCH, platform.shared, SHARED)):
        with platform.state.begin() as session:
            if anew := commits.epoch(session, name) not in ("", journal.epoch):
                log.warning("%s: a journal made anew is accepted", name)
                commits.replace_epoch(session, journal.epoch, name)
            lost = [number for number in journal.partitions()
                    if _skipped(session, journal, number, base + number) or anew]
            if lost and base == 0:
                _settle(session, journal, lost)


def _skipped(session: Session, journal: Journal, number: int, lane: int) -> bool:
    """Go on where the partition begins, if that is beyond what the lane wants of it; whether it is."""
    mark = commits.mark(session, lane)
    waiting = held.load(session, lane)
    wanted = min([commits.base(session, lane), *waiting[:1]])
    frames = journal.read(number, wanted, 1)
    first = frames[0].first if frames else max(wanted, journal.end(number))
    if first == wanted:
        return False
    log.warning("partition %d begins at %d: %d records are lost", number, first, max(0, first - mark))
    commits.skip(session, lane, first)
    held.save(session, lane, [offset for offset in waiting if offset >= first])
    return True


def _settle(session: Session, journal: Journal, lost: Collection[int]) -> None:
    """Give a fate to what these partitions received and that waits nowhere."""
    kept = Counter[tuple[str, str]]()
    for number in lost:
        for frame in held.read(journal, number, held.load(session, number)).frames:
            kept[frame.raws.origin.source, frame.raws.origin.realm] += len(frame.raws.lines)
    for row in commits.fates(session):
        if journal.partition_of(row.source) in lost and (gone := row.pending - kept[row.source, row.realm]) > 0:
            log.warning("%s: %d records that waited are lost", row.source, gone)
            quarantine.add(session, _empty(row, gone))
            commits.add(session, [FateDelta(row.source, row.realm, quarantined=gone)])


def _empty(row: commits.Fates, count: int) -> Collection[quarantine.Item]:
    now = clock.now()
    return [quarantine.Item(secrets.token_hex(16), row.source, row.realm, "", now, REASON, b"", -1, -1)
            for _ in range(count)]
