"""Making the tasks that are not there yet, and changing those that are: told by external key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from django.db import transaction

from taskproject.db.retries import retried
from taskproject.db.values import storable
from tasks.models import Task
from tasks.services.batches.change import alter_batch
from tasks.services.batches.checks import look_around
from tasks.services.batches.create import BATCH_SIZE, make_batch
from tasks.services.batches.outcome import BatchRefused, Fills, ItemError, Upserted, fill
from tasks.services.batches.values import CHANGED, CREATED, field_names, in_batches

KEY: Final = "external_key"


@retried
def bulk_upsert(
    tasks: Iterable[Task | Mapping[str, Any]],
    update_fields: Collection[str] | None = None,
    *,
    actor_id: int,
    batch_size: int = BATCH_SIZE,
) -> list[int]:
    """Make or change tasks, all of them or none, and return their ids.

    An item is a `Task` or a dict as `bulk_create` takes it, with an `external_key`. A task that has
    the key already gets `update_fields`, all that the dict names if none are said; it stays in its
    project. Up to six statements for each batch and two for the transaction, and those for parents
    that `bulk_update` has.

    Raises `BatchRefused` with every error of the first batch that has any: also for a key that a
    deleted task has, or one of another project. Amid a transaction of the caller's, or reading from
    an iterator, it raises `IntegrityError` for a key that somebody else has taken at the same time.
    """
    ids: list[int] = []
    fills: Fills = []
    with transaction.atomic():
        for batch in in_batches(tasks, batch_size):
            outcome = put_batch(batch, fills, update_fields, actor_id=actor_id, first=len(ids))
            if outcome.errors:
                raise BatchRefused(outcome.errors)
            ids += (pk for pk in outcome.ids if pk is not None)
    fill(fills)
    return ids


@retried
def upsert_batch(
    items: Sequence[Task | Mapping[str, Any]],
    update_fields: Collection[str] | None = None,
    *,
    actor_id: int,
) -> Upserted:
    """Make or change the tasks of the good items, and tell what is wrong with the others.
    Statements as in `bulk_upsert`."""
    fills: Fills = []
    with transaction.atomic(savepoint=False):
        put = put_batch(items, fills, update_fields, actor_id=actor_id)
    fill(fills)
    return put


def put_batch(
    items: Sequence[Task | Mapping[str, Any]],
    fills: Fills,
    update_fields: Collection[str] | None = None,
    *,
    actor_id: int,
    first: int = 0,
) -> Upserted:
    """The same in the caller's transaction, with places counted from `first`. What instances have
    to be told goes to `fills`. Tasks are locked before projects, as by single changes."""
    wanted = None if update_fields is None else field_names(update_fields)
    errors: list[ItemError] = []
    keys = _keys(items, errors)
    known = look_around(keys=set(keys.values())).taken_keys
    fresh = [n for n, key in keys.items() if key not in known]
    stay = [
        n for n, key in keys.items() if key in known and _stays(items[n], n, known[key][1], errors)
    ]
    changed = alter_batch(
        [_change(items[n], known[keys[n]][0], wanted) for n in stay],
        [],
        actor_id=actor_id,
        keys={known[keys[n]][0]: keys[n] for n in stay},
    )
    made = make_batch([items[n] for n in fresh], fills, actor_id=actor_id)
    errors += (replace(each, index=fresh[each.index]) for each in made.errors)
    errors += (_told(each, stay[each.index]) for each in changed.errors)
    ids = {n: pk for n, pk in zip(fresh, made.ids, strict=True) if pk is not None}
    versions = dict.fromkeys(ids, 1)
    for n, version in zip(stay, changed.versions, strict=True):
        if version is not None:
            ids[n], versions[n] = known[keys[n]][0], version
    fills += (
        (item, {"id": ids[n]}) for n in stay if n in ids and isinstance(item := items[n], Task)
    )
    return Upserted(
        ids=tuple(map(ids.get, range(len(items)))),
        versions=tuple(map(versions.get, range(len(items)))),
        fresh=frozenset(ids) & frozenset(fresh),
        errors=tuple(replace(each, index=first + each.index) for each in errors),
        made=made.done,
        changed=changed.done,
    )


def _keys(items: Sequence[Task | Mapping[str, Any]], errors: list[ItemError]) -> dict[int, str]:
    """The external keys of the items by their places."""
    keys: dict[int, str] = {}
    for place, item in enumerate(items):
        key = item.get(KEY) if isinstance(item, Mapping) else item.external_key
        unknown = sorted(map(str, item.keys() - CREATED)) if isinstance(item, Mapping) else []
        errors += (ItemError(place, name, "unknown", "There is no such field.") for name in unknown)
        if unknown:
            continue
        if isinstance(key, str) and key and storable(key):
            keys[place] = key
        else:
            errors.append(ItemError(place, KEY, "required", "It says which task is meant."))
    return keys


def _stays(
    item: Task | Mapping[str, Any], place: int, project_id: int, errors: list[ItemError]
) -> bool:
    """Whether an item leaves its task in its project."""
    wanted = item.get("project_id") if isinstance(item, Mapping) else item.project_id
    if wanted not in (None, project_id):
        message = "A task of another project has this key, and stays there."
        errors.append(ItemError(place, "project", "state-conflict", message))
    return wanted in (None, project_id)


def _change(
    item: Task | Mapping[str, Any], task_id: int, wanted: Collection[str] | None
) -> dict[str, Any]:
    """What is to change about a task that is there, but for its key and its project."""
    given = item if isinstance(item, Mapping) else {n: getattr(item, n) for n in CHANGED}
    change = {
        name: value
        for name, value in given.items()
        if (wanted is None or name in wanted) and name not in (KEY, "project_id")
    }
    return change | {"id": task_id}


def _told(error: ItemError, place: int) -> ItemError:
    """What is wrong with the change of a task that is there. Only a deleted one can't be found."""
    if error.code == "does_not_exist" and error.field == "id":
        message = "A deleted task has this key: restore it, or take another key."
        return ItemError(place, KEY, "state-conflict", message)
    if error.code == "repeated":
        return ItemError(place, KEY, "unique", "This external key is taken already.")
    return replace(error, index=place)
