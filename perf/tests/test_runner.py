"""A run and its exit code, without any worker or database."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from perf import runner, variant
from perf.engine.results import ClaimResult, Controls, Finding, Interval, Verdict
from perf.management.running import exit_code
from perf.management.selftest import false_verdicts, missed_delays
from perf.messages import Counted, Failed, Job
from perf.runner import Plan, Runner
from perf.tests.built import METHOD, pair, run, size
from perf.tests.test_assembly import NAME, PLACE, SIZE, SPEC, Ways, controlled, counted, timed
from perf.worker import Stage

PLAN = Plan(specs=(SPEC,), sizes={NAME: (SIZE,)}, method=METHOD, command="benchmark run")


class Watcher:
    """Interrupts when it is told of so many messages."""

    def __init__(self, interrupts_at: int = -1) -> None:
        self.told: list[str] = []
        self._interrupts_at = interrupts_at

    def step(self, text: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None:
        self.told.append(text)
        if len(self.told) == self._interrupts_at:
            raise KeyboardInterrupt


class Workers:
    """Stands for all workers: what each kind of them says, and which of them still run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, counts: Any = None) -> None:
        self.jobs: list[Any] = []
        self.running = 0
        self._counts = counts or counted()
        monkeypatch.setattr(runner, "answers", self.answers)
        monkeypatch.setattr(Runner, "_databases", lambda made, stack: self._copies(made))

    def _copies(self, made: Runner) -> dict[Any, str]:
        return {each: f"copy_{each.size}_{each.writes}_{each.commits}" for each in made._wanted()}

    def answers(self, job: Any, root: Any = None):
        self.jobs.append(job)
        self.running += 1
        try:
            if job.kind == "count":
                yield self._counts
            elif job.targets:
                yield controlled(job.execution)
                yield timed(job.execution)
        finally:
            self.running -= 1


@pytest.fixture
def workers(monkeypatch) -> Workers:
    return Workers(monkeypatch)


def test_a_run_counts_once_and_times_each_execution(workers):
    made = Runner(PLAN, Watcher())
    made.run()

    assert [(each.kind, each.execution) for each in workers.jobs] == [
        ("count", -1),
        *(("time", n) for n in range(4)),
    ]
    assert made.result().ended_at is not None
    assert made.result().pairs[0].sizes[0].comparisons[0].verdict is Verdict.EFFICIENT


def test_without_timing_it_only_counts(workers):
    made = Runner(PLAN, Watcher())
    made.run(timed=False)

    assert [each.kind for each in workers.jobs] == ["count"]
    assert made.result().pairs[0].sizes[0].variants[0].samples == ()


def test_all_jobs_draw_from_one_seed(workers):
    Runner(PLAN, Watcher()).run()

    assert {each.seed for each in workers.jobs} == {METHOD.seed}


@pytest.mark.parametrize(
    "counts",
    [counted(refusal="rows differ"), counted(skipped="not here"), Failed(NAME, SIZE, "ValueError")],
)
def test_what_was_refused_is_never_timed(workers, counts):
    workers._counts = counts
    Runner(PLAN, Watcher()).run()

    timing = [each for each in workers.jobs if each.kind == "time"]
    assert len(timing) == 4
    assert all(each.targets == () for each in timing)


def test_pairs_that_write_have_a_copy_of_their_own_and_those_that_commit_another_one(workers):
    writing = dataclasses.replace(SPEC, name="app.writing", writes=True)
    committing = dataclasses.replace(writing, name="app.committing", commits=True)
    specs = SPEC, writing, committing
    plan = dataclasses.replace(PLAN, specs=specs, sizes={each.name: (SIZE,) for each in specs})
    Runner(plan, Watcher()).run(timed=False)

    assert [(each.database, each.pairs) for each in workers.jobs[0].targets] == [
        ("copy_1000_False_False", (NAME,)),
        ("copy_1000_True_False", ("app.writing",)),
        ("copy_1000_True_True", ("app.committing",)),
    ]


def test_a_way_over_the_limit_is_named_to_the_workers(workers):
    workers._counts = counted(call_s={"good": 4.9, "bad": 5.1})
    Runner(PLAN, Watcher()).run()

    assert [each.slow for each in workers.jobs] == [{}, *[{"app.pair 1000 bad": 5.1}] * 4]


def test_a_large_pair_has_another_limit(workers):
    workers._counts = counted(call_s={"good": 29.0, "bad": 31.0})
    large = dataclasses.replace(SPEC, tags=("large",))
    Runner(dataclasses.replace(PLAN, specs=(large,)), Watcher()).run()

    assert workers.jobs[-1].slow == {"app.pair 1000 bad": 31.0}


