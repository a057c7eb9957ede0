from __future__ import annotations

import dataclasses
import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest

from perf.load.assembly import Planned, assemble
from perf.load.capacity import holds_though_late, search
from perf.load.results import CapacityPoint, Failure, LoadRun, Model, ServerSide, SloVerdict
from perf.load.slo import parse
from perf.tests.recordings import histogram, method, served

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


def test_a_rate_that_failed_once_and_could_not_be_told_then_is_not_known_to_fail() -> None:
    tries = iter([FAIL, INCONCLUSIVE])

    def measure(rate: float) -> LoadRun:
        if rate <= 50:
            return run_of(rate, PASS)
        verdict = next(tries)
        return run_of(rate, verdict, limited=("Late.",) if verdict is INCONCLUSIVE else ())

    found = search(measure, begins=50, most=100, resolution=1, rest=lambda seconds: None)

    assert [(each.rate, each.verdict) for each in found.points[1:]] == [
        (100, FAIL),
        (100, INCONCLUSIVE),
    ]
    assert (found.holds, found.fails) == (50, None)
    assert found.complaints == ("At 100/s the loader was at its limit, not the service.",)


def test_what_was_not_decided_is_told() -> None:
    def measure(rate: float) -> LoadRun:
        return run_of(rate, PASS if rate <= 50 else INCONCLUSIVE if rate < 80 else FAIL)

    found = search(measure, begins=50)

    assert (found.holds, found.fails) == (50, 100)
    assert found.complaints == ("At 54.5/s it was not decided.",)


def test_a_first_rate_with_too_few_samples_is_doubled_until_there_are_enough() -> None:
    asked: list[float] = []

    def measure(rate: float) -> LoadRun:
        asked.append(rate)
        return run_of(rate, INCONCLUSIVE if rate < 80 else PASS if rate < 100 else FAIL)

    found = search(measure, begins=20, resolution=1, rest=lambda seconds: None)

    assert asked == [20, 20, 40, 40, 80, 160, 160]
    assert (found.holds, found.fails) == (80, 160)
    assert found.complaints == ()


def test_where_nothing_is_decided_it_ends() -> None:
    asked: list[float] = []

    def measure(rate: float) -> LoadRun:
        asked.append(rate)
        return run_of(rate, INCONCLUSIVE)

    found = search(measure, begins=20, rest=lambda seconds: None)

    assert asked[::2] == [20, 40, 80, 160]
    assert (found.holds, found.fails) == (None, None)


def test_what_was_not_decided_below_a_rate_that_fails_is_not_tried_again() -> None:
    asked: list[float] = []

    def measure(rate: float) -> LoadRun:
        asked.append(rate)
        return run_of(rate, INCONCLUSIVE if rate < 40 else FAIL)

    found = search(measure, begins=20, rest=lambda seconds: None)

    assert asked == [20, 20, 40, 40]
    assert (found.holds, found.fails) == (None, 40)
    assert found.complaints == ("At 20/s it was not decided.",)


def test_a_first_rate_that_is_too_much_for_the_loader_is_halved() -> None:
    def measure(rate: float) -> LoadRun:
        if rate <= 30:
            return run_of(rate, PASS)
        return run_of(rate, INCONCLUSIVE, limited=("A worker was busy.",))

    found = search(measure, begins=100, resolution=1, rest=lambda seconds: None)

    assert [each.rate for each in found.points] == [100, 50, 25]
    assert (found.holds, found.fails) == (25, None)


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
    assert told[0].latency is not None
    assert told[0].latency.q == 0.99
    assert told[0].latency.value_ms == pytest.approx(20, rel=1e-3)
    assert [(each.text, each.verdict) for each in told[0].slos] == [("p99<300ms", PASS)]
    assert told[0].slos[0].measured.startswith("20 ms [")
    assert told[0].run == "an id"


@pytest.mark.parametrize(
    ("slos", "drawn", "limit_ms", "q"),
    [
        ("fail<1%,p95<0.2s,p99<1s", "p95", 200, 0.95),
        ("p90[list] <= 50ms", "p90[list]", 50, 0.9),
        ("fail<1%,rate>=5/s", "p99", None, 0.99),
    ],
)
def test_it_is_drawn_by_the_first_objective_of_latency(
    slos: str, drawn: str, limit_ms: float | None, q: float
) -> None:
    found = search(
        lambda rate: run_of(rate, PASS if rate < 100 else FAIL, slos=slos),
        begins=80,
        resolution=1,
        rest=lambda seconds: None,
    )

    assert (found.drawn, found.limit_ms) == (drawn, limit_ms)
    assert [each.latency.q for each in found.points if each.latency] == [q] * len(found.points)


def test_the_percentile_of_a_step_that_was_not_called_is_not_known() -> None:
    found = search(lambda rate: run_of(rate, PASS, slos="p90[board]<50ms"), begins=80, most=80)

    assert [each.latency for each in found.points] == [None]


