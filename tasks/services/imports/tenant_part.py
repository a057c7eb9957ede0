"""One tenant's part of a batch of records, in the active tenant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from taskproject.tenancy.models import Event
from tasks.dataset.records import OWN_KEY, PRIORITIES, STATUSES, Record
from tasks.dataset.source import Line
from tasks.models import Label
from tasks.services.imports.repeats import IdRuns, agree, content, stored
from tasks.services.imports.statements import Found, ImportedTask, look, write
from tasks.services.imports.summary import Rejection, TenantCounts
from tasks.services.imports.surroundings import labels_ensure, members_ensure, projects_ensure
from tasks.services.relations import LABELS_PER_TENANT

_STATUSES: Final = {label: status.value for label, status in STATUSES.items()}
_PRIORITIES: Final = {label: priority.value for label, priority in PRIORITIES.items()}


@dataclass(frozen=True, slots=True)
class Item:
    """A record, and the line that it stands on."""

    line: Line
    record: Record


def import_part(
    items: list[Item], counts: TenantCounts, made: IdRuns, rejections: list[Rejection]
) -> None:
    """Import the records that are new, and tell what is wrong with those that can't be.

    `made` are the ids of the tasks of earlier lines, to which those of these are added. Two
    statements, one more where the file repeats a key of an earlier batch, and up to eleven where
    members, projects or labels are absent.
    """
    found = _look([item.record for item in items])
    fresh = _fresh(items, found, counts, made, rejections)
    records = list(_unarchived(_with_room(fresh, found, rejections), found, rejections))
    if records:
        on = _make_surroundings(records, found, counts)
        made.add(write([_task(record, on) for record in records]))
        counts.tasks += len(records)


def _look(records: list[Record]) -> Found:
    return look(
        projects={record.project for record in records},
        people={name for record in records for name in record.people},
        labels={name for record in records for name in record.labels},
        keys=[record.external_key for record in records],
        own_keys={r.external_key: own for r in records if (own := _own_key(r))},
    )


def _own_key(record: Record) -> tuple[str, int] | None:
    """The project's key and the number, where the record goes by a task's own key, `WEB-42`."""
    project, _, number = record.external_key.removesuffix(OWN_KEY).rpartition("-")
    is_number = number.isascii() and number.isdecimal() and len(number) < 10 and number[0] != "0"
    return (project, int(number)) if is_number and project == record.project else None


def _fresh(
    items: list[Item],
    found: Found,
    counts: TenantCounts,
    made: IdRuns,
    rejections: list[Rejection],
) -> list[Item]:
    """The items whose external key is new. One statement if the file repeats one of an earlier
    batch."""
    repeated = stored({pk for pk in found.keys.values() if pk in made})
    first: dict[str, Item] = {}
    for item in items:
        key = item.record.external_key
        earlier = repeated.get(key) or (content(first[key].record) if key in first else None)
        if earlier is not None and not agree(earlier, content(item.record)):
            text = f"external_key: {key!r} stands on an earlier line with other content; keep one"
            rejections.append(Rejection(item.line, text))
        elif earlier is not None or key in found.keys:
            counts.already_there += 1
        else:
            first[key] = item
    return list(first.values())


def _with_room(items: list[Item], found: Found, rejections: list[Rejection]) -> Iterator[Item]:
    """The items for whose new labels the tenant has room. One statement if there are any."""
    names = {name for item in items for name in item.record.labels}
    absent = {name.lower() for name in names if name not in found.labels}
    room = LABELS_PER_TENANT - Label.objects.count() if absent else 0
    new: set[str] = set()
    for item in items:
        wanted = new | (absent & {name.lower() for name in item.record.labels})
        if len(wanted) > room:
            text = f"labels: a tenant can have {LABELS_PER_TENANT:,} labels; use those that it has"
            rejections.append(Rejection(item.line, text))
        else:
            new = wanted
            yield item


def _unarchived(
    items: Iterable[Item], found: Found, rejections: list[Rejection]
) -> Iterator[Record]:
    """The records whose project takes new tasks."""
    for item in items:
        key = item.record.project
        if found.projects.get(key, (0, False))[1]:
            text = f"project: {key} is archived; bring it back first"
            rejections.append(Rejection(item.line, text))
        else:
            yield item.record


@dataclass(frozen=True, slots=True)
class _Ids:
    """What the tasks of a batch stand on, by name."""

    people: dict[str, int]
    projects: dict[str, int]
    labels: dict[str, int]


def _make_surroundings(records: list[Record], found: Found, counts: TenantCounts) -> _Ids:
    """Make what is absent, by the creator of the first task with it. No statement for nothing."""
    events: list[Event] = []
    people = _absent((name for record in records for name in record.people), found.people)
    members, made = members_ensure(names=people, events=events)
    members |= found.people
    counts.members += made
    known = {key: pk for key, (pk, _) in found.projects.items()}
    makers = _first((record.project, members[record.creator]) for record in records)
    projects, made = projects_ensure(makers=_without(makers, known), events=events)
    counts.projects += made
    namers = _first((name, members[each.creator]) for each in records for name in each.labels)
    labels, made = labels_ensure(makers=_without(namers, found.labels), events=events)
    counts.labels += made
    if events:
        Event.objects.bulk_create(events)
    return _Ids(members, projects | known, labels | found.labels)


def _absent(names: Iterable[str], known: dict[str, int]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name not in known]


def _first(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Each name with the first of its values, in the order of the names."""
    first: dict[str, int] = {}
    for name, value in pairs:
        first.setdefault(name, value)
    return first


def _without(makers: dict[str, int], known: dict[str, int]) -> dict[str, int]:
    return {name: maker for name, maker in makers.items() if name not in known}


def _task(record: Record, on: _Ids) -> ImportedTask:
    return ImportedTask(
        project_id=on.projects[record.project],
        title=record.title,
        description=record.description,
        status=_STATUSES[record.status],
        priority=_PRIORITIES[record.priority],
        creator_id=on.people[record.creator],
        external_key=record.external_key,
        created_at=record.created_at,
        updated_at=record.updated_at,
        assignee_id=None if record.assignee is None else on.people[record.assignee],
        completed_at=record.completed_at,
        # Two names may be one label, where PostgreSQL folds their case and Python does not.
        label_ids=sorted({on.labels[name] for name in record.labels}),
    )
