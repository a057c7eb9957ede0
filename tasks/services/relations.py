"""Writes of what hangs on a task: labels, comments, dependencies. In the active tenant."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from taskproject.db.context import require_tenant_id
from taskproject.tenancy.models import EventKind
from taskproject.tenancy.services import event_append
from tasks import selectors
from tasks.models import COMMENT_BYTES, Comment, Dependency, Label, Task, TaskLabel

LABELS_PER_TASK: Final = 20
CYCLE_DEPTH: Final = 100


@transaction.atomic
def label_create(*, name: str, actor_id: int, colour: str | None = None) -> Label:
    """Make a label. Raises `ValidationError` for an empty, long or taken name, in any case."""
    label = Label(name=name, **({"colour": colour} if colour else {}))
    label.full_clean()
    label.save()
    event_append(EventKind.LABEL_CREATED, actor_id=actor_id, changes={"name": name})
    return label


@transaction.atomic
def task_label_add(*, task_id: int, label_id: int, actor_id: int) -> None:
    """Put a label on a task; once is enough. Raises `Task.DoesNotExist`, `Label.DoesNotExist`,
    and `ValidationError` beyond 20 labels."""
    task = _lock(task_id)
    label = Label.objects.get(pk=label_id)
    _, created = TaskLabel.objects.get_or_create(task=task, label=label)
    if not created:
        return
    if TaskLabel.objects.filter(task=task).count() > LABELS_PER_TASK:
        raise ValidationError(f"A task can carry {LABELS_PER_TASK} labels.")
    _record(EventKind.TASK_LABELLED, task, actor_id, {"label": label.name})


@transaction.atomic
def task_label_remove(*, task_id: int, label_id: int, actor_id: int) -> None:
    """Take a label off a task; one that is not there may stay away. Raises `Task.DoesNotExist`."""
    task = _lock(task_id)
    label = Label.objects.filter(pk=label_id).first()
    if label and TaskLabel.objects.filter(task=task, label=label).delete()[0]:
        _record(EventKind.TASK_UNLABELLED, task, actor_id, {"label": label.name})


@transaction.atomic
def comment_add(*, task_id: int, body: str, actor_id: int) -> Comment:
    """Say something about a task. Raises `Task.DoesNotExist`, `ValidationError` for an empty body,
    one of more than 16 KiB, or one with a NUL."""
    if not body.strip() or "\0" in body or len(body.encode()) > COMMENT_BYTES:
        raise ValidationError(f"A comment has 1 to {COMMENT_BYTES} bytes and no NUL.")
    task = selectors.task_get(task_id=task_id)
    comment = Comment.objects.create(task=task, author_id=actor_id, body=body)
    _record(EventKind.COMMENT_ADDED, task, actor_id, {"comment": comment.pk})
    return comment


@transaction.atomic
def dependency_add(*, blocker_id: int, blocked_id: int, actor_id: int) -> Dependency:
    """Say that one task can't be done before another.

    Raises `Task.DoesNotExist`, and `ValidationError` if it exists or would close a cycle. Two
    additions at once can't close a cycle together: a lock of the tenant keeps them apart.
    """
    tasks = Task.objects.filter(deleted_at=None).order_by("pk").select_for_update()
    found = {task.pk: task for task in tasks.filter(pk__in={blocker_id, blocked_id})}
    if set(found) != {blocker_id, blocked_id}:
        raise Task.DoesNotExist("One of the two tasks does not exist.")
    _lock_dependencies()
    if blocker_id == blocked_id or _reaches(blocked_id, blocker_id):
        raise ValidationError("This would close a cycle: the tasks would wait for each other.")
    dependency, created = Dependency.objects.get_or_create(
        blocker_id=blocker_id, blocked_id=blocked_id
    )
    if not created:
        raise ValidationError("This dependency exists already.")
    _record(EventKind.DEPENDENCY_ADDED, found[blocked_id], actor_id, {"blocker": blocker_id})
    return dependency


@transaction.atomic
def dependency_remove(*, blocker_id: int, blocked_id: int, actor_id: int) -> None:
    """Take a dependency back. Raises `Dependency.DoesNotExist`."""
    dependency = Dependency.objects.select_related("blocked").get(
        blocker_id=blocker_id, blocked_id=blocked_id
    )
    dependency.delete()
    changes = {"blocker": blocker_id}
    _record(EventKind.DEPENDENCY_REMOVED, dependency.blocked, actor_id, changes)


_REACHES = """
    WITH RECURSIVE walk (task_id, depth) AS (
        VALUES (%(start)s::bigint, 0)
        UNION
        SELECT d.blocked_id, w.depth + 1
          FROM walk AS w
          JOIN dependency AS d ON d.tenant_id = %(tenant)s AND d.blocker_id = w.task_id
         WHERE w.depth < %(depth)s
    )
    SELECT bool_or(task_id = %(goal)s), max(depth) FROM walk
"""


def _reaches(start: int, goal: int) -> bool:
    """Whether `goal` waits for `start`, directly or not. Raises `ValidationError` beyond depth 100,
    where the answer would be a guess."""
    values = {"start": start, "goal": goal, "tenant": require_tenant_id(), "depth": CYCLE_DEPTH}
    with connection.cursor() as cursor:
        cursor.execute(_REACHES, values)
        reached, depth = cursor.fetchone()
    if depth >= CYCLE_DEPTH and not reached:
        raise ValidationError(f"Chains of more than {CYCLE_DEPTH} dependencies are refused.")
    return bool(reached)


def _lock_dependencies() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext('dependency'), %s)",
            [require_tenant_id() % 2**31],
        )


def _lock(task_id: int) -> Task:
    return Task.objects.select_for_update().get(pk=task_id, deleted_at=None)


def _record(kind: EventKind, task: Task, actor_id: int, changes: dict[str, Any]) -> None:
    event_append(
        kind, actor_id=actor_id, task_id=task.pk, project_id=task.project_id, changes=changes
    )
