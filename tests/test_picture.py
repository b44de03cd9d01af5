"""docs/architecture.svg shows the rooms and arrows that the code has."""

from __future__ import annotations

import re

from tests import picture


def test_the_picture_of_the_structure_is_current() -> None:
    rooms, arrows = picture.shown()
    assert rooms == set(picture.sizes())
    assert arrows == {f"{source} {target}" for source, target in picture.arrows()}, "python -m tests.picture"


def test_no_arrow_in_the_picture_points_up() -> None:
    drawn = picture.drawn()
    order = re.findall(r'data-room="([^"]+)"', drawn)
    assert all(order.index(source) < order.index(target) for source, target in picture.arrows())
