"""Who asks, and what they may see. Every service call takes an Actor; every store read takes its Scope."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """The roles of the centre, of its agencies and of drills. 三员分立: the three administrators never combine."""

    ANALYST = "analyst"
    SHIFT_LEAD = "shift_lead"
    COMMANDER = "commander"
    REGULATOR = "regulator"
    AGENCY_ADMIN = "agency_admin"
    RED = "red"
    BLUE = "blue"
    JUDGE = "judge"
    CONTROLLER = "controller"
    RULE_AUTHOR = "rule_author"
    SYSTEM_ADMIN = "system_admin"  # 系统管理员
    SECURITY_ADMIN = "security_admin"  # 安全管理员
    SECURITY_AUDITOR = "security_auditor"  # 安全审计员


class Scope(NamedTuple):
    """Organisation ids whose data may be read; None means the whole city, unknown owners included."""

    organisations: frozenset[str] | None

    def allows(self, organisation: str) -> bool:
        return self.organisations is None or organisation in self.organisations


EVERYTHING = Scope(None)
NOTHING = Scope(frozenset())


class Actor(NamedTuple):
    """A person or a part of the platform, with roles and the scope that its place in the tree gives."""

    name: str
    roles: frozenset[Role]
    scope: Scope
    organisation: str = ""

    def has(self, *roles: Role) -> bool:
        return not self.roles.isdisjoint(roles)


class Refused(PermissionError):
    """The actor may not do this. The text names the role that may, never what was hidden."""


def require(actor: Actor, *roles: Role) -> None:
    """Raise Refused unless the actor has one of the roles."""
    if not actor.has(*roles):
        raise Refused(f"this needs one of the roles {', '.join(sorted(roles))}")


PLATFORM = Actor("platform", frozenset(Role), EVERYTHING)
