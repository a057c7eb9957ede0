from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.engine.curves import exponent_interval, fitted
from perf.engine.growth import FLAT, growth_of, payoff
from perf.engine.results import Comparison, Growth, Interval, Verdict

SIZES = (1_000, 3_000, 10_000, 100_000, 1_000_000)


def grown(values: Sequence[Sequence[float]], sizes: Sequence[int] = SIZES[:3]) -> Growth:
    found = growth_of("keyset", "blocks", sizes, values)
    assert found is not None
    return found


class TestCurve:
    @pytest.mark.parametrize("exponent", [0.3, 0.5, 1.0, 1.37, 2.0, 3.0])
    @pytest.mark.parametrize("floor", [0.0, 0.4, 50.0])
    def test_an_exact_curve_is_found(self, exponent: float, floor: float) -> None:
        costs = [floor + 40 * (size / SIZES[-1]) ** exponent for size in SIZES]

        found = fitted(SIZES, costs)

        assert found.exponent == pytest.approx(exponent, rel=1e-5)
        assert found.floor == pytest.approx(floor, rel=1e-5, abs=1e-6)
        assert found.slope == pytest.approx(40 / SIZES[-1] ** exponent, rel=1e-4)
        assert found.misfit == pytest.approx(0, abs=1e-12)

    def test_the_floor_is_not_taken_for_a_slow_growth(self) -> None:
        """The slope in a log-log plot is 0.67 here."""
        costs = [0.4e6 + 40 * size for size in SIZES]

        assert fitted(SIZES, costs).exponent == pytest.approx(1, rel=1e-6)

    def test_neither_part_goes_below_zero(self) -> None:
        falling = fitted(SIZES, [5, 4, 3, 2, 1])
        steep = fitted(SIZES, [1e-3, 1, 1e3, 1e6, 1e11])

        assert (falling.slope, steep.floor) == (0, 0)
        assert falling.floor > 0
        assert steep.slope > 0

    @settings(max_examples=20, deadline=None)
    @given(
        st.lists(st.floats(1, 1e6), min_size=4, max_size=4).map(sorted),
        st.sampled_from([0.01, 10.0, 1000.0]),
    )
    def test_scale_passes_through(self, costs: list[float], factor: float) -> None:
        before = fitted(SIZES[:4], costs)
        after = fitted(SIZES[:4], [factor * cost for cost in costs])

        assert after.misfit == pytest.approx(before.misfit, rel=1e-6, abs=1e-9)

    def test_the_exponent_of_draws_that_agree_is_a_point(self) -> None:
        costs = [4 + size / 100 for size in SIZES]

        found = exponent_interval(SIZES, [costs] * 5, 0.95)

        assert found.low == found.estimate == found.high == pytest.approx(1)

    def test_the_exponent_of_two_executions_is_known_by_hand(self) -> None:
        linear, square = ([float(size) ** power for size in SIZES] for power in (1, 2))

        found = exponent_interval(SIZES, [linear, square], 0.95)

        assert found.estimate == pytest.approx(1.5)
        assert found.high == pytest.approx(1.5 + 12.7062 * 0.5, rel=1e-5)
        assert found.low == 0  # and no growth backwards

    @pytest.mark.parametrize(("floor", "sizes"), [(0.4, SIZES), (0.0, SIZES[:4])])
    def test_the_truth_is_inside_as_often_as_is_promised(
        self, floor: float, sizes: Sequence[int]
    ) -> None:
        chance = random.Random(1)

        covered = 0
        for _ in range(100):
            found = exponent_interval(sizes, measured(chance, floor, sizes), 0.95)
            covered += found.low <= 1 <= found.high

        assert 0.9 <= covered / 100 <= 0.99


def measured(chance: random.Random, floor: float, sizes: Sequence[int]) -> list[list[float]]:
    """Ten executions of a linear way, which differ by 5 %, with 8 % noise."""
    executions = []
    for _ in range(10):
        here = chance.lognormvariate(0, 0.05)
        costs = [floor + 40 * size / sizes[-1] for size in sizes]
        executions.append([here * cost * chance.lognormvariate(0, 0.08) for cost in costs])
    return executions


