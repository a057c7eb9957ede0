"""What an import knows of its own earlier lines: which tasks they made, and what they said."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

from tasks.dataset.records import PRIORITIES, STATUSES, Record
from tasks.models import Task, TaskLabel


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
        record.created_at,
        record.completed_at,
        record.updated_at,
        frozenset(name.lower() for name in record.labels),
    )


def stored(task_ids: set[int]) -> dict[str, tuple[Any, ...]]:
    """What earlier lines of this file said, by external key. Two statements; none for no ids."""
    if not task_ids:
        return {}
    names: dict[int, set[str]] = {}
    links = TaskLabel.objects.filter(task_id__in=task_ids)  # index: task_label_uniq
    for task_id, name in links.values_list("task_id", "label__name"):
        names.setdefault(task_id, set()).add(name.lower())
    rows = Task.objects.filter(pk__in=task_ids).values_list(  # index: task_tpk
        "external_key",
        "pk",
        "project__key",
        "title",
        "description",
        "status",
        "priority",
        "creator__username",
        "assignee__username",
        "created_at",
        "completed_at",
        "updated_at",
    )
    return {str(key): (*said, frozenset(names.get(pk, ()))) for key, pk, *said in rows}
