"""Changing many tasks: to values of their own, or all in the same way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db import transaction
from msgspec import json

from taskproject.db.retries import retried
from taskproject.db.statements import run
from tasks.models import Status, Task
from tasks.services.batches.checks import (
    Around,
    assignee_errors,
    id_array,
    look_around,
    parent_errors,
)
from tasks.services.batches.create import BATCH_SIZE
from tasks.services.batches.outcome import BatchRefused, Changed, Fills, ItemError, fill
from tasks.services.batches.statements import LOCK, PREPARED_ITEMS, change_statement
from tasks.services.batches.values import CHANGED, Change, changes_of, in_batches
from tasks.services.cycles import parent_cycles


@retried
def bulk_update(
    tasks: Iterable[Task | Mapping[str, Any]],
    fields: Collection[str] | None = None,
    *,
    actor_id: int,
    batch_size: int = BATCH_SIZE,
) -> int:
    """Change tasks, all of them or none, and return how many differ now.

    An item is a `Task`, of which `fields` are written, or a dict of `id`, maybe the `version` that
    it must still be at, and what is to change, as `task_update` takes it. Each that differs gets
    its next version and an event; `completed_at` follows the status. Instances get both values.

    Unlike Django's `bulk_update` it needs no `fields` for dicts, and each may name others. It sends
    no signals and does not call `save()`. Two statements for each batch and two for the
    transaction; four more where parents change, one more where tasks become active.

    Raises `BatchRefused` with every error of the first batch that has any.
    """
    different = first = 0
    fills: Fills = []
    with transaction.atomic():
        for batch in in_batches(tasks, batch_size):
            changed = alter_batch(batch, fills, fields, actor_id=actor_id, first=first)
            if changed.errors:
                raise BatchRefused(changed.errors)
            different += changed.done
            first += len(batch)
    fill(fills)
    return different


class Locked(msgspec.Struct, array_like=True, frozen=True):
    """What a locked task is like: what a change of it has to respect."""

    id: int
    version: int
    project_id: int
    status: int
    assignee_id: int | None
    parent_id: int | None
    external_key: str | None
    deleted: bool


@retried
def change_batch(
    items: Sequence[Task | Mapping[str, Any]],
    fields: Collection[str] | None = None,
    *,
    actor_id: int,
) -> Changed:
    """Change the tasks of the good items, and tell what is wrong with the others. Statements as in
    `bulk_update`; one if no item is good.

    The tasks are locked in the order of their ids. New parents are judged all together: where some
    of them close a cycle, those are refused.
    """
    fills: Fills = []
    with transaction.atomic(savepoint=False):
        changed = alter_batch(items, fills, fields, actor_id=actor_id)
    fill(fills)
    return changed


def alter_batch(
    items: Sequence[Task | Mapping[str, Any]],
    fills: Fills,
    fields: Collection[str] | None = None,
    *,
    actor_id: int,
    first: int = 0,
    keys: Mapping[int, str] | None = None,
) -> Changed:
    """The same in the caller's transaction, with places counted from `first`. What instances have
    to be told, once it has committed, goes to `fills`. Tasks that `keys` names by their ids must
    still have these external keys."""
    errors: list[ItemError] = []
    checked = each_once(changes_of(items, fields, errors, first=first), errors)
    locked = lock_tasks({change.id for _, change in checked}) if checked else {}
    there = [each for each in checked if not noted(lock_errors(*each, locked, keys), errors)]
    around = _around(there, locked)
    good = _without_cycles(list(_good(there, locked, around, errors)), locked, errors)
    changed: set[int] = set()
    moment = None
    for some in in_batches((change for _, change in good), max(1, len(items))):
        ids, moment = write_changes(some, actor_id=actor_id)
        changed |= ids
    versions = {i: locked[each.id].version + (each.id in changed) for i, each in good}
    for index, change in good:
        if isinstance(task := items[index - first], Task) and change.id in changed:
            fills.append((task, _decided(change, locked[change.id], moment)))
    places = range(first, first + len(items))
    found = tuple(map(versions.get, places))
    return Changed(found, tuple(errors), frozenset(changed))


def each_once(
    changes: Iterable[tuple[int, Change]], errors: list[ItemError]
) -> list[tuple[int, Change]]:
    """The changes; a second one of the same task is an error."""
    found, seen = [], set()
    for index, change in changes:
        if change.id in seen:
            message = "An item before this one changes the same task."
            errors.append(ItemError(index, "id", "repeated", message))
        else:
            found.append((index, change))
        seen.add(change.id)
    return found


def noted(found: Iterator[ItemError], errors: list[ItemError]) -> bool:
    """Whether there is anything wrong, which then stands in `errors`."""
    before = len(errors)
    errors += found
    return len(errors) > before


def lock_errors(
    index: int,
    change: Change,
    locked: Mapping[int, Locked],
    keys: Mapping[int, str] | None = None,
) -> Iterator[ItemError]:
    """What is wrong with a change, seen by the row that it is to change."""
    task = locked.get(change.id)
    if task is not None and keys is not None and task.external_key != keys[change.id]:
        message = "Another task has this key since a moment ago. Send it again."
        yield ItemError(index, "external_key", "state-conflict", message)
    elif task is None:
        yield ItemError(index, "id", "does_not_exist", "The task does not exist.")
    elif change.version is not None and change.version != task.version:
        message = f"The task is at version {task.version}, not {change.version}."
        yield ItemError(index, "version", "version-conflict", message)


def _around(there: Iterable[tuple[int, Change]], locked: Mapping[int, Locked]) -> Around:
    """What others have to say about the changes. One statement; none if nobody has."""
    wanted: dict[str, set[Any]] = {"projects": set(), "members": set(), "parents": set()}
    keys: set[str] = set()
    for _, change in there:
        task = locked[change.id]
        if _becomes_active(change, task):
            wanted["projects"].add(task.project_id)
        if _differs(change.assignee_id, task.assignee_id):
            wanted["members"].add(change.assignee_id)
        if _differs(change.parent_id, task.parent_id):
            wanted["parents"].add(change.parent_id)
        if change.external_key:
            keys.add(change.external_key)
    if not keys and not any(wanted.values()):
        return _NOBODY
    return look_around(**wanted, keys=keys)


_NOBODY: Final = Around({}, frozenset(), frozenset(), {})


def _becomes_active(change: Change, task: Locked) -> bool:
    return change.status == Status.ACTIVE != task.status


def _differs(new: Any, old: Any) -> bool:
    """Whether a relation is to point to another row than it does."""
    return new is not msgspec.UNSET and new is not None and new != old


def _good(
    there: Iterable[tuple[int, Change]],
    locked: Mapping[int, Locked],
    around: Around,
    errors: list[ItemError],
) -> Iterator[tuple[int, Change]]:
    """The changes that nothing around them speaks against."""
    seen: set[str] = set()
    for index, change in there:
        key = change.external_key
        if noted(_around_errors(index, change, locked, around), errors):
            continue
        if key and (around.taken_keys.get(key, (change.id,))[0] != change.id or key in seen):
            message = "This external key is taken already."
            errors.append(ItemError(index, "external_key", "unique", message))
            continue
        if key:
            seen.add(key)
        yield index, change


def _around_errors(
    index: int, change: Change, locked: Mapping[int, Locked], around: Around
) -> Iterator[ItemError]:
    task = locked[change.id]
    if _becomes_active(change, task) and around.projects[task.project_id]:
        message = "The project is archived: none of its tasks can become active."
        yield ItemError(index, "status", "state-conflict", message)
    if _differs(change.assignee_id, task.assignee_id):
        yield from assignee_errors(index, change.assignee_id, around)
    if _differs(change.parent_id, task.parent_id):
        yield from parent_errors(index, change.parent_id, around)


def _without_cycles(
    good: list[tuple[int, Change]], locked: Mapping[int, Locked], errors: list[ItemError]
) -> list[tuple[int, Change]]:
    """The changes that make no task a part of itself. No statement where no task gets another
    parent; else two, and one more each time that some are refused."""
    while True:
        moved = {
            each.id: each.parent_id
            for _, each in good
            if each.parent_id is not msgspec.UNSET and each.parent_id != locked[each.id].parent_id
        }
        if not any(moved.values()):
            return good
        refused = parent_cycles(moved)
        if not refused:
            return good
        for index, each in good:
            if each.id in refused:
                message = refused[each.id]
                errors.append(ItemError(index, "parent", "state-conflict", message))
        good = [each for each in good if each[1].id not in refused]


def lock_tasks(ids: Collection[int], *, deleted: bool = False) -> dict[int, Locked]:
    """The live tasks among those, or all of them if `deleted`, locked in the order of their ids
    until the transaction ends. One statement."""
    values = {"ids": id_array(ids), "deleted": int(deleted)}
    ((found,),) = run(LOCK, values, prepare=len(ids) <= PREPARED_ITEMS)
    rows = json.decode(found or b"[]", type=list[Locked])
    return {each.id: each for each in rows}


def write_changes(
    changes: Sequence[Change], *, actor_id: int
) -> tuple[frozenset[int], datetime | None]:
    """Make changes that are known to be good, of tasks that are locked: the ids of those that
    differ now, and the time of it. An event for each. One statement; none for no changes."""
    named = {each.fields for each in changes}
    fields = tuple(name for name in CHANGED if any(name in each for each in named))
    if not fields:
        return frozenset(), None
    items = [_Item.of(each, fields) for each in changes] if len(named) > 1 else changes
    statement = change_statement(fields, len(named) > 1)
    values = {"items": json.encode(items).decode(), "actor": actor_id}
    ((found,),) = run(statement, values, prepare=len(items) <= PREPARED_ITEMS)
    ids, moment = json.decode(found or b"", type=tuple[frozenset[int], datetime])
    return ids, moment


class _Item(Change):
    """A change among others of other fields: which ones it has, a bit for each."""

    has: int = 0

    @classmethod
    def of(cls, change: Change, fields: Sequence[str]) -> _Item:
        values = {name: getattr(change, name) for name in change.fields}
        has = sum(1 << place for place, name in enumerate(fields) if name in values)
        return cls(id=change.id, has=has, **values)


def _decided(change: Change, was: Locked, moment: datetime | None) -> dict[str, Any]:
    """What PostgreSQL has decided of a task that was changed."""
    decided: dict[str, Any] = {"version": was.version + 1, "updated_at": moment}
    if change.status is not msgspec.UNSET and change.status != was.status:
        decided["completed_at"] = moment if change.status == Status.DONE else None
    return decided
