"""One change for the tasks that a person selected: all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind
from taskproject.tests.cast import Cast, make_project, make_task
from taskproject.tests.rows import add_tasks
from taskproject.tests.statements import recorded
from tasks.models import Label, Priority, Status, Task, TaskLabel
from tasks.services.batches.labels import label_tasks
from tasks.services.relations import label_create, task_label_add, task_labels_set
from tasks.services.selections import tasks_change, tasks_delete, tasks_restore
from tasks.services.tasks import project_archive, task_delete, task_update


@pytest.fixture
def project(cast: Cast) -> Iterator[Project]:
    """Alpha's project WEB, with alpha active."""
    with tenant_context(cast.alpha):
        yield make_project(cast.alpha, cast.alice)


@pytest.fixture
def ids(project: Project, cast: Cast) -> list[int]:
    """The ids of its tasks WEB-1, WEB-2 and WEB-3."""
    return [make_task(project, cast.alice).pk for _ in range(3)]


@pytest.fixture
def bug(project: Project, cast: Cast) -> Label:
    """Alpha's label Bug."""
    return label_create(name="Bug", actor_id=cast.alice.pk)


def versions() -> list[int]:
    return list(Task.objects.order_by("pk").values_list("version", flat=True))


def test_fields_change_in_all_tasks_and_those_that_differ_are_counted(
    ids: list[int], cast: Cast
) -> None:
    task_update(task_id=ids[1], actor_id=cast.alice.pk, priority=Priority.HIGH)

    changed = tasks_change(task_ids=ids, actor_id=cast.bob.pk, priority=Priority.HIGH)

    assert (changed, versions()) == (2, [2, 2, 2])
    kinds = Event.objects.filter(actor=cast.bob).order_by("id").values_list("kind", "task_id")
    assert list(kinds) == [(EventKind.TASK_UPDATED, ids[0]), (EventKind.TASK_UPDATED, ids[2])]


def test_several_fields_change_at_once(ids: list[int], cast: Cast) -> None:
    tasks_change(
        task_ids=ids[:2], actor_id=cast.bob.pk, status=Status.DONE, assignee_id=cast.vera.pk
    )

    found = Task.objects.filter(status=Status.DONE, assignee=cast.vera, completed_at__isnull=False)
    assert {task.pk for task in found} == set(ids[:2])


def test_a_label_comes_and_another_goes(ids: list[int], bug: Label, cast: Cast) -> None:
    art = label_create(name="Art", actor_id=cast.alice.pk)
    task_label_add(task_id=ids[0], label_id=bug.pk, actor_id=cast.alice.pk)
    task_label_add(task_id=ids[2], label_id=art.pk, actor_id=cast.alice.pk)

    changed = tasks_change(
        task_ids=ids[1:], actor_id=cast.bob.pk, add_label_id=bug.pk, remove_label_id=art.pk
    )
    again = tasks_change(task_ids=ids, actor_id=cast.bob.pk, add_label_id=bug.pk)

    assert (changed, again) == (2, 0)
    links = TaskLabel.objects.order_by("task_id").values_list("task_id", "label_id")
    assert list(links) == [(each, bug.pk) for each in ids]


def test_a_label_makes_room_for_another_on_a_full_task(ids: list[int], cast: Cast) -> None:
    labels = [label_create(name=f"L{n}", actor_id=cast.alice.pk).pk for n in range(21)]
    task_labels_set(task_id=ids[0], label_ids=labels[:20], actor_id=cast.alice.pk)

    swap = {"add_label_id": labels[20], "remove_label_id": labels[0]}
    assert tasks_change(task_ids=ids[:1], actor_id=cast.bob.pk, **swap) == 1
    with pytest.raises(ValidationError, match="WEB-1: A task can carry 20 labels"):
        tasks_change(task_ids=ids, actor_id=cast.bob.pk, add_label_id=labels[0])

    assert TaskLabel.objects.count() == 20


def test_where_one_task_is_full_none_gets_the_label(ids: list[int], cast: Cast) -> None:
    labels = [label_create(name=f"L{n}", actor_id=cast.alice.pk).pk for n in range(21)]
    task_labels_set(task_id=ids[0], label_ids=labels[:20], actor_id=cast.alice.pk)

    labelled = label_tasks(ids, label_id=labels[20], actor_id=cast.bob.pk)

    assert labelled == (frozenset(), frozenset({ids[0]}))
    assert TaskLabel.objects.count() == 20


def test_deleted_tasks_are_counted(ids: list[int], cast: Cast) -> None:
    assert tasks_delete(task_ids=ids[:2] * 2, actor_id=cast.bob.pk) == 2

    assert list(Task.objects.filter(deleted_at=None).values_list("pk", flat=True)) == ids[2:]


