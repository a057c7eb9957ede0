"""Histograms are those of the library, and recordings merge exactly."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from perf.load.merging import Packed, merge, packed, unpacked
from perf.load.recorder import Made, Recorder
from perf.load.recording import DIGITS, HIGHEST_US, LOWEST_US, Histogram, Recording
from perf.load.results import Failure

PERCENTILES = (0.001, 1, 50, 90, 95, 99, 99.9, 99.99, 100)


def values(seed: int, count: int = 5000) -> list[int]:
    """From less than 1 µs to more than an hour."""
    rng = random.Random(seed)
    return [min(int(rng.lognormvariate(9, 4)), HIGHEST_US) for _ in range(count)]


def both(seed: int) -> tuple[Histogram, HdrHistogram]:
    ours, library = Histogram(), HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
    for each in values(seed):
        ours.record_value(each)
        library.record_value(each)
    return ours, library


@pytest.mark.parametrize("seed", range(5))
def test_a_histogram_has_the_bins_and_the_figures_of_the_library(seed):
    ours, library = both(seed)

    assert ours.counts.tolist() == list(library.counts)
    assert ours.get_total_count() == library.get_total_count()
    assert ours.get_min_value() == library.get_min_value()
    assert ours.get_max_value() == library.get_max_value()
    for each in PERCENTILES:
        assert ours.get_value_at_percentile(each) == library.get_value_at_percentile(each), each
    assert ours.get_mean_value() == pytest.approx(library.get_mean_value(), rel=1e-3)
    assert ours.get_mean_value() == pytest.approx(np.mean(values(seed)), rel=1e-3)


def test_the_bounds_of_all_bins_are_those_of_the_library():
    library = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
    for value in sorted({2**bits + more for bits in range(32) for more in (-1, 0, 1)}):
        if 0 <= value <= HIGHEST_US:
            ours = Histogram()
            ours.record_value(value)
            assert ours.get_min_value() == library.get_lowest_equivalent_value(value)
            assert ours.get_max_value() == library.get_highest_equivalent_value(value)


def test_what_is_longer_than_an_hour_is_an_hour():
    found = Histogram()
    found.record_value(HIGHEST_US * 2)

    assert found.get_min_value() <= HIGHEST_US <= found.get_max_value()


def test_the_library_reads_what_a_histogram_writes_and_the_other_way_round():
    ours, library = both(1)

    assert list(HdrHistogram.decode(ours.encode()).counts) == list(library.counts)
    assert Histogram.decode(library.encode()).used == ours.used
    assert Histogram.decode(Histogram().encode()).total_count == 0


def test_an_empty_histogram_has_no_figures():
    empty = Histogram()

    assert (empty.get_min_value(), empty.get_max_value(), empty.get_mean_value()) == (0, 0, 0)
    assert empty.get_value_at_percentile(99) == 0


def recorded(calls: list[Made], timeout_s: float = 1.0) -> Recording:
    recorder = Recorder(timeout_s)
    for each in calls:
        recorder.record(each)
    recorder.timing("db;dur=1.25")
    found = recorder.take()
    found.in_flight[1] = 3
    return found


def calls(seed: int) -> list[Made]:
    rng = random.Random(seed)
    kinds = [None, None, None, *Failure]
    found = []
    for _ in range(500):
        due = rng.uniform(-2, 5)
        sent = due + rng.expovariate(1000)
        name, tenant, failure = rng.choice("ab"), rng.choice(["", "x", "y"]), rng.choice(kinds)
        done = sent + rng.expovariate(20)
        found.append(Made(name, tenant, due, sent, done, failure, "why" if failure else ""))
    return found


def test_two_recordings_make_the_one_that_a_single_process_would_have_made():
    one, other = calls(1), calls(2)
    whole = recorded(one + other)

    found = Recording()
    merge(found, recorded(one))
    merge(found, recorded(other))

    assert found.timed == 2 * whole.timed
    assert found.timing_ms == {"db": 2.5}
    assert found.in_flight == {1: 6}
    again = packed(found)
    whole.timed, whole.timing_ms, whole.in_flight = found.timed, found.timing_ms, found.in_flight
    assert as_read(again) == as_read(packed(whole))
    for cells in found.steps.values():
        assert all(each.latency.get_total_count() == each.due for each in cells.values())


def test_a_recording_that_was_sent_is_the_same():
    found = recorded(calls(3))
    found.workers, found.cpu_share, found.lost = {0, 2}, {0: 0.5}, {1: "was killed"}
    found.broken_off = "interrupted"
    sent = msgspec.json.decode(msgspec.json.encode(packed(found)), type=Packed)

    assert as_read(packed(unpacked(sent))) == as_read(packed(found))
    assert unpacked(sent).steps["a"][0].failures[Failure.CHECK] >= 0  # a Counter has all
    assert unpacked(sent).steps["a"][0].latency.total_count == found.steps["a"][0].due


def as_read(found: Packed) -> object:
    return msgspec.json.decode(msgspec.json.encode(found))


def test_what_never_came_back_is_in_the_latency_at_the_timeout_and_what_was_refused_is_not():
    lost = [
        Made("a", "", 0.0, 0.0, 0.01, Failure.TRANSPORT),
        Made("a", "", 0.0, 0.5, 1.5, Failure.TIMEOUT),
        Made("a", "", 0.0, None, 0.0, Failure.DROPPED),
        Made("a", "", 0.0, 0.0, 0.02, Failure.STATUS),
    ]
    cell = recorded(lost, timeout_s=1.0).steps["a"][0]

    found = sorted(cell.latency.used.items())
    expected = Histogram()
    for us in (20_000, 1_000_000, 1_000_000, 1_500_000):
        expected.record_value(us)
    assert found == sorted(expected.used.items())
    assert cell.due == 4
    assert cell.lag.get_total_count() == 3


def test_calls_without_a_tenant_are_of_none():
    assert set(recorded(calls(4)).tenants) == {"x", "y"}


def test_reasons_are_kept_of_some_kinds_and_not_of_each_call():
    found = recorded([Made("a", "", 0, 0, 0, Failure.CHECK, f"number {n}") for n in range(1000)])

    assert len(found.reasons) == 50
    assert found.steps["a"][0].failures == {Failure.CHECK: 1000}
