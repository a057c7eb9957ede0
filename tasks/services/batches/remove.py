"""Deleting many tasks softly, and bringing them back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from msgspec import json

from taskproject.db.retries import retried
from taskproject.db.statements import Statement, run
from taskproject.tenancy.models import EventKind
from tasks.models import Status, Task
from tasks.services.batches.change import each_once, lock_errors, lock_tasks, noted
from tasks.services.batches.checks import id_array, look_around
from tasks.services.batches.create import BATCH_SIZE
from tasks.services.batches.outcome import BatchRefused, Changed, Fills, ItemError, fill
from tasks.services.batches.statements import DELETE, RESTORE
from tasks.services.batches.values import Change, changes_of, in_batches, is_id


@retried
def bulk_delete(
    tasks: Iterable[Task | int | Mapping[str, Any]],
    *,
    actor_id: int,
    batch_size: int = BATCH_SIZE,
) -> int:
    """Delete tasks softly, all of them or none, and return how many.

    An item is a `Task`, an id, or a dict of `id` and perhaps the `version` that it must still be
    at. Each gets its next version and an event. Two statements for each batch and two for the
    transaction. Raises `BatchRefused` with every error of the first batch that has any; a task that
    is not there, or deleted already, is one.
    """
    deleted = first = 0
    fills: Fills = []
    with transaction.atomic():
        for batch in in_batches(tasks, batch_size):
            outcome = drop_batch(batch, fills, actor_id=actor_id, first=first)
            if outcome.errors:
                raise BatchRefused(outcome.errors)
            deleted += outcome.done
            first += len(batch)
    fill(fills)
    return deleted


@retried
def delete_batch(items: Sequence[Task | int | Mapping[str, Any]], *, actor_id: int) -> Changed:
    """Delete the good items' tasks softly, and tell what is wrong with the others. Two statements
    besides those of the transaction. The tasks are locked in the order of their ids."""
    fills: Fills = []
    with transaction.atomic(savepoint=False):
        dropped = drop_batch(items, fills, actor_id=actor_id)
    fill(fills)
    return dropped


def drop_batch(
    items: Sequence[Task | int | Mapping[str, Any]],
    fills: Fills,
    *,
    actor_id: int,
    first: int = 0,
) -> Changed:
    """The same in the caller's transaction, with places counted from `first`. What instances have
    to be told goes to `fills`."""
    errors: list[ItemError] = []
    asked = [_as_mapping(item) for item in items]
    changes = each_once(_versions_of(asked, errors, first), errors)
    locked = lock_tasks({change.id for _, change in changes}) if changes else {}
    good = [each for each in changes if not noted(lock_errors(*each, locked), errors)]
    ids, moment = _write(DELETE, {c.id for _, c in good}, actor_id, EventKind.TASK_DELETED)
    versions = {index: locked[change.id].version + 1 for index, change in good}
    for index, version in versions.items():
        if isinstance(task := items[index - first], Task):
            fills.append((task, {"version": version, "deleted_at": moment, "updated_at": moment}))
    places = range(first, first + len(items))
    return Changed(tuple(map(versions.get, places)), tuple(errors), frozenset(ids))


def _as_mapping(item: Task | int | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(item, Mapping):
        return item
    return {"id": item.pk if isinstance(item, Task) else item}


def _versions_of(
    asked: Iterable[Mapping[str, Any]], errors: list[ItemError], first: int
) -> Iterable[tuple[int, Change]]:
    for index, change in changes_of(asked, None, errors, first=first):
        if change.fields:
            message = "Only an id and a version say which task to delete."
            errors.append(ItemError(index, change.fields[0], "unknown", message))
        else:
            yield index, change


@retried
@transaction.atomic
def bulk_restore(task_ids: Collection[int], *, actor_id: int) -> int:
    """Bring deleted tasks back, all of them or none, and return how many; live ones stay as they
    are and don't count. Three statements and two for the transaction, one if all are live.

    Raises `BatchRefused` for ids that are not there, and for active tasks of archived projects, by
    their places among the sorted ids; first for what is no id, by its place as given.
    """
    if strange := [place for place, each in enumerate(task_ids) if not is_id(each)]:
        raise BatchRefused([_absent(place) for place in strange])
    ids = sorted(set(task_ids))
    places = {pk: place for place, pk in enumerate(ids)}
    locked = lock_tasks(ids, deleted=True)
    errors = [_absent(places[pk]) for pk in ids if pk not in locked]
    deleted = [each for each in locked.values() if each.deleted]
    active = [each for each in deleted if each.status == Status.ACTIVE]
    if active:
        archived = look_around(projects={each.project_id for each in active}).projects
        message = "The project is archived: none of its tasks can become active."
        errors += [
            ItemError(places[each.id], "status", "state-conflict", message)
            for each in active
            if archived[each.project_id]
        ]
    if errors:
        raise BatchRefused(errors)
    ids_deleted = {each.id for each in deleted}
    restored, _ = _write(RESTORE, ids_deleted, actor_id, EventKind.TASK_RESTORED)
    return len(restored)


def _absent(place: int) -> ItemError:
    return ItemError(place, "id", "does_not_exist", "The task does not exist.")


def _write(
    statement: Statement, ids: Collection[int], actor_id: int, kind: EventKind
) -> tuple[list[int], datetime | None]:
    """The ids of the tasks that a statement has changed, each with an event, and when. One
    statement; none for no tasks."""
    if not ids:
        return [], None
    values = {"ids": id_array(ids), "actor": actor_id, "kind": kind.value}
    ((found,),) = run(statement, values)
    changed, moment = json.decode(found or b"", type=tuple[list[int], datetime])
    return changed, moment
