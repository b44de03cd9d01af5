"""The seam of detectors whose memory is by keys that records of any partition may bring.

Such a detector judges what needs no memory, and says what each key's keeper must know (a Partial). Keys are shared
out among keepers, keepers among workers; so any number of workers find what one would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from soc_core.clock import Micros
from soc_core.events import EventBatch
from soc_core.models import Finding

EVERYONE = ""


class Partial(NamedTuple):
    """What an event means to the memory of one key (EVERYONE: to all keys); `body` is plain data, as JSON has it.

    `id` tells it from every other of its detector, but for those to EVERYONE, which may come twice.
    """

    key: str
    id: str
    body: Any


class Keeper(Protocol):
    """The memory of some of a sharing detector's keys. Its findings need no place: who calls knows the record.

    `complete`: all that was received before then was taken; what is to come may have been received at any time after.
    While records are seen again, time does not pass (`tick`): what it brings about may be found again afterwards, and
    counts once by rule and event; so does what `take` finds by its help, which has a partition below 0.
    """

    def take(self, bodies: Sequence[Any]) -> list[Finding]: ...
    def tick(self, now: Micros, complete: Micros) -> list[Finding]: ...
    def snapshot(self) -> bytes: ...
    def restore(self, state: bytes) -> None: ...


@runtime_checkable
class Pieced(Keeper, Protocol):
    """A keeper whose memory may grow large: it is saved and put back piece by piece, `snapshot` is the small rest.

    A key must always belong to the same piece, and a piece must not depend on another.
    """

    @property
    def pieces(self) -> int: ...
    def piece(self, number: int) -> bytes: ...
    def put(self, number: int, state: bytes) -> None: ...


@runtime_checkable
class Excusing(Protocol):
    """A detector with exceptions: which held, and how often, since it was asked last."""

    def passed_over(self) -> Mapping[str, int]: ...


@runtime_checkable
class Sharing(Protocol):
    """A detector in two halves: `sift` has no memory; a keeper is an empty one for some of the keys."""

    def sift(self, batch: EventBatch) -> tuple[list[Finding], list[Partial]]: ...
    def keeper(self) -> Keeper: ...
