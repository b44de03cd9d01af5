"""Tables of casework: why alerts are told together, what people did, evidence, indicators, legal holds.

A change here needs a new file in migrations/versions, as in tables.py.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from soc_core.state.base import Base, Serial


class IncidentChangeRow(Base):
    """The ledger of an incident: every change of a field, every remark; one row each, never rewritten."""

    __tablename__ = "incident_changes"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    incident: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    at: Mapped[int]
    actor: Mapped[str]
    field: Mapped[str]
    before: Mapped[str]
    after: Mapped[str]
    note: Mapped[str]
    __table_args__ = (Index(None, "incident", "id"), Index(None, "at"))


class LinkRow(Base):
    """Why an alert belongs to its incident: what it shares with which other one, how long after, and in what order."""

    __tablename__ = "incident_links"
    alert: Mapped[str] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True)
    incident: Mapped[str]
    other: Mapped[str]  # "" for the alert that began it
    reason: Mapped[str]  # began, shared, or who moved it
    kind: Mapped[str]  # host, user or ip
    value: Mapped[str]
    gap: Mapped[int]  # microseconds between the two
    stage: Mapped[str]  # ATT&CK tactics, "TA0001>TA0002"; "" where one has none
    strength: Mapped[int]  # 0 … 100
    __table_args__ = (Index(None, "incident"),)


class EvidenceRow(Base):
    """One piece of evidence: a file's hash and where its bytes lie (by that hash), never changed."""

    __tablename__ = "evidence"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    incident: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    name: Mapped[str]
    media: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    at: Mapped[int]
    actor: Mapped[str]
    note: Mapped[str]
    __table_args__ = (Index(None, "incident", "id"),)


class CustodyRow(Base):
    """Who had a piece of evidence in hand, and what its hash was then."""

    __tablename__ = "custody"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    evidence: Mapped[int] = mapped_column(ForeignKey("evidence.id", ondelete="CASCADE"))
    at: Mapped[int]
    actor: Mapped[str]
    act: Mapped[str]  # collected, read, verified, handed
    sha256: Mapped[str]
    note: Mapped[str]
    __table_args__ = (Index(None, "evidence", "id"),)


class IndicatorRow(Base):
    """A sign of a known threat. `matched`: stored events were looked through for it up to then; None: not yet."""

    __tablename__ = "indicators"
    id: Mapped[str] = mapped_column(primary_key=True)  # hash of kind, value and feed
    kind: Mapped[str]  # ip, net, domain, url or hash
    value: Mapped[str]
    name: Mapped[str]
    feed: Mapped[str]
    level: Mapped[str]
    confidence: Mapped[int]
    techniques: Mapped[list[str]]
    valid_from: Mapped[int]
    valid_until: Mapped[int | None]
    revoked: Mapped[bool]
    created: Mapped[int]
    changed: Mapped[int]
    matched: Mapped[int | None]
    __table_args__ = (Index(None, "changed"), Index(None, "kind", "value"))


class HoldRow(Base):
    """A legal hold: what it names is not removed until somebody lifts it."""

    __tablename__ = "holds"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    incident: Mapped[str]  # "" for a span of events alone
    realm: Mapped[str]
    organisation: Mapped[str]  # "" is everyone
    since: Mapped[int]
    until: Mapped[int]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[int]
    lifted: Mapped[int | None]
    lifted_by: Mapped[str] = mapped_column(default="")
    __table_args__ = (Index(None, "realm", "lifted"),)
