"""Every table of the state database. Times are microseconds since the epoch; nothing here decides anything.

A change here needs a new file in migrations/versions (a test compares the two).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from soc_core.state import access_tables, agency_tables, case_tables, push_tables
from soc_core.state.base import Base, Serial, where

__all__ = ["Base", "access_tables", "agency_tables", "case_tables", "push_tables"]  # of the same schema

# ---------------------------------------------------------------- the loop's own


class MetaRow(Base):
    """Single facts by name: the journal's epoch, …"""

    __tablename__ = "meta"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class MarkRow(Base):
    """Commit mark: the next record of a journal partition that is not yet committed."""

    __tablename__ = "marks"
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    offset: Mapped[int]


class CheckpointRow(Base):
    """State of assemblers and detectors, or the pieces of it that were saved then, as it was before record `offset`.

    Rows of a partition are taken up in order; each stands as long as it holds a piece that no later one has.
    """

    __tablename__ = "checkpoint_rows"
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    serial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    offset: Mapped[int]
    state: Mapped[bytes]
    at: Mapped[int]


class WorkerRow(Base):
    """A process that works on the journal, when it last said so, and what it reports of itself."""

    __tablename__ = "workers"
    id: Mapped[str] = mapped_column(primary_key=True)
    started: Mapped[int]
    seen: Mapped[int]
    report: Mapped[dict[str, Any]]


class ClaimRow(Base):
    """Which worker has a lane: a journal partition, a share of the detectors' memory, or the clock's tasks."""

    __tablename__ = "claims"
    lane: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str]


class SourceRow(Base):
    """Fates and times of one source. `silent_after`: how long it may be quiet; None: nobody said."""

    __tablename__ = "sources"
    source: Mapped[str] = mapped_column(primary_key=True)
    realm: Mapped[str] = mapped_column(primary_key=True)
    received: Mapped[int] = mapped_column(default=0)
    stored: Mapped[int] = mapped_column(default=0)
    duplicate: Mapped[int] = mapped_column(default=0)
    merged: Mapped[int] = mapped_column(default=0)
    quarantined: Mapped[int] = mapped_column(default=0)
    shed: Mapped[int] = mapped_column(default=0)
    events: Mapped[int] = mapped_column(default=0)
    last_event: Mapped[int] = mapped_column(default=0)
    last_ingest: Mapped[int] = mapped_column(default=0)
    silent_after: Mapped[int | None]
    expected: Mapped[int | None]  # since when somebody counts on it
    organisation: Mapped[str] = mapped_column(default="")
    system: Mapped[str] = mapped_column(default="")


class RhythmRow(Base):
    """What was learned of a source's habit, as detections/rhythm.py keeps it, and the limit of silence it gives now."""

    __tablename__ = "rhythms"
    source: Mapped[str] = mapped_column(primary_key=True)
    realm: Mapped[str] = mapped_column(primary_key=True)
    kept: Mapped[bytes]
    silent_after: Mapped[int | None]
    at: Mapped[int]
    active: Mapped[float | None]  # what the limit was computed from: see state/rhythms.py
    spread: Mapped[float | None]
    gaps: Mapped[int | None]


class QuarantineRow(Base):
    """A record that could not be parsed or stored, whole. `pointer` says where the rest of an oversize one is."""

    __tablename__ = "quarantine"
    id: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]
    realm: Mapped[str]
    format: Mapped[str]
    received: Mapped[int]
    reason: Mapped[str]
    raw: Mapped[bytes]
    size: Mapped[int]
    pointer: Mapped[str]
    partition: Mapped[int]
    offset: Mapped[int]
    position: Mapped[int | None]
    replayed: Mapped[int | None]
    origin: Mapped[str] = mapped_column(default="", server_default=text("''"))  # of its frame, as JSON
    __table_args__ = (Index(None, "source", "reason"), Index(None, "received", "id"))


# ---------------------------------------------------------------- alerts


