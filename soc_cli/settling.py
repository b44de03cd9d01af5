"""Wait until what is in the journal is committed: by a worker here, or by the process that works there already."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from soc_cli.member import Member
from soc_cli.wiring import Busy, Platform
from soc_core.state import commits
from soc_core.state.claims import SHARED


class Loop:
    """The loop as far as a command needs it. `worker` is ours, or None while another process has it; what was begun
    ends with the stack."""

    def __init__(self, stack: ExitStack, platform: Platform, rules: Sequence[Path] = ()) -> None:
        self.stack, self.platform, self.rules = stack, platform, rules
        self.worker: Member | None = None

    def begin(self) -> None:
        """Work here from now on. Raises Busy."""
        self.stack.enter_context(self.platform.working())
        self.worker = self.stack.enter_context(self.platform.member(self.rules).working())

    def settle(self, ends: Mapping[int, int], sources: Collection[str] = ()) -> None:
        """Until all is committed up to the ends (partition → offset), what was sent to shares too, and nothing of the
        sources waits; if another process had the loop and ends, we go on in its place."""
        shares: dict[int, int] = {}  # what was sent to shares for our records, once these are committed
        while not (self._committed(ends, sources) and shares and self._committed(shares, sources)):
            if self.worker is None:
                time.sleep(0.05)
                with suppress(Busy):
                    self.begin()
            elif not self.worker.turn(patient=False) + self.worker.worker.drain():
                time.sleep(0.05)
            if not shares and self._committed(ends, sources):
                shared = self.platform.shared
                shares = {SHARED + number: shared.end(number) for number in shared.partitions()}

    def _committed(self, ends: Mapping[int, int], sources: Collection[str]) -> bool:
        return committed(self.platform, ends, sources)


class Backlog:
    """What stands in the journal now. Where more comes all the time there is never nothing to do, and this is done
    once it is committed, with what was sent to shares by then."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.ends = {number: platform.journal.end(number) for number in platform.journal.partitions()}
        self.shares: dict[int, int] = {}

    def gone(self) -> bool:
        """Whether it is worked off while more has come."""
        try:
            if all(self.platform.journal.end(number) <= end for number, end in self.ends.items()):
                return False
            if not self.shares and committed(self.platform, self.ends):
                shared = self.platform.shared
                self.shares = {SHARED + number: shared.end(number) for number in shared.partitions()}
            return bool(self.shares) and committed(self.platform, self.shares)
        except OSError:  # an engine is away, of which the worker tells
            return False


def committed(platform: Platform, ends: Mapping[int, int], sources: Collection[str] = ()) -> bool:
    """Whether all is committed up to the ends (partition → offset), and nothing of the sources waits."""
    with platform.state.read() as session:
        done = all(commits.mark(session, partition) >= end for partition, end in ends.items())
        waiting = commits.fates(session) if done and sources else []
    return done and not any(row.pending for row in waiting if row.source in sources)
