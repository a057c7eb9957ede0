"""When sessions begin, and when users are there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from perf.load.results import Arrivals, Stage
from perf.load.schedule import arrivals_s, measured_s, most_users, spans_s
from perf.tests.load_service import method

SURE = 1e-3  # what is drawn from a seed passes always, or never


def poisson(*stages: Stage, seed: int, warmup_s: float = 0.0) -> np.ndarray:
    return arrivals_s(
        method(stages=stages, arrivals=Arrivals.POISSON, seed=seed, warmup_s=warmup_s)
    )


def test_constant_arrivals_are_evenly_spread_from_the_begin_on():
    due = arrivals_s(method(stages=(Stage(2, 4, 4),)))

    assert due.tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]


def test_the_warm_up_goes_in_front_at_the_level_of_the_first_stage():
    due = arrivals_s(method(stages=(Stage(1, 10, 10),), warmup_s=0.3))

    assert due[:4].tolist() == [-0.3, -0.2, -0.1, 0]
    assert len(due) == 13
    assert measured_s(method(stages=(Stage(1, 10, 10),), warmup_s=0.3)) == 1


def test_a_warm_up_before_a_climb_from_nothing_has_the_level_that_it_reaches():
    due = arrivals_s(method(stages=(Stage(10, 0, 10),), warmup_s=2))

    assert (due < 0).sum() == 20
    assert (due >= 0).sum() == 50


def test_a_climb_has_as_many_arrivals_as_its_area_and_ever_less_time_between():
    due = arrivals_s(method(stages=(Stage(10, 0, 20), Stage(10, 20, 20), Stage(10, 20, 0))))

    assert [((due >= at) & (due < at + 10)).sum() for at in (0, 10, 20)] == [100, 200, 100]
    gaps = np.diff(due[:100])
    assert (np.diff(gaps) < 1e-6).all()
    assert due[25] == pytest.approx(5)  # a quarter of the area lies before the middle


def test_a_stage_without_arrivals_is_a_pause():
    due = arrivals_s(method(stages=(Stage(1, 5, 5), Stage(10, 0, 0), Stage(1, 5, 5))))

    assert len(due) == 10
    assert not ((due > 1) & (due < 11)).any()


def test_times_between_poisson_arrivals_are_exponential():
    gaps = np.diff(poisson(Stage(200, 50, 50), seed=1))

    assert len(gaps) == pytest.approx(10_000, abs=4 * 100)
    assert stats.kstest(gaps, "expon", args=(0, 1 / 50)).pvalue > SURE
    even = np.diff(arrivals_s(method(stages=(Stage(200, 50, 50),))))
    assert stats.kstest(even, "expon", args=(0, 1 / 50)).pvalue < SURE


def test_over_many_seeds_the_test_finds_no_more_than_chance_would():
    p = [
        stats.kstest(np.diff(poisson(Stage(10, 30, 30), seed=seed)), "expon", (0, 1 / 30)).pvalue
        for seed in range(200)
    ]

    assert stats.kstest(p, "uniform").pvalue > SURE


def test_poisson_arrivals_of_a_climb_are_spread_as_its_rate():
    due = poisson(Stage(100, 0, 100), seed=3)

    assert len(due) == pytest.approx(5000, abs=4 * 71)
    assert stats.kstest(due, lambda at: (at / 100) ** 2).pvalue > SURE


def test_the_number_of_poisson_arrivals_varies_as_it_should():
    counts = [len(poisson(Stage(10, 10, 10), seed=seed)) for seed in range(300)]

    assert np.mean(counts) == pytest.approx(100, abs=3)
    assert np.var(counts) == pytest.approx(100, rel=0.3)  # of a Poisson number it is the mean


def test_another_seed_is_another_schedule_and_the_same_is_the_same():
    one, same, other = (poisson(Stage(1, 100, 100), seed=seed) for seed in (1, 1, 2))

    assert one.tolist() == same.tolist() != other.tolist()


def test_users_are_there_for_as_long_as_the_level_is_above_them():
    closed = method(stages=(Stage(10, 0, 5), Stage(10, 5, 5), Stage(10, 5, 0)))

    assert most_users(closed) == 5
    assert spans_s(closed, 0) == [(0, 30)]
    assert spans_s(closed, 4) == [(8, 22)]
    assert spans_s(closed, 5) == []


def test_users_of_a_spike_come_and_go_again_and_the_warm_up_has_those_of_the_begin():
    spike = method(stages=(Stage(10, 2, 2), Stage(5, 9, 9), Stage(10, 2, 2)), warmup_s=3)

    assert most_users(spike) == 9
    assert spans_s(spike, 1) == [(-3, 25)]
    assert spans_s(spike, 2) == [(10, 15)]


def test_a_user_who_leaves_and_comes_back_has_two_spans():
    twice = method(stages=(Stage(5, 3, 3), Stage(5, 1, 1), Stage(5, 3, 3)))

    assert spans_s(twice, 2) == [(0, 5), (10, 15)]
