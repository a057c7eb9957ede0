"""Writes of one task at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from projects.models import Project
from projects.services import ProjectArchived, project_set_archived
from taskproject.db.context import tenant_context
from taskproject.db.versions import VersionConflict
from taskproject.tenancy.models import Event, EventKind
from taskproject.tests.cast import Cast, make_project, make_task
from taskproject.tests.statements import recorded
from tasks.models import Priority, Status, Task
from tasks.services.tasks import (
    project_archive,
    task_create,
    task_delete,
    task_restore,
    task_update,
)

DUE = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def project(cast: Cast) -> Iterator[Project]:
    """Alpha's project WEB, with alpha active."""
    with tenant_context(cast.alpha):
        yield make_project(cast.alpha, cast.alice)


@pytest.fixture
def task(project: Project, cast: Cast) -> Task:
    """Its first task."""
    return make_task(project, cast.alice, "Paint the fence")


def events(task: Task) -> list[tuple[EventKind, int | None, Any]]:
    """Kind, actor and changes of each event of a task, oldest first."""
    rows = Event.objects.filter(task_id=task.pk).order_by("id")
    return [(EventKind(row.kind), row.actor_id, row.changes) for row in rows]


def stored(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


# Making


def test_a_new_task_takes_the_next_number_of_its_project(project: Project, cast: Cast) -> None:
    other = make_project(cast.alpha, cast.alice, "APP")

    numbers = [make_task(each, cast.alice).number for each in (project, project, other, project)]

    assert numbers == [1, 2, 1, 3]


def test_a_new_task_is_pending_and_at_version_one(task: Task, cast: Cast) -> None:
    found = stored(task)

    assert (found.title, found.description) == ("Paint the fence", "")
    assert (found.status, found.priority) == (Status.PENDING, Priority.NORMAL)
    assert (found.version, found.creator_id) == (1, cast.alice.pk)
    assert found.created_at == found.updated_at
    assert (found.completed_at, found.deleted_at, found.due_at) == (None, None, None)


def test_making_a_task_is_an_event(task: Task, cast: Cast) -> None:
    changes = {"title": "Paint the fence", "status": "pending"}

    assert events(task) == [(EventKind.TASK_CREATED, cast.alice.pk, changes)]
    assert Event.objects.get(task_id=task.pk).project_id == task.project_id


def test_a_task_made_done_is_completed(project: Project, cast: Cast) -> None:
    task = make_task(project, cast.alice, status=Status.DONE)

    assert stored(task).completed_at == stored(task).created_at


def test_making_a_task_is_three_statements(project: Project, cast: Cast) -> None:
    with recorded() as statements:
        task_create(project_id=project.pk, title="x", actor_id=cast.alice.pk)

    assert statements == ["UPDATE project", "INSERT task", "INSERT event"]


def test_changing_a_task_is_three_statements(task: Task, cast: Cast) -> None:
    with recorded() as statements:
        task_update(task_id=task.pk, actor_id=cast.alice.pk, title="x", status=Status.DONE)

    assert statements == ["SELECT task", "UPDATE task", "INSERT event"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"title": "a\0b"}, "title"),
        ({"title": "\ud800"}, "title"),
        ({"title": None}, "title"),
        ({"description": "ä" * 32_769}, "description"),
        ({"description": "a\0b"}, "description"),
        ({"description": "\udfff"}, "description"),
        ({"description": None}, "description"),
        ({"external_key": "x" * 201}, "external_key"),
        ({"external_key": "\0"}, "external_key"),
        ({"status": 5}, "status"),
        ({"status": "done"}, "status"),
        ({"priority": -1}, "priority"),
        ({"due_at": "tomorrow"}, "due_at"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_does_not_fit_is_refused_with_its_field(
    values: dict[str, Any], field: str, task: Task, cast: Cast
) -> None:
    doings: list[Any] = [
        lambda: task_create(
            **{"project_id": task.project_id, "title": "x", "actor_id": cast.alice.pk, **values}
        ),
        lambda: task_update(task_id=task.pk, actor_id=cast.alice.pk, **values),
    ]
    for do in doings:
        with pytest.raises(ValidationError) as refusal:
            do()
        assert set(refusal.value.message_dict) == {field}

    assert Task.objects.count() == 1


def test_the_longest_texts_fit(project: Project, cast: Cast) -> None:
    task = make_task(
        project, cast.alice, "ä" * 300, description="ä" * 32_768, external_key="🙂" * 200
    )

    found = stored(task)
    assert (len(found.title), len(found.description), found.external_key) == (
        300,
        32_768,
        "🙂" * 200,
    )


def test_an_archived_project_takes_no_task(project: Project, cast: Cast) -> None:
    project_set_archived(project_id=project.pk, archived=True, actor_id=cast.alice.pk)

    with pytest.raises(ProjectArchived):
        make_task(project, cast.alice)

    assert not Task.objects.exists()


def test_a_task_that_failed_leaves_no_gap(task: Task, project: Project, cast: Cast) -> None:
    with pytest.raises(IntegrityError):
        make_task(project, cast.carol)

    assert make_task(project, cast.alice).number == 2


def test_a_task_that_is_rolled_back_leaves_no_gap_and_no_event(
    task: Task, project: Project, cast: Cast
) -> None:
    with transaction.atomic():
        make_task(project, cast.alice)
        transaction.set_rollback(True)

    assert make_task(project, cast.alice).number == 2
    assert Event.objects.filter(kind=EventKind.TASK_CREATED).count() == 2


def test_an_external_key_is_taken_once_in_a_tenant(project: Project, cast: Cast) -> None:
    make_task(project, cast.alice, external_key="X-1")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_task(project, cast.alice, external_key="X-1")

    elsewhere = make_project(cast.beta, cast.carol)
    assert make_task(elsewhere, cast.carol, external_key="X-1").number == 1


# Changing


def test_an_update_changes_what_is_named_and_nothing_else(task: Task, cast: Cast) -> None:
    before = stored(task)
    task_update(task_id=task.pk, actor_id=cast.bob.pk, title="Paint it green")

    after = stored(task)
    assert (after.title, after.version) == ("Paint it green", 2)
    assert after.created_at == before.created_at
    assert (after.status, after.description) == (before.status, before.description)


def test_an_update_returns_the_task_as_it_is_stored(task: Task, cast: Cast) -> None:
    updated = task_update(task_id=task.pk, actor_id=cast.bob.pk, status=Status.DONE)

    found = stored(task)
    assert (updated.version, updated.updated_at, updated.completed_at) == (
        found.version,
        found.updated_at,
        found.completed_at,
    )


def test_the_event_of_an_update_tells_before_and_after(task: Task, cast: Cast) -> None:
    task_update(
        task_id=task.pk,
        actor_id=cast.bob.pk,
        title="Paint the fence",
        status=Status.ACTIVE,
        due_at=DUE,
        assignee_id=cast.vera.pk,
    )

    assert events(task)[1:] == [
        (
            EventKind.TASK_UPDATED,
            cast.bob.pk,
            {
                "status": [0, 1],
                "due_at": [None, "2030-01-01T00:00:00+00:00"],
                "assignee_id": [None, cast.vera.pk],
            },
        )
    ]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"title": "Paint the fence"},
        {"status": Status.PENDING, "priority": Priority.NORMAL, "due_at": None},
    ],
)
def test_an_update_that_changes_nothing_writes_nothing(
    values: dict[str, Any], task: Task, cast: Cast
) -> None:
    before = stored(task)
    task_update(task_id=task.pk, actor_id=cast.bob.pk, **values)

    after = stored(task)
    assert (after.version, after.updated_at) == (1, before.updated_at)
    assert len(events(task)) == 1


