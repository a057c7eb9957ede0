"""What an import knows of its own earlier lines: which tasks they made, and what they said."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable
from typing import Any, Final

from tasks.dataset.records import PRIORITIES, STATUSES, Record
from tasks.selectors import tasks_exported

_LABELS: Final = 7  # their place in what a record says


class IdRuns:
    """A set of growing ids, kept as runs: those of a batch mostly follow each other."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def add(self, ids: Iterable[int]) -> None:
        """Take in ids that are above all those before."""
        for each in sorted(ids):
            if self._lasts and each == self._lasts[-1] + 1:
                self._lasts[-1] = each
            else:
                self._firsts.append(each)
                self._lasts.append(each)

    def __contains__(self, wanted: int) -> bool:
        place = bisect_right(self._firsts, wanted) - 1
        return place >= 0 and wanted <= self._lasts[place]


def content(record: Record) -> tuple[Any, ...]:
    """All that a record says, comparable with `stored`."""
    return (
        record.project,
        record.title,
        record.description,
        STATUSES[record.status],
        PRIORITIES[record.priority],
        record.creator,
        record.assignee,
        tuple(record.labels),
        record.created_at,
        record.completed_at,
        record.updated_at,
    )


def agree(earlier: tuple[Any, ...], later: tuple[Any, ...]) -> bool:
    """Whether two records say the same. Labels that are not ASCII are only counted: which of them
    are one label in two cases PostgreSQL alone can tell."""
    if earlier[:_LABELS] != later[:_LABELS] or earlier[_LABELS + 1 :] != later[_LABELS + 1 :]:
        return False
    ones, others = earlier[_LABELS], later[_LABELS]
    if all(name.isascii() for name in (*ones, *others)):
        return {name.lower() for name in ones} == {name.lower() for name in others}
    return len(ones) == len(others)


def stored(task_ids: Collection[int]) -> dict[str, tuple[Any, ...]]:
    """What earlier lines of this file said, by external key. One statement; none for no ids."""
    if not task_ids:
        return {}
    found = {}
    for project, _, key, *said in tasks_exported().filter(pk__in=task_ids):
        title, description, status, priority, creator, assignee, labels, *times = said
        found[key] = (
            project, title, description, status, priority, creator, assignee, tuple(labels), *times,
        )  # fmt: skip
    return found
