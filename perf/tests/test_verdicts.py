from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.engine.results import Interval, Verdict
from perf.engine.statistics import ratio_of
from perf.engine.verdicts import noise_floor, resolves, verdict

ratios = st.floats(min_value=0.01, max_value=100)


def judged(
    low: float, high: float, *, floor: float = 1.02, margin: float = 0.1, agrees: bool = True
) -> tuple[Verdict, str]:
    ratio = Interval(math.sqrt(low * high), low, high)
    return verdict(ratio, noise_floor=floor, margin=margin, agrees=agrees)


class TestVerdict:
    def test_an_interval_above_the_noise_is_a_win_by_its_lower_bound(self) -> None:
        assert judged(7.2, 8.6) == (
            Verdict.EFFICIENT,
            "the efficient way is at least 7.2 times as fast",
        )

    def test_an_interval_below_the_noise_is_a_win_of_the_naive_way(self) -> None:
        assert judged(0.25, 0.5) == (Verdict.NAIVE, "the naive way is at least 2 times as fast")

    def test_a_bound_on_the_noise_floor_is_not_beyond_it(self) -> None:
        assert judged(1.5, 9.0, floor=1.5)[0] is not Verdict.EFFICIENT
        assert judged(0.1, 0.5, floor=2.0)[0] is not Verdict.NAIVE

    def test_an_interval_inside_of_the_margin_is_equivalent(self) -> None:
        assert judged(0.95, 1.05) == (
            Verdict.EQUIVALENT,
            "the whole interval is within the margin of 10%",
        )

    def test_the_margin_is_as_wide_to_both_sides(self) -> None:
        assert judged(0.91, 1.09)[0] is Verdict.EQUIVALENT
        assert judged(0.905, 1.0)[0] is Verdict.INCONCLUSIVE
        assert judged(1.0, 1.11)[0] is Verdict.INCONCLUSIVE

    def test_a_sure_win_within_the_margin_is_a_win_that_is_called_small(self) -> None:
        assert judged(1.03, 1.06) == (
            Verdict.EFFICIENT,
            "the efficient way is at least 1.03 times as fast, and at most 1.06: "
            "less than the margin of 10%",
        )
        assert judged(1 / 1.06, 1 / 1.03)[1] == (
            "the naive way is at least 1.03 times as fast, and at most 1.06: "
            "less than the margin of 10%"
        )

    def test_a_win_that_may_be_larger_than_the_margin_is_not_called_small(self) -> None:
        assert judged(1.03, 1.3)[1] == "the efficient way is at least 1.03 times as fast"

    def test_a_wide_interval_is_too_noisy(self) -> None:
        assert judged(0.8, 1.3) == (
            Verdict.TOO_NOISY,
            "0.8 to 1.3 is wider than the margin of 10% to each side",
        )

    def test_an_interval_with_both_a_difference_and_none_is_inconclusive(self) -> None:
        assert judged(0.98, 1.15) == (
            Verdict.INCONCLUSIVE,
            "0.98 to 1.15 has room for a difference and for none",
        )

    def test_an_interval_that_reaches_into_the_noise_is_inconclusive(self) -> None:
        assert judged(1.01, 1.15) == (
            Verdict.INCONCLUSIVE,
            "1.01 to 1.15 reaches into this run's noise, up to 1.02",
        )

    def test_a_bootstrap_that_disagrees_leaves_it_open(self) -> None:
        assert judged(0.8, 1.3, agrees=False) == (
            Verdict.INCONCLUSIVE,
            "a bootstrap gives other bounds than 0.8 to 1.3",
        )

    def test_a_clear_win_stands_but_says_that_the_bootstrap_disagrees(self) -> None:
        assert judged(7.2, 8.6, agrees=False) == (
            Verdict.EFFICIENT,
            "the efficient way is at least 7.2 times as fast; a bootstrap gives other bounds",
        )
        assert judged(0.95, 1.05, agrees=False)[0] is Verdict.EQUIVALENT

    def test_without_an_interval_nothing_is_said(self) -> None:
        assert verdict(None, noise_floor=1.0, margin=0.1) == (
            Verdict.INCONCLUSIVE,
            "too few rounds for an interval",
        )

    @pytest.mark.parametrize(("floor", "margin"), [(0.9, 0.1), (1.0, 0.0)])
    def test_bounds_that_make_no_sense_are_refused(self, floor: float, margin: float) -> None:
        with pytest.raises(ValueError, match="must be 1 or more"):
            judged(1.0, 1.0, floor=floor, margin=margin)

    @settings(max_examples=100, deadline=None)
    @given(ratios, ratios, st.floats(min_value=1, max_value=2), st.floats(0.01, 1))
    def test_to_swap_the_ways_swaps_the_winner(
        self, one: float, other: float, floor: float, margin: float
    ) -> None:
        low, high = sorted((one, other))
        swap = {Verdict.EFFICIENT: Verdict.NAIVE, Verdict.NAIVE: Verdict.EFFICIENT}

        found = judged(low, high, floor=floor, margin=margin)[0]

        swapped = judged(1 / high, 1 / low, floor=floor, margin=margin)[0]
        # A bound that lies on a limit may fall to its other side by rounding.
        limits = (floor, 1 / floor, 1 + margin, 1 / (1 + margin))
        on_limit = any(math.isclose(bound, each) for bound in (low, high) for each in limits)
        assert on_limit or swapped is swap.get(found, found)


