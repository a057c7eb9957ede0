"""What becomes of the items of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS

from tasks.models import Task

# Instances, and what each has to be told once the transaction has committed.
Fills = list[tuple[Task, dict[str, Any]]]


def fill(fills: Fills) -> None:
    """Tell instances what PostgreSQL has decided of them."""
    for task, values in fills:
        for name, value in values.items():
            setattr(task, name, value)
        task._state.adding, task._state.db = False, DEFAULT_DB_ALIAS
        task._remember_tenant()


@dataclass(frozen=True, slots=True)
class ItemError:
    """What is wrong with an item: its place in what was given, from 0 on, and its field; none for
    the item as a whole."""

    index: int
    field: str
    code: str
    message: str


class BatchRefused(ValidationError):
    """Some items of a batch are not good, and nothing of it was done. `errors` has all of them."""

    def __init__(self, errors: Sequence[ItemError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda each: (each.index, each.field)))
        super().__init__(
            [
                ValidationError(f"{each.index}: {_named(each)}{each.message}", code=each.code)
                for each in self.errors
            ]
        )


@dataclass(frozen=True, slots=True)
class Created:
    """The task and the id of each item, None for one that `errors` tells of; `done` counts those
    made. (A `Task` that was given learns its id when the transaction has committed.)"""

    tasks: tuple[Task | None, ...]
    ids: tuple[int | None, ...]
    errors: tuple[ItemError, ...]
    done: int


@dataclass(frozen=True, slots=True)
class Changed:
    """The version that each item's task has now, None for one that `errors` tells of; and the ids
    of those that differ."""

    versions: tuple[int | None, ...]
    errors: tuple[ItemError, ...]
    different: frozenset[int]

    @property
    def done(self) -> int:
        """How many differ."""
        return len(self.different)


@dataclass(frozen=True, slots=True)
class Upserted:
    """The id and the version of each item's task, None for one that `errors` tells of; the places
    of those that were made; how many these are, and how many are different now."""

    ids: tuple[int | None, ...]
    versions: tuple[int | None, ...]
    fresh: frozenset[int]
    errors: tuple[ItemError, ...]
    made: int
    changed: int


def _named(error: ItemError) -> str:
    return f"{error.field}: " if error.field else ""
