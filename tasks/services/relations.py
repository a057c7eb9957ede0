"""Writes of what hangs on a task: labels, comments, dependencies. In the active tenant."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from taskproject.db.counting import capped_count
from taskproject.db.values import require_storable, storable
from taskproject.db.versions import require_version, save_next_version
from taskproject.db.violations import StateConflict, require_unique
from taskproject.tenancy.models import Event, EventKind
from taskproject.tenancy.services import event_append
from tasks import selectors
from tasks.models import COMMENT_BYTES, Comment, Dependency, Label, Task, TaskLabel
from tasks.services.cycles import refuse_dependency_cycle
from tasks.services.tasks import task_lock, task_record

LABELS_PER_TASK: Final = 20
LABELS_PER_TENANT: Final = 1_000
_LABEL_CHANGEABLE: Final = frozenset({"name", "colour"})


class BlockerAbsent(Task.DoesNotExist):
    """The task that another one is to wait for does not exist, or has been deleted."""


@transaction.atomic
def label_create(*, name: str, actor_id: int, colour: str | None = None) -> Label:
    """Make a label. Four statements. Raises `ValidationError` for an empty, long or taken name, in
    any case, and `StateConflict` where the tenant has 1,000 labels: behind row-level security no
    index narrows their list by name."""
    require_storable(name=name)
    label = Label(name=name, **({"colour": colour} if colour else {}))
    label.clean_fields(exclude=["tenant"])
    require_unique(label)
    if capped_count(Label.objects.all(), limit=LABELS_PER_TENANT - 1) == LABELS_PER_TENANT:
        raise StateConflict(f"A tenant can have {LABELS_PER_TENANT:,} labels.")
    label.save()
    event_append(EventKind.LABEL_CREATED, actor_id=actor_id, changes={"name": name})
    return label


@transaction.atomic
def label_update(
    *, label_id: int, actor_id: int, if_version: int | None = None, **changes: Any
) -> Label:
    """Change a label's name or colour and nothing else. Four statements, one if nothing differs.

    The event tells the name that the label has now as `label`. Raises `Label.DoesNotExist`,
    `VersionConflict` if the label is no longer at `if_version`, `ValidationError` for a malformed
    value or a name that is taken in any case, `TypeError` for a field that can't be changed.
    """
    if unknown := set(changes) - _LABEL_CHANGEABLE:
        raise TypeError(f"A label's {', '.join(sorted(unknown))} can't be changed.")
    label = Label.objects.select_for_update(no_key=True).get(pk=label_id)
    require_version("label", version=label.version, expected=if_version)
    changed: dict[str, Any] = {
        name: [getattr(label, name), value]
        for name, value in changes.items()
        if getattr(label, name) != value
    }
    if not changed:
        return label
    for name, value in changes.items():
        setattr(label, name, value)
    require_storable(name=label.name)
    label.clean_fields(exclude=["tenant"])
    require_unique(label)
    save_next_version(label, list(changed))
    event_append(
        EventKind.LABEL_UPDATED, actor_id=actor_id, changes={"label": label.name, **changed}
    )
    return label


@transaction.atomic
def label_delete(*, label_id: int, actor_id: int, if_version: int | None = None) -> None:
    """Delete a label, and with it its place on every task. Three statements. Raises
    `Label.DoesNotExist`, and `VersionConflict` if the label is no longer at `if_version`.

    One event tells of it: the tasks that carried the label have none, and stay at their version.
    """
    label = Label.objects.select_for_update().get(pk=label_id)
    require_version("label", version=label.version, expected=if_version)
    label.delete()
    event_append(EventKind.LABEL_DELETED, actor_id=actor_id, changes={"name": label.name})


@transaction.atomic
def task_label_add(*, task_id: int, label_id: int, actor_id: int) -> bool:
    """Put a label on a task, and tell whether it was not there yet. Raises `Task.DoesNotExist`,
    `Label.DoesNotExist`, and `StateConflict` beyond 20 labels."""
    task = task_lock(task_id)
    label = Label.objects.get(pk=label_id)
    copied = {"task_created_at": task.created_at}
    _, created = TaskLabel.objects.get_or_create(task=task, label=label, defaults=copied)
    if not created:
        return False
    if TaskLabel.objects.filter(task=task).count() > LABELS_PER_TASK:
        raise _too_many_labels()
    task_record(EventKind.TASK_LABELLED, task, actor_id, {"label": label.name})
    return True


@transaction.atomic
def task_label_remove(*, task_id: int, label_id: int, actor_id: int) -> bool:
    """Take a label off a task, and tell whether it was there. Raises `Task.DoesNotExist`."""
    task = task_lock(task_id)
    label = Label.objects.filter(pk=label_id).first()
    if label is None or not TaskLabel.objects.filter(task=task, label=label).delete()[0]:
        return False
    task_record(EventKind.TASK_UNLABELLED, task, actor_id, {"label": label.name})
    return True


@transaction.atomic
def task_labels_set(
    *,
    task_id: int,
    label_ids: Collection[int],
    actor_id: int,
    seen_ids: Collection[int] | None = None,
) -> None:
    """Make the labels of a task exactly these, with an event for each that comes or goes.

    `seen_ids` are the labels that the caller saw: then only the difference to them is applied, and
    what somebody else has put on or taken off meanwhile stays so.

    Two statements if nothing changes, at most six otherwise, however many labels. Raises
    `Task.DoesNotExist`, `Label.DoesNotExist` for any of the labels, and `StateConflict` beyond
    20 of them.
    """
    task = task_lock(task_id)
    links = TaskLabel.objects.filter(task=task)
    wanted, present = set(label_ids), set(links.values_list("label_id", flat=True))
    if seen_ids is not None:
        wanted = (present - (set(seen_ids) - wanted)) | (wanted - set(seen_ids))
    if wanted == present:
        return
    names = dict(Label.objects.filter(pk__in=wanted ^ present).values_list("pk", "name"))
    gone, new = sorted(present - wanted), sorted(wanted - present)
    if not names.keys() >= set(new):
        raise Label.DoesNotExist("One of the labels does not exist.")
    if len(wanted) > LABELS_PER_TASK:
        raise _too_many_labels()
    if gone:
        links.filter(label_id__in=gone).delete()
    TaskLabel.objects.bulk_create(
        TaskLabel(task=task, task_created_at=task.created_at, label_id=each) for each in new
    )
    _record_labels(task, actor_id, gone=[names[pk] for pk in gone], new=[names[pk] for pk in new])


def _record_labels(task: Task, actor_id: int, *, gone: list[str], new: list[str]) -> None:
    """An event for each label that left a task or came to it. One statement."""
    kinds = [(EventKind.TASK_UNLABELLED, name) for name in gone]
    kinds += [(EventKind.TASK_LABELLED, name) for name in new]
    Event.objects.bulk_create(
        Event(
            kind=kind,
            actor_id=actor_id,
            task_id=task.pk,
            project_id=task.project_id,
            changes={"label": name},
        )
        for kind, name in kinds
    )


def _too_many_labels() -> StateConflict:
    return StateConflict(f"A task can carry {LABELS_PER_TASK} labels.")


@transaction.atomic
def comment_add(*, task_id: int, body: str, actor_id: int) -> Comment:
    """Say something about a task. Raises `Task.DoesNotExist`, `ValidationError` for an empty body,
    one of more than 16 KiB, or one that can't be stored."""
    _require_body(body)
    task = selectors.task_get(task_id=task_id)
    comment = Comment.objects.create(task=task, author_id=actor_id, body=body)
    task_record(EventKind.COMMENT_ADDED, task, actor_id, {"comment": comment.pk})
    return comment


