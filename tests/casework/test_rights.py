"""The table of rights: every service has its line, each line its service, and no two administrators share a call."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import casework
from casework import rights
from casework.rights import CALLS, RIGHTS
from casework.services import Services
from soc_core.access import EVERYTHING, Actor, Refused, Role
from soc_core.state.users import ADMINISTRATORS


def modules() -> list[str]:
    return [each.name for each in pkgutil.iter_modules(casework.__path__)]


def test_every_service_has_its_line_and_every_line_its_service() -> None:
    found = set()
    for name in modules():
        module = importlib.import_module(f"casework.{name}")
        for call, made in vars(module).items():
            inner = getattr(made, "__wrapped__", made)
            if rights.is_service(inner) and inner.__module__ == module.__name__ and not call.startswith("_"):
                found.add(f"{name}.{call}")
    assert found == set(RIGHTS) == set(CALLS)
    assert len(found) > 50


@pytest.mark.parametrize("role", list(Role))
def test_a_role_without_a_line_is_refused_before_anything_is_read(role: Role, services: Services) -> None:
    actor = Actor("somebody", frozenset({role}), EVERYTHING)
    refused = [name for name, roles in RIGHTS.items() if role not in roles]
    for name in refused:
        with pytest.raises(Refused, match="needs one of the roles"):
            CALLS[name](actor, services)


def test_no_change_is_open_to_two_of_the_three_administrators() -> None:
    shared = {name for name, roles in RIGHTS.items() if len(roles & ADMINISTRATORS) > 1}
    numbers = ("drills.", "overview.", "pipeline.", "quarantine.", "sources.", "account.")  # reads, or of one's own
    reads = {"accounts.listing", "accounts.machine_tokens", "factors.listing"}  # the auditor sees what the other made
    assert {name for name in shared if not name.startswith(numbers)} == reads


READERS = "agency_admin analyst commander regulator rule_author security_auditor shift_lead"
WHO_MAY = [  # said a second time, role by role: a line of the table that changes is a decision, and is made here too
    (READERS, "alerts.queue alerts.get incidents.detail exposure.listing metrics.times timeline.timeline"),
    (READERS + " system_admin", "overview.overview quarantine.groups sources.listing sources.card"),
    (READERS.replace("regulator ", ""), "alerts.detail alerts.events events.search events.get"),
    (READERS + " red blue judge controller", "drills.get drills.listing"),
    ("analyst shift_lead", "alerts.change alerts.restore evidence.add incidents.assign incidents.merge"),
    ("analyst shift_lead commander", "incidents.change"),
    ("analyst shift_lead agency_admin", "exposure.take masking.reveal"),
    ("analyst shift_lead rule_author", "threats.revoke threats.take"),
    ("analyst shift_lead security_auditor", "evidence.read evidence.verify"),
    ("analyst shift_lead system_admin security_auditor agency_admin", "quarantine.samples"),
    ("analyst shift_lead commander rule_author regulator security_auditor", "threats.listing threats.sightings"),
    ("shift_lead commander", "holds.hold_events holds.hold_incident holds.lift"),
    ("shift_lead commander agency_admin", "compliance.declare"),
    ("shift_lead agency_admin", "webhooks.end webhooks.listing webhooks.subscribe"),
    ("security_admin", "accounts.create accounts.disable accounts.grant accounts.reset accounts.revoke"),
    ("security_admin security_auditor", "accounts.listing accounts.machine_tokens"),
    ("security_auditor", "ledger.check ledger.heads ledger.listing"),
    ("security_auditor agency_admin regulator", "lookers.listing"),
    (" ".join(Role), "account.issue account.own_tokens account.revoke_own"),
]


@pytest.mark.parametrize(("roles", "calls"), WHO_MAY)
def test_each_call_is_open_to_these_roles_and_no_other(roles: str, calls: str) -> None:
    for call in calls.split():
        assert {str(role) for role in RIGHTS[call]} == set(roles.split()), call


def test_what_is_no_service_is_not_taken_for_one() -> None:
    assert rights.is_service(CALLS["alerts.queue"].__wrapped__)  # type: ignore[attr-defined]
    assert not rights.is_service(Services)
    assert not rights.is_service(lambda services, actor: None)
