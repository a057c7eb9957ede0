from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from perf.load.assembly import Planned, assemble
from perf.load.compare import IncomparableError, compare, unlike
from perf.load.recording import Recording
from perf.load.results import (
    Change,
    Failure,
    LoadComparison,
    LoadDifference,
    LoadMethod,
    LoadRun,
    Model,
    ServerSide,
    Stage,
)
from perf.tests.recordings import add, method, served

_IDS = itertools.count()


def run_of(
    recording: Recording,
    id: str = "",
    how: LoadMethod | None = None,
    environment: dict[str, str] | None = None,
    *,
    ended_at: str | None = "then",
) -> LoadRun:
    planned = Planned(
        id or f"run-{next(_IDS)}",
        command="",
        started_at="",
        target="http://127.0.0.1:8000",
        scenarios={"browse": 1},
        method=how or method(),
        environment=environment or {},
    )
    return assemble(planned, recording, ServerSide(), ended_at=ended_at)


def made(median_ms: float, seed: int, seconds: int = 60, spread: float = 0.4) -> Recording:
    rng = np.random.default_rng(seed)
    return served(seconds, lambda at: median_ms * np.exp(rng.normal(0, spread, 50)))


def same(latency_ms: float) -> Recording:
    return served(20, lambda at: [latency_ms] * 100)


def found_in(comparison: LoadComparison, step: str, what: str) -> LoadDifference:
    (found,) = (each for each in comparison.differences if (each.step, each.what) == (step, what))
    return found


class TestOneRunEach:
    def test_equal_runs_are_the_same(self) -> None:
        run, other = (run_of(made(20, 1, seconds=120)) for _ in range(2))

        found = found_in(compare([run], [other]), "", "p50")

        assert (found.verdict, found.before, found.after) == (
            Change.SAME,
            found.before,
            found.before,
        )
        assert found.ratio is not None
        assert found.ratio.estimate == 1
        assert found.ratio.low < 1 < found.ratio.high

    @pytest.mark.parametrize(
        ("after_ms", "expected"),
        [(30, Change.WORSE), (13, Change.BETTER), (22, Change.UNDECIDED)],
    )
    def test_what_moved_beyond_the_margin_is_told(self, after_ms: float, expected: Change) -> None:
        comparison = compare([run_of(made(20, 1))], [run_of(made(after_ms, 2))])

        found = found_in(comparison, "", "p50")
        assert found.verdict is expected
        assert found.ratio is not None
        assert found.ratio.estimate == pytest.approx(after_ms / 20, rel=0.05)
        assert found.ratio.low < after_ms / 20 < found.ratio.high

    def test_the_interval_holds_the_true_ratio_in_95_of_100(self) -> None:
        hits = 0
        for seed in range(60):
            comparison = compare([run_of(made(20, seed, 30))], [run_of(made(25, 1_000 + seed, 30))])
            ratio = found_in(comparison, "", "p50").ratio
            assert ratio is not None
            hits += ratio.low <= 1.25 <= ratio.high

        assert hits >= 54

    def test_both_intervals_are_put_together(self) -> None:
        one, other = run_of(made(20, 1)), run_of(made(30, 2))
        ours, theirs = one.total.latency.at(0.99), other.total.latency.at(0.99)
        assert ours is not None
        assert theirs is not None
        logs = [
            [math.log(each or 1) for each in (q.low_ms, q.value_ms, q.high_ms)]
            for q in (ours, theirs)
        ]

        ratio = found_in(compare([one], [other]), "", "p99").ratio

        below = math.hypot(logs[1][1] - logs[1][0], logs[0][2] - logs[0][1])
        assert ratio is not None
        assert math.log(ratio.estimate / ratio.low) == pytest.approx(below)

    def test_what_runs_differ_by_is_said_to_be_in_no_interval(self) -> None:
        comparison = compare([run_of(made(20, 1))], [run_of(made(20, 2))])

        assert comparison.complaints == (
            "One run of a side: what one run differs from the next by is in no interval. Better "
            "three of each side, in turns.",
        )

    def test_a_short_run_has_figures_but_no_ratio(self) -> None:
        short, other = (run_of(made(20, 1, seconds=8), how=method(8)) for _ in range(2))

        found = found_in(compare([short], [other]), "", "p50")

        assert found.before == found.after
        assert found.before == pytest.approx(20, rel=0.1)
        assert (found.ratio, found.verdict) == (None, Change.UNDECIDED)

    def test_too_few_samples_have_no_figure(self) -> None:
        few, other = (run_of(served(20, lambda at: [10.0] * 5), how=method(20)) for _ in range(2))

        found = found_in(compare([few], [other]), "", "p99")

        assert found == LoadDifference("", "p99", None, None, None, Change.UNDECIDED)


