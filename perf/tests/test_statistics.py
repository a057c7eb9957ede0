from __future__ import annotations

import math
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from perf.engine.results import Interval
from perf.engine.statistics import (
    RatioEstimate,
    bca_interval,
    hodges_lehmann,
    percentile,
    ratio_of,
    signed_rank_interval,
    student_interval,
    student_quantile,
    summary,
)

# Hamilton's depression scale before and after a tranquilliser: Hollander & Wolfe, Nonparametric
# Statistical Methods, table 3.1; also in the examples of R's `wilcox.test`.
BEFORE = (1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30)
AFTER = (0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29)
CHANGE = [after - before for before, after in zip(BEFORE, AFTER, strict=True)]

times = st.floats(min_value=1e3, max_value=1e9)
factors = st.floats(min_value=1e-2, max_value=1e2)
quickly = settings(max_examples=50, deadline=None)


def bounds(found: Interval) -> tuple[float, float, float]:
    return found.estimate, found.low, found.high


class TestSummary:
    def test_it_has_the_plain_figures(self) -> None:
        found = summary([4.0, 1.0, 7.0])

        assert (found.n, found.mean_ns, found.median_ns) == (3, 4.0, 4.0)
        assert (found.stdev_ns, found.min_ns, found.max_ns) == (3.0, 1.0, 7.0)

    def test_one_sample_has_no_spread(self) -> None:
        found = summary([5])

        assert (found.mean_ns, found.stdev_ns, found.p95_ns) == (5.0, None, None)

    def test_no_sample_has_no_figures(self) -> None:
        with pytest.raises(ValueError, match="nothing to sum up"):
            summary([])

    @quickly
    @given(st.lists(times, min_size=20, max_size=40), st.randoms(use_true_random=False), factors)
    def test_order_is_nothing_and_scale_passes_through(
        self, values: list[float], chance: random.Random, factor: float
    ) -> None:
        mixed = [factor * value for value in chance.sample(values, len(values))]

        before, after = summary(values), summary(mixed)

        assert before.stdev_ns is not None
        assert before.p95_ns is not None
        assert after.median_ns == pytest.approx(factor * before.median_ns)
        assert after.p95_ns == pytest.approx(factor * before.p95_ns)
        assert after.stdev_ns == pytest.approx(factor * before.stdev_ns, rel=1e-6, abs=1e-3)


class TestPercentile:
    def test_the_95th_of_twenty_is_the_19th(self) -> None:
        assert percentile(range(20, 0, -1), 0.95) == 19

    def test_with_too_few_values_the_tail_is_unknown(self) -> None:
        assert percentile(range(19), 0.95) is None
        assert percentile(range(99), 0.99) is None
        assert percentile(range(9), 0.9) is None

    @pytest.mark.parametrize(("q", "n"), [(0.5, 2), (0.9, 10), (0.95, 20), (0.99, 100)])
    def test_just_enough_values_give_the_last_but_one(self, q: float, n: int) -> None:
        expected = n - 1 if q > 0.5 else 1

        assert percentile(range(1, n + 1), q) == expected

    def test_a_rank_is_not_missed_by_rounding(self) -> None:
        assert 0.55 * 100 > 55

        assert percentile(range(1, 101), 0.55) == 55

    @pytest.mark.parametrize("q", [0.0, 1.0, 95.0])
    def test_a_share_is_between_nothing_and_all(self, q: float) -> None:
        with pytest.raises(ValueError, match=r"between 0 and 1"):
            percentile([1.0], q)

    @quickly
    @given(st.lists(times, min_size=100, max_size=150), st.sampled_from([0.1, 0.5, 0.9, 0.99]))
    def test_it_is_numpys_inverse_of_the_distribution(self, values: list[float], q: float) -> None:
        assert percentile(values, q) == np.percentile(values, 100 * q, method="inverted_cdf")


