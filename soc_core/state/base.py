"""What every table of the state database is made with: names of constraints, and types by annotation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, Integer, LargeBinary, MetaData, Text, text
from sqlalchemy.orm import DeclarativeBase

Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows itself only for INTEGER


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    })
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it by this name
        int: BigInteger,
        str: Text,
        float: Float(53),
        bytes: LargeBinary,
        dict[str, Any]: JSON,
        dict[str, str]: JSON,
        dict[str, int]: JSON,
        dict[str, list[str]]: JSON,
        list[str]: JSON,
    }


def where(condition: str) -> dict[str, Any]:
    """Of an index over some rows only, in both dialects."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}