class TestSeveralRunsEach:
    def runs(self, medians_ms: Sequence[float]) -> list[LoadRun]:
        return [run_of(same(ms), f"{ms}", method(20)) for ms in medians_ms]

    def test_the_interval_is_welchs_on_logarithms(self) -> None:
        before, after = [1.0, 1.1, 1.2], [1.5, 1.6, 1.9]

        comparison = compare(self.runs(before), self.runs(after))

        expected = stats.ttest_ind(np.log(after), np.log(before), equal_var=False)
        bounds = expected.confidence_interval(0.95)
        found = found_in(comparison, "", "p50")
        assert found.ratio is not None
        assert found.ratio.estimate == pytest.approx(
            stats.gmean(after) / stats.gmean(before), rel=1e-6
        )
        assert (found.ratio.low, found.ratio.high) == pytest.approx(
            (math.exp(bounds.low), math.exp(bounds.high)), rel=1e-6
        )
        assert found.before == pytest.approx(stats.gmean(before))
        assert (comparison.before, comparison.after) == (
            ("1.0", "1.1", "1.2"),
            ("1.5", "1.6", "1.9"),
        )
        assert comparison.complaints == ()

    def test_runs_that_differ_among_themselves_leave_it_open(self) -> None:
        """One of each would have told a difference that is none of the sides."""
        comparison = compare(self.runs([10, 20, 14]), self.runs([13, 26, 17]))

        assert found_in(comparison, "", "p50").verdict is Change.UNDECIDED
        one = compare(self.runs([10]), self.runs([13]))
        assert found_in(one, "", "p50").verdict is Change.WORSE

    def test_one_run_beside_several_has_its_own_interval(self) -> None:
        found = found_in(compare(self.runs([10]), self.runs([20, 20.4, 19.6])), "", "p50")

        assert found.verdict is Change.WORSE
        assert found.ratio is not None
        assert found.ratio.low > 1.8


class TestSteps:
    def test_each_that_all_runs_have_is_compared(self) -> None:
        before, after = served(20), served(20)
        for at in range(20):
            add(before, at, [50.0] * 50, step="edit")
            add(after, at, [90.0] * 50, step="edit")
            add(before, at, [5.0] * 50, step="gone")
            add(after, at, [5.0] * 50, step="new")

        comparison = compare([run_of(before)], [run_of(after)])

        assert [(each.step, each.what) for each in comparison.differences] == [
            ("", "p50"),
            ("", "p99"),
            ("edit", "p50"),
            ("edit", "p99"),
            ("list", "p50"),
            ("list", "p99"),
        ]
        assert found_in(comparison, "edit", "p50").verdict is Change.WORSE
        assert found_in(comparison, "list", "p50").verdict is Change.SAME

    def test_of_a_closed_model_the_rate_is_compared_where_more_is_better(self) -> None:
        closed = method(60, rate=1, model=Model.CLOSED, think_s=0.1)
        slow = run_of(served(60, lambda at: [20.0] * (40 + at % 2)), how=closed)
        quick = run_of(served(60, lambda at: [10.0] * (80 + at % 2)), how=closed)

        found = found_in(compare([slow], [quick]), "", "rate")

        assert found.before == pytest.approx(40.5)
        assert found.after == pytest.approx(80.5)
        assert found.ratio is not None
        assert found.ratio.estimate == pytest.approx(80.5 / 40.5)
        assert found.verdict is Change.BETTER
        assert found_in(compare([quick], [slow]), "", "rate").verdict is Change.WORSE


