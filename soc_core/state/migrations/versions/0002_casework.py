"""Casework: clocks of the queue, incidents with their ledger, reasons, evidence, indicators, legal holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = ("incident_changes", "incident_links", "custody", "evidence", "indicators", "holds")
WAITING, STEPPING = sa.text("status <> 'closed'"), sa.text("step IS NOT NULL")


def upgrade() -> None:
    alerts()
    incidents()
    stories()
    evidence()
    signs()


def downgrade() -> None:
    for name in TABLES:
        op.drop_table(name)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX IF EXISTS ix_alerts_search")
    for name in ("ix_alerts_priority_last_seen_id", "ix_alerts_waiting", "ix_alerts_step",
                 "ix_alerts_status_priority_last_seen_id"):
        op.drop_index(name, "alerts")
    op.create_index("ix_alerts_risk_last_seen_id", "alerts", ["risk", "last_seen", "id"])
    for name in ("priority", "due", "step"):
        op.drop_column("alerts", name)
    op.drop_index("ix_incidents_risk_last_seen_id", "incidents")
    for name in ("raised", "kind", "assignee", "merged", "risk"):
        op.drop_column("incidents", name)
    op.execute("UPDATE incidents SET status = 'open' WHERE status NOT IN ('closed', 'false_positive', 'merged')")
    op.execute("UPDATE incidents SET status = 'closed' WHERE status <> 'open'")


def alerts() -> None:
    """The place of an alert in the queue. Columns are added, never a table made anew: SQLite would lose its changes."""
    op.add_column("alerts", sa.Column("priority", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("alerts", sa.Column("due", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("alerts", sa.Column("step", sa.BigInteger(), nullable=True))
    op.execute("UPDATE alerts SET priority = 4 * risk, due = raised")
    op.drop_index("ix_alerts_risk_last_seen_id", "alerts")
    op.create_index("ix_alerts_priority_last_seen_id", "alerts", ["priority", "last_seen", "id"])
    op.create_index("ix_alerts_waiting", "alerts",
                    ["priority", "last_seen", "id", "organisation", "realm", "severity"],
                    sqlite_where=WAITING, postgresql_where=WAITING)
    op.create_index("ix_alerts_step", "alerts", ["step"], sqlite_where=STEPPING, postgresql_where=STEPPING)
    op.create_index("ix_alerts_status_priority_last_seen_id", "alerts", ["status", "priority", "last_seen", "id"])
    words()


def words() -> None:
    """On PostgreSQL with its trigram extension: a word among a million alerts without reading them all."""
    bind = op.get_bind()
    if bind.dialect.name != "postgresql":
        return
    try:
        with bind.begin_nested():
            bind.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except sa.exc.DBAPIError:
        return  # not installed on that server, or not ours to create: looking for words is slower there
    op.create_index("ix_alerts_search", "alerts", ["search"], postgresql_using="gin",
                    postgresql_ops={"search": "gin_trgm_ops"})


def incidents() -> None:
    """What a person says of an incident; its states are those of casework/machines/incident.yml."""
    for name in ("raised", "risk"):
        op.add_column("incidents", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    for name in ("kind", "assignee", "merged"):
        op.add_column("incidents", sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''")))
    op.execute("UPDATE incidents SET raised = opened")
    op.execute("UPDATE incidents SET status = 'new' WHERE status = 'open'")
    op.execute("UPDATE incidents SET status = 'eradicating' WHERE status = 'contained'")
    op.create_index("ix_incidents_risk_last_seen_id", "incidents", ["risk", "last_seen", "id"])


def stories() -> None:
    """The ledger of an incident, and why each alert belongs to it."""
    op.create_table(
        "incident_changes",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_incident_changes_incident",
                                ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_incident_changes"),
    )
    op.create_index("ix_incident_changes_at", "incident_changes", ["at"])
    op.create_index("ix_incident_changes_incident_id", "incident_changes", ["incident", "id"])
    op.create_table(
        "incident_links",
        sa.Column("alert", sa.Text(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("gap", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("strength", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["alert"], ["alerts.id"], name="fk_incident_links_alert", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("alert", name="pk_incident_links"),
    )
    op.create_index("ix_incident_links_incident", "incident_links", ["incident"])


def evidence() -> None:
    """Evidence and whose hands it went through."""
    op.create_table(
        "evidence",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_evidence_incident", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
    )
    op.create_index("ix_evidence_incident_id", "evidence", ["incident", "id"])
    op.create_table(
        "custody",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("evidence", SERIAL, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["evidence"], ["evidence.id"], name="fk_custody_evidence", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_custody"),
    )
    op.create_index("ix_custody_evidence_id", "custody", ["evidence", "id"])


def signs() -> None:
    """Indicators and legal holds."""
    op.create_table(
        "indicators",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("confidence", sa.BigInteger(), nullable=False),
        sa.Column("techniques", sa.JSON(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("matched", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_indicators"),
    )
    op.create_index("ix_indicators_changed", "indicators", ["changed"])
    op.create_index("ix_indicators_kind_value", "indicators", ["kind", "value"])
    op.create_table(
        "holds",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("realm", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("lifted", sa.BigInteger(), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.create_index("ix_holds_realm_lifted", "holds", ["realm", "lifted"])
