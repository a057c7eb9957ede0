from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest

from perf.load.assembly import Planned, assemble
from perf.load.capacity import search
from perf.load.results import CapacityPoint, Failure, LoadRun, ServerSide, SloVerdict
from perf.load.slo import parse
from perf.tests.recordings import method, served

PASS, FAIL, INCONCLUSIVE = SloVerdict.PASS, SloVerdict.FAIL, SloVerdict.INCONCLUSIVE


def run_of(
    rate: float,
    verdict: SloVerdict,
    *,
    limited: tuple[str, ...] = (),
    is_whole: bool = True,
    slos: str = "p99<300ms",
    in_flight: int = 0,
) -> LoadRun:
    """A run at a rate that came out so."""
    planned = Planned("an id", "", "", "", {}, method(rate=rate), {}, parse(slos))
    recording = served(60, in_flight=lambda at: in_flight)
    run = assemble(planned, recording, ServerSide(), ended_at="then" if is_whole else None)
    return dataclasses.replace(
        run,
        rate=rate,
        note="" if is_whole or verdict is not FAIL else f"Ended after 10 s, as {slos} had failed.",
        slos=tuple(dataclasses.replace(each, verdict=verdict) for each in run.slos),
        rig=dataclasses.replace(run.rig, limited=limited),
    )


class Service:
    """Holds its objectives up to a rate. `hiccups` are tries, from 1, that fail all the same."""

    def __init__(self, holds: float, hiccups: tuple[int, ...] = ()) -> None:
        self.asked: list[float] = []
        self._holds, self._hiccups = holds, hiccups

    def __call__(self, rate: float) -> LoadRun:
        self.asked.append(rate)
        is_good = rate <= self._holds and len(self.asked) not in self._hiccups
        return run_of(rate, PASS if is_good else FAIL)


@pytest.mark.parametrize("holds", [5.0, 12.3, 50.0, 99.0, 137.0, 1_234.0])
@pytest.mark.parametrize("begins", [10.0, 64.0])
def test_what_it_finds_holds_and_a_tenth_more_does_not(holds: float, begins: float) -> None:
    found = search(Service(holds), begins=begins)

    assert found.holds is not None
    assert found.fails is not None
    assert found.holds <= holds < found.fails
    assert found.fails <= 1.1 * found.holds * 1.01  # rates have three digits
    assert found.complaints == ()


def test_it_doubles_then_looks_in_the_middle() -> None:
    service = Service(100)

    found = search(service, begins=20)

    once = list(dict.fromkeys(service.asked))
    assert once == [20, 40, 80, 160, 113, 95.1, 104]
    assert (found.holds, found.fails) == (95.1, 104)


def test_it_may_be_finer() -> None:
    found = search(Service(100), begins=20, resolution=0.01)

    assert found.holds is not None
    assert 99 <= found.holds <= 100


def test_a_rate_that_fails_is_tried_once_more() -> None:
    service = Service(100, hiccups=(2,))

    found = search(service, begins=20)

    assert service.asked[:4] == [20, 40, 40, 80]
    assert [(each.rate, each.verdict) for each in found.points[1:3]] == [(40, FAIL), (40, PASS)]
    assert (found.holds, found.fails) == (95.1, 104)


def test_where_nothing_holds_there_is_no_capacity() -> None:
    service = Service(0)

    found = search(service, begins=64)

    assert service.asked[::2] == [64, 32, 16, 8, 4, 2, 1]
    assert (found.holds, found.fails) == (None, 1)


def test_it_goes_no_higher_than_it_may() -> None:
    found = search(Service(math.inf), begins=30, most=200)

    assert [each.rate for each in found.points] == [30, 60, 120, 200]
    assert (found.holds, found.fails) == (200, None)
    assert found.complaints == ("No rate was tried that does not hold: the limit is higher.",)


def test_a_loader_at_its_limit_is_no_limit_of_the_service() -> None:
    def measure(rate: float) -> LoadRun:
        if rate <= 100:
            return run_of(rate, PASS)
        return run_of(rate, INCONCLUSIVE, limited=("A worker was busy.",))

    found = search(measure, begins=50)

    assert (found.holds, found.fails) == (100, None)
    assert found.complaints == ("At 109/s the loader was at its limit, not the service.",)
    assert [each.rate for each in found.points] == [50, 100, 200, 141, 119, 109]
    assert found.points[-1].limited == ("A worker was busy.",)


