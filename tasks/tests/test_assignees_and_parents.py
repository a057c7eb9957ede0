"""Whom a task may be given to, and which task it may be a part of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import User
from taskproject.tenancy.selectors import membership_get
from taskproject.tenancy.services import member_deactivate
from taskproject.tests.cast import Cast, make_project, make_task
from taskproject.tests.statements import recorded
from tasks.models import Task
from tasks.services.tasks import task_create, task_delete, task_update


@pytest.fixture
def project(cast: Cast) -> Iterator[Project]:
    """Alpha's project WEB, with alpha active."""
    with tenant_context(cast.alpha):
        yield make_project(cast.alpha, cast.alice)


@pytest.fixture
def task(project: Project, cast: Cast) -> Task:
    """Its first task."""
    return make_task(project, cast.alice)


def deactivate(cast: Cast, user: User) -> None:
    member_deactivate(membership=membership_get(tenant_id=cast.alpha.pk, user_id=user.pk))


def refused(task: Task, cast: Cast, **values: Any) -> list[Any]:
    """What a new task and a change of `task` are told about these values."""
    doings: list[Callable[[], Any]] = [
        lambda: task_create(
            project_id=task.project_id, title="x", actor_id=cast.alice.pk, **values
        ),
        lambda: task_update(task_id=task.pk, actor_id=cast.alice.pk, **values),
    ]
    told = []
    for do in doings:
        with pytest.raises(ValidationError) as refusal:
            do()
        told.append(refusal.value.message_dict)
    return told


def test_only_an_active_member_gets_a_task(task: Task, cast: Cast) -> None:
    deactivate(cast, cast.bob)

    told = {"assignee": ["Only an active member can be the assignee."]}
    for nobody in (cast.bob.pk, cast.carol.pk, 2**62):
        assert refused(task, cast, assignee_id=nobody) == [told, told]

    assert Task.objects.count() == 1
    assert Task.objects.get().assignee_id is None


def test_a_task_keeps_an_assignee_who_was_deactivated(task: Task, cast: Cast) -> None:
    task_update(task_id=task.pk, actor_id=cast.alice.pk, assignee_id=cast.bob.pk)
    deactivate(cast, cast.bob)

    task_update(task_id=task.pk, actor_id=cast.alice.pk, assignee_id=cast.bob.pk, title="x")

    found = Task.objects.get()
    assert (found.assignee_id, found.title) == (cast.bob.pk, "x")


def test_only_a_live_task_of_the_tenant_has_parts(task: Task, project: Project, cast: Cast) -> None:
    deleted = make_task(project, cast.alice)
    task_delete(task_id=deleted.pk, actor_id=cast.alice.pk)
    foreign = make_task(make_project(cast.beta, cast.carol), cast.carol)

    told = {"parent": ["There is no such task, or it has been deleted."]}
    for nothing in (deleted.pk, foreign.pk, 2**62):
        assert refused(task, cast, parent_id=nothing) == [told, told]

    assert Task.objects.filter(parent__isnull=False).count() == 0


def test_a_part_of_a_deleted_task_can_still_be_changed(
    task: Task, project: Project, cast: Cast
) -> None:
    part = make_task(project, cast.alice, parent_id=task.pk)
    task_delete(task_id=task.pk, actor_id=cast.alice.pk)

    changed = task_update(task_id=part.pk, actor_id=cast.bob.pk, parent_id=task.pk, title="x")

    assert (changed.parent_id, changed.title, changed.version) == (task.pk, "x", 2)


def test_a_task_can_not_become_a_part_of_itself(project: Project, task: Task, cast: Cast) -> None:
    part = make_task(project, cast.bob, parent_id=task.pk)
    crumb = make_task(project, cast.bob, parent_id=part.pk)

    for parent in (task, part, crumb):
        with pytest.raises(ValidationError, match="cycle"):
            task_update(task_id=task.pk, actor_id=cast.bob.pk, parent_id=parent.pk)

    changed = task_update(task_id=crumb.pk, actor_id=cast.bob.pk, parent_id=task.pk)
    assert changed.parent_id == task.pk


def test_an_assignee_and_a_parent_are_a_statement_each(
    project: Project, task: Task, cast: Cast
) -> None:
    with recorded() as making:
        made = task_create(
            project_id=project.pk,
            title="x",
            actor_id=cast.alice.pk,
            assignee_id=cast.bob.pk,
            parent_id=task.pk,
        )
    with recorded() as giving:
        task_update(task_id=made.pk, actor_id=cast.alice.pk, assignee_id=cast.vera.pk)

    asked = ["SELECT membership", "SELECT task"]
    assert making == [*asked, "UPDATE project", "INSERT task", "INSERT event"]
    assert giving == ["SELECT task", "SELECT membership", "UPDATE task", "INSERT event"]
