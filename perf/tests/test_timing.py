from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import perf
from perf.engine import timing
from perf.engine.timing import benchmark_function, timer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A clock that shows its only value, in nanoseconds."""
    now = [0]
    monkeypatch.setattr(timing, "perf_counter_ns", lambda: now[0])
    return now


class TestTimer:
    def test_it_measures_the_block_and_not_what_comes_after(self, clock: list[int]) -> None:
        with timer() as elapsed:
            clock[0] += 2_500_000
        clock[0] += 1_000_000

        assert (elapsed.ns, elapsed.ms, elapsed.s) == (2_500_000, 2.5, 0.0025)

    def test_it_can_be_read_while_the_block_runs(self, clock: list[int]) -> None:
        with timer() as elapsed:
            clock[0] += 7
            assert elapsed.ns == 7
            clock[0] += 3
            assert elapsed.ns == 10

    def test_before_the_block_nothing_has_elapsed(self) -> None:
        assert timer().ns == 0

    def test_a_block_that_raises_is_measured_and_goes_on_raising(self, clock: list[int]) -> None:
        told: list[str] = []

        def fail() -> None:
            clock[0] += 1_000_000
            raise KeyError

        elapsed = timer("Import", told.append)
        with pytest.raises(KeyError), elapsed:
            fail()
        clock[0] += 5

        assert elapsed.ms == 1
        assert told == ["Import: 1.000 ms, and raised KeyError"]

    def test_it_tells_in_one_line_if_it_is_given_whom(self, clock: list[int]) -> None:
        told: list[str] = []

        with timer("Import", tell=told.append):
            clock[0] += 1_234_567_891
        with timer(tell=told.append):
            pass

        assert told == ["Import: 1,234.568 ms", "Elapsed: 0.000 ms"]

    def test_it_prints_nothing_by_itself(self, capsys: pytest.CaptureFixture[str]) -> None:
        with timer("Import"):
            pass

        assert capsys.readouterr() == ("", "")

    def test_it_starts_anew_when_it_is_used_again(self, clock: list[int]) -> None:
        elapsed = timer()
        for lasts in (5, 3):
            with elapsed:
                clock[0] += lasts
                assert elapsed.ns == lasts

    def test_it_goes_by_a_real_clock(self) -> None:
        with timer() as elapsed:
            time.sleep(0.01)

        assert 10 <= elapsed.ms < 1_000


class TestBenchmarkFunction:
    def test_its_figures_are_those_of_the_calls(self, clock: list[int]) -> None:
        lasts = iter([99, 1_000, 3_000, 8_000])  # the first warms up

        def work() -> None:
            clock[0] += next(lasts)

        found = benchmark_function(work, iterations=3)

        assert found.times_ns == (1_000, 3_000, 8_000)
        assert (found.n, found.mean_ns, found.median_ns) == (3, 4_000, 3_000)
        assert (found.min_ns, found.max_ns, found.p95_ns) == (1_000, 8_000, None)
        assert found.stdev_ns == pytest.approx(13e6**0.5)

    def test_properties_are_the_same_in_seconds(self, clock: list[int]) -> None:
        lasts = iter(range(1_000_000, 22_000_000, 1_000_000))

        def work() -> None:
            clock[0] += next(lasts)

        found = benchmark_function(work, iterations=20, warm_up=0)

        assert (found.mean_s, found.median_s, found.min_s) == (0.0105, 0.0105, 0.001)
        assert (found.max_s, found.p95_s) == (0.020, 0.019)
        assert found.stdev_s == pytest.approx(0.005916, rel=1e-3)
        assert found.times_s[:2] == (0.001, 0.002)

    def test_one_call_has_no_deviation_and_no_percentile(self) -> None:
        found = benchmark_function(int, iterations=1)

        assert (found.stdev_ns, found.stdev_s, found.p95_ns, found.p95_s) == (None,) * 4

    def test_arguments_are_passed_and_the_last_result_is_kept(self) -> None:
        calls: list[int] = []

        def work(step: int, *, start: int) -> int:
            calls.append(step)
            return start + len(calls) * step

        found = benchmark_function(work, 2, start=100, iterations=4, warm_up=2)

        assert found.result == 100 + 6 * 2
        assert (len(calls), found.n) == (6, 4)

    def test_a_function_may_have_an_argument_of_each_name(self) -> None:
        def work(*, iterations: int, function: str) -> str:
            return function * iterations

        found = benchmark_function(partial(work, iterations=3), function="x")

        assert (found.result, found.n) == ("xxx", 10)

    def test_garbage_is_collected_before_the_calls_that_count(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps: list[str] = []
        monkeypatch.setattr(gc, "collect", lambda: steps.append("collect"))

        benchmark_function(steps.append, "call", iterations=2)

        assert steps == ["call", "collect", "call", "call"]

    def test_a_result_is_not_freed_while_the_next_call_is_timed(self, clock: list[int]) -> None:
        class Costly:
            def __del__(self) -> None:
                clock[0] += 1_000

        found = benchmark_function(Costly, iterations=5)

        assert found.max_ns == 0

    @pytest.mark.parametrize(("iterations", "warm_up"), [(0, 1), (-1, 1), (1, -1)])
    def test_less_than_one_call_is_refused(self, iterations: int, warm_up: int) -> None:
        with pytest.raises(ValueError, match="fewer than"):
            benchmark_function(int, iterations=iterations, warm_up=warm_up)

    def test_a_coroutine_function_is_refused(self) -> None:
        with pytest.raises(TypeError, match="only makes a coroutine"):
            benchmark_function(asyncio.sleep, 0)

    def test_what_the_function_raises_passes_through(self) -> None:
        with pytest.raises(ZeroDivisionError):
            benchmark_function(divmod, 1, 0)

    @settings(max_examples=5, deadline=None)  # each collects garbage, 0.2 s with Django loaded
    @given(st.integers(1, 30), st.integers(0, 3))
    def test_figures_keep_their_order(self, iterations: int, warm_up: int) -> None:
        found = benchmark_function(sum, range(50), iterations=iterations, warm_up=warm_up)

        assert found.n == len(found.times_ns) == iterations
        assert 0 <= found.min_ns <= found.median_ns <= found.max_ns
        assert found.min_ns <= found.mean_ns <= found.max_ns


def test_perf_offers_both_without_numpy() -> None:
    code = "import sys; sys.modules['numpy'] = None; from perf import benchmark_function, timer"

    subprocess.run([sys.executable, "-c", code], check=True)
    assert perf.timer is timer
    assert perf.benchmark_function is benchmark_function
