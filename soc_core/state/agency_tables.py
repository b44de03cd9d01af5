"""Tables of the agencies' status: what scanners found, gaps in the data, canaries, daily scores, what was declared.

A change here needs a new file in migrations/versions, as in tables.py.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from soc_core.state.base import Base, Serial


class ExposureRow(Base):
    """One weakness that an import named: of a host, a certificate or an account. `resolved`: a later one lacks it."""

    __tablename__ = "exposures"
    id: Mapped[str] = mapped_column(primary_key=True)  # hash of what makes it the same one next time
    kind: Mapped[str]  # vulnerability, service, certificate or account
    scanner: Mapped[str]
    zone: Mapped[str]
    address: Mapped[str]
    host: Mapped[str]
    port: Mapped[str]  # "443/tcp"; "" for the whole host
    name: Mapped[str]
    severity: Mapped[int]  # place of the level in LEVELS
    references: Mapped[list[str]]
    detail: Mapped[str]
    organisation: Mapped[str]
    system: Mapped[str]
    expires: Mapped[int | None]  # of a certificate
    first_seen: Mapped[int]
    last_seen: Mapped[int]
    resolved: Mapped[int | None]
    __table_args__ = (Index(None, "organisation", "resolved"), Index(None, "scanner", "zone", "address"))


class GapRow(Base):
    """A span in which a source that should have sent did not. `until` None: it lasts."""

    __tablename__ = "gaps"
    source: Mapped[str] = mapped_column(primary_key=True)
    realm: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    until: Mapped[int | None]
    organisation: Mapped[str]
    system: Mapped[str]
    __table_args__ = (Index(None, "organisation", "since"),)


class CanaryRow(Base):
    """A marked record sent through a collector's door. `seen`: when it was found in the store."""

    __tablename__ = "canaries"
    id: Mapped[str] = mapped_column(primary_key=True)
    collector: Mapped[str]
    door: Mapped[str]
    sent: Mapped[int]
    every: Mapped[int]  # microseconds until the next one
    error: Mapped[str]  # why the door did not take it; ""
    seen: Mapped[int | None]
    __table_args__ = (Index(None, "collector", "door", "sent"),)


class ScoreRow(Base):
    """An agency's score of one day (UTC, days since the epoch), with the parts that it is made of."""

    __tablename__ = "scores"
    organisation: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    score: Mapped[float]
    parts: Mapped[dict[str, Any]]


class StatementRow(Base):
    """What a person declared for a line of the self-check that no query can prove; the latest one counts."""

    __tablename__ = "statements"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    requirement: Mapped[str]
    organisation: Mapped[str]  # "" is the centre
    text: Mapped[str]
    evidence: Mapped[str]  # where it can be looked at
    actor: Mapped[str]
    at: Mapped[int]
    valid_until: Mapped[int | None]
    __table_args__ = (Index(None, "organisation", "requirement", "id"),)
