"""Tasks in addresses: by id, or by the name that people use, `WEB-42`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from tasks import selectors
from tasks.models import Task


@dataclass(frozen=True, slots=True)
class TaskReference:
    """The task that an address names: by `task_id`, or by `key`, project key and number."""

    task_id: int | None = None
    key: tuple[str, int] | None = None

    @property
    def selector(self) -> tuple[Callable[..., QuerySet[Task]], dict[str, Any]]:
        """What finds the live task with its project and people, and what it takes."""
        if self.key is not None:
            return selectors.task_by_key, {"project_key": self.key[0], "number": self.key[1]}
        return selectors.task_by_id, {"task_id": self.task_id}

    def find_id(self) -> int:
        """The id of the task; a live one where it is named by key. No statement for an id, one for
        a key. Raises `Task.DoesNotExist`."""
        if self.key is not None:
            return selectors.task_id_of(key=self.key)
        return self.task_id or 0


class TaskReferenceConverter:
    """`42` or `WEB-42` in an address."""

    regex = r"[0-9]{1,18}|[A-Z][A-Z0-9]{0,9}-[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> TaskReference:
        if value.isdecimal():
            return TaskReference(task_id=int(value))
        key, _, number = value.partition("-")
        return TaskReference(key=(key, int(number)))

    def to_url(self, value: object) -> str:
        return str(value)
