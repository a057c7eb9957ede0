from __future__ import annotations

import gc
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from perf.engine import sampling
from perf.engine.sampling import (
    Way,
    calibrate,
    frozen,
    harness_ns,
    sample_ns,
    spin,
    take_rounds,
    yardstick_ns,
)

MS = 1_000_000
DRAWS: list[tuple[int]] = [(0,), (1,), (2,), (3,)]


class Clock:
    """Stands still but for what is spent."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def spending(self, ns: float) -> Callable[..., None]:
        def call(*_: object) -> None:
            self.now_ns += round(ns)

        return call


@pytest.fixture
def clock(monkeypatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(sampling, "perf_counter_ns", found)
    return found


class Noted:
    """Ways that write down when they are called, and with what."""

    def __init__(self, *names: str) -> None:
        self.calls: list[tuple[str, int]] = []
        self.ways = [Way(name, self._call(name)) for name in names]

    def _call(self, name: str):
        return lambda draw: self.calls.append((name, draw))

    def rounds(self, size: int) -> list[list[tuple[str, int]]]:
        """The calls of each round, without the one to warm up."""
        found = [self.calls[n : n + size] for n in range(0, len(self.calls), size)]
        return found[1:]


def take(noted: Noted, *, rounds: int, draws_each: int = 1, seed: int = 1) -> None:
    rng = random.Random(seed)
    with frozen():  # else each sample waits for the garbage collector to go through all of pytest
        take_rounds(noted.ways, DRAWS, rounds=rounds, draws_each=draws_each, rng=rng)


def test_all_ways_get_the_same_draws_in_a_round():
    noted = Noted("a", "b", "c")

    take(noted, rounds=6, draws_each=2)

    for number, calls in enumerate(noted.rounds(6)):
        drawn = {name: [draw for each, draw in calls if each == name] for name in "abc"}
        expected = [(2 * number) % 4, (2 * number + 1) % 4]
        assert drawn == dict.fromkeys("abc", expected)


def test_a_way_is_called_with_all_draws_before_the_next_one():
    noted = Noted("a", "b")

    take(noted, rounds=20, draws_each=3)

    for calls in noted.rounds(6):
        assert len({name for name, _ in calls[:3]}) == len({name for name, _ in calls[3:]}) == 1


def test_the_order_of_ways_is_drawn_anew_in_each_round():
    noted = Noted("a", "b", "c")

    take(noted, rounds=600)

    orders = Counter("".join(name for name, _ in calls) for calls in noted.rounds(3))
    assert len(orders) == 6
    assert min(orders.values()) > 60  # of 100 expected


def test_equal_seeds_give_equal_orders():
    noted = [Noted("a", "b"), Noted("a", "b"), Noted("a", "b")]

    for each, seed in zip(noted, (1, 1, 2), strict=True):
        take(each, rounds=20, seed=seed)

    assert noted[0].calls == noted[1].calls != noted[2].calls


def test_without_a_time_a_sample_is_one_call_and_none_is_made_to_find_out():
    noted = Noted("a", "b")

    number = calibrate(noted.ways, DRAWS, sample_ms=0.0, around=None)

    assert (number, [each.repeats for each in noted.ways], noted.calls) == (1, [1, 1], [])


def test_the_first_round_does_not_count(clock):
    slow_at_first = iter([9 * MS])
    way = Way("a", lambda draw: clock.spending(next(slow_at_first, MS))())

    with frozen():
        take_rounds([way], DRAWS, rounds=3, draws_each=1, rng=random.Random(1))

    assert way.samples == [MS, MS, MS]
    assert way.total_ns == 3 * MS


def test_a_sample_is_the_time_of_one_call(clock):
    way = Way("a", clock.spending(MS), repeats=5)

    with frozen():
        take_rounds([way], DRAWS, rounds=4, draws_each=2, rng=random.Random(1))

    assert way.samples == [MS] * 4
    assert way.total_ns == 4 * 5 * 2 * MS


def test_what_is_done_before_a_sample_is_not_in_it(clock):
    done: list[int] = []
    way = Way("a", clock.spending(MS))

    def before() -> None:
        done.append(len(way.samples))
        clock.spending(9 * MS)()

    with frozen():
        take_rounds([way], DRAWS, rounds=2, draws_each=1, rng=random.Random(1), before=before)

    assert done == [0, 0, 1]
    assert way.samples == [MS, MS]


def test_the_time_of_what_is_around_a_call_is_not_counted(clock):
    @contextmanager
    def around() -> Iterator[None]:
        clock.spending(9 * MS)()
        yield
        clock.spending(9 * MS)()

    assert sample_ns(clock.spending(MS), DRAWS, 2, around) == 8 * MS


def test_a_way_is_called_inside_of_what_is_around_it():
    inside: list[bool] = [False]

    @contextmanager
    def around() -> Iterator[None]:
        inside[0] = True
        yield
        inside[0] = False

    seen: list[bool] = []
    sample_ns(lambda draw: seen.append(inside[0]), DRAWS, 1, around)

    assert seen == [True] * 4


@pytest.mark.parametrize(
    ("call_ms", "sample_ms", "draws", "repeats"),
    [
        (0.02, 5, 4, 63),  # 63 times 4 draws are just above 5 ms
        (2, 5, 4, 1),
        (2, 50, 4, 7),
        (60, 20, 3, 1),  # a fourth draw would be over ten times the length of a sample
        (60, 5, 1, 1),
        (900, 5, 1, 1),
    ],
)
def test_a_sample_is_long_enough_and_not_too_long(clock, call_ms, sample_ms, draws, repeats):
    way = Way("a", clock.spending(call_ms * MS))

    assert calibrate([way], DRAWS, sample_ms=sample_ms, around=None) == draws
    assert way.repeats == repeats


def test_all_ways_take_as_many_draws_as_the_slowest(clock):
    ways = [Way("quick", clock.spending(MS)), Way("slow", clock.spending(90 * MS))]

    assert calibrate(ways, DRAWS, sample_ms=20, around=None) == 2
    assert [each.repeats for each in ways] == [10, 1]


class Knot:
    """What only the garbage collector takes away."""

    def __init__(self) -> None:
        self.own = self


def test_what_a_way_leaves_to_the_garbage_collector_is_counted():
    tidy = Way("tidy", lambda draw: spin(MS), repeats=3)
    messy = Way("messy", lambda draw: [Knot() for _ in range(20_000)] and None, repeats=3)

    with frozen():
        take_rounds([tidy, messy], DRAWS, rounds=3, draws_each=2, rng=random.Random(1))

    assert messy.gc_share > 0.01
    assert messy.gc_share < 1
    assert tidy.gc_share < messy.gc_share / 2


def test_garbage_of_one_way_is_not_left_to_the_next():
    seen: list[int] = []
    messy = Way("messy", lambda draw: Knot() and None)
    looks = Way(
        "looks", lambda draw: seen.append(sum(isinstance(e, Knot) for e in gc.get_objects()))
    )

    with frozen():
        take_rounds([messy, looks], DRAWS, rounds=5, draws_each=1, rng=random.Random(1))

    assert set(seen) == {0}


def test_the_collector_is_told_no_more_after_a_sample():
    before = list(gc.callbacks)
    raising = Way("raises", lambda draw: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        take_rounds([raising], DRAWS, rounds=1, draws_each=1, rng=random.Random(1))

    assert gc.callbacks == before


def test_what_was_there_is_frozen_and_let_go_also_by_an_error():
    def fails() -> None:
        assert gc.get_freeze_count() > 0
        raise LookupError

    with pytest.raises(LookupError), frozen():
        fails()

    assert gc.get_freeze_count() == 0


def test_the_share_of_nothing_is_none():
    assert Way("a", lambda: None).gc_share == 0.0


def test_the_harness_knows_its_own_cost():
    assert 0 < harness_ns() < 20_000


def test_the_yardstick_is_as_long_as_its_work():
    short, long = (min(yardstick_ns(steps) for _ in range(5)) for steps in (10_000, 80_000))

    assert long > 2 * short
