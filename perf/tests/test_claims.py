"""What becomes of a claim, on results that were put together by hand."""

from __future__ import annotations

from functools import partial

import pytest

from perf import claim
from perf.engine.results import Finding, Growth, Interval
from perf.tests.built import counters, pair, size, way

HOLDS, REFUTED = Finding.HOLDS, Finding.REFUTED
UNDECIDED, NOT_MEASURED = Finding.UNDECIDED, Finding.NOT_MEASURED
SIZES = (1_000, 10_000, 100_000)


def judged(found, *sizes, growth=()):
    return found.judge(pair(*sizes, growth=growth))


def grown(low: float, high: float, *, exponent=None, of="blocks", is_flat=False, sizes=SIZES):
    factor = Interval((low + high) / 2, low, high)
    return Growth("good", of, sizes, factor, is_flat=is_flat, exponent=exponent)


@pytest.mark.parametrize(
    ("low", "high", "finding"),
    [
        (5.0, 6.0, HOLDS),  # the bound itself is fast enough
        (4.9, 6.0, UNDECIDED),
        (4.0, 5.0, UNDECIDED),
        (4.0, 4.9, REFUTED),
    ],
)
def test_faster_is_refuted_only_by_a_whole_interval(low, high, finding):
    found = size(1_000, ratio=Interval(5.0, low, high))

    assert judged(claim.faster("good", than="bad", by=5, at=1_000), found)[0] is finding


def test_faster_is_of_its_size_and_of_the_efficient_way():
    at = claim.faster("good", than="bad", by=5, at=10_000)
    of_bad = claim.faster("bad", than="bad", by=5, at=1_000)

    assert judged(at) == (NOT_MEASURED, "not at 10,000")
    assert judged(of_bad)[0] is NOT_MEASURED


def test_faster_says_why_nothing_was_measured():
    found = size(1_000, ratio=None, reason="a call takes 9.0 s, over the limit of 5 s")

    assert judged(claim.faster("good", than="bad", by=5, at=1_000), found) == (
        NOT_MEASURED,
        "a call takes 9.0 s, over the limit of 5 s",
    )


@pytest.mark.parametrize(
    ("growth", "finding"),
    [
        ([grown(0.9, 1.1, is_flat=True)], HOLDS),
        ([grown(1.1, 1.4)], UNDECIDED),
        ([grown(1.3, 1.4)], REFUTED),
        ([grown(0.9, 1.1, is_flat=True, of="time")], NOT_MEASURED),
        ([], NOT_MEASURED),
    ],
)
def test_flat_is_refuted_only_by_a_whole_interval(growth, finding):
    assert judged(claim.flat("good"), growth=growth)[0] is finding


@pytest.mark.parametrize(
    ("low", "high", "finding"),
    [
        (0.95, 1.05, HOLDS),
        (1.09, 1.2, UNDECIDED),
        (0.7, 0.91, UNDECIDED),
        (0.1, 3.0, UNDECIDED),
        (1.11, 1.2, REFUTED),
        (0.5, 0.89, REFUTED),
    ],
)
def test_an_exponent_is_right_where_the_whole_interval_is_within_a_tenth(low, high, finding):
    growth = [grown(90, 110, exponent=Interval((low + high) / 2, low, high))]

    assert judged(claim.grows("good", exponent=1), growth=growth)[0] is finding


def test_an_exponent_needs_a_growth_and_three_sizes():
    claimed = claim.grows("good", exponent=1)

    assert judged(claimed, growth=[grown(1.0, 1.5)])[0] is UNDECIDED
    assert judged(claimed, growth=[grown(9, 11, sizes=SIZES[:2])])[0] is NOT_MEASURED
    assert judged(claimed)[0] is NOT_MEASURED


def test_what_is_flat_does_not_grow():
    flat = [grown(0.99, 1.01, is_flat=True)]

    assert judged(claim.grows("good", exponent=1), growth=flat)[0] is REFUTED


@pytest.mark.parametrize("claimed", [claim.flat, partial(claim.grows, exponent=1)])
def test_nothing_is_claimed_of_what_is_not_measured(claimed):
    with pytest.raises(ValueError, match="must be 'time' or 'blocks'"):
        claimed("good", of="tiem")


def test_an_exponent_is_above_0():
    with pytest.raises(ValueError, match="claimed by `flat`"):
        claim.grows("good", exponent=0)


def test_blocks_are_those_of_the_worst_draw_at_each_size():
    most = size(10_000, way("good", counters(draws=(10, 12))))

    assert judged(claim.blocks("good", at_most=12), size(), most) == (HOLDS, "at most 12")
    assert judged(claim.blocks("good", at_most=11), most, size()) == (
        REFUTED,
        "12 blocks at 10,000",
    )


def test_an_index_is_read_at_each_size_that_is_meant():
    small = size(1_000, way("good", counters(indexes=())))
    large = size(10_000, way("good", counters()))

    from_large = claim.uses_index("good", "a_idx", from_size=10_000)
    assert judged(from_large, small, large) == (HOLDS, "a_idx")
    assert judged(claim.uses_index("good", "a_idx"), small, large) == (
        REFUTED,
        "no index instead at 1,000",
    )
    assert judged(claim.uses_index("good", "b_idx"), large) == (REFUTED, "a_idx instead at 10,000")


def test_statements_are_counted():
    assert judged(claim.queries("good", 1)) == (HOLDS, "1")
    assert judged(claim.queries("good", 2)) == (REFUTED, "1 statements at 1,000")
    assert judged(claim.queries("other", 1)) == (NOT_MEASURED, "nothing was counted")


@pytest.mark.parametrize(
    ("found", "text", "is_deterministic"),
    [
        (
            claim.faster("a", than="b", by=2.5, at=1_000),
            "a is at least 2.5 times as fast as b at 1,000",
            False,
        ),
        (claim.flat("a"), "a is flat in blocks", True),
        (claim.flat("a", of="time"), "a is flat in time", False),
        (claim.grows("a", exponent=1), "a grows by N^1 in blocks", True),
        (claim.grows("a", exponent=1, of="time"), "a grows by N^1 in time", False),
        (claim.blocks("a", at_most=1_200), "a reads at most 1,200 blocks", True),
        (claim.uses_index("a", "x", from_size=1_000), "a reads x from 1,000 rows on", True),
        (claim.queries("a", 1), "a sends 1 statement", True),
        (claim.queries("a", 0), "a sends 0 statements", True),
    ],
)
def test_a_claim_is_a_sentence(found, text, is_deterministic):
    assert (found.text, found.is_deterministic) == (text, is_deterministic)
    assert found.result(pair()).text == text