class TestReadable:
    def test_an_invalid_run_is_compared_with_nothing(self) -> None:
        good, broken = run_of(served(60)), run_of(served(20), "b", ended_at=None)

        with pytest.raises(IncomparableError, match="run b can not be compared: It was broken off"):
            compare([good], [broken])

    def test_nor_is_one_that_its_loader_limited(self) -> None:
        recording = served(60)
        recording.cpu_share = {0: 0.99}

        with pytest.raises(IncomparableError, match="A worker of the loader took 99%"):
            compare([run_of(recording)], [run_of(served(60))])

    def test_failures_that_differ_are_told(self) -> None:
        failing = served(60, failures=lambda at: {Failure.STATUS: 2})

        told = compare([run_of(served(60))], [run_of(failing)]).complaints

        assert told[1] == (
            "Of the requests 0.0% failed or were throttled before, and 4.0% after: an answer that "
            "refuses may be a quick one."
        )

    @pytest.mark.parametrize("bound_ms", [0.0, -1.0])
    def test_a_file_with_a_time_that_is_none_has_no_ratio(self, bound_ms: float) -> None:
        run = run_of(served(60))
        quantiles = tuple(
            dataclasses.replace(each, value_ms=bound_ms or each.value_ms, high_ms=bound_ms)
            for each in run.total.latency.quantiles
        )
        latency = dataclasses.replace(run.total.latency, quantiles=quantiles)
        total = dataclasses.replace(run.total, latency=latency)
        odd = dataclasses.replace(run, id="odd", total=total)

        found = compare([run], [odd]).differences[0]

        assert (found.step, found.what) == ("", "p50")
        assert found.ratio is None

    def test_what_a_run_complains_of_is_told_with_its_name(self) -> None:
        rising = served(60, in_flight=lambda at: 5 + 4 * at)

        told = compare([run_of(served(60))], [run_of(rising, "b")]).complaints

        assert told[1].startswith("b: Overload: ")

    def test_a_run_is_not_compared_with_itself(self) -> None:
        one, other = run_of(served(60), "a"), run_of(served(60), "b")

        with pytest.raises(IncomparableError, match="The run b is on both sides"):
            compare([one, other], [other])

    def test_nor_are_runs_of_other_scenarios(self) -> None:
        one = run_of(served(60))
        other = dataclasses.replace(run_of(served(60)), scenarios={"browse": 1, "edit": 0.5})

        with pytest.raises(
            IncomparableError, match=r"ran other scenarios: browse 1 and browse 1, "
        ):
            compare([one], [other])


class TestUnlike:
    def test_what_was_done_alike_is_not_told(self) -> None:
        run = run_of(served(20), environment={"commit": "a1", "Python": "3.13.0"})
        other = run_of(served(20), environment={"commit": "b2", "Python": "3.13.0"})

        assert list(unlike([run, other])) == []

    def test_all_that_differs_in_method_or_machine_is(self) -> None:
        one = run_of(served(20), environment={"Python": "3.13.0"})
        other = dataclasses.replace(
            run_of(served(20), how=method(workers=2, stages=(Stage(30, 0, 50), Stage(60, 50, 50)))),
            target="http://127.0.0.1:9000",
            environment={"Python": "3.12.0", "PostgreSQL": "18.6"},
        )

        assert list(unlike([one, other])) == [
            "stages: 60 s at 50 and 30 s at 0 to 50, 60 s at 50",
            "workers: 1 and 2",
            "target: http://127.0.0.1:8000 and http://127.0.0.1:9000",
            "Python: 3.13.0 and 3.12.0",
            "PostgreSQL: – and 18.6",
        ]

    def test_a_comparison_has_it(self) -> None:
        one, other = run_of(served(20)), run_of(served(20), how=method(think_s=2.0))

        assert compare([one], [other]).unlike == ("think: 0.0 and 2.0",)
