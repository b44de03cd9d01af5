"""What workers tell each other: partials of sharing detectors, through a journal of its own, to whoever keeps the key.

A step over the records at … end - 1 of a raw partition sends one message to each share that it concerns:

    {"p": partition, "e": its journal's epoch, "a": at, "z": end, "d": {detector: [[id, body], …]}}

It is sent before the step is committed, so a step that is done again (its worker died, or lost the partition) sends
again, perhaps cut otherwise. A share takes what is above the highest end it knows of the partition whole; of the
rest, what it does not know by id; and nothing of a step that begins before one it knows, for that was committed by
another. So everything counts once, whoever sent it and however often.

A share is a lane like any other: it has a mark, a checkpoint and one worker at a time.
"""

from __future__ import annotations

import functools
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import orjson
from sqlalchemy.orm import Session

from soc_core import clock
from soc_core.lanes import Failures, Guard, Lane, Memory, Piece, named
from soc_core.models import Finding
from soc_core.progress import Look, Progress
from soc_core.protocols import Journal, Origin, Raws
from soc_core.sharing import EVERYONE, Keeper, Partial, Pieced, Sharing
from soc_core.state import commits, failures, windows
from soc_core.state.claims import SHARED
from soc_core.state.database import Database

MOST = 4 << 20  # bytes of a message, about
MESSAGES = 256  # a step: each is what a whole step over a partition led to
Triage = Callable[[Session, Sequence[Finding], clock.Micros], Any]


class Outlet:
    """Sends partials to the shares of a journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        wanted = set(journal.partitions())
        self.origins: dict[int, Origin] = {}
        for number in count():  # a journal places records by their source: find a name for each place
            name = f"share-{number}"
            place = journal.partition_of(name)
            if place in wanted:
                wanted.remove(place)
                self.origins[place] = Origin(source=name, format="partials")
            if not wanted:
                break

    def share_of(self, key: str) -> int:
        """Which share keeps a key."""
        return zlib.crc32(key.encode("utf-8", "surrogatepass")) % len(self.origins)

    def send(self, partition: int, epoch: str, at: int, end: int, found: Mapping[str, Sequence[Partial]]) -> None:
        """Durable when it returns. Raises OSError."""
        shares: dict[int, dict[str, list[tuple[str, Any]]]] = defaultdict(lambda: defaultdict(list))
        for name, partials in found.items():
            for partial in partials:
                for share in self.origins if partial.key == EVERYONE else (self.share_of(partial.key),):
                    shares[share][name].append((partial.id, partial.body))
        if not shares:
            return
        head = {"p": partition, "e": epoch, "a": at, "z": end}
        now = clock.now()
        told = sorted(shares.items())
        self.journal.append([Raws(self.origins[share], lines(head, by_name), now) for share, by_name in told])


def lines(head: Mapping[str, Any], found: Mapping[str, Sequence[tuple[str, Any]]]) -> list[bytes]:
    """One message, or several where it would be too large."""
    whole = orjson.dumps({**head, "d": found})
    if len(whole) <= MOST or sum(map(len, found.values())) == 1:
        return [whole]
    first = {name: items[: len(items) // 2] for name, items in found.items()}
    second = {name: items[len(items) // 2 :] for name, items in found.items()}
    return [line for half in (first, second) for line in lines(head, {n: i for n, i in half.items() if i})]


class Known:
    """What a share has taken of each raw partition: where the last step began that it knows of and up to where it has
    taken anything, and the ids of what lies behind its last fresh end."""

    def __init__(self) -> None:
        self.ends: dict[str, list[Any]] = {}  # partition → epoch, begin, end
        self.ids: dict[str, set[str]] = {}

    def fresh(self, head: Mapping[str, Any], found: Mapping[str, Sequence[Sequence[Any]]]) -> dict[str, list[Any]]:
        """Of a message's partials the bodies that were not taken before, by detector."""
        place, at = str(head["p"]), head["a"]
        epoch, begin, end = self.ends.get(place, ("", -1, 0))
        if epoch != head["e"]:
            begin, end = -1, 0
        if at < begin:  # all before `begin` is committed, so this never will be: who has the partition sends it all
            return {}
        if at > begin and at >= end:
            self.ids[place] = set()
        ids = self.ids[place]
        taken: dict[str, list[Any]] = {}
        for name, items in found.items():
            keys = [f"{name}/{partial}" if partial else "" for partial, _ in items]
            taken[name] = [body for key, (_, body) in zip(keys, items, strict=True) if key not in ids]
            ids.update(key for key in keys if key)
        self.ends[place] = [head["e"], at, max(end, head["z"])]
        return taken

    def snapshot(self) -> bytes:
        return orjson.dumps({"ends": self.ends, "ids": {place: sorted(ids) for place, ids in self.ids.items()}})

    def restore(self, state: bytes) -> None:
        kept = orjson.loads(state)
        self.ends = {place: [epoch, *([-1] if len(known) < 2 else []), *known]  # without `begin`: of before
                     for place, (epoch, *known) in kept["ends"].items()}
        self.ids = {place: set(ids) for place, ids in kept["ids"].items()}


