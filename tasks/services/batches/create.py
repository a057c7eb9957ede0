"""Making many tasks: two statements for each batch, however many tasks it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models.base import ModelState
from msgspec import json
from msgspec.structs import asdict

from taskproject.db.context import require_tenant_id
from taskproject.db.retries import retried
from taskproject.db.statements import run
from tasks.models import Status, Task
from tasks.services.batches.checks import Around, assignee_errors, look_around, parent_errors
from tasks.services.batches.outcome import BatchRefused, Created, Fills, ItemError, fill
from tasks.services.batches.statements import WRITE
from tasks.services.batches.values import NewTask, in_batches, new_tasks

BATCH_SIZE: Final = 5_000


@retried
def bulk_create(
    tasks: Iterable[Task | Mapping[str, Any]],
    *,
    actor_id: int,
    batch_size: int = BATCH_SIZE,
    ignore_conflicts: bool = False,
) -> list[Task]:
    """Make tasks, all of them or none, and return them with their ids, numbers and times.

    An item is a `Task` that is not saved yet, which gets these values itself, or a dict of
    `project_id`, `title` and any other argument of `task_create`. `creator_id` is always the actor.
    Each gets the next number of its project, in the order of the items, and an event. The iterable
    is read batch by batch.

    With `ignore_conflicts` an item whose external key is taken is left out, keeps `pk` None, and
    takes no number. Like Django's own `bulk_create` this sends no signals and does not call
    `save()`. Two statements for each batch and two for the transaction, whatever the size; one more
    for each MiB of text. Instances are told what was decided when all of it is done.

    Raises `BatchRefused` with every error of the first batch that has any.
    """
    made: list[Task] = []
    fills: Fills = []
    with transaction.atomic():
        for batch in in_batches(tasks, batch_size):
            outcome = make_batch(batch, fills, actor_id=actor_id, first=len(made))
            errors = outcome.errors
            if ignore_conflicts:
                errors = tuple(each for each in errors if each.code != "unique")
            if errors:
                raise BatchRefused(errors)
            made += (
                _instance(item) if task is None else task
                for item, task in zip(batch, outcome.tasks, strict=True)
            )
    fill(fills)
    return made


def _instance(item: Task | Mapping[str, Any]) -> Task:
    return item if isinstance(item, Task) else Task(**item)


@retried
def create_batch(items: Sequence[Task | Mapping[str, Any]], *, actor_id: int) -> Created:
    """Make the tasks of the good items, and tell what is wrong with the others. Two statements and
    those of the transaction; one if no item is good; one more for each MiB of text.

    Raises `IntegrityError` for an actor who is no member, and, amid a transaction of the caller's,
    for an external key that somebody else has taken at the same time.
    """
    fills: Fills = []
    with transaction.atomic(savepoint=False):
        made = make_batch(items, fills, actor_id=actor_id)
    fill(fills)
    return made


def make_batch(
    items: Sequence[Task | Mapping[str, Any]], fills: Fills, *, actor_id: int, first: int = 0
) -> Created:
    """The same in the caller's transaction, with places counted from `first`. What the instances
    among the items have to be told, once it has committed, goes to `fills`."""
    errors: list[ItemError] = []
    checked = list(new_tasks(items, errors, first=first))
    if not checked:
        return Created((None,) * len(items), (None,) * len(items), tuple(errors), 0)
    around = look_around(
        projects={new.project_id for _, new in checked},
        members={new.assignee_id for _, new in checked if new.assignee_id is not None},
        parents={new.parent_id for _, new in checked if new.parent_id is not None},
        keys=[new.external_key for _, new in checked if new.external_key is not None],
    )
    good = list(_good(checked, around, errors))
    tasks: list[Task | None] = [None] * len(items)
    ids: list[int | None] = [None] * len(items)
    written = (
        row
        for some in in_batches((new for _, new in good), max(1, len(items)))
        for row in write_tasks(some, actor_id=actor_id)
    )
    for (index, new), row in zip(good, written, strict=True):
        place, ids[index - first] = index - first, row[0]
        tasks[place] = _task(items[place], new, _decided(new, actor_id, row), fills)
    return Created(tuple(tasks), tuple(ids), tuple(errors), len(good))


def _good(
    checked: Iterable[tuple[int, NewTask]], around: Around, errors: list[ItemError]
) -> Iterator[tuple[int, NewTask]]:
    """The items that nothing around them speaks against."""
    seen: set[str] = set()
    for index, new in checked:
        found = [
            *_project_errors(index, new, around),
            *assignee_errors(index, new.assignee_id, around),
            *parent_errors(index, new.parent_id, around),
            *_key_errors(index, new.external_key, around, seen),
        ]
        errors += found
        if not found:
            if new.external_key is not None:
                seen.add(new.external_key)
            yield index, new


def _project_errors(index: int, new: NewTask, around: Around) -> Iterator[ItemError]:
    archived = around.projects.get(new.project_id)
    if archived is None:
        yield ItemError(index, "project", "does_not_exist", "The project does not exist.")
    elif archived:
        message = "The project is archived: it takes no new tasks."
        yield ItemError(index, "project", "state-conflict", message)


def _key_errors(index: int, key: str | None, around: Around, seen: set[str]) -> Iterator[ItemError]:
    if key is not None and (key in around.taken_keys or key in seen):
        yield ItemError(index, "external_key", "unique", "This external key is taken already.")


def write_tasks(new: Sequence[NewTask], *, actor_id: int) -> list[tuple[int, int, datetime]]:
    """Make tasks of values that are known to be good, each with an event: the id, number and time
    of each. One statement. The projects are locked already, see `look_around`."""
    values = {"items": json.encode(new).decode(), "actor": actor_id}
    ((found,),) = run(WRITE, values)
    made, moment = json.decode(found or b"", type=tuple[list[tuple[int, int]], datetime])
    return [(pk, number, moment) for pk, number in made]


def _decided(new: NewTask, actor_id: int, made: tuple[int, int, datetime]) -> dict[str, Any]:
    """What is not the client's to say."""
    pk, number, moment = made
    return {
        "tenant_id": require_tenant_id(),
        "id": pk,
        "number": number,
        "creator_id": actor_id,
        "external_key": new.external_key,
        "completed_at": moment if new.status == Status.DONE else None,
        "created_at": moment,
        "updated_at": moment,
        "version": 1,
        "deleted_at": None,
    }


def _task(
    item: Task | Mapping[str, Any], new: NewTask, decided: dict[str, Any], fills: Fills
) -> Task:
    """The task as it is stored: a new instance, or the one that was given and is still to learn
    what was decided."""
    if not isinstance(item, Task):
        return _stored(asdict(new) | decided)
    fills.append((item, decided))
    return item


def _stored(values: dict[str, Any]) -> Task:
    """An instance with those values, made as unpickling makes one: a tenth of the usual time. What
    is not named is deferred."""
    task = Task.__new__(Task)
    task.__dict__ |= {**values, "_state": ModelState()}
    task._state.adding, task._state.db = False, DEFAULT_DB_ALIAS
    task._remember_tenant()
    return task
