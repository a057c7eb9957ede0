"""What the rows around a batch have to say, asked in one statement for all of its items."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import json

from taskproject.db.statements import run
from tasks.services.batches.outcome import ItemError
from tasks.services.batches.statements import AROUND, NAMES, PREPARED_ITEMS


@dataclass(frozen=True, slots=True)
class Around:
    """The rows that a batch refers to: of those asked for, the ones that are there.

    `projects` says of each whether it is archived, `taken_keys` which task has an external
    key, by its id and that of its project; `members` are active, `parents` live.
    """

    projects: dict[int, bool]
    members: frozenset[int]
    parents: frozenset[int]
    taken_keys: dict[str, tuple[int, int]]


def look_around(
    *,
    projects: Collection[int] = (),
    members: Collection[int] = (),
    parents: Collection[int] = (),
    keys: Collection[str] = (),
) -> Around:
    """What there is of those ids and external keys. One statement. The projects are locked until
    the transaction ends, in the order of their ids."""
    values = {
        "projects": id_array(projects),
        "members": id_array(members),
        "parents": id_array(parents),
        "keys": json.encode(list(keys)).decode(),
    }
    ((found_projects, found_members, found_parents, found_keys),) = run(
        AROUND, values, prepare=max(len(keys), len(parents)) <= PREPARED_ITEMS
    )
    return Around(
        projects=dict(_decoded(found_projects)),
        members=frozenset(_decoded(found_members)),
        parents=frozenset(_decoded(found_parents)),
        taken_keys={key: (pk, project) for key, (pk, project) in _decoded(found_keys)},
    )


@dataclass(frozen=True, slots=True)
class Names:
    """Ids by the names that people use: of projects by key, of active members by user name."""

    projects: dict[str, int]
    members: dict[str, int]


def find_names(*, projects: Collection[str], members: Collection[str]) -> Names:
    """The ids of those that there are. One statement; none for no names."""
    if not projects and not members:
        return Names({}, {})
    values = {
        "projects": json.encode(list(projects)).decode(),
        "members": json.encode(list(members)).decode(),
    }
    ((found_projects, found_members),) = run(NAMES, values)
    return Names(_decoded(found_projects), _decoded(found_members))


def id_array(ids: Collection[int]) -> str:
    """Ids as PostgreSQL reads an array of them."""
    return "{" + ",".join(map(str, sorted(ids))) + "}"


def _decoded(text: bytes | None) -> Any:
    return json.decode(text or b"[]")


def assignee_errors(index: int, user_id: Any, around: Around) -> Iterator[ItemError]:
    """What is wrong with the assignee of an item."""
    if user_id is not None and user_id not in around.members:
        message = "Only an active member can be the assignee."
        yield ItemError(index, "assignee", "invalid", message)


def parent_errors(index: int, task_id: Any, around: Around) -> Iterator[ItemError]:
    """What is wrong with the parent of an item."""
    if task_id is not None and task_id not in around.parents:
        message = "There is no such task, or it has been deleted."
        yield ItemError(index, "parent", "invalid", message)