class Share(Lane):
    """One share of the detectors' memory. Findings go to triage in the transaction that moves the mark."""

    limit = MESSAGES

    def __init__(self, journal: Journal, partition: int, state: Database, sharing: Sequence[Sharing], triage: Triage,
                 guard: Guard, failed: Failures, stir: Callable[[], None], progress: Progress) -> None:
        self.progress, self.ahead = progress, Look(0, {})
        self.complete = self.latest = clock.EARLIEST
        self.keepers: dict[str, Keeper] = {named(each): each.keeper() for each in sharing}
        self.known = Known()
        self.triage, self.failed = triage, failed
        super().__init__(SHARED + partition, journal, partition, state, guard, stir)

    def memories(self) -> Sequence[tuple[str, Memory]]:
        return [("known", self.known), *((n, each) for n, each in self.keepers.items() if isinstance(each, Pieced))]

    def pieces(self) -> Sequence[Piece]:
        found = []
        for name, keeper in self.keepers.items():
            if isinstance(keeper, Pieced):
                found += [Piece(f"{name}/{at}", functools.partial(keeper.piece, at), functools.partial(keeper.put, at))
                          for at in range(keeper.pieces)]
            else:
                found.append(Piece(name, keeper.snapshot, keeper.restore))
        return found

    def run(self, final: bool = False) -> int:
        at, replay = self.cursor, self.cursor < self.mark
        frames = self.read()
        if not frames:
            if final and not replay:
                self._end(at)
            return 0
        if not replay and self.ahead.ends.get(self.partition, 0) <= at:
            self.ahead = self.progress.look()
        self.touched = True
        findings: list[Finding] = []
        fresh: dict[str, list[Any]] = defaultdict(list)  # by detector, of all messages: a keeper asked once is cheaper
        for frame in frames:
            for line in frame.raws.lines:
                for name, bodies in self._heard(line).items():
                    fresh[name] += bodies
        end = frames[-1].first + len(frames[-1].raws.lines)
        self.latest = max(frame.raws.received for frame in frames)
        for name in self.keepers:
            if bodies := fresh.get(name, []):
                findings += self._asked(name, end - 1, lambda keeper, bodies=bodies: keeper.take(bodies))  # type: ignore[misc]  # bound now
        if not replay:  # what is ripe depends on when it is asked: it is judged behind the mark, where findings count
            if end >= self.ahead.ends[self.partition]:
                self.complete = self.ahead.complete
            self._commit(at, end, [*findings, *self._ripe()])
            self.mark = end
        self.cursor, self.dirty, self.touched = end, True, False
        return 0 if replay else end - at

    def _heard(self, line: bytes) -> dict[str, list[Any]]:
        """What is new in a message. One that the disk damaged, or that is none of ours, says nothing and is told of."""
        try:
            message = orjson.loads(line)
            return self.known.fresh(message, message["d"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.failed.note(named(self), error)
            return {}

    def _end(self, at: int) -> None:
        """Nothing more comes: what waited for partitions that lagged is judged."""
        look = self.progress.look(afresh=True)
        if at < look.ends[self.partition] or look.complete <= self.complete or self.latest == clock.EARLIEST:
            return
        self.complete, self.touched = look.complete, True
        if findings := self._ripe():
            self._commit(at, at, findings)
            self.saved.clear()  # what was saved before the same record is not as it is now
        self.dirty, self.touched = True, False

    def _ripe(self) -> list[Finding]:
        """What no record brings about, but time."""
        return [found._replace(partition=-1) for name in self.keepers for found in
                self._asked(name, -1, lambda keeper: keeper.tick(self.latest, self.complete))]

    def _asked(self, name: str, offset: int, ask: Callable[[Keeper], list[Finding]]) -> list[Finding]:
        """A keeper's findings, at the place of the last message that brought them about, if one did."""
        try:
            return [found._replace(partition=self.number, offset=offset) if found.partition >= 0 else found
                    for found in ask(self.keepers[name])]
        except Exception as error:  # one broken detector must not stop the others
            self.failed.note(name, error)
            return []

    def _commit(self, at: int, end: int, findings: Sequence[Finding]) -> None:
        with self.state.begin() as session:
            self.hold(session)
            commits.advance(session, self.number, end, (), expect=at)
            failures.note(session, self.failed.fresh)
            if new := _new(session, findings):
                self.triage(session, new, clock.now())
        self.failed.fresh.clear()


def _new(session: Session, findings: Sequence[Finding]) -> list[Finding]:
    """Without those that time brought about and that were told before: after a replay they are found again."""
    timed = [(each.rule_id, each.event_id) for each in findings if each.partition < 0]
    fresh = windows.fresh(session, timed, clock.now()) if timed else set()
    return [each for each in findings if each.partition >= 0 or (each.rule_id, each.event_id) in fresh]
