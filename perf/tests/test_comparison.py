from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from perf import comparison
from perf.comparison import Change, Count, counted_changes, moved_by
from perf.engine.results import Interval, Statement
from perf.tests.built import METHOD, counters, pair, run, size, way

COUNT = Count(statements=1, rows=10, blocks=100, wal_bytes=0, plans=("Index Scan",))


def changes(one: Count = COUNT, **changed: Any) -> list[tuple[str, Change, str]]:
    return list(counted_changes(one, dataclasses.replace(one, **changed)))


def test_what_is_the_same_is_no_change():
    assert changes() == []


@pytest.mark.parametrize(("what", "fewer"), [("statements", Change.BETTER), ("rows", Change.OTHER)])
def test_statements_and_rows_are_compared_exactly(what, fewer):
    assert changes(**{what: getattr(COUNT, what) + 1})[0][:2] == (what, Change.WORSE)
    assert changes(**{what: getattr(COUNT, what) - 1})[0][:2] == (what, fewer)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (100, 105, None),  # 5 % and no more
        (100, 106, Change.WORSE),
        (100, 95, None),
        (100, 94, Change.BETTER),
        (4, 6, None),  # 2 and no more
        (4, 7, Change.WORSE),
        (4, 1, Change.BETTER),
        (0, 2, None),
        (0, 3, Change.WORSE),
    ],
)
def test_blocks_are_tolerated_up_to_2_and_5_percent(before, after, change):
    found = changes(dataclasses.replace(COUNT, blocks=before), blocks=after)

    assert [each[1] for each in found] == ([change] if change else [])


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (0, 1_024, None),
        (0, 1_025, Change.WORSE),
        (100_000, 110_000, None),
        (100_000, 110_001, Change.WORSE),
        (100_000, 90_000, None),
        (100_000, 89_999, Change.BETTER),
    ],
)
def test_wal_is_tolerated_up_to_1_kib_and_10_percent(before, after, change):
    found = changes(dataclasses.replace(COUNT, wal_bytes=before), wal_bytes=after)

    assert [each[1] for each in found] == ([change] if change else [])


@pytest.mark.parametrize(("before", "after"), [(0, 3), (3, 0), (3, 3)])
def test_wal_with_whole_pages_is_not_compared(before, after):
    one = dataclasses.replace(COUNT, wal_bytes=1_000, full_pages=before)

    assert changes(one, wal_bytes=30_000, full_pages=after) == []


def test_another_plan_is_neither_better_nor_worse():
    assert changes(plans=("Seq Scan",)) == [("plan", Change.OTHER, "Index Scan → Seq Scan")]


def test_a_count_has_each_plan_once_and_each_statement_as_often_as_it_was_sent():
    one = dataclasses.replace(counters().statements[0], times=3, rows=6)
    other = Statement(sql="COPY x", fingerprint="")
    found = comparison.count_of(dataclasses.replace(counters(), statements=(one, one, other)))

    assert (found.statements, found.rows) == (7, 12)
    assert found.plans == ("Index Scan a_idx a", "")


@pytest.mark.parametrize(
    ("low", "high", "change"),
    [
        (0.95, 1.05, Change.SAME),
        (1.11, 1.3, Change.BETTER),
        (0.7, 0.9, Change.WORSE),
        (1.05, 1.3, Change.UNDECIDED),
        (0.8, 1.3, Change.UNDECIDED),
        (1.1, 1.3, Change.UNDECIDED),  # the margin itself is not beyond it
    ],
)
def test_a_ratio_has_moved_if_its_whole_interval_has(low, high, change):
    assert moved_by(Interval((low + high) / 2, low, high), margin=0.1) is change


def rounds(*times: float) -> list[list[float]]:
    return [[each] for each in times]


def timed(good: list[list[float]], bad: list[list[float]], **changed: object):
    ways = way("good", counters(**changed), good), way("bad", counters(), bad)
    return run(pair(size(1_000, *ways)))


def test_a_ratio_that_fell_is_worse():
    before = timed(rounds(100, 101, 99), rounds(400, 402, 398))
    after = timed(rounds(200, 202, 199), rounds(401, 402, 399))

    (found,) = comparison.compare(before, after)
    assert (found.change, found.variant, found.what) == (Change.WORSE, "good", "ratio to bad")
    assert found.ratio is not None
    assert found.ratio.estimate == pytest.approx(0.5, rel=0.01)


def test_counts_come_before_times():
    before = timed(rounds(100, 101, 99), rounds(400, 402, 398))
    after = timed(rounds(100, 102, 99), rounds(401, 402, 399), blocks_hit=50)

    found = comparison.compare(before, after)
    assert [(each.what, each.change) for each in found] == [
        ("blocks", Change.WORSE),
        ("ratio to bad", Change.SAME),
    ]


def test_what_only_one_run_has_is_not_compared():
    other = run(pair(size(10_000)), pair(name="app.other"))

    assert comparison.compare(run(), other) == []
    assert not comparison.is_comparable(run(), other)
    assert comparison.is_comparable(run(), run())


def test_counts_of_other_draws_are_not_compared():
    other = run(pair(dataclasses.replace(size(1_000, way("good", counters(rows=99))), digest="x")))

    (found,) = comparison.compare(run(), other)
    assert (found.what, found.change) == ("results", Change.OTHER)


def test_cold_buffers_beside_warm_ones_are_told():
    cold = run(method=dataclasses.replace(METHOD, cache="cold"))

    assert comparison.unlike(run(), cold) == ["cache: warm and cold"]


def test_what_is_refused_now_is_worse_whatever_was_counted_of_it():
    refused = run(pair(size(1_000, way("good", counters(blocks_hit=1)), refusal="rows differ")))

    (found,) = comparison.compare(run(), refused)
    assert (found.what, found.change, found.text) == ("refused", Change.WORSE, "rows differ")
    (found,) = comparison.compare(refused, run())
    assert (found.change, found.text) == (Change.BETTER, "no more; it was: rows differ")


def test_ways_of_unequal_executions_are_not_compared():
    whole = timed(rounds(100, 101, 99), rounds(400, 402, 398))
    part = timed(rounds(100, 101, 99), rounds(400, 402))

    assert comparison.compare(whole, part) == []


def test_machines_that_differ_are_told():
    other = run(environment={"PostgreSQL": "15.19", "Python": "3.13.0", "CPUs": "2"})

    assert comparison.unlike(run(), run()) == []
    assert comparison.unlike(run(), other) == ["PostgreSQL: 18.6 and 15.19"]


def test_an_interval_is_that_of_the_logarithms():
    before = timed(rounds(100, 110), rounds(400, 400))
    after = timed(rounds(100, 110), rounds(800, 800))

    (found,) = comparison.compare(before, after)
    assert found.ratio is not None
    assert found.ratio.estimate == pytest.approx(2)
    assert math.log(found.ratio.high / 2) == pytest.approx(math.log(2 / found.ratio.low))
