"""Making many tasks: three statements for each batch, however many tasks it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import batched
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
from tasks.services.batches.outcome import BatchRefused, Created, ItemError
from tasks.services.batches.statements import WRITE
from tasks.services.batches.values import NewTask, new_tasks

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
    `save()`. Two statements for each batch and two for the transaction, whatever the size.

    Raises `BatchRefused` with every error of the first batch that has any.
    """
    made: list[Task] = []
    with transaction.atomic():
        for batch in batched(tasks, batch_size):
            outcome = create_batch(batch, actor_id=actor_id, first=len(made))
            errors = outcome.errors
            if ignore_conflicts:
                errors = tuple(each for each in errors if each.code != "unique")
            if errors:
                raise BatchRefused(errors)
            made += (
                _instance(item) if task is None else task
                for item, task in zip(batch, outcome.tasks, strict=True)
            )
    return made


def _instance(item: Task | Mapping[str, Any]) -> Task:
    return item if isinstance(item, Task) else Task(**item)


@retried
@transaction.atomic(savepoint=False)
def create_batch(
    items: Sequence[Task | Mapping[str, Any]], *, actor_id: int, first: int = 0
) -> Created:
    """Make the tasks of the good items, and tell what is wrong with the others, whose places are
    counted from `first`. Two statements and those of the transaction; one if no item is good.

    Raises `IntegrityError` for an external key that somebody else has taken at the same time, and
    for an actor who is no member.
    """
    errors: list[ItemError] = []
    checked = list(new_tasks(items, errors, first=first))
    if not checked:
        return Created((None,) * len(items), tuple(errors), 0)
    around = look_around(
        projects={new.project_id for _, new in checked},
        members={new.assignee_id for _, new in checked if new.assignee_id is not None},
        parents={new.parent_id for _, new in checked if new.parent_id is not None},
        keys=[new.external_key for _, new in checked if new.external_key is not None],
    )
    good = list(_good(checked, around, errors))
    tasks: list[Task | None] = [None] * len(items)
    if good:
        made = write_tasks([new for _, new in good], actor_id=actor_id)
        for (index, new), columns in zip(good, made, strict=True):
            place = index - first
            tasks[place] = _filled(items[place], new, actor_id, columns)
    return Created(tuple(tasks), tuple(errors), len(good))


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
            *_key_errors(index, new, around, seen),
        ]
        errors += found
        if not found:
            yield index, new


def _project_errors(index: int, new: NewTask, around: Around) -> Iterator[ItemError]:
    archived = around.projects.get(new.project_id)
    if archived is None:
        yield ItemError(index, "project", "does_not_exist", "The project does not exist.")
    elif archived:
        message = "The project is archived: it takes no new tasks."
        yield ItemError(index, "project", "state-conflict", message)


def _key_errors(index: int, new: NewTask, around: Around, seen: set[str]) -> Iterator[ItemError]:
    key = new.external_key
    if key is None:
        return
    if key in around.taken_keys or key in seen:
        yield ItemError(index, "external_key", "unique", "This external key is taken already.")
    seen.add(key)


def write_tasks(new: Sequence[NewTask], *, actor_id: int) -> list[tuple[int, int, datetime]]:
    """Make tasks of values that are known to be good, each with an event: the id, number and time
    of each. One statement. The projects are locked already, see `look_around`."""
    values = {"items": json.encode(new).decode(), "actor": actor_id}
    ((found,),) = run(WRITE, values)
    made, moment = json.decode(found or b"", type=tuple[list[tuple[int, int]], datetime])
    return [(pk, number, moment) for pk, number in made]


def _filled(
    item: Task | Mapping[str, Any], new: NewTask, actor_id: int, made: tuple[int, int, datetime]
) -> Task:
    """The task as it is stored: the instance that was given, or a new one."""
    pk, number, moment = made
    decided = {
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
    if not isinstance(item, Task):
        return _stored(asdict(new) | decided)
    for name, value in decided.items():
        setattr(item, name, value)
    item._state.adding, item._state.db = False, DEFAULT_DB_ALIAS
    item._remember_tenant()
    return item


def _stored(values: dict[str, Any]) -> Task:
    """An instance with those values, made as unpickling makes one: a tenth of the usual time. What
    is not named is deferred."""
    task = Task.__new__(Task)
    task.__dict__ |= {**values, "_state": ModelState()}
    task._state.adding, task._state.db = False, DEFAULT_DB_ALIAS
    task._remember_tenant()
    return task