class TestStudent:
    @pytest.mark.parametrize(
        ("p", "df", "table"), [(0.975, 1, 12.706), (0.975, 9, 2.262), (0.95, 30, 1.697)]
    )
    def test_quantiles_are_those_of_the_table(self, p: float, df: int, table: float) -> None:
        assert student_quantile(p, df) == pytest.approx(table, abs=5e-4)

    @pytest.mark.parametrize("df", [1, 2, 3, 4.5, 9, 19, 30, 100, 1_000])
    def test_quantiles_are_scipys(self, df: float) -> None:
        shares = [1e-6, 0.01, 0.2, 0.4999, 0.51, 0.6, 0.75, 0.9, 0.975, 0.9999]

        found = [student_quantile(p, df) for p in shares]

        assert found == pytest.approx(stats.t.ppf(shares, df), rel=1e-9, abs=1e-9)

    def test_half_of_it_is_below_zero(self) -> None:
        assert student_quantile(0.5, 7) == 0

    @pytest.mark.parametrize(("p", "df"), [(0.0, 5), (1.0, 5), (0.5, 0)])
    def test_what_has_no_quantile_is_refused(self, p: float, df: float) -> None:
        with pytest.raises(ValueError, match="must be"):
            student_quantile(p, df)

    def test_the_interval_of_1_2_3_is_known_by_hand(self) -> None:
        half = 4.302653 / math.sqrt(3)  # of 2 degrees of freedom; their deviation is 1

        assert bounds(student_interval([1, 2, 3])) == pytest.approx((2, 2 - half, 2 + half))

    def test_the_interval_is_scipys(self) -> None:
        found = student_interval(CHANGE, 0.9)

        expected = stats.ttest_1samp(CHANGE, 0).confidence_interval(0.9)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))

    def test_equal_values_give_a_point(self) -> None:
        assert student_interval([0.1] * 3) == Interval(0.1, 0.1, 0.1)

    def test_one_value_has_no_interval(self) -> None:
        with pytest.raises(ValueError, match="two values"):
            student_interval([1.0])

    @quickly
    @given(st.lists(times, min_size=2, max_size=12), st.randoms(use_true_random=False), factors)
    def test_order_is_nothing_and_scale_passes_through(
        self, values: list[float], chance: random.Random, factor: float
    ) -> None:
        mixed = [factor * value for value in chance.sample(values, len(values))]

        expected = [factor * each for each in bounds(student_interval(values))]

        # To a part of the largest, as a bound near 0 is a difference of large numbers.
        near = 1e-9 * factor * max(values)
        assert bounds(student_interval(mixed)) == pytest.approx(expected, rel=1e-6, abs=near)


class TestRanks:
    def test_the_published_example_comes_out(self) -> None:
        """Hollander & Wolfe, examples 3.3 and 3.4: an interval of 96.1 %."""
        found = signed_rank_interval(CHANGE, 0.95)

        assert found is not None
        assert bounds(found) == pytest.approx((-0.46, -0.786, -0.010))
        assert hodges_lehmann(CHANGE) == pytest.approx(-0.46)

    def test_an_outlier_moves_little(self) -> None:
        assert hodges_lehmann([1, 2, 3, 4, 5]) == 3
        assert hodges_lehmann([1, 2, 3, 4, 5_000]) == 3

    def test_one_value_is_its_own_middle(self) -> None:
        assert hodges_lehmann([7.0]) == 7

    def test_six_values_are_the_fewest_for_95_percent(self) -> None:
        assert signed_rank_interval([1, 2, 3, 4, 5], 0.95) is None
        assert signed_rank_interval([1, 2, 3, 4, 5, 6], 0.95) == Interval(3.5, 1, 6)

    def test_a_level_that_is_met_exactly_counts(self) -> None:
        assert signed_rank_interval([1, 2, 3, 4, 5], 1 - 2 / 32) == Interval(3, 1, 5)
        assert signed_rank_interval([], 0.95) is None

    @pytest.mark.parametrize("n", [6, 10, 20])
    def test_it_is_what_the_test_of_scipy_does_not_reject(self, n: int) -> None:
        values = random.Random(n).sample(range(10_000), n)
        found = signed_rank_interval(values, 0.95)
        assert found is not None

        for inside, outside in ((found.low + 0.1, -0.1), (found.high - 0.1, 0.1)):
            beyond = (found.low if outside < 0 else found.high) + outside
            assert stats.wilcoxon(np.array(values) - inside, method="exact").pvalue > 0.05
            assert stats.wilcoxon(np.array(values) - beyond, method="exact").pvalue <= 0.05

    @quickly
    @given(st.lists(times, min_size=6, max_size=12), st.randoms(use_true_random=False), factors)
    def test_order_is_nothing_and_scale_passes_through(
        self, values: list[float], chance: random.Random, factor: float
    ) -> None:
        mixed = [factor * value for value in chance.sample(values, len(values))]

        before, after = signed_rank_interval(values), signed_rank_interval(mixed)

        assert before is not None
        assert after is not None
        assert bounds(after) == pytest.approx([factor * each for each in bounds(before)])
        assert before.low <= before.estimate <= before.high