class TestGrowth:
    def test_equal_counts_are_flat_for_sure(self) -> None:
        found = grown([[4] * 5] * 3)

        assert (found.factor, found.is_flat) == (Interval(1, 1, 1), True)
        assert (found.exponent, found.floor, found.slope) == (None, None, None)

    def test_counts_that_grow_have_a_point_for_an_exponent(self) -> None:
        found = grown([[4 + size / 100] * 5 for size in SIZES], SIZES)

        assert found.exponent is not None
        assert found.exponent.low == found.exponent.high == pytest.approx(1)
        assert found.floor == pytest.approx(4)
        assert found.slope == pytest.approx(0.01)
        assert not found.is_flat

    def test_the_factor_is_the_geometric_mean_over_executions(self) -> None:
        found = growth_of("keyset", "time", (1_000, 10_000), [[1e6, 1e6], [2e6, 8e6]])

        assert found is not None
        assert found.factor.estimate == pytest.approx(4)
        assert found.factor.low < 1 < 100 < found.factor.high  # of two
        assert (found.variant, found.of, found.sizes) == ("keyset", "time", (1_000, 10_000))

    def test_a_factor_is_of_one_execution(self) -> None:
        found = growth_of("keyset", "time", (1_000, 10_000), [[1e6, 9e6], [3e6, 27e6]])

        assert found is not None
        assert found.factor.low == pytest.approx(3)
        assert found.factor.high == pytest.approx(3)

    def test_flat_is_claimed_of_the_whole_interval(self) -> None:
        small = grown([[100, 100, 100], [1, 1, 1], [110, 120, 130]])

        assert small.factor.estimate < FLAT < small.factor.high
        assert not small.is_flat

    def test_a_way_is_flat_if_it_does_not_grow(self) -> None:
        assert not grown([[100] * 5, [1] * 5, [126] * 5]).is_flat
        assert grown([[100] * 5, [1] * 5, [20] * 5]).is_flat

    def test_up_to_a_factor_of_two_there_is_no_exponent(self) -> None:
        assert grown([[10] * 5, [15] * 5, [20] * 5]).exponent is None
        assert grown([[10] * 5, [15] * 5, [21] * 5]).exponent is not None

    def test_two_sizes_have_no_exponent(self) -> None:
        assert grown([[1] * 5, [100] * 5], SIZES[:2]).exponent is None

    def test_no_blocks_count_as_one(self) -> None:
        assert grown([[0] * 5, [0] * 5, [0] * 5]).is_flat
        assert grown([[0] * 5, [3] * 5, [9] * 5]).factor.estimate == pytest.approx(9)

    def test_an_execution_that_was_broken_off_is_left_out(self) -> None:
        whole = grown([[10, 11], [20, 21], [30, 33]])

        assert grown([[10, 11, 12], [20, 21], [30, 33, 36]]) == whole

    def test_one_size_or_execution_tells_nothing(self) -> None:
        assert growth_of("keyset", "time", (1_000,), [[1e6, 1e6]]) is None
        assert growth_of("keyset", "time", (1_000, 10_000), [[1e6], [2e6]]) is None
        assert growth_of("keyset", "time", (), []) is None

    @pytest.mark.parametrize("sizes", [(10_000, 1_000), (1_000, 1_000), (1_000,)])
    def test_sizes_that_do_not_fit_are_refused(self, sizes: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="must ascend"):
            growth_of("keyset", "time", sizes, [[1e6], [2e6]])

    @settings(max_examples=20, deadline=None)
    @given(
        st.lists(st.lists(st.floats(1e3, 1e9), min_size=3, max_size=3), min_size=2, max_size=6),
        st.randoms(use_true_random=False),
        st.floats(1, 100),
    )
    def test_the_order_of_executions_and_the_scale_are_nothing(
        self, executions: list[list[float]], chance: random.Random, factor: float
    ) -> None:
        mixed = chance.sample(executions, len(executions))

        before = grown(list(zip(*executions, strict=True)))
        after = grown([[factor * cost for cost in costs] for costs in zip(*mixed, strict=True)])

        assert after.factor.estimate == pytest.approx(before.factor.estimate)


