from __future__ import annotations

import dataclasses

import pytest

from perf.load.assembly import Planned, assemble
from perf.load.recording import Recording
from perf.load.results import (
    Failure,
    LoadMethod,
    LoadRun,
    Model,
    ServerSide,
    SloVerdict,
    Stage,
)
from perf.load.slo import judge, parse
from perf.tests.recordings import add, method, served

PASS, FAIL, INCONCLUSIVE = SloVerdict.PASS, SloVerdict.FAIL, SloVerdict.INCONCLUSIVE
ENDED = "2026-11-27T09:01:00+00:00"


def assembled(
    recording: Recording,
    how: LoadMethod | None = None,
    slos: str = "",
    *,
    server: ServerSide | None = None,
    ended_at: str | None = ENDED,
    ceiling_rate: float | None = None,
    note: str = "",
) -> LoadRun:
    planned = Planned(
        id="20261127-090000-0a1b",
        command="loadtest run tasks.browse",
        started_at="2026-11-27T09:00:00+00:00",
        target="http://127.0.0.1:8000",
        scenarios={"tasks.browse": 1.0},
        method=how or method(),
        environment={"Python": "3.13.0"},
        slos=parse(slos),
        complaints=("The loader shares its processors with the server.",),
        note=note,
    )
    return assemble(
        planned, recording, server or ServerSide(), ended_at=ended_at, ceiling_rate=ceiling_rate
    )


def verdicts(run: LoadRun) -> list[SloVerdict]:
    return [each.verdict for each in run.slos]


class TestWhole:
    def test_a_run_has_what_was_planned_and_what_was_found(self) -> None:
        recording = served(60, failures=lambda at: {Failure.STATUS: 1})
        for at in range(-5, 60):
            add(recording, at, [40.0] * 10, step="edit", tenant="acme")

        run = assembled(recording, slos="p95<1s,p75<30ms", ceiling_rate=4_000, note="nightly")

        assert (run.id, run.target, run.note) == (
            "20261127-090000-0a1b",
            "http://127.0.0.1:8000",
            "nightly",
        )
        assert (run.ended_at, run.measured_s, run.rate) == (ENDED, 60, 59)
        assert (run.total.requests, [each.name for each in run.steps]) == (3_600, ["edit", "list"])
        assert [each.tenant for each in run.tenants] == ["acme"]
        assert (run.seconds[0].at, run.seconds[-1].at, run.fairness) == (-5, 59, None)
        assert [each.text for each in run.slos] == ["p95<1s", "p75<30ms"]
        assert verdicts(run) == [PASS, PASS]
        assert run.rig.ceiling_rate == 4_000
        assert run.complaints == ("The loader shares its processors with the server.",)
        assert run.invalid == ()

    def test_a_percentile_that_an_objective_asks_for_is_shown_too(self) -> None:
        run = assembled(served(), slos="p75<30ms")

        assert [each.q for each in run.total.latency.quantiles] == [
            0.5,
            0.75,
            0.9,
            0.95,
            0.99,
            0.999,
            0.9999,
        ]

    def test_the_parts_of_server_timing_are_means(self) -> None:
        recording = served()
        recording.timing_ms.update({"db": 300.0, "view": 900.0})
        recording.timed = 300

        assert assembled(recording).server.timing == {"db": 1.0, "view": 3.0}

    def test_why_calls_failed_is_told_most_often_first(self) -> None:
        recording = served()
        recording.reasons.update({"list: status 502": 3, "list: status 500": 1_200})
        recording.reasons.update({"edit: refused": 2, "edit: reset": 1, "edit: no name": 1})

        assert assembled(recording).complaints[:4] == (
            "Failed 1,200 times: list: status 500.",
            "Failed 3 times: list: status 502.",
            "Failed 2 times: edit: refused.",
            "Failed for 2 other reasons.",
        )


class TestComplaints:
    def told(self, recording: Recording, how: LoadMethod | None = None) -> list[str]:
        return list(assembled(recording, how).complaints[:-1])

    def test_a_quiet_run_has_none(self) -> None:
        assert self.told(served()) == []

    def test_overload_is_told_and_what_comes_of_it_is_not(self) -> None:
        recording = served(
            60, lambda at: [20.0 + 60 * at] * 50, in_flight=lambda at: round(1 + 3 * at)
        )

        assert [each.partition(":")[0] for each in self.told(recording)] == ["Overload"]

    def test_users_that_do_not_think_find_no_latency(self) -> None:
        closed = method(60, rate=1, model=Model.CLOSED)

        assert self.told(served(), closed) == [
            "Users did not think: this finds what the service does at most, and no latency."
        ]
        assert self.told(served(), dataclasses.replace(closed, think_s=1.0)) == []

    def test_a_short_run_has_no_interval(self) -> None:
        recording = served(8)
        for at in (-5, -4, -3, -2, -1):
            add(recording, at, [20.0])

        assert self.told(recording, method(8)) == [
            "Fewer than 10 seconds were measured: no figure has an interval."
        ]

    def test_requests_that_are_in_no_percentile_are_told(self) -> None:
        recording = served()
        recording.steps["list"][7].due += 4

        assert self.told(recording) == ["4 of 3,004 requests are in no percentile."]

    def test_a_ramp_that_takes_longer_and_longer_is_none(self) -> None:
        recording = served(60, lambda at: [20.0 + at] * 50)

        assert self.told(recording, method(stages=(Stage(60, 10, 100),))) == []