@transaction.atomic
def comment_edit(
    *, comment_id: int, actor_id: int, body: str | None = None, if_version: int | None = None
) -> Comment:
    """Say it in other words, and note when. Three statements, one if the words are the same ones
    or none are given.

    Who may edit whose comment is the caller's question. Raises `Comment.DoesNotExist`,
    `Task.DoesNotExist` if its task is deleted, `VersionConflict` if the comment is no longer at
    `if_version`, and `ValidationError` as `comment_add` does.
    """
    if body is not None:
        _require_body(body)
    comment = _comment_lock(comment_id)
    require_version("comment", version=comment.version, expected=if_version)
    if body is not None and comment.body != body:
        comment.body, comment.edited_at = body, Now()
        save_next_version(comment, ["body", "edited_at"])
        task_record(EventKind.COMMENT_EDITED, comment.task, actor_id, {"comment": comment.pk})
    return comment


@transaction.atomic
def comment_delete(*, comment_id: int, actor_id: int, if_version: int | None = None) -> None:
    """Take a comment away for good. Three statements. Raises `Comment.DoesNotExist`,
    `Task.DoesNotExist` if its task is deleted, and `VersionConflict` if the comment is no longer
    at `if_version`."""
    comment = _comment_lock(comment_id)
    require_version("comment", version=comment.version, expected=if_version)
    comment.delete()
    task_record(EventKind.COMMENT_DELETED, comment.task, actor_id, {"comment": comment_id})


