"""A run: databases made ready, rows proven and calls counted, then timed in fresh processes."""

from __future__ import annotations

import dataclasses
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from perf import assembly
from perf.assembly import Collected
from perf.catalogue import Dataset, PairSpec
from perf.engine.results import VERSION, Controls, Interval, Method, Run
from perf.engine.statistics import ratio_of
from perf.environment import environment
from perf.messages import (
    Controlled,
    Counted,
    Done,
    Failed,
    Job,
    Lost,
    Message,
    Target,
    Timed,
    slow_key,
)
from perf.pg import databases, locks
from perf.workers import WorkerDied, answers

COUNTED_SEED: Final = 1  # unless told: counts of two runs are of the same draws, to be compared
DELAY_MARGINS: Final = 2.0  # an injected delay of so many margins must be found
SLOWEST_LARGE_CALL_S: Final = 30.0  # of a large pair: ten executions of it take half an hour


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and how. `sizes` has the sizes of each pair by its name, ascending."""

    specs: tuple[PairSpec, ...]
    sizes: dict[str, tuple[int, ...]]
    method: Method
    command: str
    counted_draws: int = 10
    slowest_call_s: float = 5.0
    budget_s: float | None = None
    controls: int = 1
    modules: tuple[str, ...] = ()  # with pairs of no installed app
    superuser_url: str = ""
    counted_seed: int = COUNTED_SEED


class _Copy(NamedTuple):
    """Which copy of a database: all pairs of one have the same needs."""

    dataset: str
    size: int
    writes: bool
    commits: bool


class Watcher(Protocol):
    """What is told how far a run is."""

    def step(self, text: str) -> None:
        """Something begins that takes a while."""

    def progress(self, done: int, total: int, text: str) -> None:
        """So much of the timing is done; `text` is the last interval."""


class Runner:
    """Makes one run. What it has collected is valid whenever it is stopped."""

    def __init__(self, plan: Plan, watcher: Watcher) -> None:
        self._plan = plan
        self._watcher = watcher
        self._collected = Collected()
        self._environment: dict[str, str] = {}
        self._started_at = _now()
        self._started = time.monotonic()
        self._id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self._is_whole = False
        self._note = ""
        self._executions = plan.method.executions
        self._names: dict[_Copy, str] = {}

    def run(self, *, timed: bool = True) -> None:
        """Go through all of it; without `timed`, prove rows and count only.

        A pair whose worker dies is refused, and the others go on. Raises what hinders all of them,
        such as `WorkerDied`, a `DatabaseError` where the server is gone, or `NotMade`.
        """
        with self.ready():
            if self._plan.specs:
                self._watcher.step("Proving that all ways return the same rows, and counting.")
                self._work("count", execution=-1)
            if timed:
                self._time_all()
            self._is_whole = True

    def _time_all(self) -> None:
        """All executions, or as many as end within the budget: two at least."""
        planned, began = self._plan.method.executions, time.monotonic()
        plural = "" if planned == 1 else "s"
        self._watcher.step(f"Timing, in {planned} execution{plural}.")
        for execution in range(planned):
            if execution > 1 and self._is_over_budget((time.monotonic() - began) / execution):
                self._executions = execution
                self._note = f"The budget was enough for {execution} of {planned} executions."
                return
            self._work("time", execution)

    @property
    def has_found(self) -> bool:
        """Whether anything was counted or timed by now."""
        return bool(self._collected.counted or self._collected.timed)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Have a copy of each database that is needed, filling those that are not there."""
        with ExitStack() as stack:
            self._names = self._databases(stack)
            yield

    def time(self, execution: int, root: Path | None = None) -> list[Message]:
        """Time all once, by the code at `root` or by that which runs; inside of `ready`.

        Nothing of it becomes part of the result. Raises `WorkerDied`.
        """
        found = []
        job = self._job("time", execution)
        total = sum(len(each.pairs) for each in job.targets)
        with closing(answers(job, root)) as messages:
            for number, message in enumerate(messages):
                self._tell("time", execution, number, total, message)
                found.append(message)
        return found

    def stopped(self, why: str) -> None:
        """Note in the result why it did not come to its end."""
        self._note = " ".join(filter(None, (self._note, why)))

    def result(self) -> Run:
        """What there is, also amid a run."""
        method = dataclasses.replace(self._plan.method, executions=self._executions)
        collected = self._collected
        found = assembly.controls(collected, method, DELAY_MARGINS * method.margin)
        return Run(
            version=VERSION,
            id=self._id,
            command=self._plan.command,
            started_at=self._started_at,
            ended_at=_now() if self._is_whole else None,
            method=method,
            environment=self._environment,
            controls=found,
            pairs=tuple(
                assembly.pair_result(spec, self._plan.sizes[spec.name], collected, method, found)
                for spec in self._plan.specs
            ),
            note=self._note,
        )

    def controls(self) -> list[Controls]:
        """What each of the plan's controls says, as far as they were made."""
        method = self._plan.method
        found = (
            assembly.controls(self._collected, method, DELAY_MARGINS * method.margin, number)
            for number in range(self._plan.controls)
        )
        return [each for each in found if each is not None]

    def _databases(self, stack: ExitStack) -> dict[_Copy, str]:
        """A copy of the database of each dataset and size; the missing ones are filled first.

        What writes has a copy of its own, and what commits another one: what a rollback leaves in
        tables, and a vacuum tells the planner of it, is nothing to those who read.
        """
        found = {}
        stack.enter_context(locks.using())
        for copy, dataset in self._wanted().items():
            name = databases.kept_name(dataset, copy.size)
            if not databases.is_filled(name):
                self._watcher.step(f"Filling {name} with {copy.size:,} rows; it is kept.")
                databases.fill(dataset, copy.size, self._watcher.step)
            tag = 10 * os.getpid() + copy.writes + copy.commits
            found[copy] = stack.enter_context(databases.copied(name, tag, self._watcher.step))
        if found:
            with databases.using(next(iter(found.values()))):
                self._environment = environment()
        return found

    def _wanted(self) -> dict[_Copy, Dataset]:
        return {
            _copy(spec, size): spec.dataset
            for spec in self._plan.specs
            for size in self._plan.sizes[spec.name]
        }

    def _work(self, kind: Literal["count", "time"], execution: int) -> None:
        """Have a worker do it all; where one dies over a pair, the next one does what is left.

        Raises `WorkerDied` for one that dies over no pair: the next would do the same.
        """
        job, told = self._job(kind, execution), 0
        total = sum(len(each.pairs) for each in job.targets)
        done: set[tuple[str, int]] = set()
        while True:
            try:
                # Closed here: a worker that outlives an interruption keeps its database in use.
                with closing(answers(job)) as messages:
                    for message in messages:
                        self._collected.add(message)
                        self._tell(kind, execution, told, total, message)
                        told += 1
                        done |= _places(message)
                return
            except WorkerDied as death:
                if death.begun is None:
                    raise
                lost = Lost(death.begun.pair, death.begun.size, death.how)
                self._watcher.step(f"{death} The others go on.")
                self._collected.add(lost)
                done |= _places(lost)
                job = _without(job, done)
                if not job.targets:
                    return

    def _job(self, kind: Literal["count", "time"], execution: int) -> Job:
        method = self._plan.method
        leave_out = self._unfit()
        return Job(
            kind=kind,
            targets=tuple(
                Target(copy.size, name, pairs)
                for copy, name in self._names.items()
                if (pairs := self._pairs_of(copy, leave_out))
            ),
            seed=self._plan.counted_seed if kind == "count" else method.seed,
            execution=execution,
            draws=method.draws,
            counted_draws=self._plan.counted_draws,
            rounds=method.rounds,
            sample_ms=method.sample_ms,
            slow=self._slow(),
            delay_ratio=DELAY_MARGINS * method.margin,
            cache="cold" if method.cache == "cold" else "warm",
            superuser_url=self._plan.superuser_url,
            controls=self._plan.controls,
            modules=self._plan.modules,
        )

    def _pairs_of(self, copy: _Copy, leave_out: set[tuple[str, int]]) -> tuple[str, ...]:
        return tuple(
            each.name
            for each in self._plan.specs
            if copy == _copy(each, copy.size)
            and copy.size in self._plan.sizes[each.name]
            and (each.name, copy.size) not in leave_out
        )

    def _unfit(self) -> set[tuple[str, int]]:
        """What is not timed: refused, skipped or failed."""
        counted = self._collected.counted.items()
        found = {place for place, each in counted if each.refusal or each.skipped}
        return found | set(self._collected.failed)

    def _slow(self) -> dict[str, float]:
        """The ways that took too long when they were counted."""
        large = {each.name for each in self._plan.specs if each.is_large}
        slowest_s, of_large_s = self._plan.slowest_call_s, SLOWEST_LARGE_CALL_S
        return {
            slow_key(pair, size, name): took_s
            for (pair, size), counted in self._collected.counted.items()
            for name, took_s in counted.call_s.items()
            if took_s > (of_large_s if pair in large else slowest_s)
        }

    def _is_over_budget(self, execution_s: float) -> bool:
        """Whether another execution, which takes so long, would end after the budget."""
        passed_s = time.monotonic() - self._started
        return self._plan.budget_s is not None and passed_s + execution_s > self._plan.budget_s

    def _tell(self, kind: str, execution: int, number: int, total: int, message: Message) -> None:
        if kind == "count" and isinstance(message, Counted | Failed):
            self._watcher.progress(number + 1, total, f"{message.pair} at {message.size:,}")
        elif isinstance(message, Controlled) and self._plan.controls > 1:
            whole = self._plan.controls * self._plan.method.executions
            self._watcher.progress(execution * self._plan.controls + number + 1, whole, "controls")
        elif isinstance(message, Timed):
            whole = total * self._plan.method.executions
            done = execution * total + min(number, total)
            self._watcher.progress(done, whole, self._narrowing(message))

    def _narrowing(self, message: Timed) -> str:
        """The interval of what was timed last, as far as it is known."""
        place = f"{message.pair} at {message.size:,}"
        spec = next(each for each in self._plan.specs if each.name == message.pair)
        timed = self._collected.timed.get((message.pair, message.size), [])
        naive = spec.naive[0].name
        both = [each.samples for each in timed if {naive, spec.efficient.name} <= {*each.samples}]
        found: Interval | None = None
        if len(both) > 2:  # an interval of two is as wide as the world
            found = ratio_of(
                [each[naive] for each in both],
                [each[spec.efficient.name] for each in both],
                seed=self._plan.method.seed,
            ).ratio
        return f"{place}: {found.low:.3g} to {found.high:.3g} times" if found else place


