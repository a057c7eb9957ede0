"""Writes of labels, comments and dependencies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import COMMENT_BYTES, Comment, Dependency, Label, Task, TaskLabel
from tasks.services.relations import (
    comment_add,
    dependency_add,
    dependency_remove,
    label_create,
    task_label_add,
    task_label_remove,
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
    return make_task(project, cast.alice, "Paint the fence")


@pytest.fixture
def chain(project: Project, cast: Cast) -> list[int]:
    """The ids of four tasks of which each blocks the next."""
    ids = [make_task(project, cast.alice).pk for _ in range(4)]
    for blocker_id, blocked_id in pairwise(ids):
        dependency_add(blocker_id=blocker_id, blocked_id=blocked_id, actor_id=cast.alice.pk)
    return ids


@pytest.fixture
def foreign(cast: Cast) -> Task:
    """A task of beta."""
    return make_task(make_project(cast.beta, cast.carol), cast.carol)


def events(task: Task) -> list[tuple[EventKind, int | None, Any]]:
    """Kind, actor and changes of each event of a task after its making, oldest first."""
    rows = Event.objects.filter(task_id=task.pk).order_by("id")[1:]
    return [(EventKind(row.kind), row.actor_id, row.changes) for row in rows]


# Labels


def test_a_label_has_a_colour_unless_one_is_chosen(project: Project, cast: Cast) -> None:
    grey = label_create(name="Bug", actor_id=cast.alice.pk)
    red = label_create(name="Urgent", colour="#ff0000", actor_id=cast.alice.pk)

    assert (grey.colour, red.colour) == ("#8a8f98", "#ff0000")
    assert [
        event.changes for event in Event.objects.filter(kind=EventKind.LABEL_CREATED).order_by("id")
    ] == [{"name": "Bug"}, {"name": "Urgent"}]


@pytest.mark.parametrize("name", ["bug", "BUG", "Bug"])
def test_a_label_is_taken_in_any_case_in_its_tenant(
    name: str, project: Project, cast: Cast
) -> None:
    label_create(name="Bug", actor_id=cast.alice.pk)
    with pytest.raises(ValidationError):
        label_create(name=name, actor_id=cast.alice.pk)

    with tenant_context(cast.beta):
        assert label_create(name=name, actor_id=cast.carol.pk).name == name


@pytest.mark.parametrize(
    "values",
    [{"name": ""}, {"name": "x" * 51}, {"name": "a\0"}, {"name": "\ud800"}]
    + [{"name": "x", "colour": colour} for colour in ("red", "#FF0000", "#fff", "#1234567")],
    ids=ascii,
)
def test_a_label_that_does_not_fit_is_refused(
    values: dict[str, str], project: Project, cast: Cast
) -> None:
    with pytest.raises(ValidationError) as refusal:
        label_create(**values, actor_id=cast.alice.pk)

    assert set(refusal.value.message_dict) == {"colour" if "colour" in values else "name"}


def test_a_label_is_put_on_a_task_once(task: Task, cast: Cast) -> None:
    label = label_create(name="Bug", actor_id=cast.alice.pk)
    for _ in range(2):
        task_label_add(task_id=task.pk, label_id=label.pk, actor_id=cast.bob.pk)

    assert TaskLabel.objects.count() == 1
    assert events(task) == [(EventKind.TASK_LABELLED, cast.bob.pk, {"label": "Bug"})]


def test_a_label_is_taken_off_a_task_once(task: Task, cast: Cast) -> None:
    label = label_create(name="Bug", actor_id=cast.alice.pk)
    task_label_add(task_id=task.pk, label_id=label.pk, actor_id=cast.bob.pk)
    for _ in range(2):
        task_label_remove(task_id=task.pk, label_id=label.pk, actor_id=cast.bob.pk)

    assert not TaskLabel.objects.exists()
    assert events(task)[1:] == [(EventKind.TASK_UNLABELLED, cast.bob.pk, {"label": "Bug"})]


def test_a_task_carries_20_labels_and_not_one_more(task: Task, cast: Cast) -> None:
    labels = [label_create(name=f"L{number}", actor_id=cast.alice.pk) for number in range(21)]
    for label in labels[:20]:
        task_label_add(task_id=task.pk, label_id=label.pk, actor_id=cast.alice.pk)

    with pytest.raises(ValidationError, match="20 labels"):
        task_label_add(task_id=task.pk, label_id=labels[20].pk, actor_id=cast.alice.pk)
    task_label_add(task_id=task.pk, label_id=labels[3].pk, actor_id=cast.alice.pk)

    assert TaskLabel.objects.count() == 20
    assert len(events(task)) == 20


def test_labels_and_tasks_of_another_tenant_do_not_exist(
    task: Task, foreign: Task, cast: Cast
) -> None:
    ours = label_create(name="Bug", actor_id=cast.alice.pk)
    with tenant_context(cast.beta):
        theirs = label_create(name="Bug", actor_id=cast.carol.pk)

    with pytest.raises(Label.DoesNotExist):
        task_label_add(task_id=task.pk, label_id=theirs.pk, actor_id=cast.alice.pk)
    for change in (task_label_add, task_label_remove):
        with pytest.raises(Task.DoesNotExist):
            change(task_id=foreign.pk, label_id=ours.pk, actor_id=cast.alice.pk)

    assert not TaskLabel.unscoped.exists()


def test_a_deleted_task_takes_neither_label_nor_comment(task: Task, cast: Cast) -> None:
    label = label_create(name="Bug", actor_id=cast.alice.pk)
    task_delete(task_id=task.pk, actor_id=cast.alice.pk)

    with pytest.raises(Task.DoesNotExist):
        task_label_add(task_id=task.pk, label_id=label.pk, actor_id=cast.alice.pk)
    with pytest.raises(Task.DoesNotExist):
        comment_add(task_id=task.pk, body="Hello", actor_id=cast.alice.pk)


# Comments


def test_a_comment_is_kept_with_its_author(task: Task, cast: Cast) -> None:
    comment = comment_add(task_id=task.pk, body=" Two\nlines ", actor_id=cast.bob.pk)

    found = Comment.objects.get()
    assert (found.task_id, found.author_id, found.body) == (task.pk, cast.bob.pk, " Two\nlines ")
    assert events(task) == [(EventKind.COMMENT_ADDED, cast.bob.pk, {"comment": comment.pk})]


@pytest.mark.parametrize("body", ["x", "x" * COMMENT_BYTES, "ä" * (COMMENT_BYTES // 2)])
def test_a_comment_of_up_to_16_kib_fits(body: str, task: Task, cast: Cast) -> None:
    comment_add(task_id=task.pk, body=body, actor_id=cast.bob.pk)

    assert Comment.objects.get().body == body


@pytest.mark.parametrize(
    "body",
    ["", "  \n", "x" * (COMMENT_BYTES + 1), "ä" * (COMMENT_BYTES // 2 + 1), "a\0b", "\ud800"],
    ids=lambda body: ascii(body)[:12],
)
def test_any_other_comment_is_refused(body: str, task: Task, cast: Cast) -> None:
    with pytest.raises(ValidationError):
        comment_add(task_id=task.pk, body=body, actor_id=cast.bob.pk)

    assert (Comment.objects.count(), events(task)) == (0, [])


def test_nobody_comments_on_a_task_of_another_tenant(foreign: Task, task: Task, cast: Cast) -> None:
    with pytest.raises(Task.DoesNotExist):
        comment_add(task_id=foreign.pk, body="Hello", actor_id=cast.alice.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        comment_add(task_id=task.pk, body="Hello", actor_id=cast.carol.pk)

    assert not Comment.unscoped.exists()


# Dependencies


def test_a_dependency_is_told_on_the_task_that_waits(
    task: Task, project: Project, cast: Cast
) -> None:
    blocker = make_task(project, cast.alice)
    dependency_add(blocker_id=blocker.pk, blocked_id=task.pk, actor_id=cast.bob.pk)
    dependency_remove(blocker_id=blocker.pk, blocked_id=task.pk, actor_id=cast.alice.pk)

    changes = {"blocker": blocker.pk}
    assert events(task) == [
        (EventKind.DEPENDENCY_ADDED, cast.bob.pk, changes),
        (EventKind.DEPENDENCY_REMOVED, cast.alice.pk, changes),
    ]
    assert (events(blocker), Dependency.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    ("blocker", "blocked"),
    [(0, 0), (1, 0), (2, 0), (3, 0), (2, 1), (3, 1)],
    ids=["itself", "cycle of 2", "of 3", "of 4", "of 2 inside", "of 3 inside"],
)
def test_a_cycle_is_refused(blocker: int, blocked: int, chain: list[int], cast: Cast) -> None:
    with pytest.raises(ValidationError, match="cycle"):
        dependency_add(blocker_id=chain[blocker], blocked_id=chain[blocked], actor_id=cast.alice.pk)

    assert Dependency.objects.count() == 3


@pytest.mark.parametrize(("blocker", "blocked"), [(0, 2), (0, 3), (1, 3)])
def test_a_shortcut_is_no_cycle(blocker: int, blocked: int, chain: list[int], cast: Cast) -> None:
    dependency_add(blocker_id=chain[blocker], blocked_id=chain[blocked], actor_id=cast.alice.pk)

    assert Dependency.objects.count() == 4


def test_a_dependency_that_is_taken_back_no_longer_closes_a_cycle(
    chain: list[int], cast: Cast
) -> None:
    dependency_remove(blocker_id=chain[1], blocked_id=chain[2], actor_id=cast.alice.pk)
    dependency_add(blocker_id=chain[3], blocked_id=chain[0], actor_id=cast.alice.pk)

    assert Dependency.objects.count() == 3


def test_a_dependency_exists_once(chain: list[int], cast: Cast) -> None:
    with pytest.raises(ValidationError, match="exists already"):
        dependency_add(blocker_id=chain[0], blocked_id=chain[1], actor_id=cast.alice.pk)

    with pytest.raises(Dependency.DoesNotExist):
        dependency_remove(blocker_id=chain[0], blocked_id=chain[3], actor_id=cast.alice.pk)


def test_a_chain_longer_than_can_be_followed_is_refused(project: Project, cast: Cast) -> None:
    ids = [make_task(project, cast.alice).pk for _ in range(102)]
    Dependency.objects.bulk_create(
        Dependency(blocker_id=blocker, blocked_id=blocked)
        for blocker, blocked in pairwise(ids[:101])
    )

    with pytest.raises(ValidationError, match="more than 100"):
        dependency_add(blocker_id=ids[101], blocked_id=ids[0], actor_id=cast.alice.pk)
    dependency_add(blocker_id=ids[101], blocked_id=ids[1], actor_id=cast.alice.pk)


def test_a_deleted_task_blocks_nothing_more(chain: list[int], cast: Cast) -> None:
    task_delete(task_id=chain[3], actor_id=cast.alice.pk)

    for blocker, blocked in [(chain[3], chain[0]), (chain[0], chain[3])]:
        with pytest.raises(Task.DoesNotExist):
            dependency_add(blocker_id=blocker, blocked_id=blocked, actor_id=cast.alice.pk)


def test_tasks_of_two_tenants_do_not_depend_on_each_other(
    task: Task, foreign: Task, cast: Cast
) -> None:
    for blocker, blocked in [(task.pk, foreign.pk), (foreign.pk, task.pk)]:
        with pytest.raises(Task.DoesNotExist):
            dependency_add(blocker_id=blocker, blocked_id=blocked, actor_id=cast.alice.pk)

    assert not Dependency.unscoped.exists()
