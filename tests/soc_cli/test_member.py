"""A worker's signs of life: a slow step keeps its lanes and ends, one that hangs loses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soc_cli.member import HANGING, Member
from soc_cli.wiring import Platform
from soc_core import clock
from soc_core.config import Settings
from soc_core.protocols import Origin, Raws
from soc_core.state import claims, commits

LINE = b"<38>1 2026-11-23T01:00:00Z gw sshd 7 - - Failed password for admin from 192.0.2.7 port 51514 ssh2"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform(Settings(data=tmp_path / "data", partitions=1, rules=[])) as made:
        yield made


def slow(member: Member, seconds: float, seen: list[bool]) -> None:
    """Every stage of a step takes so long; `seen`: whether the member seemed to hang at its end."""
    def slowed(call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*given: Any) -> Any:
            member._turned -= seconds
            member.worker.parts.tracer.moved -= seconds
            seen.append(member.hanging)
            if member.hanging:  # then it gives no sign of life, and others forget it
                with member.state.begin() as session:
                    claims.appear(session, "another", clock.now() + 2 * claims.LEASE, {})
            return call(*given)

        return made

    parts = member.worker.parts
    parts.parse, parts.assemble = slowed(parts.parse), slowed(parts.assemble)
    for lane in member.worker.lanes.values():
        lane.read = slowed(lane.read)  # type: ignore[method-assign]
        for enricher in getattr(lane, "enrichers", ())[:1]:
            enricher.enrich = slowed(enricher.enrich)


@pytest.mark.parametrize(("seconds", "ends"), [(0.9 * HANGING, True), (1.1 * HANGING, False)])
def test_a_step_that_goes_on_keeps_its_lanes_however_long_it_takes(platform: Platform, seconds: float, ends: bool
                                                                   ) -> None:
    platform.journal.append([Raws(Origin(source="gw", format="syslog"), [LINE] * 3, clock.now(), np.arange(3))])
    seen: list[bool] = []
    with platform.member().working() as member:
        member.balance()
        slow(member, seconds, seen)
        assert (member.turn(patient=False) >= 3) == ends
        assert len(seen) >= 4
        assert any(seen) != ends
        assert (0 in member.worker.lanes) == ends
    with platform.state.read() as session:
        assert commits.mark(session, 0) == (3 if ends else 0)


def test_lanes_that_another_had_meanwhile_are_opened_anew(platform: Platform) -> None:
    """We were thought dead, another worked and went; nothing of ours has been refused, and we do not know of it."""
    def put(first: int) -> None:
        lines = Raws(Origin(source="gw", format="syslog"), [LINE] * 3, clock.now(), np.arange(first, first + 3))
        platform.journal.append([lines])

    with platform.member().working() as member:
        put(0)
        member.turn(patient=False)
        assert member.worker.cursor[0] == 3
        with platform.state.begin() as session:
            claims.appear(session, "another", clock.now() + 2 * claims.LEASE, {})
        put(3)
        platform.worker().drain()
        with platform.state.begin() as session:
            claims.leave(session, "another")
        member.balance()
        assert member.worker.cursor[0] == 6
