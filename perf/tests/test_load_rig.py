from __future__ import annotations

import pytest

from perf.load.figures import total_result
from perf.load.recording import Recording
from perf.load.results import Failure, Rig
from perf.load.rig import rig_of
from perf.tests.recordings import add, histogram, served


def rig(recording: Recording, ceiling_rate: float | None = None) -> Rig:
    return rig_of(recording, total_result(recording), ceiling_rate)


def test_a_loader_with_room_is_not_limited() -> None:
    recording = served(60)
    recording.cpu_share = {0: 0.2, 1: 0.4}

    found = rig(recording, 5_000)

    assert found == Rig(5_000, 0.4, 0.5, ())


def test_what_is_not_known_does_not_limit_it() -> None:
    assert rig(Recording()) == Rig(None, None, None, ())


def test_requests_that_were_sent_late_do() -> None:
    recording = served(60, lambda at: [60.0] * 50, lag_ms=25.0)

    assert rig(recording).limited == ("One request in 100 was sent 25 ms late or more.",)


@pytest.mark.parametrize(("requests", "share"), [(999, 20), (199, 10), (99, 2)])
def test_so_do_few_by_a_lower_percentile(requests: int, share: int) -> None:
    recording = served(3, lambda at: [60.0] * (requests // 3), lag_ms=25.0)

    assert rig(recording).limited == (f"One request in {share} was sent 25 ms late or more.",)


def test_too_few_for_any_percentile_say_nothing() -> None:
    assert rig(served(1, lambda at: [60.0] * 19, lag_ms=25.0)).limited == ()


@pytest.mark.parametrize(("lag_ms", "latency_ms"), [(9.0, 10.0), (25.0, 300.0)])
def test_lag_that_is_small_or_changes_little_does_not(lag_ms: float, latency_ms: float) -> None:
    recording = served(60, lambda at: [latency_ms] * 50, lag_ms=lag_ms)

    assert rig(recording).limited == ()


def test_a_clock_that_ticks_late_tells_where_no_request_does() -> None:
    recording = served(60)
    recording.ticks = histogram([0.2] * 1_140 + [3_000.0 - 50 * n for n in range(60)])

    assert rig(recording).limited == (
        "In one moment of 100 a worker was 2,400 ms late or more for anything: it was stopped, "
        "or had no processor.",
    )


@pytest.mark.parametrize("late_ms", [9.0, 14.0])
def test_a_clock_that_is_late_by_little_does_not(late_ms: float) -> None:
    recording = served(60, lambda at: [150.0] * 50)
    recording.ticks = histogram([late_ms] * 1_200)

    assert rig(recording).limited == ()


def test_an_objective_of_a_deep_percentile_has_the_loader_looked_at_as_deep() -> None:
    recording = served(300, lambda at: [20.0] * 50)
    add(recording, 300, [40.0] * 40, lag_ms=30.0)
    deep = total_result(recording, quantiles=(0.99, 0.999))

    assert rig_of(recording, deep, None).limited == ()
    assert rig_of(recording, deep, None, 0.999).limited == (
        "One request in 1,000 was sent 30 ms late or more.",
    )


def test_the_busiest_worker_does() -> None:
    recording = served(60)
    recording.cpu_share = {0: 0.3, 1: 0.97}

    assert rig(recording).limited == (
        "A worker of the loader took 97% of a processor: more --workers may do.",
    )


def test_more_than_half_of_what_a_worker_can_send_does() -> None:
    recording = served(60, lambda at: [20.0] * 400)
    one_worker = rig(recording, 700)
    recording.workers = {0, 1}

    assert one_worker.limited == (
        "A worker sent 400 requests in a second, and can send 700 at most: more --workers may do.",
    )
    assert rig(recording, 700).limited == ()


def test_a_spike_does_too_however_short() -> None:
    recording = served(60, lambda at: [20.0] * (400 if at in (30, 31) else 50))

    assert rig(recording, 700).limited == (
        "A worker sent 400 requests in a second, and can send 700 at most: more --workers may do.",
    )


def test_a_second_that_spoils_no_percentile_does_not() -> None:
    recording = served(600, lambda at: [20.0] * (400 if at == 30 else 100))

    assert rig(recording, 700).limited == ()


def test_what_was_never_sent_took_nothing() -> None:
    recording = served(60, lambda at: [20.0] * 400, failures=lambda at: {Failure.DROPPED: 200})

    assert rig(recording, 700).limited == ()
