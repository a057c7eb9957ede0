"""Making and changing a task in one statement, which also answers with the task as it is shown.

For the usual case, and for it alone: what is refused here, or needs more to be decided, changes
nothing and gives None. The services of `tasks.services.tasks` then do it, or say why not. Both
leave the same rows behind: numbers, versions, times and events.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from typing import Any, Final, NamedTuple

from django.db import IntegrityError, connection, transaction
from msgspec import json

from taskproject.api.projection import Projection, RowSQL, joined
from taskproject.db.slots import TENANT, slot
from taskproject.db.statements import Statement, run
from taskproject.tenancy.models import EventKind
from tasks.models import Priority, Status

_TENANT: Final = slot(TENANT)
_TYPES: Final = {
    "title": "text",
    "description": "text",
    "status": "smallint",
    "priority": "smallint",
    "due_at": "timestamptz",
    "external_key": "text",
}
_DEFAULTS: Final = {
    "description": "",
    "status": Status.PENDING,
    "priority": Priority.NORMAL,
    "due_at": None,
    "external_key": None,
    "parent": None,
    "assignee": None,
}
_CREATED: Final = frozenset({"title", *_DEFAULTS})
_CHANGED: Final = frozenset({*_TYPES, "assignee"})


class Shown(NamedTuple):
    """A task that was written: its JSON, id and version."""

    json: bytes
    task_id: int
    version: int


def task_create_shown(
    *, shown_by: Projection, actor_id: int, project_key: str, **values: Any
) -> Shown | None:
    """Make a task with the next number of its project. One statement.

    `values` are those of `task_create`, with the assignee by user name and the parent by id. None,
    and nothing taken, if there is no such project or it is archived, if the assignee is no active
    member, the parent no live task, or a constraint is violated.
    """
    if values.keys() - _CREATED:
        return None
    status = Status(values.get("status", Status.PENDING))
    changes = json.encode({"title": values["title"], "status": status.label}).decode()
    filled = {**_DEFAULTS, **values, "project": project_key, "actor": actor_id, "changes": changes}
    return _attempt(_creation(shown_by), filled)


def task_update_shown(
    *,
    shown_by: Projection,
    actor_id: int,
    task: Mapping[str, Any],
    if_version: int | None,
    **changes: Any,
) -> Shown | None:
    """Change what is named of a task, and nothing else. One statement.

    `task` names it by `task_id`, or by `project_key` and `number`; the assignee comes by user name.
    None, and nothing changed, if there is no such live task, it is at another version than
    `if_version`, nothing differs, the assignee is no active member, or a constraint is violated;
    and where other rows have a say: for a parent, and for becoming active.
    """
    if not changes or changes.keys() - _CHANGED or changes.get("status") == Status.ACTIVE:
        return None
    statement = _change(shown_by, tuple(sorted(changes)), "task_id" in task)
    return _attempt(statement, {**changes, **task, "actor": actor_id, "if_version": if_version})


def _attempt(statement: Statement, values: Mapping[str, Any]) -> Shown | None:
    amid = transaction.atomic() if connection.in_atomic_block else nullcontext()
    try:
        with amid:
            rows = run(statement, values)
    except IntegrityError:
        return None
    if not rows:
        return None
    written, task_id, version = rows[0]
    return Shown(written or b"", int(task_id or 0), int(version or 0))


# The assignee who was named, if an active member.
_PERSON: Final = (
    "person AS (SELECT user_account.id FROM user_account JOIN membership"
    f" ON membership.user_id = user_account.id AND membership.tenant_id = {_TENANT}"
    f" AND membership.active WHERE user_account.username = {slot('assignee')})"
)
_NO_STRANGER: Final = f"({slot('assignee')}::text IS NULL OR EXISTS (SELECT FROM person))"


@cache
def _creation(shown_by: Projection) -> Statement:
    row = RowSQL(shown_by.model)
    members = shown_by.written(row)
    typed = {name: f"{slot(name)}::{kind}" for name, kind in _TYPES.items()}
    parent = f"{slot('parent')}::bigint"
    columns = {
        "tenant_id": f"{_TENANT}::bigint",
        "project_id": "taken.id",
        "number": "taken.number",
        **typed,
        "assignee_id": "(SELECT id FROM person)",
        "creator_id": f"{slot('actor')}::bigint",
        "parent_id": parent,
        "completed_at": f"CASE WHEN {typed['status']} = {Status.DONE.value} THEN taken.moment END",
        "created_at": "taken.moment",
        "updated_at": "taken.moment",
        "version": "1",
    }
    return Statement.of(
        f"WITH {_PERSON}, taken AS (UPDATE project SET next_number = next_number + 1"
        f" WHERE tenant_id = {_TENANT} AND key = {slot('project')} AND archived_at IS NULL"
        f" AND {_NO_STRANGER} AND ({parent} IS NULL OR EXISTS (SELECT FROM task"
        f" WHERE tenant_id = {_TENANT} AND id = {parent} AND deleted_at IS NULL))"
        # When the lock was got, and not when the statement began: as the numbers, so the times.
        " RETURNING id, next_number - 1 AS number, clock_timestamp() AS moment),"
        f" made AS (INSERT INTO task ({', '.join(columns)})"
        f" SELECT {', '.join(columns.values())} FROM taken"
        f" RETURNING {_returned(row)}),"
        f" {_told(EventKind.TASK_CREATED, 'made', slot('changes') + '::jsonb')}"
        f" {_shown(members, row, 'made')}"
    )


@cache
def _change(shown_by: Projection, names: tuple[str, ...], by_id: bool) -> Statement:
    row = RowSQL(shown_by.model)
    members = shown_by.written(row)
    new = {name: f"{slot(name)}::{_TYPES[name]}" for name in names if name in _TYPES}
    if "assignee" in names:
        new["assignee_id"] = "(SELECT id FROM person)"
    sets = {**new, "version": "task.version + 1", "updated_at": "locked.moment"}
    if "status" in names:
        sets["completed_at"] = (
            f"CASE WHEN was.status = {new['status']} THEN was.completed_at"
            f" WHEN {new['status']} = {Status.DONE.value} THEN locked.moment END"
        )
    where = (
        f"id = {slot('task_id')}"
        if by_id
        else f"number = {slot('number')} AND project_id = (SELECT id FROM project"
        f" WHERE tenant_id = {_TENANT} AND key = {slot('project_key')})"
    )
    differs = " OR ".join(f"was.{name} IS DISTINCT FROM {value}" for name, value in new.items())
    version = f"{slot('if_version')}::bigint"
    return Statement.of(
        f"WITH {_PERSON + ', ' if 'assignee' in names else ''}"
        f"was AS MATERIALIZED (SELECT id, version, completed_at, {', '.join(new)}"
        f" FROM task WHERE tenant_id = {_TENANT} AND {where} AND deleted_at IS NULL"
        " FOR NO KEY UPDATE),"
        " locked AS MATERIALIZED (SELECT clock_timestamp() AS moment FROM was),"
        f" changed AS (UPDATE task SET {', '.join(f'{n} = {v}' for n, v in sets.items())}"
        " FROM was, locked"
        f" WHERE task.tenant_id = {_TENANT} AND task.id = was.id AND ({differs})"
        f" AND ({version} IS NULL OR was.version = {version})"
        f"{f' AND {_NO_STRANGER}' if 'assignee' in names else ''}"
        f" RETURNING {_returned(row)}, {_differences(new)} AS changes),"
        f" {_told(EventKind.TASK_UPDATED, 'changed', 'changes')}"
        f" {_shown(members, row, 'changed')}"
    )


def _returned(row: RowSQL) -> str:
    names = dict.fromkeys((*row.columns, "id", "project_id", "version", "updated_at"))
    return ", ".join(f'task."{name}"' for name in names)


def _differences(names: Mapping[str, str]) -> str:
    """What an event tells of a change: the old and the new value of what differs."""
    return " || ".join(
        f"CASE WHEN was.{name} IS DISTINCT FROM task.{name} THEN"
        f" jsonb_build_object('{name}', jsonb_build_array(was.{name}, task.{name}))"
        " ELSE '{}' END"
        for name in names
    )


def _told(kind: EventKind, written: str, changes: str) -> str:
    return (
        "told AS (INSERT INTO event"
        " (tenant_id, task_id, project_id, created_at, actor_id, kind, changes)"
        f" SELECT {_TENANT}::bigint, id, project_id, updated_at, {slot('actor')}::bigint,"
        f" {kind.value}, {changes} FROM {written})"
    )


def _shown(members: str, row: RowSQL, written: str) -> str:
    return (
        "SELECT row_to_json(shown)::text, shown_row.id::text, shown_row.version::text"
        f" FROM {written} AS shown_row {joined(members, row)}"
    )