def compared(*verdicts: Verdict | None) -> list[Comparison | None]:
    ratio = Interval(2, 1.5, 2.5)
    return [
        None if each is None else Comparison("keyset", "offset", each, ratio) for each in verdicts
    ]


WIN, LOSS, SAME = Verdict.EFFICIENT, Verdict.NAIVE, Verdict.EQUIVALENT
OPEN, REFUSED = Verdict.INCONCLUSIVE, Verdict.REFUSED


class TestPayoff:
    @pytest.mark.parametrize(
        ("verdicts", "size", "after", "text"),
        [
            ((WIN, WIN, WIN), 1_000, None, "pays from the smallest size on (≤ 1,000 rows)"),
            ((SAME, WIN, WIN), 3_000, 1_000, "pays from 3,000 rows on; at 1,000 equivalent"),
            ((LOSS, SAME, WIN), 10_000, 3_000, "pays from 10,000 rows on; at 3,000 equivalent"),
            ((WIN, LOSS, WIN), 10_000, 3_000, "pays from 10,000 rows on; at 3,000 naive wins"),
            ((SAME, LOSS, SAME), None, 10_000, "does not pay up to 10,000"),
            ((SAME, SAME, OPEN), None, 10_000, "is not shown to pay up to 10,000"),
            ((WIN, WIN, LOSS), None, 10_000, "does not pay up to 10,000, but at 1,000, 3,000"),
        ],
    )
    def test_it_is_the_size_from_which_on_each_is_a_win(
        self, verdicts: tuple[Verdict, ...], size: int | None, after: int | None, text: str
    ) -> None:
        found = payoff("offset", SIZES[:3], compared(*verdicts))

        assert (found.naive, found.size, found.after, found.text) == ("offset", size, after, text)

    @pytest.mark.parametrize("missing", [None, REFUSED])
    def test_a_size_that_was_not_compared_is_no_win(self, missing: Verdict | None) -> None:
        found = payoff("offset", SIZES[:3], compared(WIN, missing, WIN))

        assert (found.size, found.after) == (10_000, 3_000)
        assert found.text == "pays from 10,000 rows on; 3,000 was not compared"

    def test_a_comparison_without_a_ratio_is_none(self) -> None:
        without = Comparison("keyset", "offset", Verdict.INCONCLUSIVE)

        found = payoff("offset", SIZES[:2], [without, *compared(WIN)])

        assert found.text == "pays from 3,000 rows on; 1,000 was not compared"

    def test_sizes_beyond_the_last_that_was_compared_are_named(self) -> None:
        one = payoff("offset", SIZES[:3], compared(SAME, WIN, REFUSED))
        two = payoff("offset", SIZES[:3], compared(WIN, None, REFUSED))
        lost = payoff("offset", SIZES[:3], compared(SAME, SAME, None))

        assert one.text == "pays from 3,000 rows on; at 1,000 equivalent; 10,000 was not compared"
        assert two.text == (
            "pays from the smallest size on (≤ 1,000 rows); 3,000, 10,000 were not compared"
        )
        assert (one.size, two.size, lost.size, lost.after) == (3_000, 1_000, None, 3_000)
        assert lost.text == "does not pay up to 3,000; 10,000 was not compared"

    def test_without_any_comparison_it_is_not_known(self) -> None:
        for nothing in (compared(), compared(None, REFUSED)):
            found = payoff("offset", SIZES[: len(nothing)], nothing)

            assert (found.size, found.after, found.text) == (None, None, "no size was compared")


def test_a_step_at_the_largest_size_has_no_exponent():
    found = growth_of(
        "w", "blocks", (1_000, 10_000, 100_000), [[4.0] * 10, [4.0] * 10, [14.0] * 10]
    )

    assert found is not None
    assert found.factor.estimate == pytest.approx(3.5)
    assert (found.exponent, found.floor, found.slope) == (None, None, None)
