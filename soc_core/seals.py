"""Merkle heads over the audit chain (RFC 6962, section 2.1), for somebody else to hold. 审计封条

Whoever can write the database can forge the chain and its head. A head that the security auditor took away says what
the first `size` links were: an edit, a removal, a reorder or a cut-off tail below it shows, however well it was done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from soc_core import audit
from soc_core.clock import Micros
from soc_core.state.access_tables import SealRow
from soc_core.state.tables import AuditRow

PAGE = 10_000


class Seal(NamedTuple):
    """A tree head: over the first `size` links, as hex."""

    size: int
    root: str
    at: Micros


class Tree:
    """A growing Merkle tree, as the roots of its full subtrees, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        size, node = 1, hashlib.sha256(b"\0" + leaf).digest()
        while self._peaks and self._peaks[-1][0] == size:
            _, left = self._peaks.pop()
            size, node = size * 2, hashlib.sha256(b"\1" + left + node).digest()
        self._peaks.append((size, node))
        self.size += 1

    def root(self) -> str:
        """Of what was added so far, as hex."""
        if not self._peaks:
            return hashlib.sha256(b"").hexdigest()
        node = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            node = hashlib.sha256(b"\1" + left + node).digest()
        return node.hex()


def roots(session: Session, sizes: Iterable[int]) -> dict[int, str]:
    """The root over the first n links for each n, of those that the chain is long enough for."""
    wanted, tree = sorted(set(sizes)), Tree()
    found: dict[int, str] = {}
    while wanted and wanted[0] == 0:
        found[wanted.pop(0)] = tree.root()
    while wanted:
        query = select(AuditRow.id, AuditRow.hash).where(AuditRow.id > tree.size).order_by(AuditRow.id).limit(PAGE)
        rows = session.execute(query).all()
        for number, digest in rows:
            if number != tree.size + 1:
                return found  # a gap: what lies beyond it is no prefix any more
            tree.add(digest.encode())
            if wanted and tree.size == wanted[0]:
                found[wanted.pop(0)] = tree.root()
        if len(rows) < PAGE:
            break
    return found


def seal(session: Session, at: Micros) -> Seal | None:
    """A head over the chain as it is; None when nothing was added since the last. Needs a write transaction."""
    size = audit.head(session).id
    if not size or session.get(SealRow, size) is not None:
        return None
    root = roots(session, [size]).get(size)
    if root is None:
        raise ValueError("the audit chain has a gap; `./soc audit verify` says where")
    session.add(SealRow(size=size, root=root, at=at))
    return Seal(size, root, at)


def listing(session: Session) -> list[Seal]:
    """All heads, the oldest first."""
    return [Seal(row.size, row.root, row.at) for row in session.scalars(select(SealRow).order_by(SealRow.size))]


def broken(session: Session, held: Sequence[Seal]) -> Seal | None:
    """The smallest of some heads that the chain no longer agrees with; None when it agrees with all."""
    known = roots(session, [each.size for each in held])
    return next((each for each in sorted(held) if known.get(each.size) != each.root), None)


def dump(held: Iterable[Seal]) -> bytes:
    """Heads as they are taken away: a line of JSON each."""
    return b"".join(orjson.dumps(each._asdict()) + b"\n" for each in held)


def load(text: bytes) -> list[Seal]:
    """The same, read. Raises ValueError with the line's number."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            found.append(Seal(**orjson.loads(line)))
        except (orjson.JSONDecodeError, TypeError):
            raise ValueError(f"line {number} is no head: {{\"size\": …, \"root\": …, \"at\": …}}") from None
    return found