class TestBootstrap:
    @pytest.mark.parametrize("n", [5, 10, 30])
    def test_the_bounds_are_scipys(self, n: int) -> None:
        chance = random.Random(n)
        values = [chance.lognormvariate(0, 0.5) for _ in range(n)]

        found = bca_interval(values, 0.9, seed=7, resamples=3_000)

        expected = stats.bootstrap(
            (values,),
            np.mean,
            confidence_level=0.9,
            n_resamples=3_000,
            method="BCa",
            rng=np.random.default_rng(7),
        ).confidence_interval
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))

    def test_a_long_tail_above_widens_it_above(self) -> None:
        found = bca_interval([1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 9], seed=1)

        assert found.high - found.estimate > 1.5 * (found.estimate - found.low)

    def test_equal_values_give_a_point(self) -> None:
        assert bca_interval([0.1] * 9, seed=1) == Interval(0.1, 0.1, 0.1)

    def test_one_value_has_no_interval(self) -> None:
        with pytest.raises(ValueError, match="two values"):
            bca_interval([1.0], seed=1)

    # Other factors round, and means that are the estimate but for rounding fall to either side.
    @settings(max_examples=15, deadline=None)
    @given(st.lists(times, min_size=3, max_size=12), st.sampled_from([2**-7, 2.0, 1024.0]))
    def test_scale_passes_through(self, values: list[float], factor: float) -> None:
        before = bca_interval(values, seed=3, resamples=200)
        after = bca_interval([factor * value for value in values], seed=3, resamples=200)

        assert bounds(after) == pytest.approx([factor * each for each in bounds(before)])


def simulated(
    chance: random.Random, ratio: float, executions: int, rounds: int, effect: float
) -> tuple[list[list[float]], list[list[float]]]:
    """Rounds with 8 % noise and a slow call in 25, in executions that differ by `effect`."""

    def call(ns: float) -> float:
        slow = chance.expovariate(1) if chance.random() < 0.04 else 0
        return ns * math.exp(chance.gauss(0, 0.08)) * (1 + slow)

    naive, efficient = [], []
    for _ in range(executions):
        here = ratio * math.exp(chance.gauss(0, effect))
        naive.append([call(1e6 * here) for _ in range(rounds)])
        efficient.append([call(1e6) for _ in range(rounds)])
    return naive, efficient


def estimate(ratio: float, executions: int, rounds: int, effect: float, seed: int) -> RatioEstimate:
    return ratio_of(*simulated(random.Random(seed), ratio, executions, rounds, effect), seed=seed)


