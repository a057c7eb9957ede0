"""The form of a task in the web admin writes by services, and tells what they refuse."""

from __future__ import annotations

from datetime import UTC, datetime
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
    errors,
    last_event,
    make_label,
    messages,
    page_of,
    told,
)
from taskproject.tenancy.webadmin.tests.walls import CONFIRMED, NO_TIME, filled, on_page
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Comment, Status, Task
from tasks.services import tasks as services
from tasks.services.relations import task_labels_set
from tasks.services.tasks import task_delete, task_update

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(cast: Cast) -> Project:
    """Alpha's project WEB."""
    return make_project(cast.alpha, cast.alice)


@pytest.fixture
def task(project: Project, cast: Cast) -> Task:
    """Its first task."""
    return make_task(project, cast.alice, "Paint the fence", description="Green.")


@pytest.fixture
def bob(cast: Cast) -> Client:
    """The browser of Bob, a member of alpha."""
    return enter(cast.bob)


def at(task: Task, page: str = "change") -> str:
    return address("alpha", page_of(Task, f"{task.pk}/{page}/"))


def save(client: Client, task: Task, **changed: Any) -> Any:
    """Send the form of a task as its page gave it, but for what is changed."""
    return client.post(at(task), filled(client.get(at(task))) | changed)


def now(cast: Cast, task: Task) -> Task:
    with tenant_context(cast.alpha):
        return Task.objects.get(pk=task.pk)


# --- New tasks ------------------------------------------------------------------------------------


def test_a_new_task_has_a_number_its_values_and_an_event(
    cast: Cast, project: Project, bob: Client
) -> None:
    label = make_label(cast.alpha, "urgent")
    since = last_event(cast.alpha)
    sent = {
        "project": project.pk,
        "title": "Paint",
        "description": "Green.",
        "status": Status.DONE,
        "priority": 3,
        "assignee": cast.bob.pk,
        "labels": [label.pk],
        "due_at_0": "2030-01-02",
        "due_at_1": "03:04",
        "external_key": "JIRA-1",
        "comment": "Done already.",
    }

    assert bob.post(address("alpha", page_of(Task, "add/")), sent).status_code == 302

    with tenant_context(cast.alpha):
        task = Task.objects.get()
        comment = Comment.objects.get()
    assert (task.number, task.title, task.description) == (1, "Paint", "Green.")
    assert (task.status, task.priority, task.assignee_id) == (Status.DONE, 3, cast.bob.pk)
    assert (task.creator_id, task.external_key, task.version) == (cast.bob.pk, "JIRA-1", 1)
    assert task.due_at == datetime(2030, 1, 2, 3, 4, tzinfo=UTC)
    assert task.completed_at is not None
    assert told(cast.alpha, since) == [
        (EventKind.TASK_CREATED, cast.bob.pk, {"title": "Paint", "status": "done"}),
        (EventKind.TASK_LABELLED, cast.bob.pk, {"label": "urgent"}),
        (EventKind.COMMENT_ADDED, cast.bob.pk, {"comment": comment.pk}),
    ]


def test_the_address_of_a_new_task_fills_in_project_and_parent(task: Task, bob: Client) -> None:
    query = f"add/?project={task.project_id}&parent={task.pk}&title=no&status=3"

    form = bob.get(address("alpha", page_of(Task, query))).context["adminform"].form

    assert (form["project"].value(), form["parent"].value()) == (str(task.project_id), str(task.pk))
    assert form["title"].value() is None
    assert form["status"].value() == Status.PENDING


@pytest.mark.parametrize(
    ("sent", "field", "reason"),
    [
        ({"title": ""}, "title", "This field is required."),
        ({"title": "x" * 301}, "title", "at most 300 characters"),
        ({"description": "ä" * 40_000}, "description", "At most 65536 bytes."),
        ({"external_key": "TAKEN"}, "external_key", "This external key is taken already."),
        ({"due_at_0": "9999-12-31", "due_at_1": "23:59"}, "due_at", ""),
        ({"status": 9}, "status", "Select a valid choice."),
    ],
)
def test_what_is_refused_is_told_on_its_field(
    cast: Cast, project: Project, bob: Client, sent: dict[str, Any], field: str, reason: str
) -> None:
    make_task(project, cast.alice, external_key="TAKEN")
    good = {"project": project.pk, "title": "New", "status": 0, "priority": 1, **NO_TIME}
    before = contents(cast.alpha)

    page = bob.post(address("alpha", page_of(Task, "add/")), good | sent)

    assert list(errors(page)) == [field]
    assert reason in errors(page)[field][0]
    assert contents(cast.alpha) == before


