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
    reads = {"accounts.listing", "accounts.machine_tokens"}  # the auditor sees whom the security administrator made
    assert {name for name in shared if not name.startswith(numbers)} == reads