def test_what_was_not_decided_is_told() -> None:
    def measure(rate: float) -> LoadRun:
        return run_of(rate, PASS if rate <= 50 else INCONCLUSIVE if rate < 80 else FAIL)

    found = search(measure, begins=50)

    assert (found.holds, found.fails) == (50, 100)
    assert found.complaints == ("At 54.5/s it was not decided: a longer --duration may do that.",)


def test_a_first_rate_that_is_not_decided_is_not_halved() -> None:
    asked: list[float] = []

    def measure(rate: float) -> LoadRun:
        asked.append(rate)
        return run_of(rate, INCONCLUSIVE)

    found = search(measure, begins=20, rest=lambda seconds: None)

    assert asked == [20, 20]
    assert (found.holds, found.fails) == (None, None)


def test_it_ends_where_somebody_breaks_it_off() -> None:
    def measure(rate: float) -> LoadRun:
        return run_of(rate, PASS if rate < 80 else INCONCLUSIVE, is_whole=rate < 80)

    found = search(measure, begins=20)

    assert [each.rate for each in found.points] == [20, 40, 80]
    assert (found.holds, found.fails) == (40, None)
    assert found.complaints == ("The search was broken off.",)


def test_a_run_that_was_broken_off_as_it_failed_has_failed() -> None:
    def measure(rate: float) -> LoadRun:
        return run_of(rate, PASS if rate < 80 else FAIL, is_whole=rate < 80)

    found = search(measure, begins=20)

    assert found.holds is not None
    assert found.fails is not None
    assert 70 < found.holds < 80 <= found.fails
    assert found.complaints == ()


def test_after_a_rate_that_did_not_pass_the_service_may_rest() -> None:
    """It goes on with what was in flight: the next rate would be blamed for it."""
    rests: list[float] = []

    def measure(rate: float) -> LoadRun:
        return run_of(rate, PASS if rate < 200 else FAIL, in_flight=500 if rate == 200 else 0)

    search(measure, begins=100, resolution=1, rest=rests.append)

    assert rests == [2.5, 2.5]


def test_a_service_that_answered_nothing_may_rest_for_a_minute() -> None:
    rests: list[float] = []

    def measure(rate: float) -> LoadRun:
        return dataclasses.replace(run_of(rate, FAIL, in_flight=500), rate=0.0)

    search(measure, begins=100, rest=rests.append)

    assert rests[:2] == [60, 60]


def test_one_that_refuses_all_at_once_rests_no_longer_than_that_takes() -> None:
    rests: list[float] = []

    def measure(rate: float) -> LoadRun:
        run = run_of(rate, FAIL, in_flight=1)
        total = dataclasses.replace(run.total, failures={Failure.STATUS: run.total.requests})
        return dataclasses.replace(run, rate=0.0, total=total)

    search(measure, begins=100, rest=rests.append)

    assert rests[:2] == [0.02, 0.02]  # 50 a second


def test_who_ends_it_while_the_service_rests_keeps_what_was_found() -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    found = search(Service(100), begins=100, rest=interrupt)

    assert [each.rate for each in found.points] == [100, 200]
    assert (found.holds, found.fails) == (100, 200)
    assert found.complaints == ("The search was broken off.",)


def test_each_point_is_told_as_it_comes() -> None:
    told: list[CapacityPoint] = []

    found = search(Service(100), begins=80, told=told.append)

    assert tuple(told) == found.points
    assert found.slos == ("p99<300ms",)
    assert (told[0].rate, told[0].done, told[0].verdict) == (80, 80, PASS)
    assert told[0].p99 is not None
    assert told[0].p99.value_ms == pytest.approx(20, rel=1e-3)


def test_without_objectives_there_is_nothing_to_hold() -> None:
    measure: Callable[[float], LoadRun] = lambda rate: run_of(rate, PASS, slos="")  # noqa: E731

    with pytest.raises(ValueError, match="capacity is that of objectives"):
        search(measure, begins=10)
