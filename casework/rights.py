"""Which role may make which call: the one table. A service that is not in it cannot be imported. 权限表

Scope is no part of it: whatever a role may do, it does within its place in the tree (soc_core/access.py). Where a step
depends on its state as well, the state machine says more (casework/machines/). 三员分立: no call is open to two of the
three administrators, but for what all see of themselves.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from casework.services import Services
from soc_core.access import Actor, Role, require

More = ParamSpec("More")
Answer = TypeVar("Answer")
Call = Callable[Concatenate[Actor, Services, More], Answer]

JUDGE = frozenset({Role.ANALYST, Role.SHIFT_LEAD})
LEAD = frozenset({Role.SHIFT_LEAD, Role.COMMANDER})
DESK = JUDGE | LEAD | {Role.RULE_AUTHOR}
READ = DESK | {Role.AGENCY_ADMIN, Role.REGULATOR, Role.SECURITY_AUDITOR}
RAW = READ - {Role.REGULATOR}  # the city's regulator sees what became of it, not the records of agencies
OPERATE = JUDGE | {Role.SYSTEM_ADMIN, Role.SECURITY_AUDITOR}
EXERCISE = frozenset({Role.RED, Role.BLUE, Role.JUDGE, Role.CONTROLLER})
NUMBERS = READ | OPERATE
SECURITY = frozenset({Role.SECURITY_ADMIN})
AUDIT = frozenset({Role.SECURITY_AUDITOR})
SYSTEM = frozenset({Role.SYSTEM_ADMIN})
HOOKS = frozenset({Role.SHIFT_LEAD, Role.AGENCY_ADMIN})
EVERYONE = frozenset(Role)

RIGHTS: dict[str, frozenset[Role]] = {
    "account.begin_factor": EVERYONE, "account.confirm_factor": EVERYONE, "account.issue": EVERYONE,
    "account.own_tokens": EVERYONE, "account.revoke_own": EVERYONE, "account.standing": EVERYONE,
    "accounts.create": SECURITY, "accounts.disable": SECURITY, "accounts.grant": SECURITY,
    "accounts.listing": SECURITY | AUDIT, "accounts.machine_tokens": SECURITY | AUDIT, "accounts.reset": SECURITY,
    "accounts.revoke": SECURITY,
    "agency.choices": READ, "agency.status": READ,
    "alerts.change": JUDGE, "alerts.comment": JUDGE, "alerts.detail": RAW, "alerts.events": RAW, "alerts.get": READ,
    "alerts.neighbours": READ, "alerts.queue": READ, "alerts.restore": JUDGE,
    "compliance.check": READ, "compliance.declare": LEAD | {Role.AGENCY_ADMIN},
    "exposure.listing": READ, "exposure.take": JUDGE | {Role.AGENCY_ADMIN},
    "doors.listing": DESK | SYSTEM, "retention.kept": READ, "score.score": READ, "sources.card": NUMBERS,
    "drills.get": READ | EXERCISE, "drills.listing": READ | EXERCISE,
    "events.aggregate": RAW, "events.get": RAW, "events.histogram": RAW, "events.search": RAW,
    "events.unowned": DESK | AUDIT,
    "factors.demand": SECURITY, "factors.listing": SECURITY | AUDIT, "factors.waive": SECURITY,
    "evidence.add": JUDGE, "evidence.custody": READ, "evidence.hand_over": JUDGE, "evidence.listing": READ,
    "evidence.read": JUDGE | AUDIT, "evidence.snapshot": JUDGE, "evidence.verify": JUDGE | AUDIT,
    "holds.hold_events": LEAD, "holds.hold_incident": LEAD, "holds.lift": LEAD, "holds.listing": READ,
    "incidents.assign": JUDGE, "incidents.bulk": JUDGE, "incidents.change": JUDGE | LEAD, "incidents.comment": JUDGE,
    "incidents.detail": READ, "incidents.get": READ, "incidents.listing": READ, "incidents.merge": JUDGE,
    "incidents.similar": READ, "incidents.split": JUDGE,
    "ledger.check": AUDIT, "ledger.heads": AUDIT, "ledger.listing": AUDIT,
    "lookers.listing": AUDIT | {Role.AGENCY_ADMIN, Role.REGULATOR},
    "masking.reveal": JUDGE | {Role.AGENCY_ADMIN},
    "metrics.times": READ, "overview.overview": NUMBERS, "pipeline.pipeline": NUMBERS,
    "quarantine.groups": NUMBERS, "quarantine.samples": OPERATE | {Role.AGENCY_ADMIN}, "quarantine.total": NUMBERS,
    "quarantine.replay": JUDGE | SYSTEM,
    "rule_health.health": READ, "sources.listing": NUMBERS, "sources.tally": NUMBERS,
    "threats.listing": DESK | {Role.REGULATOR} | AUDIT, "threats.revoke": JUDGE | {Role.RULE_AUTHOR},
    "threats.sightings": DESK | {Role.REGULATOR} | AUDIT, "threats.take": JUDGE | {Role.RULE_AUTHOR},
    "timeline.timeline": READ, "verdicts.precision": READ,
    "webhooks.end": HOOKS, "webhooks.listing": HOOKS, "webhooks.subscribe": HOOKS,
}
CALLS: dict[str, Callable[..., object]] = {}  # every service by its name, as they are imported


def service(call: Callable[Concatenate[Actor, Services, More], Answer]) -> Callable[
        Concatenate[Actor, Services, More], Answer]:
    """A call with its line of the table: made by others, it raises Refused. Raises KeyError for one without a line."""
    name = f"{call.__module__.rpartition('.')[2]}.{call.__name__}"
    roles = RIGHTS[name]

    @functools.wraps(call)
    def checked(actor: Actor, services: Services, /, *args: More.args, **named: More.kwargs) -> Answer:
        require(actor, *roles)
        return call(actor, services, *args, **named)

    CALLS[name] = checked
    return checked


def is_service(call: object) -> bool:
    """Whether a function takes an actor and the services first, as every service does."""
    if not inspect.isfunction(call):
        return False
    return list(inspect.signature(call).parameters)[:2] == ["actor", "services"]
