"""The self-check: every line with its query and evidence, declared by whom it concerns, and never a certificate."""

from __future__ import annotations

import re

import pytest

from casework import compliance
from casework.compliance import graded, requirements
from casework.services import NotFound, Services
from soc_core import clock
from soc_core.access import PLATFORM, Actor, Refused, Role

EDU = "cs-edu"


def seat(services: Services, organisation: str, role: Role = Role.AGENCY_ADMIN) -> Actor:
    return Actor("a", frozenset({role}), services.scope_of(organisation), organisation)


def test_nine_demands_each_with_its_query_in_both_languages_and_no_claim() -> None:
    found = requirements()
    assert len(found) == 9
    assert all(each.zh and each.en and each.query and each.source for each in found)
    assert all(each.check in compliance.CHECKS or each.declare for each in found)
    assert {each.check for each in found if each.check} == set(compliance.CHECKS)
    assert not re.search("certified|认证通过|已认证", " ".join(each.zh + each.en for each in found))


def test_lines_are_counted_for_one_agency_and_for_the_city(services: Services) -> None:
    one = compliance.check(seat(services, EDU), services, EDU)
    lines = {line.requirement.id: line for line in one.lines}
    assert lines["log-retention"].standing == "open", "the prepared logs are of today"
    kinds = next(item for item in lines["central-audit"].evidence if item.name == "kinds")
    assert kinds.of == sum(len(each.sources) for each in services.inventory.systems_of(EDU))
    city = compliance.check(PLATFORM, services)
    assert {line.requirement.id for line in city.lines} == set(lines)
    assert all(line.standing in ("met", "partly", "open", "declared", "unknown") for line in city.lines)
    raised = {line.requirement.id: line for line in city.lines}["analysed"].evidence[1].of or 0
    assert raised > (lines["analysed"].evidence[1].of or 0) > 0, "an agency's line counts its own alerts"
    with pytest.raises(NotFound):
        compliance.check(seat(services, "cs-police"), services, EDU)
    assert [graded(2, 2), graded(1, 2), graded(0, 2), graded(0, 0)] == ["met", "partly", "open", "unknown"]


def test_what_a_person_declares_is_his_own_agencys_and_ends(services: Services) -> None:
    mine = seat(services, EDU)
    compliance.declare(mine, services, "vendor-duty", "=合同 12 条", "档案 7", valid_until=clock.now() + clock.DAY)
    lines = {line.requirement.id: line for line in compliance.check(mine, services, EDU).lines}
    assert lines["vendor-duty"].standing == "declared"
    assert lines["personal-information"].standing == "unknown"
    rows = compliance.table(compliance.check(mine, services, EDU))
    said = next(row for row in rows if row[0] == "vendor-duty")
    assert said[compliance.HEADER.index("statement")] == "'=合同 12 条", "no cell begins a formula"
    assert said[compliance.HEADER.index("by")] == mine.name
    assert said[compliance.HEADER.index("valid_until")] > said[compliance.HEADER.index("stated")] > "2026"
    other = compliance.check(seat(services, "cs-police"), services)
    assert all(line.statement is None for line in other.lines)
    compliance.declare(mine, services, "vendor-duty", "ended", "withdrawn", valid_until=clock.now() - 1)
    lines = {line.requirement.id: line for line in compliance.check(mine, services, EDU).lines}
    assert lines["vendor-duty"].standing == "unknown"
    with pytest.raises(NotFound):
        compliance.declare(mine, services, "vendor-duty", "x", "y", "cs-police")
    with pytest.raises(ValueError, match="takes a statement"):
        compliance.declare(mine, services, "log-retention", "x", "")
    with pytest.raises(Refused):
        compliance.declare(mine._replace(organisation=""), services, "vendor-duty", "x", "y")
    with pytest.raises(ValueError, match="evidence"):
        compliance.declare(mine, services, "vendor-duty", "x", " ")