class AlertRow(Base):
    """One episode (models.Alert). `episode` is the hash of rule, group, owner, system and realm."""

    __tablename__ = "alerts"
    id: Mapped[str] = mapped_column(primary_key=True)
    episode: Mapped[str]
    rule_id: Mapped[str]
    title: Mapped[str]
    level: Mapped[str]
    severity: Mapped[int]  # place of the level in LEVELS, to compare by
    count: Mapped[int]
    first_seen: Mapped[int]
    last_seen: Mapped[int]
    raised: Mapped[int]
    group: Mapped[dict[str, str]]
    entities: Mapped[dict[str, list[str]]]
    entities_cut: Mapped[int]
    events: Mapped[list[str]]
    organisation: Mapped[str]
    system: Mapped[str]
    techniques: Mapped[list[str]]
    risk: Mapped[int]
    realm: Mapped[str]
    explanation: Mapped[str]
    incident: Mapped[str]
    marks: Mapped[dict[str, int]]  # journal partition → offset of the last contribution
    search: Mapped[str]  # lower-case title, rule and entities, for looking by text
    priority: Mapped[int] = mapped_column(default=0, server_default="0")  # place in the queue: risk by clock
    due: Mapped[int] = mapped_column(default=0, server_default="0")  # by when somebody should have taken it up
    step: Mapped[int | None]  # when the clock next raises its priority; None: no more
    status: Mapped[str] = mapped_column(default="new")
    verdict: Mapped[str] = mapped_column(default="")
    assignee: Mapped[str] = mapped_column(default="")
    version: Mapped[int] = mapped_column(default=1)
    __table_args__ = (
        Index(None, "episode", "last_seen"),
        Index(None, "last_seen", "id"),
        Index(None, "priority", "last_seen", "id"),
        Index("ix_alerts_waiting", "priority", "last_seen", "id", "organisation", "realm", "severity",
              **where("status <> 'closed'")),  # the queue; its last three let it be counted without the rows
        Index(None, "status", "priority", "last_seen", "id"),
        Index("ix_alerts_step", "step", **where("step IS NOT NULL")),
        Index(None, "organisation", "last_seen"),
        Index(None, "incident"),
    )


class AlertChangeRow(Base):
    """Who changed what of an alert, and when: one row a change, never rewritten."""

    __tablename__ = "alert_changes"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    alert: Mapped[str] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    at: Mapped[int]
    actor: Mapped[str]
    field: Mapped[str]
    before: Mapped[str]
    after: Mapped[str]
    note: Mapped[str]
    __table_args__ = (Index(None, "alert", "id"),)


class EntityRow(Base):
    """Risk of one host, account or address of one organisation, and the alert that named it last.

    `score` is the decayed sum as of `at`; `marks` as in alerts.
    """

    __tablename__ = "entities"
    id: Mapped[str] = mapped_column(primary_key=True)  # hash of the next four
    realm: Mapped[str]
    organisation: Mapped[str]
    kind: Mapped[str]
    value: Mapped[str]
    score: Mapped[float]
    at: Mapped[int]
    marks: Mapped[dict[str, int]]
    alert: Mapped[str]
    alert_at: Mapped[int]
    __table_args__ = (Index(None, "score"),)


class IncidentRow(Base):
    """Alerts of one organisation that share an entity (models.Incident); its alerts name it."""

    __tablename__ = "incidents"
    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    level: Mapped[str]
    severity: Mapped[int]
    organisation: Mapped[str]
    realm: Mapped[str]
    opened: Mapped[int]
    last_seen: Mapped[int]
    status: Mapped[str] = mapped_column(default="new")
    version: Mapped[int] = mapped_column(default=1)
    raised: Mapped[int] = mapped_column(default=0, server_default="0")  # when the platform began it, by its own clock
    kind: Mapped[str] = mapped_column(default="", server_default=text("''"))  # class of GB/T 20986, as a person said
    assignee: Mapped[str] = mapped_column(default="", server_default=text("''"))
    merged: Mapped[str] = mapped_column(default="", server_default=text("''"))  # the incident that took its alerts
    risk: Mapped[int] = mapped_column(default=0, server_default="0")  # of its riskiest alert
    __table_args__ = (
        Index(None, "organisation", "last_seen"), Index(None, "last_seen", "id"),
        Index(None, "risk", "last_seen", "id"),
    )


# ---------------------------------------------------------------- consequences