class TestNoiseFloor:
    def test_it_is_the_end_that_is_farther_from_one(self) -> None:
        assert noise_floor(Interval(1.0, 0.98, 1.04)) == 1.04
        assert noise_floor(Interval(1.0, 0.8, 1.04)) == 1.25

    def test_it_covers_a_bias(self) -> None:
        assert noise_floor(Interval(1.05, 1.03, 1.07)) == 1.07
        assert noise_floor(Interval(0.5, 0.5, 0.5)) == 2.0

    def test_without_noise_it_is_one(self) -> None:
        assert noise_floor(Interval(1.0, 1.0, 1.0)) == 1.0


def noisy(chance: random.Random, ratio: float, executions: int = 10) -> list[list[list[float]]]:
    """The naive way and the efficient one: 3 rounds with 8 % noise, executions with 4 %."""
    naive, efficient = [], []
    for _ in range(executions):
        here = ratio * chance.lognormvariate(0, 0.04)
        naive.append([1e6 * here * chance.lognormvariate(0, 0.08) for _ in range(3)])
        efficient.append([1e6 * chance.lognormvariate(0, 0.08) for _ in range(3)])
    return [naive, efficient]


def measured(chance: random.Random, ratio: float, executions: int = 10) -> Interval:
    naive, efficient = noisy(chance, ratio, executions)
    found = ratio_of(naive, efficient, seed=1).ratio
    assert found is not None
    return found


class TestResolves:
    def test_with_endless_executions_it_is_blooms(self) -> None:
        """(1.960 + 0.842) / 1.960 = 1.429 half-widths, and the floor."""
        same = Interval(1.0, 1 / 1.1, 1.1)

        found = resolves(same, 100_000)

        assert math.log(found) == pytest.approx(math.log(1.1) * (1 + 1.4294), rel=1e-3)
        assert resolves(same, 1) == pytest.approx(found, rel=1e-3)

    def test_few_executions_resolve_less(self) -> None:
        same = Interval(1.0, 1 / 1.1, 1.1)

        found = [resolves(same, executions) for executions in (2, 5, 10, 100)]

        assert found == sorted(found, reverse=True)

    def test_more_power_takes_more(self) -> None:
        same = Interval(1.0, 0.9, 1.1)

        assert resolves(same, 10, power=0.9) > resolves(same, 10, power=0.8)

    def test_without_noise_all_is_resolved(self) -> None:
        assert resolves(Interval(1.0, 1.0, 1.0), 10) == 1.0

    @settings(max_examples=50, deadline=None)
    @given(st.floats(0.5, 1.0), st.floats(1.0, 2.0), st.integers(1, 30))
    def test_it_is_no_less_than_the_floor(self, low: float, high: float, executions: int) -> None:
        same = Interval(1.0, low, high)

        assert resolves(same, executions) >= noise_floor(same) >= 1

    def test_nearly_four_of_five_runs_find_what_it_says(self) -> None:
        """By the plain formula it would be two of three, with five executions."""
        chance, executions = random.Random(1), 5

        found = 0
        for _ in range(800):
            same = measured(chance, 1.0, executions)
            ratio = measured(chance, resolves(same, executions), executions)
            said, _ = verdict(ratio, noise_floor=noise_floor(same), margin=0.1)
            found += said is Verdict.EFFICIENT

        assert 0.75 <= found / 800 <= 0.82


class TestEqualWays:
    @pytest.mark.parametrize("seed", range(3))
    def test_of_a_hundred_hardly_one_is_called_different(self, seed: int) -> None:
        chance = random.Random(seed)
        floor = noise_floor(measured(chance, 1.0))

        said = [
            verdict(measured(chance, 1.0), noise_floor=floor, margin=0.1)[0] for _ in range(100)
        ]

        wrong = said.count(Verdict.EFFICIENT) + said.count(Verdict.NAIVE)
        assert wrong <= 1
        assert said.count(Verdict.EQUIVALENT) > 30

    def test_even_without_a_floor_no_more_than_one_in_twenty(self) -> None:
        chance = random.Random(5)

        said = [verdict(measured(chance, 1.0), noise_floor=1, margin=0.1)[0] for _ in range(300)]

        wrong = said.count(Verdict.EFFICIENT) + said.count(Verdict.NAIVE)
        assert wrong <= 300 * 0.08  # nominally 5 %, and the chance of 300
