"""Labels are renamed, recoloured and deleted, and a task's labels are set as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind
from taskproject.tests.cast import Cast, make_project, make_task
from taskproject.tests.statements import recorded
from tasks.models import Label, Task, TaskLabel
from tasks.selectors import task_labels
from tasks.services.relations import (
    label_create,
    label_delete,
    label_update,
    task_label_add,
    task_labels_set,
)
from tasks.services.tasks import task_delete


@pytest.fixture
def project(cast: Cast) -> Iterator[Project]:
    """Alpha's project WEB, with alpha active."""
    with tenant_context(cast.alpha):
        yield make_project(cast.alpha, cast.alice)


@pytest.fixture
def task(project: Project, cast: Cast) -> Task:
    """Its first task."""
    return make_task(project, cast.alice)


@pytest.fixture
def bug(project: Project, cast: Cast) -> Label:
    """Alpha's label Bug, grey."""
    return label_create(name="Bug", actor_id=cast.alice.pk)


def make_labels(cast: Cast, count: int) -> list[int]:
    """The ids of new labels L0, L1 …"""
    return [label_create(name=f"L{n}", actor_id=cast.alice.pk).pk for n in range(count)]


def events(*kinds: EventKind) -> list[tuple[EventKind, int | None, Any]]:
    """Kind, actor and changes of the events of those kinds, oldest first."""
    rows = Event.objects.filter(kind__in=kinds).order_by("id")
    return [(EventKind(row.kind), row.actor_id, row.changes) for row in rows]


# Changing


def test_a_label_gets_another_name_and_colour(bug: Label, cast: Cast) -> None:
    label_update(label_id=bug.pk, actor_id=cast.bob.pk, name="Defect", colour="#ff0000")
    label_update(label_id=bug.pk, actor_id=cast.alice.pk, name="Defect", colour="#00ff00")

    bug.refresh_from_db()
    assert (bug.name, bug.colour) == ("Defect", "#00ff00")
    first = {"label": "Defect", "name": ["Bug", "Defect"], "colour": ["#8a8f98", "#ff0000"]}
    second = {"label": "Defect", "colour": ["#ff0000", "#00ff00"]}
    assert events(EventKind.LABEL_UPDATED) == [
        (EventKind.LABEL_UPDATED, cast.bob.pk, first),
        (EventKind.LABEL_UPDATED, cast.alice.pk, second),
    ]


@pytest.mark.parametrize("changes", [{}, {"name": "Bug"}, {"colour": "#8a8f98", "name": "Bug"}])
def test_a_change_that_changes_nothing_writes_nothing(
    changes: dict[str, Any], bug: Label, cast: Cast
) -> None:
    with recorded() as statements:
        label_update(label_id=bug.pk, actor_id=cast.bob.pk, **changes)

    assert statements == ["SELECT label"]


def test_changing_a_label_is_four_statements(bug: Label, cast: Cast) -> None:
    with recorded() as statements:
        label_update(label_id=bug.pk, actor_id=cast.bob.pk, name="Defect")

    # The lock, whether the name is taken, the change, and what tells of it.
    assert statements == ["SELECT label", "SELECT label", "UPDATE label", "INSERT event"]


@pytest.mark.parametrize(
    "values",
    [{"name": name} for name in ("", "x" * 51, "a\0", "\ud800", None)]
    + [{"colour": colour} for colour in ("red", "#FF0000", "", None)],
    ids=ascii,
)
def test_a_change_that_does_not_fit_is_refused(
    values: dict[str, Any], bug: Label, cast: Cast
) -> None:
    with pytest.raises(ValidationError) as refusal:
        label_update(label_id=bug.pk, actor_id=cast.alice.pk, **values)

    assert set(refusal.value.message_dict) == set(values)
    assert not events(EventKind.LABEL_UPDATED)


def test_a_name_that_is_taken_in_any_case_is_refused(bug: Label, cast: Cast) -> None:
    other = label_create(name="Other", actor_id=cast.alice.pk)
    with pytest.raises(ValidationError):
        label_update(label_id=other.pk, actor_id=cast.alice.pk, name="BUG")

    assert label_update(label_id=bug.pk, actor_id=cast.alice.pk, name="BUG").name == "BUG"


@pytest.mark.parametrize("field", ["id", "tenant_id", "task_labels"])
def test_other_fields_can_not_be_changed(field: str, bug: Label, cast: Cast) -> None:
    with pytest.raises(TypeError, match=field):
        label_update(label_id=bug.pk, actor_id=cast.alice.pk, name="x", **{field: 1})


# Deleting


def test_a_label_goes_from_every_task(bug: Label, task: Task, project: Project, cast: Cast) -> None:
    (other,) = make_labels(cast, 1)
    for each, label_id in [(task, bug.pk), (task, other), (make_task(project, cast.bob), bug.pk)]:
        task_label_add(task_id=each.pk, label_id=label_id, actor_id=cast.alice.pk)

    with recorded() as statements:
        label_delete(label_id=bug.pk, actor_id=cast.bob.pk)

    assert statements == ["SELECT label", "DELETE label", "INSERT event"]
    assert list(TaskLabel.objects.values_list("task_id", "label_id")) == [(task.pk, other)]
    told = (EventKind.LABEL_DELETED, cast.bob.pk, {"name": "Bug"})
    assert events(EventKind.LABEL_DELETED) == [told]


def test_a_deleted_label_can_not_be_deleted_again_and_its_name_is_free(
    bug: Label, cast: Cast
) -> None:
    label_delete(label_id=bug.pk, actor_id=cast.bob.pk)

    with pytest.raises(Label.DoesNotExist):
        label_delete(label_id=bug.pk, actor_id=cast.bob.pk)
    assert label_create(name="bug", actor_id=cast.alice.pk).name == "bug"


