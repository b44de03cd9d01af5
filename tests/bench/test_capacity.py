"""The capacity model: figures follow the costs, and the page is what the model says today."""

from __future__ import annotations

import pytest

from bench import capacity
from bench.capacity import ASSUMED, Cost, breaks_first, costs, plan, raw, simulate


def test_costs_are_measured_ones_where_there_are_any() -> None:
    assert costs({}) == ASSUMED
    found = costs({"flow: workers' processor time": {"value": 90.0}, "journal append, fsynced": {"value": 100}})
    assert found["worker_us"] == Cost(90.0, "bench flow: workers' processor time")
    assert found["journal_mb"].value == 100
    mixed = costs({"ingest syslog sshd, journal to store": {"value": 10_000},
                   "ingest Windows event JSON 2 KB, journal to store": {"value": 20_000}})
    assert mixed["worker_us"].value == pytest.approx(0.15 * 50 + 0.85 * 100)


def test_a_plan_follows_load_and_peak() -> None:
    small, high, large = (plan(rate, peak, ASSUMED) for rate, peak in ((13_000, 3), (13_000, 5), (130_000, 3)))
    assert small.worker_cores == -(-13_000 * 3 * 124 // 700_000)
    assert high.worker_cores > small.worker_cores
    assert high.elastic_disk == small.elastic_disk  # disks hold the mean
    assert large.elastic_disk == pytest.approx(10 * small.elastic_disk)
    assert large.shards_a_day * capacity.SHARD >= 130_000 * raw() * 86_400 * ASSUMED["elastic_ratio"].value
    assert large.machines > small.machines >= 4


def test_every_data_set_has_a_shard_a_day_however_small() -> None:
    assert plan(1, 3, ASSUMED).shards_a_day == capacity.SETS
    assert plan(1, 3, ASSUMED).bound_by == "shards of a node"
    one = capacity.SHARD * raw() / max(share * size for share, size in capacity.CATCHES.values())
    assert capacity.shards_a_day(1.01 * one) == capacity.SETS + 1


def test_the_citys_load_is_that_of_its_units() -> None:
    assert sum(count * each for _, count, each in capacity.by_kind()) == pytest.approx(25_400, rel=0.01)
    assert sum(count for _, count, _ in capacity.by_kind()) == 3_520


def test_a_day_has_its_mean_and_what_waits_is_worked_off() -> None:
    enough = simulate(1000, 3, 3, 1000.0)
    assert enough == (0.0, 0.0, 0.0)
    tight = simulate(1000, 3, 2, 1000.0)  # 2,000 a second for a peak of 3,000
    assert tight.waiting == pytest.approx(1000 * 2.25 * 3600, rel=0.1)  # above capacity for 2 hours and part of ramps
    assert tight.wait == pytest.approx(tight.waiting / 2000)
    assert 0.5 < tight.recovery < 3
    assert simulate(1000, 5, 2, 1000.0).waiting > tight.waiting


def test_the_first_to_break_comes_first() -> None:
    order = breaks_first(1, ASSUMED, 2, 1e12)
    assert [most for _, most in order] == sorted(most for _, most in order)
    assert "disk, Elasticsearch" in order[0][0]


def test_the_page_says_what_is_measured_and_what_is_not() -> None:
    made = capacity.page()
    for cost in costs(capacity.known()).values():
        assert cost.source in made
    for rate in capacity.LOADS.values():
        assert made.count(f"| {rate:,}/s") == 2 * len(capacity.PEAKS) + 1
    kept = capacity.PAGE.read_text(encoding="utf-8")
    assert kept.split("## Costs")[0] == made.split("## Costs")[0]