class Slow(Ways):
    """A way that must not be called where it is too slow."""

    @variant()
    def bad(self) -> int:
        """Is far too slow."""
        raise AssertionError("called, though it takes too long")


@pytest.mark.django_db
def test_a_way_over_the_limit_is_never_called_where_others_are_timed():
    job = Job(
        kind="time",
        targets=(),
        seed=1,
        execution=0,
        draws=2,
        counted_draws=2,
        rounds=2,
        sample_ms=0.1,
        delay_ratio=0.2,
        cache="warm",
        slow={"app.pair 1000 bad": 5.1},
    )
    stage = Stage(SPEC, Slow(SIZE, None), random.Random(1), draws=2)

    found = stage.timed(job, random.Random(1))

    assert (list(found.samples), found.refusal) == (["good"], "")
    assert found.notes == {"bad": "a call takes 5.1 s: too slow to be timed in this run"}


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_interruption_ends_its_worker_and_leaves_what_there_is(workers, at):
    made = Runner(PLAN, Watcher(interrupts_at=at))

    with pytest.raises(KeyboardInterrupt) as caught:
        made.run()

    assert (workers.running, caught.value.__traceback__ is not None) == (0, True)
    assert made.result().ended_at is None
    assert len(made.result().pairs[0].sizes[0].variants[0].samples) == at - 1


def test_a_budget_leaves_two_executions_and_a_note(workers):
    made = Runner(dataclasses.replace(PLAN, budget_s=0.0), Watcher())
    made.run()

    found = made.result()
    assert [each.kind for each in workers.jobs] == ["count", "time", "time"]
    assert found.note == "The budget was enough for 2 of 4 executions."
    assert found.method.executions == 2
    assert found.ended_at is not None


def test_progress_tells_the_interval_from_the_third_execution_on(workers):
    watcher = Watcher()
    Runner(PLAN, watcher).run()

    assert watcher.told[:3] == ["app.pair at 1,000"] * 3
    assert watcher.told[3].startswith("app.pair at 1,000: ")
    assert watcher.told[3].endswith(" times")


def test_ids_of_runs_are_those_of_files(workers):
    from perf.kept import ID

    assert ID.fullmatch(Runner(PLAN, Watcher()).result().id)


def claims(*findings: Finding):
    return run(pair(size(), claims=[ClaimResult("x", each, "", False) for each in findings]))


CONTROLS = Controls(
    same=Interval(1.0, 0.99, 1.01),
    same_verdict=Verdict.EQUIVALENT,
    delayed=Interval(1.2, 1.15, 1.25),
    delayed_verdict=Verdict.EFFICIENT,
    delay_ratio=0.2,
    noise_floor=1.01,
    resolves=1.05,
    harness_ns=50.0,
    yardstick=(1.0,),
    complaints=(),
)
BLIND = dataclasses.replace(CONTROLS, delayed_verdict=Verdict.INCONCLUSIVE)
HOLDS, UNDECIDED, REFUTED = Finding.HOLDS, Finding.UNDECIDED, Finding.REFUTED


@pytest.mark.parametrize(
    ("found", "usual", "strict"),
    [
        (claims(HOLDS), 0, 0),
        (claims(HOLDS, Finding.NOT_MEASURED), 0, 0),
        (claims(HOLDS, UNDECIDED), 0, 4),
        (claims(UNDECIDED, REFUTED), 1, 1),
        (run(pair(size(refusal="no"))), 5, 5),
        (run(pair(size(), size(refusal="no"), claims=claims(REFUTED).pairs[0].claims)), 5, 5),
        (run(controls=BLIND), 0, 4),
        (run(controls=CONTROLS), 0, 0),
    ],
)
def test_the_exit_code_is_the_gravest(found, usual, strict):
    assert (exit_code(found, strict=False), exit_code(found, strict=True)) == (usual, strict)


def test_the_self_test_counts_what_it_got_wrong():
    told_apart = dataclasses.replace(CONTROLS, same=Interval(1.05, 1.02, 1.08))
    other_side = dataclasses.replace(CONTROLS, same=Interval(0.95, 0.93, 0.98))
    missed = dataclasses.replace(CONTROLS, delayed=Interval(1.1, 1.005, 1.2))

    assert false_verdicts(CONTROLS, [CONTROLS, told_apart, other_side]) == 2
    assert missed_delays(CONTROLS, [CONTROLS, missed]) == 1


def test_messages_of_one_place_belong_together():
    made = Runner(PLAN, Watcher())
    made._collected.add(Counted(NAME, SIZE))

    assert list(made._collected.counted) == [PLACE]