# A task's labels as a whole


def test_the_labels_of_a_task_become_those_and_no_others(task: Task, cast: Cast) -> None:
    labels = make_labels(cast, 4)
    task_labels_set(task_id=task.pk, label_ids=labels[:2], actor_id=cast.alice.pk)
    task_labels_set(task_id=task.pk, label_ids=labels[1:], actor_id=cast.bob.pk)

    assert {each.pk for each in task_labels(task_id=task.pk)} == set(labels[1:])
    come, go = EventKind.TASK_LABELLED, EventKind.TASK_UNLABELLED
    assert events(come, go) == [
        (come, cast.alice.pk, {"label": "L0"}),
        (come, cast.alice.pk, {"label": "L1"}),
        (go, cast.bob.pk, {"label": "L0"}),
        (come, cast.bob.pk, {"label": "L2"}),
        (come, cast.bob.pk, {"label": "L3"}),
    ]
    told = Event.objects.filter(kind=come).values_list("task_id", "project_id").distinct()
    assert list(told) == [(task.pk, task.project_id)]


@pytest.mark.parametrize("count", [3, 20])
def test_it_takes_as_many_statements_for_twenty_as_for_three(
    count: int, task: Task, cast: Cast
) -> None:
    labels = make_labels(cast, count + 1)
    task_labels_set(task_id=task.pk, label_ids=labels[:count], actor_id=cast.alice.pk)
    with recorded() as statements:
        task_labels_set(task_id=task.pk, label_ids=labels[count:], actor_id=cast.alice.pk)

    asked = ["SELECT task", "SELECT task_label", "SELECT label"]
    assert statements == [*asked, "DELETE task_label", "INSERT task_label", "INSERT event"]


def test_the_same_labels_change_nothing(task: Task, cast: Cast) -> None:
    labels = make_labels(cast, 2)
    task_labels_set(task_id=task.pk, label_ids=labels, actor_id=cast.alice.pk)
    with recorded() as statements:
        task_labels_set(task_id=task.pk, label_ids=labels[::-1] * 2, actor_id=cast.alice.pk)

    assert statements == ["SELECT task", "SELECT task_label"]


def test_a_task_can_lose_all_labels(task: Task, bug: Label, cast: Cast) -> None:
    task_labels_set(task_id=task.pk, label_ids=[bug.pk], actor_id=cast.alice.pk)
    task_labels_set(task_id=task.pk, label_ids=[], actor_id=cast.alice.pk)

    assert not TaskLabel.objects.exists()


def test_a_task_is_set_to_20_labels_and_not_one_more(task: Task, cast: Cast) -> None:
    labels = make_labels(cast, 21)
    with pytest.raises(ValidationError, match="20 labels"):
        task_labels_set(task_id=task.pk, label_ids=labels, actor_id=cast.alice.pk)
    task_labels_set(task_id=task.pk, label_ids=labels[1:], actor_id=cast.alice.pk)

    assert TaskLabel.objects.count() == 20


def test_an_unknown_label_leaves_all_as_it_was(task: Task, bug: Label, cast: Cast) -> None:
    task_labels_set(task_id=task.pk, label_ids=[bug.pk], actor_id=cast.alice.pk)
    other = make_labels(cast, 1)
    with pytest.raises(Label.DoesNotExist):
        task_labels_set(task_id=task.pk, label_ids=[*other, 2**40], actor_id=cast.alice.pk)

    assert TaskLabel.objects.get().label_id == bug.pk


def test_a_deleted_task_takes_no_labels(task: Task, bug: Label, cast: Cast) -> None:
    task_delete(task_id=task.pk, actor_id=cast.alice.pk)

    with pytest.raises(Task.DoesNotExist):
        task_labels_set(task_id=task.pk, label_ids=[bug.pk], actor_id=cast.alice.pk)


# Another tenant's


def test_a_label_of_another_tenant_does_not_exist(bug: Label, cast: Cast) -> None:
    theirs = make_task(make_project(cast.beta, cast.carol), cast.carol)
    doings: list[Callable[[], Any]] = [
        lambda: label_update(label_id=bug.pk, actor_id=cast.carol.pk, name="Mine"),
        lambda: label_delete(label_id=bug.pk, actor_id=cast.carol.pk),
        lambda: task_labels_set(task_id=theirs.pk, label_ids=[bug.pk], actor_id=cast.carol.pk),
    ]
    for do in doings:
        with tenant_context(cast.beta), pytest.raises(Label.DoesNotExist):
            do()

    assert Label.objects.get().name == "Bug"
    assert not TaskLabel.unscoped.exists()


def test_a_task_of_another_tenant_does_not_exist(task: Task, bug: Label, cast: Cast) -> None:
    task_label_add(task_id=task.pk, label_id=bug.pk, actor_id=cast.alice.pk)
    with tenant_context(cast.beta), pytest.raises(Task.DoesNotExist):
        task_labels_set(task_id=task.pk, label_ids=[], actor_id=cast.carol.pk)

    assert TaskLabel.objects.count() == 1


def test_what_others_put_on_and_took_off_meanwhile_stays_so(task: Task, cast: Cast) -> None:
    one, two, three, four = make_labels(cast, 4)
    seen, now = [one, two], [two, three, four]
    task_labels_set(task_id=task.pk, label_ids=now, actor_id=cast.bob.pk)

    # Alice's page showed one and two; she takes two off and puts four on.
    task_labels_set(task_id=task.pk, label_ids=[one, four], seen_ids=seen, actor_id=cast.alice.pk)

    carried = set(TaskLabel.objects.filter(task=task).values_list("label_id", flat=True))
    assert carried == {three, four}
