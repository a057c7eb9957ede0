"""One change for the tasks that a person selected in a list: all of them or none.

Each task goes through the service of one task, so that every rule and every event is the same. That
costs some statements and a savepoint a task, which a selection of 200 can bear; changes of whole
sets in a few statements come with the batches of the REST API.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from tasks.models import LIVE, Task
from tasks.services.relations import task_label_add, task_label_remove
from tasks.services.tasks import task_delete, task_restore, task_update

TASKS_PER_SELECTION: Final = 200


@transaction.atomic
def tasks_change(
    *,
    task_ids: Collection[int],
    actor_id: int,
    add_label_id: int | None = None,
    remove_label_id: int | None = None,
    **changes: Any,
) -> int:
    """Change the same fields of tasks, put a label on them or take one off; tell how many differ.

    `changes` are those of `task_update`. One statement, and at most 18 for each task: three for
    a plain field, six more for a label to add, four for one to take off.

    Raises `Task.DoesNotExist` if any task is not there, `Label.DoesNotExist` for a label to add,
    `ValidationError` for more than 200 tasks, and what `task_update` and `task_label_add` raise; a
    refusal names its task. Nothing is changed then.
    """
    return sum(
        _change(task, actor_id, add_label_id, remove_label_id, changes)
        for task in _locked(Task.objects.filter(LIVE), task_ids)
    )


@transaction.atomic
def tasks_delete(*, task_ids: Collection[int], actor_id: int) -> int:
    """Delete tasks softly and tell how many. One statement, and three for each task. Raises
    `Task.DoesNotExist` if any is not there, `ValidationError` for more than 200."""
    tasks = _locked(Task.objects.filter(LIVE), task_ids)
    for task in tasks:
        task_delete(task_id=task.pk, actor_id=actor_id)
    return len(tasks)


@transaction.atomic
def tasks_restore(*, task_ids: Collection[int], actor_id: int) -> int:
    """Bring deleted tasks back and tell how many; live ones stay as they are and don't count.

    One statement, and at most four for each task. Raises `Task.DoesNotExist` if any is not there,
    `ValidationError` for more than 200, and for an active task of an archived project, by its key.
    """
    deleted = [task for task in _locked(Task.objects.all(), task_ids) if task.deleted_at]
    for task in deleted:
        with _refusals_of(task):
            task_restore(task_id=task.pk, actor_id=actor_id)
    return len(deleted)


def _locked(tasks: QuerySet[Task], task_ids: Collection[int]) -> list[Task]:
    """The tasks with their projects, locked in the order of their ids. One statement."""
    ids = set(task_ids)
    if len(ids) > TASKS_PER_SELECTION:
        raise ValidationError(f"At most {TASKS_PER_SELECTION} tasks can be changed at once.")
    locked = list(
        tasks.filter(pk__in=ids)
        .select_related("project")
        .select_for_update(no_key=True, of=("self",))
        .order_by("pk")
    )
    if len(locked) < len(ids):
        raise Task.DoesNotExist("Not all of the tasks are there any more.")
    return locked


def _change(
    task: Task, actor_id: int, add: int | None, remove: int | None, changes: dict[str, Any]
) -> bool:
    """Whether anything about the task differs now."""
    differs = False
    with _refusals_of(task):
        if changes:
            after = task_update(task_id=task.pk, actor_id=actor_id, **changes)
            differs = after.version != task.version
        if remove is not None:
            differs |= task_label_remove(task_id=task.pk, label_id=remove, actor_id=actor_id)
        if add is not None:
            differs |= task_label_add(task_id=task.pk, label_id=add, actor_id=actor_id)
    return differs


@contextmanager
def _refusals_of(task: Task) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        key = f"{task.project.key}-{task.number}"
        raise ValidationError([f"{key}: {message}" for message in error.messages]) from error
