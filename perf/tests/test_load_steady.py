from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from perf.load.figures import seconds, total_result
from perf.load.recording import Recording
from perf.load.results import Failure, LoadMethod, Model, Stage
from perf.load.steady import drift, little, overload, parts, theil_sen
from perf.tests.recordings import add, levels, method, served

CLOSED = method(60, rate=8, model=Model.CLOSED)


def overloaded(recording: Recording, how: LoadMethod | None = None) -> str:
    return overload(how or method(), seconds(recording), total_result(recording))


def drifting(recording: Recording, how: LoadMethod | None = None) -> str:
    return drift(how or method(), seconds(recording))


class TestTheilSen:
    @pytest.mark.parametrize("n", [20, 61, 300])
    def test_it_is_scipys(self, n: int) -> None:
        values = np.random.default_rng(n).normal(0, 5, n) + 0.3 * np.arange(n)

        found = theil_sen(list(values), 0.9)

        expected = stats.theilslopes(values, alpha=0.9)
        assert (found.estimate, found.low, found.high) == pytest.approx(
            (expected.slope, expected.low_slope, expected.high_slope)
        )

    def test_a_long_run_is_looked_at_in_groups(self) -> None:
        values = [7.0 + 0.25 * at for at in range(3_000)]

        found = theil_sen(values)

        assert (found.estimate, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))

    def test_a_freeze_does_not_move_it(self) -> None:
        values = [20.0] * 58 + [1_000.0] * 2

        assert theil_sen(values).estimate == 0


class TestDrift:
    def noisy(self, trend: float, carried: float, seed: int) -> Recording:
        rng = np.random.default_rng(seed)
        course = levels(60, carried, 0.15, rng)
        return served(
            60,
            lambda at: np.exp(3 + course[at] + trend * at / 59 + rng.normal(0, 0.3, 20)),
        )

    def test_what_stays_the_same_is_steady(self) -> None:
        assert drifting(served()) == ""

    def test_noise_is_rarely_taken_for_drift(self) -> None:
        told = [bool(drifting(self.noisy(0.0, 0.6, seed))) for seed in range(40)]

        assert sum(told) <= 3

    def test_a_change_that_may_be_chance_is_none(self) -> None:
        rng = np.random.default_rng(12)  # the last quarter is 12.8 ms above the first

        assert drifting(served(60, lambda at: [float(rng.lognormal(3, 0.8))] * 20)) == ""

    def test_a_rise_by_three_quarters_is_mostly_found(self) -> None:
        told = [drifting(self.noisy(math.log(1.75), 0.3, seed)) for seed in range(20)]

        assert sum(each.startswith("Not steady: p50 rose by ") for each in told) >= 17

    def test_a_fall_says_that_the_warm_up_was_too_short(self) -> None:
        recording = served(60, lambda at: [20.0 + 30 * math.exp(-at / 30)] * 20)

        assert drifting(recording).endswith("under the same load: the warm-up may be too short.")

    def test_a_small_rise_is_none(self) -> None:
        assert drifting(served(60, lambda at: [20.0 + at / 20] * 20)) == ""
        assert drifting(served(60, lambda at: [0.5 + at / 100] * 20)) == ""  # less than 1 ms

    def test_a_ramp_may_rise(self) -> None:
        ramp = method(stages=(Stage(60, 10, 100),))

        assert drifting(served(60, lambda at: [20.0 + at] * 20), ramp) == ""

    def test_steps_may_differ_as_long_as_each_is_steady(self) -> None:
        two = method(stages=(Stage(30, 10, 10), Stage(30, 50, 50)))
        rng = np.random.default_rng(6)
        recording = served(60, lambda at: rng.normal(20 if at < 30 else 60, 2, 20))

        assert drifting(recording, two) == ""
        assert drifting(recording).startswith("Not steady: p50 rose by 40")

    def test_a_short_run_is_not_judged(self) -> None:
        assert drifting(served(19, lambda at: [20.0 + 10 * at] * 20), method(19)) == ""


class TestOverload:
    def test_more_and_more_in_flight_is_one(self) -> None:
        recording = served(60, in_flight=lambda at: 5 + 4 * at)

        assert overloaded(recording) == (
            "Overload: at 50/s 236 more requests were in flight at the end than at the begin."
        )

    def test_a_busy_service_that_keeps_up_is_none(self) -> None:
        rng = np.random.default_rng(3)

        assert overloaded(served(60, in_flight=lambda at: int(rng.poisson(20)))) == ""

    def test_a_rise_that_may_be_chance_is_none(self) -> None:
        rng = np.random.default_rng(11)  # of these 60, 99 more at the end by their trend

        assert overloaded(served(60, in_flight=lambda at: int(rng.integers(0, 400)))) == ""

    def test_a_freeze_is_none(self) -> None:
        recording = served(60, in_flight=lambda at: 50 if 30 <= at < 33 else 2)

        assert overloaded(recording) == ""

    def test_a_few_more_in_flight_are_none(self) -> None:
        assert overloaded(served(60, in_flight=lambda at: 1 + at // 10)) == ""

    @pytest.mark.parametrize("kind", [Failure.DROPPED, Failure.TIMEOUT])
    def test_requests_that_get_no_answer_are_one(self, kind: Failure) -> None:
        recording = served(60, failures=lambda at: {kind: 5})

        assert overloaded(recording) == (
            "Overload: 10% of the requests were never sent, or timed out."
        )

    def test_other_failures_are_none(self) -> None:
        assert overloaded(served(60, failures=lambda at: {Failure.STATUS: 25})) == ""

    def test_users_of_a_closed_model_wait(self) -> None:
        recording = served(60, in_flight=lambda at: 5 + 4 * at)

        assert overloaded(recording, CLOSED) == ""


class TestLittle:
    def told(self, recording: Recording) -> str:
        return little(seconds(recording), total_result(recording))

    def test_it_holds_where_all_is_counted(self) -> None:
        """50 a second that stay for 100 ms: 5 are there at a time."""
        rng = np.random.default_rng(4)

        recording = served(60, lambda at: [100.5] * 50, in_flight=lambda at: int(rng.poisson(5)))

        assert self.told(recording) == ""

    def test_calls_that_are_not_counted_break_it(self) -> None:
        recording = served(60, lambda at: [100.5] * 50, in_flight=lambda at: 8)

        assert self.told(recording) == (
            "Little's law does not hold: 8 requests were in flight, but rate times service time "
            "is 5."
        )

    def test_with_less_than_one_in_flight_nothing_is_told(self) -> None:
        assert self.told(served(60, lambda at: [500.0] * 50, in_flight=lambda at: 0)) == ""


class TestParts:
    def test_they_are_the_measured_stages_with_one_level_and_20_seconds(self) -> None:
        stages = (Stage(30, 0, 50), Stage(40, 50, 50), Stage(10, 80, 80), Stage(25.5, 20, 20))
        recording = served(110)
        add(recording, -5, [1.0])

        found = list(parts(method(stages=stages), seconds(recording)))

        assert [(each.level, each.seconds[0].at, each.seconds[-1].at) for each in found] == [
            (50, 30, 69),
            (20, 80, 104),
        ]
