"""What is done to a selection of tasks in the web admin is done to all of them or to none."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from projects.models import Project
from projects.services import project_set_archived
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import EventKind, Membership
from taskproject.tenancy.webadmin.tests.pages import (
    address,
    body,
    contents,
    enter,
    last_event,
    make_label,
    messages,
    page_of,
    told,
)
from taskproject.tenancy.webadmin.tests.walls import selection
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Status, Task, TaskLabel
from tasks.services.tasks import task_delete

pytestmark = pytest.mark.django_db

LIST = address("alpha", page_of(Task))


@pytest.fixture
def project(cast: Cast) -> Project:
    """Alpha's project WEB."""
    return make_project(cast.alpha, cast.alice)


@pytest.fixture
def tasks(cast: Cast, project: Project) -> list[Task]:
    """Its first three tasks."""
    return [make_task(project, cast.alice, f"Task {n}") for n in range(3)]


@pytest.fixture
def bob(cast: Cast) -> Client:
    """The browser of Bob, a member of alpha."""
    return enter(cast.bob)


def change(client: Client, tasks: list[Task], **what: Any) -> Any:
    ids = [task.pk for task in tasks]
    return client.post(LIST, selection("change_selected", *ids, apply="1", **what), follow=True)


def deleted(cast: Cast, tasks: list[Task]) -> None:
    with tenant_context(cast.alpha):
        for task in tasks:
            task_delete(task_id=task.pk, actor_id=cast.alice.pk)


def test_the_page_of_a_change_shows_what_was_selected(bob: Client, tasks: list[Task]) -> None:
    page = bob.post(LIST, selection("change_selected", tasks[0].pk, tasks[2].pk))

    assert page.status_code == 200
    assert "Change 2 tasks" in body(page)
    assert [title for title in ("Task 0", "Task 1", "Task 2") if title in body(page)] == [
        "Task 0",
        "Task 2",
    ]
    assert page.context["form"].errors == {}


def test_a_change_of_a_selection_has_an_event_for_each_task(
    cast: Cast, bob: Client, tasks: list[Task]
) -> None:
    label = make_label(cast.alpha, "urgent")
    since = last_event(cast.alpha)

    page = change(bob, tasks[:2], status=Status.DONE, assignee=cast.vera.pk, add_label=label.pk)

    assert messages(page) == ["2 tasks changed."]
    with tenant_context(cast.alpha):
        after = {task.pk: task for task in Task.objects.all()}
        assert TaskLabel.objects.count() == 2
    assert [after[task.pk].status for task in tasks] == [3, 3, 0]
    assert [after[task.pk].version for task in tasks] == [2, 2, 1]
    assert [after[task.pk].completed_at is None for task in tasks] == [False, False, True]
    changes = {"status": [0, 3], "assignee_id": [None, cast.vera.pk]}
    assert told(cast.alpha, since) == [
        *[(EventKind.TASK_UPDATED, cast.bob.pk, changes)] * 2,
        *[(EventKind.TASK_LABELLED, cast.bob.pk, {"label": "urgent"})] * 2,
    ]


def test_tasks_that_have_it_already_are_counted_apart(bob: Client, tasks: list[Task]) -> None:
    change(bob, tasks[:1], priority=3)

    assert messages(change(bob, tasks, priority=3)) == ["2 tasks changed. 1 had it already."]


def test_an_assignee_can_be_taken_away(cast: Cast, bob: Client, tasks: list[Task]) -> None:
    change(bob, tasks, assignee=cast.vera.pk)

    change(bob, tasks[:2], nobody="on")

    with tenant_context(cast.alpha):
        found = Task.objects.order_by("pk").values_list("assignee_id", flat=True)
        assert list(found) == [None, None, cast.vera.pk]


def test_a_label_can_be_taken_off(cast: Cast, bob: Client, tasks: list[Task]) -> None:
    label = make_label(cast.alpha, "urgent")
    change(bob, tasks, add_label=label.pk)

    assert messages(change(bob, tasks[:1], remove_label=label.pk)) == ["1 task changed."]

    with tenant_context(cast.alpha):
        assert TaskLabel.objects.count() == 2


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({}, "Choose at least one thing to change."),
        ({"assignee": "vera", "nobody": "on"}, "not both."),
        ({"status": "9"}, "Select a valid choice."),
        ({"assignee": "999999999999"}, "Select a valid choice."),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    cast: Cast, bob: Client, tasks: list[Task], what: dict[str, Any], reason: str
) -> None:
    before = contents(cast.alpha)
    what = {name: cast.vera.pk if value == "vera" else value for name, value in what.items()}

    page = change(bob, tasks, **what)

    assert reason in body(page)
    assert contents(cast.alpha) == before