def test_the_same_moment_in_another_zone_changes_nothing(project: Project, cast: Cast) -> None:
    task = make_task(project, cast.alice, due_at=DUE)

    elsewhere = DUE.astimezone(timezone(timedelta(hours=5)))
    task_update(task_id=task.pk, actor_id=cast.bob.pk, due_at=elsewhere)

    assert stored(task).version == 1


def test_completed_at_is_set_with_done_and_cleared_after_it(task: Task, cast: Cast) -> None:
    completed = []
    for status in (Status.ACTIVE, Status.DONE, Status.BLOCKED, Status.DONE, Status.CANCELLED):
        task_update(task_id=task.pk, actor_id=cast.alice.pk, status=status)
        completed.append(stored(task).completed_at is not None)

    assert completed == [False, True, False, True, False]


def test_completed_at_stays_when_something_else_changes(project: Project, cast: Cast) -> None:
    task = make_task(project, cast.alice, status=Status.DONE)
    when = stored(task).completed_at

    task_update(task_id=task.pk, actor_id=cast.alice.pk, title="x", status=Status.DONE)

    assert stored(task).completed_at == when


def test_an_update_from_the_version_that_was_seen_goes_through(task: Task, cast: Cast) -> None:
    for version in (1, 2, 3):
        task_update(
            task_id=task.pk, actor_id=cast.alice.pk, if_version=version, title=f"At {version}"
        )

    assert (stored(task).title, stored(task).version) == ("At 3", 4)