class OutboxRow(Base):
    """One consequence of a state change, written in the same transaction."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    topic: Mapped[str]
    key: Mapped[str]
    body: Mapped[dict[str, Any]]
    created: Mapped[int]
    __table_args__ = (UniqueConstraint("topic", "key"), Index(None, "topic", "id"))


class OutboxCursorRow(Base):
    """How far one consumer has claimed one topic."""

    __tablename__ = "outbox_cursors"
    consumer: Mapped[str] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]


class OutboxDeliveryRow(Base):
    """An item claimed and not yet done. `due` is when it may be claimed (again); None: given up."""

    __tablename__ = "outbox_deliveries"
    consumer: Mapped[str] = mapped_column(primary_key=True)
    item: Mapped[int] = mapped_column(ForeignKey("outbox.id", ondelete="CASCADE"), primary_key=True)
    attempts: Mapped[int]
    due: Mapped[int | None]
    error: Mapped[str]


class RunRow(Base):
    """One run of a playbook for one trigger; the id is made of both, so that none runs twice."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(primary_key=True)
    playbook: Mapped[str]
    trigger: Mapped[str]
    realm: Mapped[str]
    organisation: Mapped[str]
    state: Mapped[str]
    context: Mapped[dict[str, Any]]
    started: Mapped[int]
    ended: Mapped[int | None]
    __table_args__ = (Index(None, "started", "id"),)


class StepRow(Base):
    """One step of a run: the intent (action and arguments) is written before the action starts."""

    __tablename__ = "run_steps"
    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    action: Mapped[str]
    args: Mapped[dict[str, Any]]
    state: Mapped[str]
    attempts: Mapped[int]
    summary: Mapped[str]
    output: Mapped[dict[str, Any]]
    started: Mapped[int]
    ended: Mapped[int | None]


# ---------------------------------------------------------------- people, drills, audit


class UserRow(Base):
    """An account. `session_version` rises when every session must end (password or roles changed)."""

    __tablename__ = "users"
    name: Mapped[str] = mapped_column(primary_key=True)
    display: Mapped[str]
    password: Mapped[str]  # argon2id, PHC text
    roles: Mapped[list[str]]
    organisation: Mapped[str]  # node of the tree whose subtree may be read; "" is the city
    created: Mapped[int]
    must_change: Mapped[bool] = mapped_column(default=False)
    disabled: Mapped[bool] = mapped_column(default=False)
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[int] = mapped_column(default=0)
    last_login: Mapped[int] = mapped_column(default=0)
    session_version: Mapped[int] = mapped_column(default=1)
    person: Mapped[str] = mapped_column(default="", server_default=text("''"))  # whose account it is, as a staff number
    totp: Mapped[str] = mapped_column(default="", server_default=text("''"))  # sealed; "" without a second factor
    totp_step: Mapped[int] = mapped_column(default=0, server_default="0")  # of the last code that was taken


class TokenRow(Base):
    """A secret of a machine, kept as its SHA-256 only."""

    __tablename__ = "tokens"
    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    use: Mapped[str]  # api or ingest
    roles: Mapped[list[str]]
    organisation: Mapped[str]
    creator: Mapped[str]
    created: Mapped[int]
    expires: Mapped[int]
    revoked: Mapped[bool] = mapped_column(default=False)


class DrillRow(Base):
    """The result of one drill."""

    __tablename__ = "drills"
    id: Mapped[str] = mapped_column(primary_key=True)
    scenario: Mapped[str]
    started: Mapped[int]
    seed: Mapped[int]
    realm: Mapped[str]
    result: Mapped[dict[str, Any]]
    __table_args__ = (Index(None, "scenario", "started"),)


class AuditRow(Base):
    """One link of the audit chain."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[int]
    actor: Mapped[str]
    action: Mapped[str]
    object: Mapped[str]
    detail: Mapped[str]  # canonical JSON, so that its hash is the same everywhere
    previous: Mapped[str]
    hash: Mapped[str]
    __table_args__ = (Index(None, "actor", "id"), Index(None, "object", "id"))


class AuditHeadRow(Base):
    """The last link, held apart so that a cut-off tail shows."""

    __tablename__ = "audit_head"
    one: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[int]
    hash: Mapped[str]