def late_run(
    rate: float = 100,
    *,
    lag_ms: float = 30,
    latency_ms: float = 50,
    slos: str = "p95<200ms,fail<1%",
    failures: Mapping[Failure, int] | None = None,
    is_whole: bool = True,
    cpu_share: float = 0.5,
    ceiling_rate: float = 1e4,
    still_ms: float = 0,
    **changes: Any,
) -> LoadRun:
    """A run whose loader was late, all of a minute long."""
    planned = Planned("an id", "", "", "", {}, method(rate=rate, **changes), {}, parse(slos))
    recording = served(
        60, lambda at: [latency_ms] * 50, lag_ms=lag_ms, failures=lambda at: failures or {}
    )
    recording.cpu_share[0] = cpu_share
    recording.ticks.add(histogram([still_ms] * 1_200))
    return assemble(
        planned,
        recording,
        ServerSide(),
        ended_at="then" if is_whole else None,
        ceiling_rate=ceiling_rate,
    )


class TestALateLoader:
    def test_may_leave_a_rate_that_holds_with_what_it_was_late_by(self) -> None:
        run = late_run()

        assert [each.verdict for each in run.slos] == [INCONCLUSIVE, INCONCLUSIVE]
        assert holds_though_late(run)

    def test_counts_as_passing_with_what_was_measured_and_a_note(self) -> None:
        found = search(late_run, begins=100, most=100)

        (point,) = found.points
        assert (point.verdict, point.limited) == (PASS, ())
        assert point.late == ("One request in 100 was sent 30 ms late or more.",)
        assert [(each.verdict, each.measured) for each in point.slos] == [
            (PASS, "50 ms [50 ms, 50 ms]"),
            (PASS, "0% [0%, 0.133%]"),
        ]
        assert found.holds == 100
        assert found.complaints[0] == (
            "At 100/s the loader was late: the objectives hold with that in the latency."
        )

    @pytest.mark.parametrize(
        "changes",
        [
            {"latency_ms": 250},
            {"slos": "p95<200ms,rate>=60/s"},
            {"slos": "p95[absent]<200ms"},
            {"failures": {Failure.STATUS: 2}},
            {"failures": {Failure.THROTTLED: 2}},
        ],
        ids=["latency", "rate", "a step that was not called", "failures", "throttled"],
    )
    def test_does_not_where_an_objective_does_not_hold(self, changes: dict[str, Any]) -> None:
        run = late_run(**changes)

        assert run.rig.limited
        assert not holds_though_late(run)

    def test_does_not_where_it_fell_behind(self) -> None:
        """A loader that is too slow asks less of the service than was due."""
        held = late_run(lag_ms=1_190, latency_ms=1_195, slos="p95<2s")
        behind = late_run(lag_ms=1_210, latency_ms=1_215, slos="p95<2s")

        assert (holds_though_late(held), holds_though_late(behind)) == (True, False)

    def test_does_not_where_anything_was_not_sent(self) -> None:
        run = late_run(slos="p95<200ms")
        lag = dataclasses.replace(run.total.lag, count=run.total.lag.count - 1)
        total = dataclasses.replace(run.total, lag=lag)

        assert holds_though_late(run)
        assert not holds_though_late(dataclasses.replace(run, total=total))

    def test_does_not_in_a_closed_model_whose_users_wait_for_it(self) -> None:
        assert not holds_though_late(late_run(model=Model.CLOSED))

    @pytest.mark.parametrize(
        ("cpu_share", "ceiling_rate"), [(0.95, 1e4), (0.5, 60)], ids=["busy", "near its ceiling"]
    )
    def test_does_not_where_it_was_too_slow(self, cpu_share: float, ceiling_rate: float) -> None:
        run = late_run(cpu_share=cpu_share, ceiling_rate=ceiling_rate)

        assert len(run.rig.limited) == 2
        assert not holds_though_late(run)

    def test_may_have_stood_still_while_nothing_was_due(self) -> None:
        run = late_run(lag_ms=0, still_ms=400)

        assert run.rig.limited
        assert holds_though_late(run)

    def test_does_not_where_it_was_broken_off(self) -> None:
        assert not holds_though_late(late_run(is_whole=False))

    def test_is_no_loader_at_its_limit_where_nothing_was_late(self) -> None:
        assert not holds_though_late(run_of(100, PASS))


def answered_s(sent_s: Iterable[float], service_s: Iterable[float], servers: int) -> list[float]:
    """When a queue that is served in order answers each request."""
    free = [0.0] * servers
    found = []
    for sent, service in zip(sent_s, service_s, strict=True):
        begins = max(sent, heapq.heappop(free))
        found.append(begins + service)
        heapq.heappush(free, begins + service)
    return found


@pytest.mark.parametrize("servers", [1, 4])
@pytest.mark.parametrize("seed", range(20))
def test_no_late_loader_makes_a_queue_that_is_served_in_order_look_quicker(
    servers: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    due = np.cumsum(rng.exponential(1, 2_000))
    service = rng.exponential(0.9 * servers, 2_000)
    late = rng.exponential(2, 2_000) * (rng.random(2_000) < 0.1)
    sent = np.maximum.accumulate(due + late)  # in order, as the loader sends

    punctual = np.array(answered_s(due, service, servers)) - due
    measured = np.array(answered_s(sent, service, servers)) - due

    assert np.any(measured > punctual)
    assert np.all(measured >= punctual - 1e-9)


def test_without_objectives_there_is_nothing_to_hold() -> None:
    measure: Callable[[float], LoadRun] = lambda rate: run_of(rate, PASS, slos="")  # noqa: E731

    with pytest.raises(ValueError, match="capacity is that of objectives"):
        search(measure, begins=10)