def test_restored_tasks_are_counted_and_live_ones_are_not(ids: list[int], cast: Cast) -> None:
    tasks_delete(task_ids=ids[:2], actor_id=cast.alice.pk)

    assert tasks_restore(task_ids=ids, actor_id=cast.bob.pk) == 2
    assert not Task.objects.filter(deleted_at__isnull=False).exists()
    assert versions() == [3, 3, 1]


def test_an_empty_selection_changes_nothing(project: Project, cast: Cast) -> None:
    assert tasks_change(task_ids=[], actor_id=cast.bob.pk, status=Status.DONE) == 0
    assert tasks_delete(task_ids=[], actor_id=cast.bob.pk) == 0
    assert tasks_restore(task_ids=[], actor_id=cast.bob.pk) == 0


def doings(ids: list[int], actor_id: int) -> list[Callable[[], Any]]:
    return [
        lambda: tasks_change(task_ids=ids, actor_id=actor_id, status=Status.DONE),
        lambda: tasks_delete(task_ids=ids, actor_id=actor_id),
        lambda: tasks_restore(task_ids=ids, actor_id=actor_id),
    ]


def test_with_one_absent_task_nothing_changes(ids: list[int], cast: Cast) -> None:
    foreign = make_task(make_project(cast.beta, cast.carol), cast.carol)
    for absent in (foreign.pk, 2**40):
        for do in doings([*ids, absent], cast.alice.pk):
            with pytest.raises(Task.DoesNotExist):
                do()

    assert versions() == [1, 1, 1]
    with tenant_context(cast.beta):
        assert versions() == [1]


def test_a_task_that_was_deleted_meanwhile_is_absent(ids: list[int], cast: Cast) -> None:
    task_delete(task_id=ids[2], actor_id=cast.alice.pk)
    change, delete, _ = doings(ids, cast.bob.pk)
    for do in (change, delete):
        with pytest.raises(Task.DoesNotExist):
            do()

    assert versions() == [1, 1, 2]


def test_a_refusal_names_the_task_and_nothing_changes(ids: list[int], cast: Cast) -> None:
    task_update(task_id=ids[2], actor_id=cast.alice.pk, parent_id=ids[0])
    task_update(task_id=ids[1], actor_id=cast.alice.pk, parent_id=ids[2])
    with pytest.raises(ValidationError) as refusal:
        tasks_change(task_ids=ids, actor_id=cast.bob.pk, parent_id=ids[1])

    assert refusal.value.messages == [f"WEB-{n}: This would close a cycle." for n in (1, 2, 3)]
    assert versions() == [1, 2, 2]


def test_what_is_changed_before_a_refusal_is_taken_back(
    project: Project, ids: list[int], cast: Cast
) -> None:
    archived = make_project(cast.alpha, cast.alice, "OLD")
    late = make_task(archived, cast.alice)
    project_archive(project_id=archived.pk, actor_id=cast.alice.pk)
    with pytest.raises(ValidationError, match="OLD-1: The project is archived"):
        tasks_change(task_ids=[late.pk, *ids], actor_id=cast.bob.pk, status=Status.ACTIVE)

    assert versions() == [1, 1, 1, 1]
    assert not Event.objects.filter(actor=cast.bob).exists()


def test_an_active_task_of_an_archived_project_is_not_restored(
    project: Project, ids: list[int], cast: Cast
) -> None:
    task_update(task_id=ids[1], actor_id=cast.alice.pk, status=Status.ACTIVE)
    tasks_delete(task_ids=ids, actor_id=cast.alice.pk)
    project_archive(project_id=project.pk, actor_id=cast.alice.pk)
    with pytest.raises(ValidationError, match="WEB-2: The project is archived"):
        tasks_restore(task_ids=ids, actor_id=cast.bob.pk)

    assert not Task.objects.filter(deleted_at=None).exists()


def test_at_most_1000_tasks_are_taken(project: Project, cast: Cast) -> None:
    tasks = [task.pk for task in add_tasks(project, cast.alice, range(1_001))]
    for do in doings(tasks, cast.alice.pk):
        with pytest.raises(ValidationError, match="At most 1,000 tasks"):
            do()

    assert tasks_change(task_ids=tasks[:1000], actor_id=cast.bob.pk, status=Status.DONE) == 1_000


def test_a_field_that_can_not_be_changed_is_refused(ids: list[int], cast: Cast) -> None:
    with pytest.raises(TypeError, match="number"):
        tasks_change(task_ids=ids, actor_id=cast.bob.pk, number=7)


@pytest.mark.parametrize("count", [1, 3])
def test_a_change_costs_the_same_statements_for_any_number_of_tasks(
    count: int, ids: list[int], bug: Label, cast: Cast
) -> None:
    with recorded() as statements:
        tasks_change(
            task_ids=ids[:count], actor_id=cast.bob.pk, status=Status.ACTIVE, add_label_id=bug.pk
        )

    # To lock the tasks, to look at the projects, to change the tasks, to label them.
    assert len(statements) == 4
