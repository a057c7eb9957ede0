"""One change for the tasks that a person selected in a list: all of them or none.

They go as a batch: each rule and each event is that of a single change, and the statements are the
same ones for one task and for a thousand. A refusal names its tasks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction

from taskproject.db.retries import retried
from tasks.models import Task
from tasks.services.batches.change import alter_batch
from tasks.services.batches.labels import label_tasks, unlabel_tasks
from tasks.services.batches.outcome import BatchRefused, ItemError
from tasks.services.batches.remove import bulk_restore, drop_batch
from tasks.services.batches.values import field_names
from tasks.services.relations import LABELS_PER_TASK

TASKS_PER_SELECTION: Final = 1_000


@retried
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

    `changes` are those of `task_update`. One statement to lock the tasks, one to write, and those
    of `bulk_update` for what it has to look at; one more for each label. One more to name the tasks
    of a refusal.

    Raises `Task.DoesNotExist` if any task is not there, `Label.DoesNotExist` for a label to add,
    `TypeError` for a field that can't be changed, and `ValidationError` for more than 1,000 tasks
    and for what `task_update` and `task_label_add` refuse. Nothing is changed then.
    """
    field_names(changes)
    ids = _few(task_ids)
    changed = alter_batch([{"id": pk, **changes} for pk in ids], [], actor_id=actor_id)
    _refuse(changed.errors, ids)
    differ = set(changed.different)
    if remove_label_id is not None:
        differ |= unlabel_tasks(ids, label_id=remove_label_id, actor_id=actor_id)
    if add_label_id is not None:
        labelled = label_tasks(ids, label_id=add_label_id, actor_id=actor_id)
        message = f"A task can carry {LABELS_PER_TASK} labels."
        _refuse(
            [
                ItemError(place, "", "state-conflict", message)
                for place, pk in enumerate(ids)
                if pk in labelled.full
            ],
            ids,
        )
        differ |= labelled.tasks
    return len(differ)


@retried
@transaction.atomic
def tasks_delete(*, task_ids: Collection[int], actor_id: int) -> int:
    """Delete tasks softly and tell how many. Two statements. Raises `Task.DoesNotExist` if any is
    not there, `ValidationError` for more than 1,000."""
    ids = _few(task_ids)
    dropped = drop_batch(ids, [], actor_id=actor_id)
    _refuse(dropped.errors, ids)
    return dropped.done


def tasks_restore(*, task_ids: Collection[int], actor_id: int) -> int:
    """Bring deleted tasks back and tell how many; live ones stay as they are and don't count.

    At most three statements besides those of the transaction. Raises `Task.DoesNotExist` if any is
    not there, `ValidationError` for more than 1,000, and for an active task of an archived project,
    by its key.
    """
    ids = _few(task_ids)
    try:
        return bulk_restore(ids, actor_id=actor_id)
    except BatchRefused as refused:
        _refuse(refused.errors, ids)
        raise


def _few(task_ids: Collection[int]) -> list[int]:
    ids = sorted(set(task_ids))
    if len(ids) > TASKS_PER_SELECTION:
        raise ValidationError(f"At most {TASKS_PER_SELECTION:,} tasks can be changed at once.")
    return ids


def _refuse(errors: Iterable[ItemError], ids: list[int]) -> None:
    """Raise what stands against a selection, if anything does, by the keys of its tasks."""
    errors = sorted(errors, key=lambda each: each.index)
    if not errors:
        return
    if any(each.field == "id" and each.code == "does_not_exist" for each in errors):
        raise Task.DoesNotExist("Not all of the tasks are there any more.")
    wrong = {ids[each.index] for each in errors}
    tasks = Task.objects.select_related("project").filter(pk__in=wrong)  # index: task_tpk
    keys = {task.pk: f"{task.project.key}-{task.number}" for task in tasks}
    raise ValidationError([f"{keys[ids[each.index]]}: {each.message}" for each in errors])