class TestRatio:
    def test_two_executions_are_known_by_hand(self) -> None:
        found = ratio_of([[20.0], [80.0]], [[10.0], [10.0]], seed=1)

        half = 12.7062 * math.log(2) / 2 * math.sqrt(2) / math.sqrt(2)
        assert found.ratio is not None
        assert found.saved_ns is not None
        assert found.by_execution == pytest.approx((math.log(2), math.log(8)))
        assert found.ratio.estimate == pytest.approx(4)
        assert math.log(found.ratio.high / 4) == pytest.approx(2 * half, rel=1e-4)
        assert found.saved_ns.estimate == pytest.approx(40)
        assert found.method == "Student's t over 2 executions of 1 round"

    def test_only_differences_of_the_same_round_count(self) -> None:
        drift = [1.0, 5.0, 0.2, 9.0, 3.0, 40.0, 7.0]

        found = ratio_of([[3 * ns for ns in drift]], [drift], seed=1)

        assert found.ratio is not None
        assert bounds(found.ratio) == pytest.approx((3, 3, 3))

    def test_one_execution_goes_by_the_signed_rank_on_its_rounds(self) -> None:
        ratios = [2.0, 2.1, 2.2, 2.3, 2.4, 2.5]

        found = ratio_of([ratios], [[1.0] * 6], seed=1)

        assert found.ratio is not None
        assert (found.ratio.low, found.ratio.high) == pytest.approx((2.0, 2.5))
        assert found.method == "signed rank on 6 rounds of one execution: indicative"

    def test_too_few_rounds_give_no_interval(self) -> None:
        found = ratio_of([[2.0] * 5], [[1.0] * 5], seed=1)

        assert (found.ratio, found.saved_ns) == (None, None)
        assert found.advice.startswith("More rounds")

    def test_no_rounds_give_no_interval(self) -> None:
        for executions in range(3):
            found = ratio_of([[]] * executions, [[]] * executions, seed=1)

            assert (found.ratio, found.by_execution) == (None, ())
            assert found.method == "nothing was measured"

    @pytest.mark.parametrize("executions", [1, 2, 10])
    def test_ways_that_are_always_equal_are_known_for_sure(self, executions: int) -> None:
        rounds = [[5.0] * 7] * executions

        found = ratio_of(rounds, rounds, seed=1)

        assert (found.ratio, found.saved_ns) == (Interval(1, 1, 1), Interval(0, 0, 0))
        assert (found.agrees, found.advice) == (True, "")

    def test_an_execution_without_a_round_is_left_out(self) -> None:
        found = ratio_of([[2.0], [], [2.0]], [[1.0], [], [1.0]], seed=1)

        assert len(found.by_execution) == 2

    def test_a_round_without_its_other_half_is_refused(self) -> None:
        with pytest.raises(ValueError, match="shorter"):
            ratio_of([[2.0, 2.0]], [[1.0]], seed=1)
        with pytest.raises(ValueError, match="shorter"):
            ratio_of([[2.0], [2.0]], [[1.0]], seed=1)

    def test_one_execution_far_off_makes_the_bootstrap_disagree(self) -> None:
        even = [[100.0 + number] for number in range(9)]

        calm = ratio_of([*even, [109.0]], [[50.0]] * 10, seed=1)
        torn = ratio_of([*even, [900.0]], [[50.0]] * 10, seed=1)

        assert (calm.agrees, torn.agrees) == (True, False)
        assert calm.method.endswith("checked by a BCa bootstrap")

    def test_few_executions_are_not_checked(self) -> None:
        even = [[100.0 + number] for number in range(6)]

        found = ratio_of([*even, [900.0]], [[50.0]] * 7, seed=1)

        assert found.agrees
        assert found.method == "Student's t over 7 executions of 1 round"

    def test_more_rounds_are_advised_where_rounds_differ_most(self) -> None:
        found = estimate(1.3, executions=20, rounds=4, effect=0.0, seed=1)

        assert found.advice.startswith("More rounds: ")

    def test_more_executions_are_advised_where_executions_differ_most(self) -> None:
        found = estimate(1.3, executions=20, rounds=4, effect=0.5, seed=1)

        assert found.advice.startswith("More executions: 9")

    def test_the_shares_of_the_two_levels_are_known_by_hand(self) -> None:
        """Medians 1 and 5 have variance 8; the mean of 0 and 2 has variance 1."""
        naive = [[math.exp(0), math.exp(2)], [math.exp(4), math.exp(6)]]

        found = ratio_of(naive, [[1.0, 1.0]] * 2, seed=1)

        assert found.advice == (
            "More executions: 88% of the variance comes from what they differ by."
        )

    def test_with_one_execution_or_one_round_more_executions_are_advised(self) -> None:
        for executions, rounds in ((1, 10), (10, 1)):
            found = estimate(1.3, executions, rounds, effect=0.05, seed=1)

            assert found.advice.startswith("More executions")

    @quickly
    @given(
        st.lists(st.lists(st.tuples(times, times), min_size=1, max_size=4), min_size=2, max_size=4),
        factors,
    )
    def test_scale_is_nothing_and_to_swap_is_to_invert(
        self, executions: list[list[tuple[float, float]]], factor: float
    ) -> None:
        naive = [[pair[0] for pair in rounds] for rounds in executions]
        efficient = [[pair[1] for pair in rounds] for rounds in executions]
        scaled = [[[factor * ns for ns in each] for each in way] for way in (naive, efficient)]

        found = ratio_of(naive, efficient, seed=1).by_execution

        assert ratio_of(scaled[0], scaled[1], seed=1).by_execution == pytest.approx(found, abs=1e-9)
        swapped = ratio_of(efficient, naive, seed=1).by_execution
        assert swapped == pytest.approx([-each for each in found], abs=1e-9)

    @pytest.mark.parametrize(("executions", "rounds", "effect"), [(10, 3, 0.04), (1, 10, 0.0)])
    def test_the_truth_is_inside_as_often_as_is_promised(
        self, executions: int, rounds: int, effect: float
    ) -> None:
        found = [estimate(1.3, executions, rounds, effect, seed).ratio for seed in range(300)]

        covered = sum(each is not None and each.low <= 1.3 <= each.high for each in found) / 300
        assert 0.91 <= covered <= 0.98

    def test_what_is_saved_is_inside_as_often_as_is_promised(self) -> None:
        saved = 0.3e6 + 1.3e6 * (math.exp(0.04**2 / 2) - 1)  # the mean of a log-normal effect
        found = [estimate(1.3, 10, 3, 0.04, seed).saved_ns for seed in range(300)]

        covered = sum(each is not None and each.low <= saved <= each.high for each in found) / 300
        assert 0.91 <= covered <= 0.98

    def test_the_bootstrap_rarely_disagrees_for_no_reason(self) -> None:
        found = [estimate(1.3, 10, 3, 0.04, seed).agrees for seed in range(300)]

        assert found.count(False) <= 6


def test_the_statistics_load_without_numpy() -> None:
    modules = ("statistics", "verdicts", "growth", "timing")
    imports = "; ".join(f"import perf.engine.{each}" for each in modules)
    code = f"import sys; sys.modules['numpy'] = None; {imports}"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