def _copy(spec: PairSpec, size: int) -> _Copy:
    return _Copy(spec.dataset.name, size, spec.writes, spec.commits)


def _places(message: Message) -> set[tuple[str, int]]:
    """The pair and size that a message is of, if it is of one."""
    return set() if isinstance(message, Controlled | Done) else {(message.pair, message.size)}


def _without(job: Job, done: set[tuple[str, int]]) -> Job:
    """What is left to do of a job, whose controls are done."""
    left = (
        msgspec.structs.replace(
            each, pairs=tuple(name for name in each.pairs if (name, each.size) not in done)
        )
        for each in job.targets
    )
    targets = tuple(each for each in left if each.pairs)
    return msgspec.structs.replace(job, targets=targets, controls=0)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def chosen_sizes(
    specs: Sequence[PairSpec], asked: Sequence[int] | None, *, large: bool, at_most: int | None
) -> dict[str, tuple[int, ...]]:
    """The sizes of each pair: those that were asked for, or its own up to `at_most`."""
    found = {}
    for spec in specs:
        sizes = set(asked) if asked else {*spec.sizes, *(spec.large_sizes if large else ())}
        if asked and not spec.large_sizes and len(spec.sizes) == 1:
            sizes = set(spec.sizes)  # what does not depend on the rows of a table
        found[spec.name] = tuple(
            each for each in sorted(sizes) if at_most is None or each <= at_most
        ) or (min(sizes),)
    return found
