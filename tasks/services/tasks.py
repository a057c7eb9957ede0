"""Writes of one task at a time, in the active tenant. `actor_id` is the user who acts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from projects.models import DESCRIPTION_BYTES, Project
from projects.services import numbers_take, project_require_open, project_set_archived
from taskproject.db.values import json_instant, require_instant, storable
from taskproject.db.versions import require_version, save_next_version
from taskproject.db.violations import StateConflict
from taskproject.tenancy.models import EventKind
from taskproject.tenancy.selectors import member_is_active
from taskproject.tenancy.services import event_append
from tasks import selectors
from tasks.models import Priority, Status, Task
from tasks.services.cycles import refuse_parent_cycle

_CHANGEABLE: Final = frozenset(
    {
        "title",
        "description",
        "status",
        "priority",
        "assignee_id",
        "parent_id",
        "due_at",
        "external_key",
    }
)


@transaction.atomic
def task_create(
    *,
    project_id: int,
    title: str,
    actor_id: int,
    description: str = "",
    status: Status = Status.PENDING,
    priority: Priority = Priority.NORMAL,
    assignee_id: int | None = None,
    parent_id: int | None = None,
    due_at: datetime | None = None,
    external_key: str | None = None,
) -> Task:
    """Make a task with the next number of its project. Three statements in one transaction, and one
    more for an assignee and for a parent.

    Raises `Project.DoesNotExist`, `ProjectArchived`, `ValidationError` for values that do not fit,
    on `assignee` for one who is no active member and on `parent` for one that is not there or
    deleted, `IntegrityError` for a taken external key or an actor who is no member.
    """
    task = Task(
        project_id=project_id,
        title=title,
        description=description,
        status=status,
        priority=priority,
        assignee_id=assignee_id,
        creator_id=actor_id,
        parent_id=parent_id,
        due_at=due_at,
        external_key=external_key or None,
    )
    task_validate(task)
    _check_people_and_parent(task, {"assignee_id", "parent_id"})
    if task.status == Status.DONE:
        task.completed_at = Now()
    task.number = numbers_take(project_id=project_id)
    task.save(force_insert=True)
    changes = {"title": title, "status": Status(status).label}
    event_append(
        EventKind.TASK_CREATED,
        actor_id=actor_id,
        task_id=task.pk,
        project_id=project_id,
        changes=changes,
    )
    return task


@transaction.atomic
def task_update(
    *, task_id: int, actor_id: int, if_version: int | None = None, **changes: Any
) -> Task:
    """Change what is named and nothing else; the version grows by one if anything differs.

    `completed_at` is set when the status becomes done and cleared when it leaves it. Three
    statements, one if nothing differs; one more for a new assignee and for becoming active, three
    for a new parent.

    Raises `Task.DoesNotExist`, `VersionConflict` if the task is no longer at `if_version`,
    `ValidationError` for values that do not fit, on `assignee` for a new one who is no active
    member, on `parent` for a new one that is not there or deleted, and for one that is a part of
    the task, `ProjectArchived` for an active task of an archived project, `TypeError` for a field
    that can't be changed, `IntegrityError` for a taken external key.
    """
    if changes.get("external_key") == "":
        changes["external_key"] = None
    if unknown := set(changes) - _CHANGEABLE:
        raise TypeError(f"A task's {', '.join(sorted(unknown))} can't be changed.")
    task = task_lock(task_id)
    require_version("task", version=task.version, expected=if_version)
    before = {name: getattr(task, name) for name in changes}
    for name, value in changes.items():
        setattr(task, name, value)
    task_validate(task)
    # Compared after cleaning, so that the event tells what is stored.
    changed = {
        name: [old, getattr(task, name)]
        for name, old in before.items()
        if old != getattr(task, name)
    }
    if not changed:
        return task
    _check_surroundings(task, changed)
    fields = list(changed)
    if "status" in changed:
        task.completed_at = Now() if task.status == Status.DONE else None
        fields.append("completed_at")
    _write(task, fields)
    task_record(EventKind.TASK_UPDATED, task, actor_id, {n: _plain(v) for n, v in changed.items()})
    return task


@transaction.atomic
def task_delete(*, task_id: int, actor_id: int, if_version: int | None = None) -> None:
    """Delete a task softly: it leaves every list and can be restored. Raises `Task.DoesNotExist`,
    and `VersionConflict` if the task is no longer at `if_version`."""
    task = task_lock(task_id)
    require_version("task", version=task.version, expected=if_version)
    task.deleted_at = Now()
    _write(task, ["deleted_at"])
    task_record(EventKind.TASK_DELETED, task, actor_id, {})


@transaction.atomic
def task_restore(*, task_id: int, actor_id: int) -> Task:
    """Bring a deleted task back; a live one stays as it is. Raises `Task.DoesNotExist`."""
    task = _locked().get(pk=task_id)
    if task.deleted_at is not None:
        task.deleted_at = None
        _check_surroundings(task, {"status"})
        _write(task, ["deleted_at"])
        task_record(EventKind.TASK_RESTORED, task, actor_id, {})
    return task


@transaction.atomic
def project_archive(*, project_id: int, actor_id: int, if_version: int | None = None) -> Project:
    """Archive a project that has no active task.

    Raises `StateConflict` if it has one, `VersionConflict` if it is no longer at `if_version`,
    `Project.DoesNotExist`. The project's row is locked before both questions; a new task takes its
    number from that row, and one that becomes active locks it too: none can slip in.
    """
    project = Project.objects.select_for_update(no_key=True).get(pk=project_id)
    require_version("project", version=project.version, expected=if_version)
    if selectors.project_has_active_tasks(project_id=project_id):
        raise StateConflict("The project has active tasks: finish or cancel them first.")
    return project_set_archived(project_id=project_id, archived=True, actor_id=actor_id)


def task_validate(task: Task) -> None:
    """Raise `ValidationError` for a value that the columns can't hold. No statement.

    Whether the project, the parent and the assignee belong to the tenant is the database's answer.
    """
    relations = {"tenant", "project", "assignee", "creator", "parent"}
    errors: dict[str, Any] = {}
    with _gathered(errors):
        task.clean_fields(exclude=relations)
    with _gathered(errors):
        require_instant(due_at=task.due_at)
    if task.description is None:  # clean_fields lets it pass, since the field may be blank
        errors["description"] = ["This field cannot be null."]
    for name in ("title", "description", "external_key"):
        if name not in errors and not storable(getattr(task, name) or ""):
            errors[name] = ["A text can't contain a NUL or half a surrogate pair."]
    if "description" not in errors and len(task.description.encode()) > DESCRIPTION_BYTES:
        errors["description"] = [f"At most {DESCRIPTION_BYTES} bytes."]
    if errors:
        raise ValidationError(errors)


@contextmanager
def _gathered(errors: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        error.update_error_dict(errors)


def _check_surroundings(task: Task, changed: Collection[str]) -> None:
    """What other rows have to say about a change: an archived project takes no active task, and no
    task is a part of itself."""
    _check_people_and_parent(task, changed)
    if "status" in changed and task.status == Status.ACTIVE:
        project_require_open(project_id=task.project_id)
    if "parent_id" in changed and task.parent_id is not None:
        refuse_parent_cycle(task_id=task.pk, parent_id=task.parent_id)


def _check_people_and_parent(task: Task, changed: Collection[str]) -> None:
    """Refuse a new assignee who is no active member, and a new parent that is no live task. One
    statement each.

    Neither is locked: tasks keep an assignee who is deactivated and a parent that is deleted later,
    so that one a moment too late is nothing new.
    """
    assignee_id = task.assignee_id if "assignee_id" in changed else None
    parent_id = task.parent_id if "parent_id" in changed else None
    if assignee_id is not None and not member_is_active(user_id=assignee_id):
        raise ValidationError({"assignee": ["Only an active member can be the assignee."]})
    if parent_id is not None and not selectors.task_is_live(task_id=parent_id):
        raise ValidationError({"parent": ["There is no such task, or it has been deleted."]})


def task_lock(task_id: int) -> Task:
    """A live task, locked against other writers until the transaction ends, with its project and
    people, who are not locked. One statement. Raises `Task.DoesNotExist`."""
    return _locked().get(pk=task_id, deleted_at=None)


def _locked() -> QuerySet[Task]:
    # FOR NO KEY UPDATE: rows that refer to this one may go on being written.
    rows = Task.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("project", "assignee", "creator")


def _write(task: Task, fields: list[str]) -> None:
    task.updated_at = Now()
    save_next_version(task, [*fields, "updated_at"])


def task_record(kind: EventKind, task: Task, actor_id: int, changes: dict[str, Any]) -> None:
    """Append an event about a task. One statement."""
    event_append(
        kind, actor_id=actor_id, task_id=task.pk, project_id=task.project_id, changes=changes
    )


def _plain(values: list[Any]) -> list[Any]:
    return [json_instant(value) if isinstance(value, datetime) else value for value in values]