def test_a_change_to_somebody_who_is_no_number_is_refused(
    cast: Cast, bob: Client, tasks: list[Task]
) -> None:
    assert "Select a valid choice." in body(change(bob, tasks, assignee="abc"))


def test_a_refusal_names_its_task_and_spares_the_others(
    cast: Cast, bob: Client, tasks: list[Task]
) -> None:
    other = make_task(make_project(cast.alpha, cast.alice, "OLD"), cast.alice)
    with tenant_context(cast.alpha):
        project_set_archived(project_id=other.project_id, archived=True, actor_id=cast.alice.pk)
    before = contents(cast.alpha)

    page = change(bob, [*tasks, other], status=Status.ACTIVE)

    (refused,) = page.context["form"].errors.values()
    assert list(refused) == [
        "Nothing was changed.",
        "OLD-1: The project is archived: none of its tasks can become active.",
    ]
    assert page.context["form"]["status"].value() == "1"
    assert contents(cast.alpha) == before


def test_an_assignee_who_left_is_refused(cast: Cast, bob: Client, tasks: list[Task]) -> None:
    Membership.objects.filter(tenant=cast.alpha, user=cast.vera).update(active=False)
    before = contents(cast.alpha)

    page = change(bob, tasks, assignee=cast.vera.pk)

    assert "WEB-1: Only an active member can be the assignee." in body(page)
    assert contents(cast.alpha) == before


def test_selected_tasks_are_deleted_softly(cast: Cast, bob: Client, tasks: list[Task]) -> None:
    since = last_event(cast.alpha)

    page = bob.post(
        LIST, selection("delete_selected", tasks[0].pk, tasks[1].pk, post="yes"), follow=True
    )

    assert messages(page) == ["2 tasks deleted. The list “Deleted” has them."]
    with tenant_context(cast.alpha):
        assert Task.objects.filter(deleted_at=None).get() == tasks[2]
        assert Task.objects.count() == 3
    assert told(cast.alpha, since) == [(EventKind.TASK_DELETED, cast.bob.pk, {})] * 2
    assert LogEntry.objects.count() == 0


def test_deleted_tasks_are_restored_from_their_list(
    cast: Cast, bob: Client, tasks: list[Task]
) -> None:
    deleted(cast, tasks)
    since = last_event(cast.alpha)

    page = bob.post(
        f"{LIST}?show=deleted", selection("restore", tasks[0].pk, tasks[1].pk), follow=True
    )

    assert messages(page) == ["2 tasks restored."]
    assert [row.pk for row in page.context["cl"].result_list] == [tasks[2].pk]
    assert told(cast.alpha, since) == [(EventKind.TASK_RESTORED, cast.bob.pk, {})] * 2


def test_an_active_task_of_an_archived_project_stays_deleted(
    cast: Cast, bob: Client, project: Project, tasks: list[Task]
) -> None:
    change(bob, tasks[:1], status=Status.ACTIVE)
    deleted(cast, tasks)
    with tenant_context(cast.alpha):
        project_set_archived(project_id=project.pk, archived=True, actor_id=cast.alice.pk)
    before = contents(cast.alpha)

    page = bob.post(
        f"{LIST}?show=deleted", selection("restore", *(task.pk for task in tasks)), follow=True
    )

    (said,) = messages(page)
    assert said.startswith("Nothing was changed. WEB-1: The project is archived")
    assert contents(cast.alpha) == before


@pytest.mark.parametrize(
    ("query", "action"), [("", "restore"), ("?show=deleted", "delete_selected")]
)
def test_a_list_takes_only_the_actions_that_it_offers(
    cast: Cast, bob: Client, tasks: list[Task], query: str, action: str
) -> None:
    if query:
        deleted(cast, tasks)
    before = contents(cast.alpha)

    page = bob.post(f"{LIST}{query}", selection(action, tasks[0].pk), follow=True)

    assert messages(page) == ["No action selected."]
    assert contents(cast.alpha) == before


def test_an_action_reaches_no_task_beyond_the_filters_of_its_list(
    cast: Cast, bob: Client, tasks: list[Task]
) -> None:
    before = contents(cast.alpha)

    bob.post(f"{LIST}?status=3", selection("delete_selected", tasks[0].pk))

    assert contents(cast.alpha) == before