@pytest.mark.parametrize("version", [0, 1, 3])
def test_an_update_from_another_version_is_refused(version: int, task: Task, cast: Cast) -> None:
    task_update(task_id=task.pk, actor_id=cast.alice.pk, title="Second")

    with pytest.raises(VersionConflict, match="is at version 2"):
        task_update(task_id=task.pk, actor_id=cast.bob.pk, if_version=version, title="Third")

    assert (stored(task).title, len(events(task))) == ("Second", 2)


@pytest.mark.parametrize(
    "field", ["number", "project_id", "creator_id", "version", "completed_at", "tenant_id", "nope"]
)
def test_other_fields_can_not_be_changed(field: str, task: Task, cast: Cast) -> None:
    with pytest.raises(TypeError, match=field):
        task_update(task_id=task.pk, actor_id=cast.alice.pk, title="x", **{field: 1})

    assert stored(task).version == 1


# Deleting


def test_a_deleted_task_is_kept_and_can_be_restored(task: Task, cast: Cast) -> None:
    task_delete(task_id=task.pk, actor_id=cast.bob.pk)
    deleted = stored(task)
    restored = task_restore(task_id=task.pk, actor_id=cast.alice.pk)

    assert (deleted.deleted_at is not None, deleted.version) == (True, 2)
    assert (restored.deleted_at, restored.version) == (None, 3)
    assert stored(task).deleted_at is None
    assert events(task)[1:] == [
        (EventKind.TASK_DELETED, cast.bob.pk, {}),
        (EventKind.TASK_RESTORED, cast.alice.pk, {}),
    ]


def test_a_deleted_task_can_neither_be_changed_nor_deleted_again(task: Task, cast: Cast) -> None:
    task_delete(task_id=task.pk, actor_id=cast.alice.pk)

    with pytest.raises(Task.DoesNotExist):
        task_delete(task_id=task.pk, actor_id=cast.alice.pk)
    with pytest.raises(Task.DoesNotExist):
        task_update(task_id=task.pk, actor_id=cast.alice.pk, title="x")


def test_restoring_a_live_task_changes_nothing(task: Task, cast: Cast) -> None:
    task_restore(task_id=task.pk, actor_id=cast.alice.pk)

    assert (stored(task).version, len(events(task))) == (1, 1)


def test_the_number_of_a_deleted_task_is_not_given_again(
    task: Task, project: Project, cast: Cast
) -> None:
    task_delete(task_id=task.pk, actor_id=cast.alice.pk)

    assert make_task(project, cast.alice).number == 2


# Archiving a project


def test_a_project_with_an_active_task_can_not_be_archived(project: Project, cast: Cast) -> None:
    task = make_task(project, cast.alice, status=Status.ACTIVE)
    with pytest.raises(ValidationError, match="active tasks"):
        project_archive(project_id=project.pk, actor_id=cast.alice.pk)

    assert Project.objects.get().archived_at is None
    task_update(task_id=task.pk, actor_id=cast.alice.pk, status=Status.CANCELLED)
    assert project_archive(project_id=project.pk, actor_id=cast.alice.pk).archived_at is not None


