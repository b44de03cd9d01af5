"""Alembic's entry: runs the migrations on the connection, and in the transaction, that Database.migrate gives."""

from __future__ import annotations

from alembic import context

from soc_core.state.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
