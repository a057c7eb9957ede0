from __future__ import annotations

import pytest

from perf.load.figures import total_result
from perf.load.recording import Recording
from perf.load.results import Failure, Rig
from perf.load.rig import rig_of
from perf.tests.recordings import served


def rig(recording: Recording, ceiling_rate: float | None = None) -> Rig:
    return rig_of(recording, total_result(recording), 60, ceiling_rate)


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


@pytest.mark.parametrize(("lag_ms", "latency_ms"), [(9.0, 10.0), (25.0, 300.0)])
def test_lag_that_is_small_or_changes_little_does_not(lag_ms: float, latency_ms: float) -> None:
    recording = served(60, lambda at: [latency_ms] * 50, lag_ms=lag_ms)

    assert rig(recording).limited == ()


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
        "A worker sent 400 requests a second, and can send 700 at most: more --workers may do.",
    )
    assert rig(recording, 700).limited == ()


def test_what_was_never_sent_took_nothing() -> None:
    recording = served(60, lambda at: [20.0] * 400, failures=lambda at: {Failure.DROPPED: 200})

    assert rig(recording, 700).limited == ()
