"""Where the time went, in words."""

from __future__ import annotations

import os
from dataclasses import replace

from perf.load.recording import Recording
from perf.load.results import ProcessUse, ServerSide, Share, StepResult, Times
from perf.load.servers import told

SLOW = "SELECT id FROM task WHERE " + " OR ".join(f"word = ${n}" for n in range(1, 40))


def times(mean_ms: float | None) -> Times:
    return Times(200, mean_ms, mean_ms, mean_ms, ())


def total(*, service_ms: float | None = 40.0, lag_ms: float = 0.0) -> StepResult:
    latency_ms = None if service_ms is None else service_ms + lag_ms
    return StepResult("", 200, {}, times(latency_ms), times(service_ms), times(lag_ms))


def recording(**timing_ms: float) -> Recording:
    found = Recording(timed=100)
    found.timing_ms.update(timing_ms)
    return found


def test_service_time_is_shared_out_by_server_timing():
    side = told(ServerSide(), recording(db=800.0, total=1200.0), total())

    assert side.timing == {"db": 8.0, "total": 12.0}
    assert side.sentence == (
        "An answer took 40.0 ms on average: 70% outside of the application, in line for it or on "
        "the way, 20% at the database, 10% in the rest of the application."
    )


def test_a_server_that_times_no_database_has_one_part():
    side = told(ServerSide(), recording(total=3000.0), total())

    assert "75% in the application, 25% outside" in side.sentence


def test_without_server_timing_statements_tell_of_the_database_alone():
    statements = (Share("SELECT 1", 0.6, 100, 600.0), Share("SELECT 2", 0.2, 100, 200.0))
    side = told(ServerSide(statements=statements), Recording(), total())

    assert side.timing == {}
    # 800 ms are four fifths: of all it is 1,000 ms, over 200 requests.
    assert "PostgreSQL executed statements for 5.0 ms a request." in side.sentence
    assert "Without Server-Timing the rest can't be told apart." in side.sentence
    assert side.sentence.endswith("Of the time in PostgreSQL 60% was of: SELECT 1")


def test_with_neither_it_says_so():
    side = told(ServerSide(), Recording(), total())

    assert side.sentence == (
        "An answer took 40.0 ms on average. Without Server-Timing and statements nothing tells "
        "where it went."
    )


def test_a_late_loader_is_told_from_a_tenth_of_the_latency_on():
    assert "waited 10.0 ms" in told(ServerSide(), Recording(), total(lag_ms=10.0)).sentence
    assert "waited" not in told(ServerSide(), Recording(), total(lag_ms=2.0)).sentence


def test_notable_waits_are_named_and_the_processor_is_none():
    waits = (Share("CPU", 0.5, 50), Share("Lock: tuple", 0.45, 45), Share("IO: X", 0.05, 5))
    side = told(ServerSide(waits=waits), Recording(), total())

    assert side.sentence.endswith("Its busy sessions stood at: Lock: tuple (45%).")


def test_waits_of_few_sessions_are_chance():
    waits = (Share("CPU", 0.5, 3), Share("Lock: tuple", 0.5, 3))

    assert "stood at" not in told(ServerSide(waits=waits), Recording(), total()).sentence


def test_processors_that_are_all_in_use_are_told():
    processors = len(os.sched_getaffinity(0))
    use = ProcessUse("server", 0.5 * processors, 0)
    idle = told(ServerSide(processes=(use,)), Recording(), total())
    full = told(ServerSide(processes=(use, replace(use, name="postgres"))), Recording(), total())

    assert idle.sentence.endswith(f", of {processors}.")
    assert full.sentence.endswith(f", of {processors}, which is all of them.")


def test_a_long_statement_is_cut_in_the_sentence():
    side = told(ServerSide(statements=(Share(SLOW, 1.0, 1, 1.0),)), Recording(), total())

    assert len(side.sentence.partition("was of: ")[2]) == 100


def test_a_run_without_an_answer_has_no_share():
    assert told(ServerSide(), Recording(), total(service_ms=None)).sentence == ""
