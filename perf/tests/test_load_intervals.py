from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from perf.load.figures import times
from perf.load.intervals import LEAST_SECONDS, inflation, mean_interval, share_interval
from perf.tests.recordings import histogram, levels

BETWEEN, WITHIN = 0.3, 0.5  # spread of the logarithms of seconds, and of calls in a second
ALTERNATING = np.array([0, 1] * 1_000)  # no second carries anything of the last one on


def covered(q: float, seconds: int, carried: float, *, trials: int = 150) -> float:
    """The share of runs whose interval of a percentile has the true one in it."""
    rng = np.random.default_rng([seconds, round(100 * carried), round(100 * q)])
    truth = math.exp(3 + stats.norm.ppf(q) * math.hypot(BETWEEN, WITHIN))
    hits = 0
    for _ in range(trials):
        found = [
            [histogram(np.exp(3 + level + rng.normal(0, WITHIN, rng.poisson(40))))]
            for level in levels(seconds, carried, BETWEEN, rng)
        ]
        quantile = times(found, quantiles=[q]).quantiles[0]
        assert quantile.low_ms is not None
        assert quantile.high_ms is not None
        hits += quantile.low_ms <= truth <= quantile.high_ms
    return hits / trials


class TestCoverage:
    @pytest.mark.parametrize("q", [0.5, 0.99])
    def test_of_seconds_that_are_alike_95_of_100_intervals_hold_the_truth(self, q: float) -> None:
        assert covered(q, 60, 0.0) >= 0.92

    @pytest.mark.parametrize(("q", "least"), [(0.5, 0.9), (0.99, 0.86)])
    def test_seconds_that_carry_half_of_the_last_one_on_cost_little(
        self, q: float, least: float
    ) -> None:
        """A bootstrap over seconds held the truth in 77 of 100."""
        assert covered(q, 60, 0.5) >= least

    def test_they_hold_it_with_more_seconds(self) -> None:
        assert covered(0.5, 240, 0.5, trials=80) >= 0.92

    def test_they_are_not_wider_than_they_must_be(self) -> None:
        """Of independent calls the interval of the median is known: 1.96 · √(π/2) · σ / √n."""
        rng = np.random.default_rng(3)
        found = [[histogram(np.exp(rng.normal(3, WITHIN, 40)))] for _ in range(100)]

        median = times(found, quantiles=[0.5]).quantiles[0]

        assert median.low_ms is not None
        assert median.high_ms is not None
        known = 1.96 * math.sqrt(math.pi / 2) * WITHIN / math.sqrt(4_000)
        assert math.log(median.high_ms / median.low_ms) / 2 == pytest.approx(known, rel=0.25)


class TestShares:
    def test_of_independent_calls_it_is_wilsons(self) -> None:
        found = share_interval(ALTERNATING, np.ones_like(ALTERNATING))

        expected = stats.binomtest(1_000, 2_000).proportion_ci(method="wilson")
        assert found is not None
        assert found.estimate == 0.5
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-3)

    def test_none_of_some_is_not_sure_to_be_none(self) -> None:
        found = share_interval(np.zeros(1_000, int), np.ones(1_000, int))

        expected = stats.binomtest(0, 1_000).proportion_ci(method="wilson")
        assert found is not None
        assert (found.estimate, found.low) == (0, 0)
        assert found.high == pytest.approx(expected.high, rel=5e-3)

    def test_all_of_some_are_not_sure_to_be_all(self) -> None:
        for n in range(100, 200):
            found = share_interval(np.ones(n, int), np.ones(n, int))

            assert found is not None
            assert (found.estimate, found.high) == (1, 1)
            assert 0.95 < found.low < 0.99

    def test_failures_that_come_together_tell_less_than_as_many_alone(self) -> None:
        calls = np.full(60, 100)
        alone, together = np.ones(60, int), np.zeros(60, int)
        together[30] = 60

        one, other = share_interval(alone, calls), share_interval(together, calls)

        assert one is not None
        assert other is not None
        assert one.estimate == other.estimate == 0.01
        assert other.high > 2 * one.high

    def test_a_run_that_drifts_is_unsure_but_says_something_still(self) -> None:
        """Of the 20 seconds of a trend hardly one is independent of the last."""
        slow = np.array([40 - at for at in range(20)])

        found = share_interval(slow, np.full(20, 50))

        assert found is not None
        assert found.estimate == pytest.approx(0.61)
        assert 0.25 < found.low < 0.5
        assert 0.7 < found.high < 0.9

    def test_without_a_call_there_is_no_share(self) -> None:
        assert share_interval(np.zeros(20, int), np.zeros(20, int)) is None

    def test_few_seconds_have_no_interval(self) -> None:
        for seconds, is_known in ((LEAST_SECONDS - 1, False), (LEAST_SECONDS, True)):
            ones = np.ones(seconds, int)

            assert (share_interval(ones, 2 * ones) is not None) is is_known
            assert (mean_interval(1.0 * ones) is not None) is is_known


class TestMeans:
    def test_of_independent_seconds_it_is_students(self) -> None:
        values = 5.0 + ALTERNATING[:30]

        found = mean_interval(values, 0.9)

        expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
        assert found is not None
        assert found.estimate == statistics.fmean(values)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))

    def test_equal_seconds_give_a_point(self) -> None:
        found = mean_interval(np.full(20, 50.0))

        assert found is not None
        assert (found.low, found.high) == (50, 50)


class TestInflation:
    def test_it_is_that_of_what_seconds_carry_on(self) -> None:
        rng = np.random.default_rng(1)

        for carried, expected in ((0.0, 1.0), (0.5, 3.0), (0.8, 9.0)):
            values = levels(20_000, carried, 1.0, rng)

            assert inflation(values - values.mean()) == pytest.approx(expected, rel=0.1)

    def test_a_short_run_finds_no_smaller_share_on_average(self) -> None:
        rng = np.random.default_rng(2)
        shares = []
        for _ in range(400):
            values = levels(30, 0.5, 1.0, rng)
            found = inflation(values - values.mean())
            shares.append((found - 1) / (found + 1))

        assert statistics.fmean(shares) == pytest.approx(0.5, abs=0.03)

    def test_seconds_that_take_turns_do_not_make_it_smaller(self) -> None:
        assert inflation(ALTERNATING - 0.5) == 1

    def test_seconds_that_are_all_the_same_tell_nothing_of_it(self) -> None:
        assert inflation(np.zeros(20)) == 1
