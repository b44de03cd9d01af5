"""How an agency stands and the self-check, as pages show them: in both languages, with the figures of the services."""

from __future__ import annotations

import pytest

from casework.exposure import take
from casework.services import NotFound, Services
from casework.sources import Card, Source
from soc_core.access import PLATFORM, Actor, Role
from soc_core.clock import MINUTE
from soc_ui.vm.compliance import compliance_page
from soc_ui.vm.standing import limit_of, standing
from tests.soc_ui.prepared import EDU, POLICE


def seat(services: Services, organisation: str) -> Actor:
    return Actor("a", frozenset({Role.AGENCY_ADMIN}), services.scope_of(organisation), organisation)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_standing_says_score_formula_and_what_is_weak(services: Services, language: str) -> None:
    take(PLATFORM, services, b"system,account,weakness,detail\ncampus_safety,root-shared,shared,x\n")
    page = standing(seat(services, EDU), services, language, EDU)
    assert "100 × (" in page.note
    assert len(page.parts) == 5
    assert page.weak == len(page.weaknesses) == 1
    assert page.weaknesses[0]["cells"][:2] == ["root-shared", "medium"]
    assert {row["cells"][0] for row in page.retention} == {item.name for item in services.inventory.systems_of(EDU)}
    assert page.to_json()
    with pytest.raises(NotFound):
        standing(seat(services, POLICE), services, language, EDU)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_self_check_shows_each_demand_and_certifies_nothing(services: Services, language: str) -> None:
    page = compliance_page(seat(services, EDU), services, language)
    assert len(page.rows) == len(page.queries) == 9
    assert page.export[0][0] == "id"
    assert ("不是认证" if language == "zh" else "no certificate") in page.note
    assert page.to_json()
    assert len(compliance_page(PLATFORM, services, language).rows) == 9


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_limit_says_how_it_came_about(language: str) -> None:
    source = Source("fw-1", "real", 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 9 * MINUTE, True, EDU, "", "", "", "alive")
    habit = limit_of(Card(source, "habit", 0.5, 0.2, 40, 1), language)
    assert "50%" in habit
    assert "0.20" in habit
    assert "40" in habit
    said = {limit_of(Card(source, by, None, None, None, None), language) for by in ("set", "habit", "learning")}
    assert len(said) == 3
    assert habit not in said
    assert limit_of(Card(source, "habit", 0.5, 3.0, 40, 1), language) != habit