def test_an_archived_project_takes_no_task(cast: Cast, project: Project, bob: Client) -> None:
    with tenant_context(cast.alpha):
        project_set_archived(project_id=project.pk, archived=True, actor_id=cast.alice.pk)
    sent = {"project": project.pk, "title": "New", "status": 0, "priority": 1, **NO_TIME}

    page = bob.post(address("alpha", page_of(Task, "add/")), sent)

    assert ["The project is archived: it takes no new tasks."] in errors(page).values()
    assert page.context["adminform"].form["title"].value() == "New"


# --- Changes --------------------------------------------------------------------------------------


def test_a_change_tells_what_it_was_and_what_it_is(cast: Cast, task: Task, bob: Client) -> None:
    since = last_event(cast.alpha)

    assert save(bob, task, title="Paint it", status=Status.DONE).status_code == 302

    after = now(cast, task)
    assert (after.title, after.status, after.version) == ("Paint it", Status.DONE, 2)
    assert after.completed_at is not None
    changes = {"title": ["Paint the fence", "Paint it"], "status": [0, 3]}
    assert told(cast.alpha, since) == [(EventKind.TASK_UPDATED, cast.bob.pk, changes)]
    save(bob, task, status=Status.ACTIVE)
    assert now(cast, task).completed_at is None


def test_lines_that_are_sent_as_they_came_change_nothing(
    cast: Cast, project: Project, bob: Client
) -> None:
    task = make_task(project, cast.alice, description="Green.\nTwice.")
    before = contents(cast.alpha)

    assert save(bob, task).status_code == 302

    assert contents(cast.alpha) == before


def test_a_form_that_is_sent_as_it_came_changes_nothing(
    cast: Cast, project: Project, bob: Client
) -> None:
    due = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    parent = make_task(project, cast.alice)
    task = make_task(project, cast.alice, parent_id=parent.pk, due_at=due, assignee_id=cast.bob.pk)
    before = contents(cast.alpha)

    assert save(bob, task).status_code == 302

    assert contents(cast.alpha) == before


def test_a_stale_form_is_refused_and_keeps_what_was_typed(
    cast: Cast, task: Task, bob: Client
) -> None:
    sent = filled(bob.get(at(task))) | {"title": "Bob's", "comment": "Mine"}
    with tenant_context(cast.alpha):
        task_update(task_id=task.pk, actor_id=cast.alice.pk, title="Alice's")
    before = contents(cast.alpha)

    page = bob.post(at(task), sent)

    (told,) = errors(page)["__all__"]
    assert told.startswith("Somebody else has changed this")
    form = page.context["adminform"].form
    assert (form["title"].value(), form["comment"].value()) == ("Bob's", "Mine")
    assert contents(cast.alpha) == before


def test_labels_and_a_comment_are_written_with_the_task_or_not_at_all(
    cast: Cast, task: Task, bob: Client
) -> None:
    label = make_label(cast.alpha, "urgent")
    before = contents(cast.alpha)

    page = save(bob, task, title="Other", labels=[label.pk], comment="x" * 20_000)

    assert ["A comment has 1 to 16384 bytes and no NUL."] in errors(page).values()
    assert page.context["adminform"].form["title"].value() == "Other"
    assert contents(cast.alpha) == before


def test_labels_that_come_and_go_have_an_event_each(cast: Cast, task: Task, bob: Client) -> None:
    old, new = make_label(cast.alpha, "old"), make_label(cast.alpha, "new")
    with tenant_context(cast.alpha):
        task_labels_set(task_id=task.pk, label_ids=[old.pk], actor_id=cast.alice.pk)
    since = last_event(cast.alpha)

    save(bob, task, labels=[new.pk])

    assert [(kind, changes) for kind, _, changes in told(cast.alpha, since)] == [
        (EventKind.TASK_UNLABELLED, {"label": "old"}),
        (EventKind.TASK_LABELLED, {"label": "new"}),
    ]