def _require_body(body: str) -> None:
    if not body.strip() or not storable(body) or len(body.encode()) > COMMENT_BYTES:
        raise ValidationError({"body": [f"A comment has 1 to {COMMENT_BYTES} bytes and no NUL."]})


def _comment_lock(comment_id: int) -> Comment:
    """A comment with its live task; the comment is locked. One statement."""
    comments = Comment.objects.select_related("task").select_for_update(of=("self",))
    comment = comments.get(pk=comment_id)
    if comment.task.deleted_at is not None:
        raise Task.DoesNotExist("The comment's task has been deleted.")
    return comment


@transaction.atomic
def dependency_add(*, blocker_id: int, blocked_id: int, actor_id: int) -> Dependency:
    """Say that one task can't be done before another.

    Raises `Task.DoesNotExist`, which is `BlockerAbsent` if only the blocker is not there, and
    `StateConflict` if it exists or would close a cycle. Two additions at once can't close a cycle
    together: a lock of the tenant keeps them apart.
    """
    tasks = Task.objects.filter(deleted_at=None).order_by("pk").select_for_update(no_key=True)
    found = {task.pk: task for task in tasks.filter(pk__in={blocker_id, blocked_id})}
    if blocked_id not in found:
        raise Task.DoesNotExist("The blocked task does not exist.")
    if blocker_id not in found:
        raise BlockerAbsent("There is no such task, or it has been deleted.")
    refuse_dependency_cycle(blocker_id=blocker_id, blocked_id=blocked_id)
    dependency, created = Dependency.objects.get_or_create(
        blocker_id=blocker_id, blocked_id=blocked_id
    )
    if not created:
        raise StateConflict("This dependency exists already.")
    task_record(EventKind.DEPENDENCY_ADDED, found[blocked_id], actor_id, {"blocker": blocker_id})
    return dependency


@transaction.atomic
def dependency_remove(*, blocker_id: int, blocked_id: int, actor_id: int) -> None:
    """Take a dependency back. Raises `Dependency.DoesNotExist`, and `Task.DoesNotExist` if the
    blocked task is deleted."""
    dependency = Dependency.objects.select_related("blocked").get(
        blocker_id=blocker_id, blocked_id=blocked_id
    )
    if dependency.blocked.deleted_at is not None:
        raise Task.DoesNotExist("The blocked task has been deleted.")
    if not dependency.delete()[0]:
        raise Dependency.DoesNotExist("Another request has just removed it.")
    changes = {"blocker": blocker_id}
    task_record(EventKind.DEPENDENCY_REMOVED, dependency.blocked, actor_id, changes)
