"""Nothing of another agency and everything that is allowed: the small form of bench/access.py, and that it can fail."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from bench import access
from bench._world import World
from casework import alerts, events, sources, timeline
from casework.rights import CALLS, RIGHTS
from soc_api import app as api
from soc_core.access import EVERYTHING, NOTHING
from soc_core.state import users

ROUTES = Path(api.__file__).parent
PART_OF = {"alerts.events": "alerts.detail", "incidents.get": "incidents.detail",
           "quarantine.total": "overview.overview", "sources.tally": "overview.overview"}
SEED = date.today().toordinal()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "HASHER", users.HASHER)  # the world makes passwords cheap
        patch.setattr(api, "RATE", api.RATE)
        patch.setattr(api, "BURST", api.BURST)
        with access.city("sqlite", "embedded", SEED) as made:
            yield made


def test_every_service_has_its_endpoint() -> None:
    asked = {f"{node.func.value.id}.{node.func.attr}" for path in ROUTES.glob("*.py")
             for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
             and isinstance(node.func.value, ast.Name)}
    asked |= {f"{node.value.id}.{node.attr}" for path in ROUTES.glob("*.py")
              for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
              if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)}  # handed on to a thread
    assert set(CALLS) - asked == set(PART_OF)
    assert set(PART_OF.values()) <= asked & set(RIGHTS)


def test_every_endpoint_has_its_place_in_the_walk(world: World) -> None:
    there = access.endpoints(world)
    assert there - access.DOORS == set(access.PLACES)
    assert there >= access.DOORS


def test_nothing_of_others_and_all_that_is_allowed(world: World) -> None:
    walked = access.walk(world, 300)
    assert walked.differences == [], f"seed {SEED}"
    assert len(walked.by_place) == len(access.PLACES)
    assert walked.by_status[200] > 40
    assert walked.by_status[404] > 10


def test_the_walk_finds_a_service_that_forgets_to_mask(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "masked", lambda text: text)
    walked = access.Walked()
    for who in world.people:
        for _ in range(3):
            access.step(world, walked, "GET /incidents/{incident}/timeline", who)
    assert any("personal" in said for said in walked.leaks)


def everything(monkeypatch: pytest.MonkeyPatch, module: object, call: str, scope: object) -> None:
    """A service that forgets the scope."""
    held = CALLS[f"{module.__name__.rpartition('.')[2]}.{call}"]  # type: ignore[attr-defined]
    monkeypatch.setattr(module, call, lambda actor, *args, **more: held(actor._replace(scope=scope), *args, **more))


@pytest.mark.parametrize(("module", "call", "place"), [
    (alerts, "queue", "GET /alerts"), (events, "search", "GET /events"), (events, "aggregate", "GET /events/aggregate"),
    (events, "get", "GET /events/{event}"), (sources, "listing", "GET /sources"),
    (alerts, "comment", "POST /alerts/{alert}/comment"),
])
@pytest.mark.parametrize("scope", [EVERYTHING, NOTHING], ids=["all", "none"])
def test_the_walk_finds_a_service_that_forgets_the_scope(
        world: World, monkeypatch: pytest.MonkeyPatch, module: object, call: str, place: str, scope: object) -> None:
    everything(monkeypatch, module, call, scope)
    walked = access.Walked()
    for who in world.people:
        for _ in range(3 if "{" in place else 1):
            access.step(world, walked, place, who)
    assert walked.leaks or walked.wrong if scope is EVERYTHING else walked.missing or walked.wrong
