"""Two trees in turns, without any worker or database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perf import against, runner
from perf.messages import Failed
from perf.tests.test_assembly import NAME, SIZE, controlled, timed
from perf.tests.test_runner import PLAN, Watcher, Workers

THERE = Path("/there")


class Trees(Workers):
    """What the workers of each tree say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ours: Any, theirs: Any) -> None:
        super().__init__(monkeypatch)
        self._told = {None: ours, THERE: theirs}
        monkeypatch.setattr(runner, "answers", self._answers)

    def _answers(self, job: Any, root: Path | None = None):
        yield controlled(job.execution)
        yield from self._told[root](job.execution)


def steps() -> list[against.Step]:
    return against.steps(PLAN, THERE, Watcher())


def test_equal_trees_take_the_same_time(monkeypatch):
    Trees(monkeypatch, lambda n: [timed(n)], lambda n: [timed(n)])

    (found,) = steps()
    assert (found.pair, found.size) == (NAME, SIZE)
    assert found.ratio.estimate == pytest.approx(1)


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        (lambda n: Failed(NAME, SIZE, "ValueError: no\nTraceback"), "it raised ValueError: no"),
        (lambda n: timed(n, refusal="they differ"), "they differ"),
    ],
)
def test_what_can_be_measured_no_more_is_not_passed_over(monkeypatch, ours, told):
    Trees(monkeypatch, lambda n: [ours(n)], lambda n: [timed(n)])

    with pytest.raises(against.Amiss) as caught:
        steps()
    assert str(caught.value) == f"{NAME} at {SIZE:,}: {told}"


def test_trees_with_nothing_in_common_are_not_green(monkeypatch):
    Trees(monkeypatch, lambda n: [timed(n)], lambda n: [])

    with pytest.raises(against.NothingCompared):
        steps()