class TestInvalid:
    def test_a_run_that_was_broken_off_says_when_and_why(self) -> None:
        recording = served(25)
        recording.broken_off = "it was stopped"

        run = assembled(recording)

        assert run.ended_at is None
        assert (run.measured_s, run.rate) == (25, 50)
        assert run.invalid == ()
        assert run.complaints[0] == (
            "It was broken off after 25 s of the measured part: it was stopped. All figures are of "
            "those."
        )

    def test_one_that_its_objective_ended_says_so_by_its_note_alone(self) -> None:
        recording = served(25)
        recording.broken_off = "its watcher ended it"

        run = assembled(recording, note="Ended after 25 s, as p50<1ms had failed.")

        assert [each for each in run.complaints if "broken off" in each] == []

    def test_a_missing_worker_makes_it_so(self) -> None:
        recording = served()
        recording.workers = {0, 2}
        recording.lost = {1: "was killed by SIGKILL"}

        run = assembled(recording, method(workers=4), slos="p50<1s,p50<1ms")

        assert run.invalid == (
            "Worker 1 of 4 is missing, and its requests with it: it was killed by SIGKILL.",
            "Worker 3 of 4 is missing, and its requests with it: it told nothing.",
        )
        assert verdicts(run) == [INCONCLUSIVE, INCONCLUSIVE]

    def test_nothing_is_nothing(self) -> None:
        recording = Recording(workers={0})

        run = assembled(recording, slos="p50<1s")

        assert run.invalid == ("Nothing was called in the measured part.",)
        assert (run.rate, run.seconds, verdicts(run)) == (0, (), [INCONCLUSIVE])
        broken = assembled(recording, ended_at=None)
        assert (broken.measured_s, broken.rate) == (0, 0)


class TestObjectives:
    def test_a_run_that_was_broken_off_can_fail_but_not_pass(self) -> None:
        run = assembled(served(25), slos="p50<1s,p50<1ms", ended_at=None)

        assert verdicts(run) == [INCONCLUSIVE, FAIL]
        assert run.slos[0].measured == "20 ms [20 ms, 20 ms]; the run was broken off"

    def test_in_overload_what_does_not_hold_by_now_fails_and_nothing_passes(self) -> None:
        """Failures that began in the midst are of no known share, but there would be more."""
        recording = served(
            60,
            in_flight=lambda at: 5 + 4 * at,
            failures=lambda at: {Failure.DROPPED: 25} if at >= 40 else {},
        )

        run = assembled(recording, slos="p50<1s,fail<10%,fail<90%")

        assert verdicts(run) == [INCONCLUSIVE, FAIL, INCONCLUSIVE]
        assert (
            run.slos[0].measured
            == "20 ms [20 ms, 20 ms]; in overload, where a longer run finds worse"
        )
        (alone,) = judge(parse("fail<10%"), recording)
        assert alone.verdict is INCONCLUSIVE

    def test_nothing_passes_where_more_than_one_in_a_hundred_is_throttled(self) -> None:
        """Refusals are quick: a service that only refuses would hold any objective."""
        recording = served(60, failures=lambda at: {Failure.THROTTLED: 1})

        run = assembled(recording, slos="p50<1s,fail<1%,p50<1ms")

        assert verdicts(run) == [INCONCLUSIVE, INCONCLUSIVE, FAIL]
        assert run.slos[0].measured.endswith("; 2.0% of all requests were throttled")
        assert run.complaints[0].startswith("2.0% of all requests were throttled (429), and these")

    def test_fewer_are_told_and_spoil_nothing(self) -> None:
        recording = served(60, failures=lambda at: {Failure.THROTTLED: 1} if at < 30 else {})

        run = assembled(recording, slos="p50<1s")

        assert verdicts(run) == [PASS]
        assert run.complaints[0].startswith("1.0% of all requests were throttled")

    def test_a_loader_at_its_limit_decides_nothing(self) -> None:
        recording = served(60)
        recording.cpu_share = {0: 0.99}

        run = assembled(recording, slos="p50<1s,p50<1ms")

        assert run.rig.limited
        assert verdicts(run) == [INCONCLUSIVE, INCONCLUSIVE]


@pytest.mark.parametrize("seconds", [1, 2, 9, 10, 11])
def test_a_run_of_any_length_is_put_together(seconds: int) -> None:
    run = assembled(served(seconds), method(seconds), slos="p50<1s,fail<50%,rate>1/s")

    expected = PASS if seconds >= 10 else INCONCLUSIVE
    assert verdicts(run) == [expected] * 3