def test_only_live_active_tasks_of_the_project_keep_it(project: Project, cast: Cast) -> None:
    for status in set(Status) - {Status.ACTIVE}:
        make_task(project, cast.alice, status=status)
    make_task(make_project(cast.alpha, cast.alice, "APP"), cast.alice, status=Status.ACTIVE)
    deleted = make_task(project, cast.alice, status=Status.ACTIVE)
    task_delete(task_id=deleted.pk, actor_id=cast.alice.pk)

    assert project_archive(project_id=project.pk, actor_id=cast.alice.pk).archived_at is not None


# Another tenant's


def test_a_task_of_another_tenant_does_not_exist(task: Task, project: Project, cast: Cast) -> None:
    doings: list[Any] = [
        lambda: task_update(task_id=task.pk, actor_id=cast.carol.pk, title="Mine"),
        lambda: task_delete(task_id=task.pk, actor_id=cast.carol.pk),
        lambda: task_restore(task_id=task.pk, actor_id=cast.carol.pk),
    ]
    for do in doings:
        with tenant_context(cast.beta), pytest.raises(Task.DoesNotExist):
            do()

    found = stored(task)
    assert (found.title, found.version, found.deleted_at) == ("Paint the fence", 1, None)


def test_a_project_of_another_tenant_does_not_exist(project: Project, cast: Cast) -> None:
    with tenant_context(cast.beta):
        with pytest.raises(Project.DoesNotExist):
            task_create(project_id=project.pk, title="x", actor_id=cast.carol.pk)
        with pytest.raises(Project.DoesNotExist):
            project_archive(project_id=project.pk, actor_id=cast.carol.pk)

    assert Project.objects.get().next_number == 1


def test_only_a_member_makes_a_task(project: Project, cast: Cast) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        task_create(project_id=project.pk, title="x", actor_id=cast.carol.pk)

    assert not Task.objects.exists()


def test_a_task_of_an_archived_project_can_not_become_active(cast: Cast) -> None:
    project = make_project(cast.alpha, cast.alice)
    task = make_task(project, cast.bob)
    with tenant_context(cast.alpha):
        project_archive(project_id=project.pk, actor_id=cast.alice.pk)

        with pytest.raises(ProjectArchived):
            task_update(task_id=task.pk, actor_id=cast.bob.pk, status=Status.ACTIVE)
        assert task_update(task_id=task.pk, actor_id=cast.bob.pk, title="Still named").version == 2


def test_an_empty_external_key_is_none(cast: Cast) -> None:
    project = make_project(cast.alpha, cast.alice)
    tasks = [make_task(project, cast.bob, external_key="") for _ in range(2)]
    with tenant_context(cast.alpha):
        assert task_update(task_id=tasks[0].pk, actor_id=cast.bob.pk, external_key="").version == 1
    assert [task.external_key for task in tasks] == [None, None]


@pytest.mark.parametrize(
    "due_at",
    [
        datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=12))),
        datetime(9999, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(2030, 1, 1),  # noqa: DTZ001  without a zone on purpose
    ],
)
def test_a_time_that_could_not_be_read_again_is_refused(cast: Cast, due_at: datetime) -> None:
    project = make_project(cast.alpha, cast.alice)
    with pytest.raises(ValidationError) as refusal:
        make_task(project, cast.bob, due_at=due_at)
    assert set(refusal.value.message_dict) == {"due_at"}


def test_the_event_tells_what_is_stored(cast: Cast) -> None:
    task = make_task(make_project(cast.alpha, cast.alice), cast.bob)
    with tenant_context(cast.alpha):
        task_update(task_id=task.pk, actor_id=cast.bob.pk, status="1")
        event = Event.objects.get(kind=EventKind.TASK_UPDATED)
        assert event.changes == {"status": [Status.PENDING, Status.ACTIVE]}
        assert task_update(task_id=task.pk, actor_id=cast.bob.pk, status="1").version == 2