def test_more_than_twenty_labels_are_refused(cast: Cast, task: Task, bob: Client) -> None:
    ids = [make_label(cast.alpha, f"label {n}").pk for n in range(21)]
    before = contents(cast.alpha)

    page = save(bob, task, title="Other", labels=ids)

    assert ["A task can carry 20 labels."] in errors(page).values()
    assert contents(cast.alpha) == before


def test_a_task_is_no_part_of_itself(cast: Cast, task: Task, project: Project, bob: Client) -> None:
    part = make_task(project, cast.alice, parent_id=task.pk)

    page = save(bob, task, parent=part.pk)

    assert ["This would close a cycle."] in errors(page).values()
    assert now(cast, task).parent_id is None


def test_an_assignee_who_left_stays_until_somebody_else_is_chosen(
    cast: Cast, project: Project, bob: Client
) -> None:
    task = make_task(project, cast.alice, assignee_id=cast.vera.pk)
    Membership.objects.filter(tenant=cast.alpha, user=cast.vera).update(active=False)

    assert save(bob, task, title="Other").status_code == 302
    assert (now(cast, task).title, now(cast, task).assignee_id) == ("Other", cast.vera.pk)

    assert save(bob, task, assignee="").status_code == 302
    refused = errors(save(bob, task, assignee=cast.vera.pk))
    assert refused == {"assignee": ["Only an active member can be the assignee."]}


def test_a_race_for_an_external_key_is_told_on_the_field(
    cast: Cast, task: Task, project: Project, bob: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_task(project, cast.alice, external_key="TAKEN")
    before = contents(cast.alpha)
    # Whatever asked before writing has been told that the key is free.
    monkeypatch.setattr(services, "task_validate", lambda task: None)

    page = save(bob, task, external_key="TAKEN")

    assert errors(page) == {"external_key": ["This external key is taken already."]}
    assert contents(cast.alpha) == before
    assert other.pk != task.pk


def test_a_violation_that_nobody_explains_is_a_failure_and_rolled_back(
    cast: Cast, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = enter(cast.bob, raise_request_exception=False)
    sent = filled(bob.get(at(task))) | {"title": "x", "description": "ä" * 40_000}
    before = contents(cast.alpha)
    monkeypatch.setattr(services, "task_validate", lambda task: None)

    assert bob.post(at(task), sent).status_code == 500

    assert contents(cast.alpha) == before


def test_a_task_that_was_deleted_meanwhile_is_told_to_be_gone(
    cast: Cast, task: Task, bob: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = filled(bob.get(at(task))) | {"title": "Other"}

    def gone(*, task_id: int, **values: Any) -> None:
        raise Task.DoesNotExist("Task matching query does not exist.")

    monkeypatch.setattr("tasks.admin.tasks.task_update", gone)

    page = bob.post(at(task), sent)

    assert errors(page) == {"__all__": ["It is gone: Task matching query does not exist."]}


# --- Deleted tasks --------------------------------------------------------------------------------


def test_a_task_is_deleted_softly_with_an_event(cast: Cast, task: Task, bob: Client) -> None:
    since = last_event(cast.alpha)

    assert bob.get(at(task, "delete")).status_code == 200
    assert bob.post(at(task, "delete"), CONFIRMED).status_code == 302

    assert now(cast, task).deleted_at is not None
    assert told(cast.alpha, since) == [(EventKind.TASK_DELETED, cast.bob.pk, {})]
    assert LogEntry.objects.count() == 0


def test_a_deleted_task_can_be_read_and_restored_and_nothing_else(
    cast: Cast, task: Task, bob: Client
) -> None:
    sent = filled(bob.get(at(task)))
    with tenant_context(cast.alpha):
        task_delete(task_id=task.pk, actor_id=cast.alice.pk)
    before = contents(cast.alpha)

    page = body(bob.get(at(task)))

    assert "This task was deleted on" in page
    assert "Paint the fence" in page
    assert 'name="title"' not in page
    assert bob.post(at(task), sent | {"title": "Other"}).status_code == 403
    assert bob.post(at(task, "delete"), CONFIRMED).status_code == 403
    assert contents(cast.alpha) == before
    since = last_event(cast.alpha)
    restored = bob.post(at(task), on_page("restore", task.pk), follow=True)
    assert messages(restored) == ["1 task restored."]
    assert now(cast, task).deleted_at is None
    assert told(cast.alpha, since) == [(EventKind.TASK_RESTORED, cast.bob.pk, {})]
