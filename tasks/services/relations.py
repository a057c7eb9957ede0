"""Writes of what hangs on a task: labels, comments, dependencies. In the active tenant."""

from __future__ import annotations

from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction

from taskproject.db.values import require_storable, storable
from taskproject.tenancy.models import EventKind
from taskproject.tenancy.services import event_append
from tasks import selectors
from tasks.models import COMMENT_BYTES, Comment, Dependency, Label, Task, TaskLabel
from tasks.services.cycles import refuse_dependency_cycle
from tasks.services.tasks import task_lock, task_record

LABELS_PER_TASK: Final = 20


@transaction.atomic
def label_create(*, name: str, actor_id: int, colour: str | None = None) -> Label:
    """Make a label. Raises `ValidationError` for an empty, long or taken name, in any case."""
    require_storable(name=name)
    label = Label(name=name, **({"colour": colour} if colour else {}))
    label.full_clean()
    label.save()
    event_append(EventKind.LABEL_CREATED, actor_id=actor_id, changes={"name": name})
    return label


@transaction.atomic
def task_label_add(*, task_id: int, label_id: int, actor_id: int) -> None:
    """Put a label on a task; once is enough. Raises `Task.DoesNotExist`, `Label.DoesNotExist`,
    and `ValidationError` beyond 20 labels."""
    task = task_lock(task_id)
    label = Label.objects.get(pk=label_id)
    _, created = TaskLabel.objects.get_or_create(task=task, label=label)
    if not created:
        return
    if TaskLabel.objects.filter(task=task).count() > LABELS_PER_TASK:
        raise ValidationError(f"A task can carry {LABELS_PER_TASK} labels.")
    task_record(EventKind.TASK_LABELLED, task, actor_id, {"label": label.name})


@transaction.atomic
def task_label_remove(*, task_id: int, label_id: int, actor_id: int) -> None:
    """Take a label off a task; one that is not there may stay away. Raises `Task.DoesNotExist`."""
    task = task_lock(task_id)
    label = Label.objects.filter(pk=label_id).first()
    if label and TaskLabel.objects.filter(task=task, label=label).delete()[0]:
        task_record(EventKind.TASK_UNLABELLED, task, actor_id, {"label": label.name})


@transaction.atomic
def comment_add(*, task_id: int, body: str, actor_id: int) -> Comment:
    """Say something about a task. Raises `Task.DoesNotExist`, `ValidationError` for an empty body,
    one of more than 16 KiB, or one that can't be stored."""
    if not body.strip() or not storable(body) or len(body.encode()) > COMMENT_BYTES:
        raise ValidationError(f"A comment has 1 to {COMMENT_BYTES} bytes and no NUL.")
    task = selectors.task_get(task_id=task_id)
    comment = Comment.objects.create(task=task, author_id=actor_id, body=body)
    task_record(EventKind.COMMENT_ADDED, task, actor_id, {"comment": comment.pk})
    return comment


@transaction.atomic
def dependency_add(*, blocker_id: int, blocked_id: int, actor_id: int) -> Dependency:
    """Say that one task can't be done before another.

    Raises `Task.DoesNotExist`, and `ValidationError` if it exists or would close a cycle. Two
    additions at once can't close a cycle together: a lock of the tenant keeps them apart.
    """
    tasks = Task.objects.filter(deleted_at=None).order_by("pk").select_for_update(no_key=True)
    found = {task.pk: task for task in tasks.filter(pk__in={blocker_id, blocked_id})}
    if set(found) != {blocker_id, blocked_id}:
        raise Task.DoesNotExist("One of the two tasks does not exist.")
    refuse_dependency_cycle(blocker_id=blocker_id, blocked_id=blocked_id)
    dependency, created = Dependency.objects.get_or_create(
        blocker_id=blocker_id, blocked_id=blocked_id
    )
    if not created:
        raise ValidationError("This dependency exists already.")
    task_record(EventKind.DEPENDENCY_ADDED, found[blocked_id], actor_id, {"blocker": blocker_id})
    return dependency


@transaction.atomic
def dependency_remove(*, blocker_id: int, blocked_id: int, actor_id: int) -> None:
    """Take a dependency back. Raises `Dependency.DoesNotExist`."""
    dependency = Dependency.objects.select_related("blocked").get(
        blocker_id=blocker_id, blocked_id=blocked_id
    )
    if not dependency.delete()[0]:
        raise Dependency.DoesNotExist("Another request has just removed it.")
    changes = {"blocker": blocker_id}
    task_record(EventKind.DEPENDENCY_REMOVED, dependency.blocked, actor_id, changes)
