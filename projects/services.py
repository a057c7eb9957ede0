"""Writes of projects, in the active tenant. `actor_id` is the user who acts, for the event log."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models.functions import Now

from projects.models import DESCRIPTION_BYTES, Project
from taskproject.db.context import require_tenant_id
from taskproject.db.values import require_storable
from taskproject.db.versions import require_version, save_next_version
from taskproject.db.violations import StateConflict, require_unique
from taskproject.tenancy.models import EventKind
from taskproject.tenancy.services import event_append

_CHANGEABLE: Final = frozenset({"name", "description", "lead_id"})


class ProjectArchived(StateConflict):
    """The project takes no new task while it is archived."""


@transaction.atomic
def project_create(
    *, key: str, name: str, actor_id: int, description: str = "", lead_id: int | None = None
) -> Project:
    """Make a project. Raises `ValidationError` for a malformed or taken key, or an empty name;
    `IntegrityError` if the lead is no member."""
    project = Project(key=key, name=name, description=description, lead_id=lead_id)
    _validate(project)
    require_unique(project)
    project.save()
    changes = {"key": key, "name": name}
    event_append(
        EventKind.PROJECT_CREATED, actor_id=actor_id, project_id=project.pk, changes=changes
    )
    return project


@transaction.atomic
def project_update(
    *, project_id: int, actor_id: int, if_version: int | None = None, **changes: Any
) -> Project:
    """Change name, description or lead and nothing else; the version grows by one if anything
    differs.

    Raises `Project.DoesNotExist`, `VersionConflict` if the project is no longer at `if_version`,
    `ValidationError` for values that do not fit, `TypeError` for a field that can't be changed,
    `IntegrityError` if the lead is no member.
    """
    if unknown := set(changes) - _CHANGEABLE:
        raise TypeError(f"A project's {', '.join(sorted(unknown))} can't be changed.")
    project = Project.objects.select_for_update(no_key=True).get(pk=project_id)
    require_version("project", version=project.version, expected=if_version)
    before = {name: getattr(project, name) for name in changes}
    for name, value in changes.items():
        setattr(project, name, value)
    _validate(project)
    changed = {
        name: [old, getattr(project, name)]
        for name, old in before.items()
        if old != getattr(project, name)
    }
    if not changed:
        return project
    _write(project, list(changed))
    event_append(
        EventKind.PROJECT_UPDATED, actor_id=actor_id, project_id=project.pk, changes=changed
    )
    return project


@transaction.atomic
def project_set_archived(
    *, project_id: int, archived: bool, actor_id: int, if_version: int | None = None
) -> Project:
    """Archive a project or bring it back. Whether active tasks forbid it is the caller's question:
    see `tasks.services.tasks.project_archive`. Raises `Project.DoesNotExist`, and `VersionConflict`
    if the project is no longer at `if_version`."""
    project = Project.objects.select_for_update(no_key=True).get(pk=project_id)
    require_version("project", version=project.version, expected=if_version)
    if (project.archived_at is not None) == archived:
        return project
    project.archived_at = Now() if archived else None
    _write(project, ["archived_at"])
    kind = EventKind.PROJECT_ARCHIVED if archived else EventKind.PROJECT_UNARCHIVED
    event_append(kind, actor_id=actor_id, project_id=project.pk)
    return project


def project_require_open(*, project_id: int) -> None:
    """Raise `ProjectArchived` if a project is archived, and keep it from being archived until the
    transaction ends. One statement. Raises `Project.DoesNotExist`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT archived_at IS NOT NULL FROM project"
            " WHERE tenant_id = %s AND id = %s FOR SHARE",
            [require_tenant_id(), project_id],
        )
        row = cursor.fetchone()
    if row is None:
        raise Project.DoesNotExist("The project does not exist.")
    if row[0]:
        raise ProjectArchived("The project is archived: none of its tasks can become active.")


def numbers_take(*, project_id: int, count: int = 1) -> int:
    """Take `count` consecutive task numbers of a project and return the first. One statement.

    The row stays locked until the transaction ends: numbers have no gap when it commits, and are
    free again when it does not. Raises `ProjectArchived`, and `Project.DoesNotExist`.
    """
    if count < 1:
        raise ValueError("At least one number must be taken.")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE project SET next_number = next_number + %s"
            " WHERE tenant_id = %s AND id = %s RETURNING next_number - %s, archived_at IS NOT NULL",
            [count, require_tenant_id(), project_id, count],
        )
        row = cursor.fetchone()
    if row is None:
        raise Project.DoesNotExist("The project does not exist.")
    first, archived = row
    if archived:
        raise ProjectArchived("The project is archived: it takes no new tasks.")
    return int(first)


def _validate(project: Project) -> None:
    if project.description is None:
        raise ValidationError({"description": ["This field cannot be null."]})
    require_storable(name=project.name, description=project.description)
    if len(project.description.encode()) > DESCRIPTION_BYTES:
        raise ValidationError({"description": [f"At most {DESCRIPTION_BYTES} bytes."]})
    project.clean_fields(exclude=["tenant", "lead"])
    if project.key.endswith("\n"):  # which `$` lets pass in Python and not in PostgreSQL
        raise ValidationError({"key": ["A capital letter, then up to 9 capitals or digits."]})


def _write(project: Project, fields: list[str]) -> None:
    project.updated_at = Now()
    save_next_version(project, [*fields, "updated_at"])
