"""The two statements of an import: what is there already, and what is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from msgspec import json

from taskproject.db.slots import TENANT, slot
from taskproject.db.statements import Statement, run
from taskproject.tenancy.models import EventKind
from tasks.services.batches.statements import TYPES, by_name, creation, names

_TENANT: Final = slot(TENANT)
_LOOK: Final = Statement.of(
    "SELECT "
    + ", ".join(
        (
            "(SELECT coalesce(json_object_agg(key, json_build_array(id, archived)), '{}') FROM"
            " (SELECT key, id, archived_at IS NOT NULL AS archived FROM project"
            f" WHERE tenant_id = {_TENANT} AND key = {names('projects')}"
            " ORDER BY id FOR NO KEY UPDATE) AS locked)::text",
            by_name(
                "SELECT username AS name, user_account.id FROM user_account JOIN membership"
                f" ON membership.user_id = user_account.id AND membership.tenant_id = {_TENANT}"
                f" WHERE username = {names('people')}"
            ),
            by_name(
                "SELECT wanted.name, label.id"
                f" FROM json_array_elements_text({slot('labels')}::json) AS wanted (name)"
                # PostgreSQL folds the case on both sides: Python folds some letters differently.
                f" JOIN label ON label.tenant_id = {_TENANT}"
                " AND lower(label.name) = lower(wanted.name)"
            ),
            by_name(
                "SELECT external_key AS name, id FROM task"
                f" WHERE tenant_id = {_TENANT} AND external_key = {names('keys')}"
            ),
            # What an export calls a task that has no external key.
            by_name(
                "SELECT own.name, task.id FROM json_to_recordset("
                f"{slot('own_keys')}::json) AS own (name text, key text, number int)"
                f" JOIN project ON project.tenant_id = {_TENANT} AND project.key = own.key"
                f" JOIN task ON task.tenant_id = {_TENANT} AND task.project_id = project.id"
                " AND task.number = own.number AND task.external_key IS NULL"
            ),
        )
    )
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a tenant has of the names that records use.

    `projects` has the id of each key, and whether it is archived; `people` the user ids of members,
    also of former ones; `labels` the ids by name, in any case; `keys` the ids of the tasks that
    have an external key, or their own for want of one; also of deleted ones.
    """

    projects: dict[str, tuple[int, bool]]
    people: dict[str, int]
    labels: dict[str, int]
    keys: dict[str, int]


def look(
    *,
    projects: Collection[str],
    people: Collection[str],
    labels: Collection[str],
    keys: Collection[str],
    own_keys: Mapping[str, tuple[str, int]] | None = None,
) -> Found:
    """What there is in the active tenant. One statement. The projects are locked until the
    transaction ends, in the order of their ids, so that they stay as they are.

    It is not prepared: who waits for a lock by psycopg's cursors can be interrupted. `own_keys` has
    the project's key and the number of records that may go by a task's own key."""
    wanted = {"projects": projects, "people": people, "labels": labels, "keys": keys}
    values = {name: json.encode(list(each)).decode() for name, each in wanted.items()}
    own = [
        {"name": name, "key": key, "number": number}
        for name, (key, number) in (own_keys or {}).items()
    ]
    values["own_keys"] = json.encode(own).decode()
    (row,) = run(_LOOK, values, prepare=False)  # index: task_external_key_uniq
    texts = (text or b"{}" for text in row)
    found_projects = json.decode(next(texts), type=dict[str, tuple[int, bool]])
    members, named, external, own_ones = (json.decode(t, type=dict[str, int]) for t in texts)
    return Found(found_projects, members, named, own_ones | external)


class ImportedTask(msgspec.Struct, omit_defaults=True):
    """The values of an imported task, which keeps its creator and its times."""

    project_id: int
    title: str
    description: str
    status: int
    priority: int
    creator_id: int
    external_key: str
    created_at: datetime
    updated_at: datetime
    assignee_id: int | None = None
    completed_at: datetime | None = None
    label_ids: list[int] = []


_TYPES: Final = {
    **{name: of for name, of in TYPES.items() if name not in ("parent_id", "due_at")},
    "creator_id": "bigint",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "completed_at": "timestamptz",
}
_WRITE: Final = creation(
    _TYPES,
    {},
    kind=EventKind.TASK_IMPORTED,
    changes="jsonb_build_object('external_key', external_key)",
    answer="coalesce(json_agg(id ORDER BY id), '[]')",
    beside={"label_ids": "bigint[]"},
    also=" linked AS (INSERT INTO task_label (tenant_id, task_id, task_created_at, label_id)"
    f" SELECT {_TENANT}::bigint, made.id, made.created_at, label_id"
    " FROM made JOIN item USING (external_key), unnest(item.label_ids) AS label_id"
    " WHERE item.label_ids IS NOT NULL ORDER BY made.id, label_id),",
)


def write(tasks: Sequence[ImportedTask]) -> list[int]:
    """Make tasks in the active tenant with the next numbers of their projects, in their order, with
    their links and an event for each; their ids. One statement. `look` has locked the projects."""
    ((found,),) = run(_WRITE, {"items": json.encode(tasks).decode()}, prepare=False)
    return json.decode(found or b"[]", type=list[int])
