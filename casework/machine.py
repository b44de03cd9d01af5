"""State machines as data: machines/NAME.yml says which states there are and what leads from one to the other. 状态机

Every transition that is not drawn is refused. The database keeps a state as its name; nobody sets one without asking.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from soc_core import documents
from soc_core.access import Actor, Role, require
from soc_core.models import Level

FOLDER = Path(__file__).parent / "machines"


class Undrawn(ValueError):
    """There is no such transition from here, or not like this. `why`: drawn, note, kind or second (person)."""

    def __init__(self, message: str, why: Literal["drawn", "note", "kind", "second"] = "drawn") -> None:
        super().__init__(message)
        self.why = why


class Drawn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class State(Drawn):
    zh: str
    en: str


class Transition(Drawn):
    """`note`, `kind`, `two_persons`: what it asks for besides a role."""

    origins: list[str] = Field(alias="from", min_length=1)
    to: str
    roles: list[Role] = Field(min_length=1)
    note: bool = False
    kind: bool = False
    two_persons: bool = False
    zh: str
    en: str


class Machine(Drawn):
    """`two_persons`: the levels at which such a transition needs a second person."""

    start: str
    states: dict[str, State]
    two_persons: list[Level] = []
    transitions: dict[str, Transition]

    @model_validator(mode="after")
    def _whole(self) -> Machine:
        named = {self.start} | {each.to for each in self.transitions.values()}
        named |= {name for each in self.transitions.values() for name in each.origins}
        if unknown := named - set(self.states):
            raise ValueError(f"no state {', '.join(sorted(unknown))}")
        return self

    def step(self, state: str, action: str, actor: Actor) -> Transition:
        """The transition that an action is, from a state. Raises Undrawn, or Refused without the role."""
        known = self.transitions.get(action)
        if known is None:
            raise Undrawn(f"no action {action!r}; there are: {', '.join(self.transitions)}")
        if state not in known.origins:
            raise Undrawn(f"{action} does not lead on from {state}; it does from {', '.join(known.origins)}")
        require(actor, *known.roles)
        return known

    def between(self, state: str, to: str) -> str:
        """The action that leads from one state to another. Raises Undrawn."""
        found = [name for name, each in self.transitions.items() if state in each.origins and each.to == to]
        if not found:
            raise Undrawn(f"nothing leads from {state} to {to}")
        return found[0]

    def actions(self, state: str, actor: Actor) -> list[str]:
        """What this actor may do from a state."""
        return [name for name, each in self.transitions.items() if state in each.origins and actor.has(*each.roles)]


@cache
def machine(name: str) -> Machine:
    """machines/NAME.yml."""
    return documents.read(FOLDER / f"{name}.yml", Machine)
