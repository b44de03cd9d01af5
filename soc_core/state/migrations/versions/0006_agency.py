"""Status of agencies: exposures, gaps in the data, canaries, daily scores, statements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def number(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names]


def upgrade() -> None:
    op.create_table(
        "exposures", *text("id", "kind", "scanner", "zone", "address", "host", "port", "name"), *number("severity"),
        sa.Column("references", sa.JSON(), nullable=False), *text("detail", "organisation", "system"),
        *number("expires", nullable=True), *number("first_seen", "last_seen"), *number("resolved", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_exposures"))
    op.create_index("ix_exposures_organisation_resolved", "exposures", ["organisation", "resolved"])
    op.create_index("ix_exposures_scanner_zone_address", "exposures", ["scanner", "zone", "address"])
    op.create_table(
        "gaps", *text("source", "realm"), sa.Column("since", sa.BigInteger(), autoincrement=False, nullable=False),
        *number("until", nullable=True), *text("organisation", "system"),
        sa.PrimaryKeyConstraint("source", "realm", "since", name="pk_gaps"))
    op.create_index("ix_gaps_organisation_since", "gaps", ["organisation", "since"])
    op.create_table(
        "canaries", *text("id", "collector", "door"), *number("sent", "every"), *text("error"),
        *number("seen", nullable=True), sa.PrimaryKeyConstraint("id", name="pk_canaries"))
    op.create_index("ix_canaries_collector_door_sent", "canaries", ["collector", "door", "sent"])
    op.create_table(
        "scores", *text("organisation"), sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("score", sa.Float(53), nullable=False), sa.Column("parts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "day", name="pk_scores"))
    op.create_table(
        "statements", sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        *text("requirement", "organisation", "text", "evidence", "actor"), *number("at"),
        *number("valid_until", nullable=True), sa.PrimaryKeyConstraint("id", name="pk_statements"))
    op.create_index("ix_statements_organisation_requirement_id", "statements", ["organisation", "requirement", "id"])


def downgrade() -> None:
    for table in ("statements", "scores", "canaries", "gaps", "exposures"):
        op.drop_table(table)
