"""The time of the efficient ways in this tree and at another commit, in turns.

The other commit is checked out into a folder of its own and measured by its own copy of the lab, on
the same database, with the same draws. A pair that it does not have is left out.
"""

from __future__ import annotations

import math
import random
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from perf.comparison import Change, moved_by
from perf.engine.results import Interval
from perf.engine.student import student_interval
from perf.messages import Failed, Message, Timed
from perf.runner import Plan, Runner, Watcher

OURS: Final = "ours"
THEIRS: Final = "theirs"


class GitError(RuntimeError):
    """git could not check the commit out. The message is git's own."""


@dataclass(frozen=True, slots=True)
class Step:
    """An efficient way in both trees: `ratio` is theirs to ours, above 1 where ours is faster."""

    pair: str
    size: int
    variant: str
    ratio: Interval
    change: Change


@contextmanager
def checked_out(ref: str) -> Iterator[Path]:
    """A folder with that commit, removed afterwards. Raises `GitError`."""
    with tempfile.TemporaryDirectory(prefix="perf-") as folder:
        path = Path(folder) / "tree"
        _git("worktree", "add", "--detach", str(path), ref)
        try:
            yield path
        finally:
            _git("worktree", "remove", "--force", str(path))


def _git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise GitError(done.stderr.strip() or f"git {arguments[0]} failed")


class NothingCompared(RuntimeError):
    """The trees have no way in common that could be timed in both."""


class Amiss(RuntimeError):
    """A pair of this tree can't be measured any more. The message says which, and why."""


def steps(plan: Plan, other: Path, watcher: Watcher) -> list[Step]:
    """Measure both trees in turns, whose order is drawn for each execution.

    Raises `Amiss` where rows differ in this tree or a way raises an error, and `NothingCompared`.
    """
    runner = Runner(plan, watcher)
    rng = random.Random(plan.method.seed)
    trees: list[tuple[str, Path | None]] = [(OURS, None), (THEIRS, other)]
    found: dict[str, list[Message]] = {OURS: [], THEIRS: []}
    with runner.ready():
        for execution in range(plan.method.executions):
            rng.shuffle(trees)
            for name, root in trees:
                found[name] += runner.time(execution, root)
    if amiss := list(dict.fromkeys(_amiss(found[OURS]))):
        raise Amiss("\n".join(amiss))
    compared = list(_compared(plan, found[OURS], found[THEIRS]))
    if not compared:
        raise NothingCompared("No way was timed in both trees, so nothing is compared.")
    return compared


def _amiss(ours: Sequence[Message]) -> Iterator[str]:
    for each in ours:
        if isinstance(each, Failed):
            yield f"{each.pair} at {each.size:,}: it raised {each.error.partition('\n')[0]}"
        elif isinstance(each, Timed) and each.refusal:
            yield f"{each.pair} at {each.size:,}: {each.refusal}"


def _compared(plan: Plan, ours: Sequence[Message], theirs: Sequence[Message]) -> Iterator[Step]:
    for spec in plan.specs:
        way = spec.efficient.name
        for size in plan.sizes[spec.name]:
            mine = _medians(ours, spec.name, size, way)
            other = _medians(theirs, spec.name, size, way)
            shared = sorted(mine.keys() & other.keys())
            if len(shared) < 2:
                continue
            logs = [math.log(other[each] / mine[each]) for each in shared]
            found = student_interval(logs, plan.method.confidence)
            ratio = Interval(*(math.exp(x) for x in (found.estimate, found.low, found.high)))
            yield Step(spec.name, size, way, ratio, moved_by(ratio, plan.method.margin))


def _medians(told: Sequence[Message], pair: str, size: int, way: str) -> dict[int, float]:
    """The median of the rounds of each execution."""
    timed = (each for each in told if isinstance(each, Timed))
    return {
        each.execution: statistics.median(each.samples[way])
        for each in timed
        if (each.pair, each.size) == (pair, size) and way in each.samples
    }
