"""The statements of batches: one JSON text in, one out, whatever the number of items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from taskproject.db.slots import TENANT, slot
from taskproject.db.statements import Statement
from taskproject.tenancy.models import EventKind
from tasks.models import Status

_TENANT: Final = slot(TENANT)
# A prepared statement keeps its plan. Made while a table is empty it may read all of it, and of one
# that fills within a transaction PostgreSQL has no other statistics before its end: an upsert of
# 20,000 took 25 s behind 60,000 others. To plan anew takes a millisecond.
PREPARED_ITEMS: Final = 1_000
TYPES: Final = {
    "project_id": "bigint",
    "title": "text",
    "description": "text",
    "status": "smallint",
    "priority": "smallint",
    "assignee_id": "bigint",
    "parent_id": "bigint",
    "due_at": "timestamptz",
    "external_key": "text",
}


def every(select: str) -> str:
    """The one column of a query, as an array."""
    return f"(SELECT coalesce(json_agg(found), '[]') FROM ({select}) AS row (found))::text"


def _ids(name: str) -> str:
    return f"ANY({slot(name)}::bigint[])"


def by_name(select: str) -> str:
    """The column `id` of a query by its column `name`, as an object."""
    return f"(SELECT coalesce(json_object_agg(name, id), '{{}}') FROM ({select}) AS found)::text"


def names(slot_name: str) -> str:
    """The texts of a slot that holds a JSON array, for the right side of `=`."""
    return f"ANY(ARRAY(SELECT json_array_elements_text({slot(slot_name)}::json)))"


NAMES: Final = Statement.of(
    "SELECT "
    + by_name(
        "SELECT key AS name, id FROM project"
        f" WHERE tenant_id = {_TENANT} AND key = {names('projects')}"
    )
    + ", "
    + by_name(
        "SELECT username AS name, user_account.id FROM user_account JOIN membership"
        f" ON membership.user_id = user_account.id AND membership.tenant_id = {_TENANT}"
        f" AND membership.active WHERE username = {names('members')}"
    )
)

# Projects are locked, in the order of their ids: they keep their numbers, and stay as they are.
AROUND: Final = Statement.of(
    "SELECT (SELECT coalesce(json_agg(json_build_array(id, archived)), '[]') FROM"
    " (SELECT id, archived_at IS NOT NULL AS archived FROM project"
    f" WHERE tenant_id = {_TENANT} AND id = {_ids('projects')}"
    " ORDER BY id FOR NO KEY UPDATE) AS locked)::text, "
    + ", ".join(
        (
            every(
                f"SELECT user_id FROM membership WHERE tenant_id = {_TENANT} AND active"
                f" AND user_id = {_ids('members')}"
            ),
            every(
                f"SELECT id FROM task WHERE tenant_id = {_TENANT} AND deleted_at IS NULL"
                f" AND id = {_ids('parents')}"
            ),
            every(
                "SELECT json_build_array(external_key, json_build_array(id, project_id)) FROM task"
                f" WHERE tenant_id = {_TENANT} AND external_key = {names('keys')}"
            ),
        )
    )
)


_LOCKED: Final = "id, version, project_id, status, assignee_id, parent_id, external_key"
LOCK: Final = Statement.of(
    f"SELECT coalesce(json_agg(json_build_array({_LOCKED}, deleted)), '[]')::text FROM"
    f" (SELECT {_LOCKED}, deleted_at IS NOT NULL AS deleted FROM task"
    f" WHERE tenant_id = {_TENANT} AND id = {_ids('ids')}"
    f" AND (deleted_at IS NULL OR {slot('deleted')}::int = 1)"
    " ORDER BY id FOR NO KEY UPDATE) AS locked"
)


def _deletion(deleted_at: str) -> Statement:
    return Statement.of(
        f"WITH changed AS (UPDATE task SET deleted_at = {deleted_at},"
        " version = version + 1, updated_at = statement_timestamp()"
        f" WHERE tenant_id = {_TENANT} AND id = {_ids('ids')} RETURNING id, project_id),"
        " told AS (INSERT INTO event"
        " (tenant_id, task_id, project_id, actor_id, kind, changes, created_at)"
        f" SELECT {_TENANT}::bigint, id, project_id, {slot('actor')}::bigint,"
        f" {slot('kind')}::smallint, '{{}}', statement_timestamp() FROM changed ORDER BY id)"
        " SELECT json_build_array(coalesce(json_agg(id), '[]'), statement_timestamp())::text"
        " FROM changed"
    )


DELETE: Final = _deletion("statement_timestamp()")
RESTORE: Final = _deletion("NULL")


_NOW: Final = "statement_timestamp()"


def creation(
    types: Mapping[str, str],
    decided: Mapping[str, str],
    *,
    kind: EventKind,
    changes: str,
    answer: str,
    beside: Mapping[str, str] | None = None,
    also: str = "",
) -> Statement:
    """The statement that makes tasks with the next numbers of their projects, and their events.

    `types` are the columns that the items fill, `beside` what else they have, and `decided` what
    the statement says itself. `also` is written beside them, from `made` and `item`, and `answer`
    is told, from `made`.
    """
    given = {**types, **(beside or {})}
    return Statement.of(
        "WITH item AS MATERIALIZED (SELECT given.*, row_number() OVER"
        " (PARTITION BY project_id ORDER BY place) AS nth FROM"
        f" ROWS FROM (json_to_recordset({slot('items')}::json) AS"
        f" ({', '.join(f'{name} {of}' for name, of in given.items())}))"
        f" WITH ORDINALITY AS given ({', '.join(given)}, place)),"
        " wanted AS (SELECT project_id, max(nth) AS number FROM item GROUP BY project_id),"
        " taken AS (UPDATE project SET next_number = next_number + wanted.number FROM wanted"
        f" WHERE project.tenant_id = {_TENANT} AND project.id = wanted.project_id"
        " RETURNING project.id, next_number - wanted.number - 1 AS before),"
        f" made AS (INSERT INTO task (tenant_id, number, version, {', '.join((*types, *decided))})"
        f" SELECT {_TENANT}::bigint, taken.before + item.nth, 1,"
        f" {', '.join((*(f'item.{name}' for name in types), *decided.values()))}"
        # Ids are drawn in this order.
        " FROM item JOIN taken ON taken.id = item.project_id ORDER BY item.place RETURNING"
        " id, project_id, number, title, status, creator_id, external_key, created_at),"
        f"{also} told AS (INSERT INTO event"
        " (tenant_id, task_id, project_id, actor_id, kind, changes, created_at)"
        f" SELECT {_TENANT}::bigint, id, project_id, creator_id, {kind.value}, {changes}, {_NOW}"
        f" FROM made) SELECT {answer}::text FROM made"
    )


_STATUS_LABEL: Final = " ".join(f"WHEN {each.value} THEN '{each.label}'" for each in Status)
WRITE: Final = creation(
    TYPES,
    {
        "creator_id": f"{slot('actor')}::bigint",
        "completed_at": f"CASE WHEN status = {Status.DONE.value} THEN {_NOW} END",
        "created_at": _NOW,
        "updated_at": _NOW,
    },
    kind=EventKind.TASK_CREATED,
    changes=f"jsonb_build_object('title', title, 'status', CASE status {_STATUS_LABEL} END)",
    answer=f"json_build_array(json_agg(json_build_array(id, number) ORDER BY id), {_NOW})",
)


@cache
def change_statement(fields: tuple[str, ...], mixed: bool) -> Statement:
    """The statement that changes those fields, of all tasks or, if `mixed`, some of some."""
    kinds = {name: TYPES[name] for name in fields}
    columns = {"id": "bigint", **({"has": "int"} if mixed else {}), **kinds}
    new = {name: _new(name, 1 << place, mixed) for place, name in enumerate(fields)}
    sets = {name: f"new.{name}" for name in fields}
    if "status" in fields:
        sets["completed_at"] = (
            "CASE WHEN new.was_status = new.status THEN task.completed_at"
            f" WHEN new.status = {Status.DONE.value} THEN statement_timestamp() END"
        )
    differs = " OR ".join(f"new.was_{name} IS DISTINCT FROM new.{name}" for name in fields)
    return Statement.of(
        "WITH new AS MATERIALIZED (SELECT item.id,"
        f" {', '.join(f'{value} AS {name}' for name, value in new.items())},"
        f" {', '.join(f'was.{name} AS was_{name}' for name in fields)}"
        f" FROM json_to_recordset({slot('items')}::json) AS item"
        f" ({', '.join(f'{name} {kind}' for name, kind in columns.items())})"
        f" JOIN task AS was ON was.tenant_id = {_TENANT} AND was.id = item.id),"
        f" changed AS (UPDATE task SET {', '.join(f'{n} = {v}' for n, v in sets.items())},"
        " version = task.version + 1, updated_at = statement_timestamp() FROM new"
        f" WHERE task.tenant_id = {_TENANT} AND task.id = new.id AND ({differs})"
        f" RETURNING task.id, task.project_id, {_told(fields)} AS changes),"
        " told AS (INSERT INTO event"
        " (tenant_id, task_id, project_id, actor_id, kind, changes, created_at)"
        f" SELECT {_TENANT}::bigint, id, project_id, {slot('actor')}::bigint,"
        f" {EventKind.TASK_UPDATED.value}, changes, statement_timestamp() FROM changed)"
        " SELECT json_build_array(coalesce(json_agg(id), '[]'), statement_timestamp())::text"
        " FROM changed"
    )


def _new(name: str, bit: int, mixed: bool) -> str:
    return (
        f"CASE WHEN has & {bit} > 0 THEN item.{name} ELSE was.{name} END"
        if mixed
        else (f"item.{name}")
    )


def _told(fields: Iterable[str]) -> str:
    """What an event tells of a change: the old and the new value of what differs."""
    return " || ".join(
        f"CASE WHEN new.was_{name} IS DISTINCT FROM new.{name} THEN"
        f" jsonb_build_object('{name}', jsonb_build_array(new.was_{name}, new.{name}))"
        " ELSE '{}' END"
        for name in fields
    )


def _labelling(kind: EventKind, links: str) -> str:
    """An event for each link that came or went."""
    return (
        " told AS (INSERT INTO event (tenant_id, task_id, project_id, actor_id, kind, changes)"
        f" SELECT {_TENANT}::bigint, task.id, task.project_id, {slot('actor')}::bigint,"
        f" {kind.value}, jsonb_build_object('label', label.name)"
        f" FROM {links} AS link JOIN task ON task.tenant_id = {_TENANT} AND task.id = link.task_id"
        f" JOIN label ON label.tenant_id = {_TENANT} AND label.id = {slot('label')}::bigint"
        " ORDER BY task.id)"
    )


LABEL: Final = Statement.of(
    "WITH label_there AS (SELECT id FROM label"
    f" WHERE tenant_id = {_TENANT} AND id = {slot('label')}::bigint),"
    " wanting AS (SELECT id, created_at, (SELECT count(*) FROM task_label AS link"
    f" WHERE link.tenant_id = {_TENANT} AND link.task_id = task.id) AS number FROM task"
    f" WHERE tenant_id = {_TENANT} AND id = {_ids('ids')} AND NOT EXISTS (SELECT FROM task_label"
    f" AS link WHERE link.tenant_id = {_TENANT} AND link.task_id = task.id"
    f" AND link.label_id = {slot('label')}::bigint)),"
    f" task_full AS (SELECT id FROM wanting WHERE number >= {slot('most')}::int),"
    " linked AS (INSERT INTO task_label (tenant_id, task_id, task_created_at, label_id)"
    f" SELECT {_TENANT}::bigint, wanting.id, wanting.created_at, label_there.id"
    " FROM wanting CROSS JOIN label_there WHERE NOT EXISTS (SELECT FROM task_full)"
    " ORDER BY wanting.id RETURNING task_id),"
    f"{_labelling(EventKind.TASK_LABELLED, 'linked')}"
    " SELECT json_build_array(EXISTS (SELECT FROM label_there),"
    " (SELECT coalesce(json_agg(id), '[]') FROM task_full),"
    " (SELECT coalesce(json_agg(task_id), '[]') FROM linked))::text"
)
UNLABEL: Final = Statement.of(
    f"WITH gone AS (DELETE FROM task_label WHERE tenant_id = {_TENANT}"
    f" AND task_id = {_ids('ids')} AND label_id = {slot('label')}::bigint RETURNING task_id),"
    f"{_labelling(EventKind.TASK_UNLABELLED, 'gone')}"
    " SELECT coalesce(json_agg(task_id), '[]')::text FROM gone"
)
