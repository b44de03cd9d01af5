"""Classes of events (GB/T 20986-2023), by which incidents are told apart and counted. 事件分类"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from soc_core import documents

FILE = Path(__file__).with_name("classes.yml")


class Class(BaseModel):
    """One class; `tactics` are ATT&CK ids from which it is proposed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(pattern=r"^\d{2}$")
    zh: str
    en: str
    tactics: list[str] = []


class Classes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: list[Class]


@cache
def classes() -> dict[str, Class]:
    """All classes by code."""
    return {item.code: item for item in documents.read(FILE, Classes).classes}


def proposed(tactics: Sequence[str]) -> str:
    """The class of what an attack came to in the end: that of its last tactic that belongs to one; "" for none."""
    for tactic in reversed(tactics):
        for item in classes().values():
            if tactic in item.tactics:
                return item.code
    return ""
