"""Unknown lines: kept as they are, and told apart by kind."""

from __future__ import annotations

import polars as pl
import pytest

from collectors.formats import text
from tests.collectors.formats.fixtures import CONTEXT, rows


@pytest.mark.parametrize(("one", "two", "template"), [
    ("gate 12 opened by card 9911", "gate 3 opened by card 17", "gate <*> opened by card <*>"),
    ("用户 张三 从 10.0.0.1 登录", "用户 张三 从 10.0.0.77 登录", "用户 张三 从 <*> 登录"),
    ('2026-11-20 08:00:01 job "a b" done', '2026-11-21 09:10:00 job "c" done', "<*> job <*> done"),
    ("temp=21.5 state=ok", "temp=-3 state=off", "temp=<*> state=<*>"),
    ("id (0xdeadbeef01) freed", "id (0xdeadbeef77) freed", "id (<*>) freed"),
])
def test_lines_of_one_shape_share_a_template(one: str, two: str, template: str) -> None:
    assert text.templates(pl.Series([one, two])).to_list() == [template, template]


def test_lines_of_other_shapes_do_not() -> None:
    assert text.templates(pl.Series(["door opened", "door closed"])).n_unique() == 2


def test_a_template_is_bounded_and_a_function_of_the_line() -> None:
    lines = [b"x" * 5000, "门禁 12 打开".encode("gb18030")]
    whole = rows(text.parse(lines, CONTEXT).batch)
    assert [row["soc.template"] for row in whole] == ["x" * 300, "门禁 <*> 打开"]
    assert [rows(text.parse([line], CONTEXT).batch)[0] for line in lines] == whole
