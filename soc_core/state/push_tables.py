"""Tables of rules that are pushed down to the event store: windows, and what was found in them."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from soc_core.state.base import Base, Serial


class WindowRow(Base):
    """A span of events to be judged in the store. `kind`: clock (events of others, by time) or gap (records of ours
    that a detector failed on: `first` … `last` of a journal partition); status: waiting, done, failed."""

    __tablename__ = "windows"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    kind: Mapped[str]
    realm: Mapped[str]
    rules: Mapped[str]  # digest of the rule set that judged it; "" before
    since: Mapped[int]
    until: Mapped[int]
    partition: Mapped[int]
    first: Mapped[int]
    last: Mapped[int]
    status: Mapped[str]
    tried: Mapped[int]
    events: Mapped[int]
    findings: Mapped[int]
    why: Mapped[str]
    changed: Mapped[int]
    __table_args__ = (
        UniqueConstraint("kind", "realm", "since", "until", "partition", "first", "last"),
        Index(None, "status", "until"),
    )


class PushedRow(Base):
    """A finding that a window brought: the same again, from an overlap or a repetition, is not counted."""

    __tablename__ = "pushed"
    rule: Mapped[str] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[int]
    __table_args__ = (Index(None, "at"),)
