"""Tasks in addresses: by id, or by the name that people use, `WEB-42`."""

from __future__ import annotations

from dataclasses import dataclass

from tasks import selectors
from tasks.models import Task


@dataclass(frozen=True, slots=True)
class TaskReference:
    """The task that an address names: by `task_id`, or by `key`, project key and number."""

    task_id: int | None = None
    key: tuple[str, int] | None = None

    def task(self) -> Task:
        """The live task with its project and people. One statement. Raises `Task.DoesNotExist`."""
        return selectors.task_shown(task_id=self.task_id, key=self.key)

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
