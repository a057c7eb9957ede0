"""Labels, comments and dependencies in the web admin are written by services, with their events."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.test import Client

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import EventKind
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
from taskproject.tenancy.webadmin.tests.walls import CONFIRMED
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Comment, Dependency, Label, Task, TaskLabel
from tasks.services.relations import comment_add, dependency_add
from tasks.services.tasks import task_delete

pytestmark = pytest.mark.django_db


@pytest.fixture
def tasks(cast: Cast) -> list[Task]:
    """Two tasks of alpha: WEB-1 and WEB-2."""
    project = make_project(cast.alpha, cast.alice)
    return [make_task(project, cast.alice, f"Task {n}") for n in (1, 2)]


@pytest.fixture
def alice(cast: Cast) -> Client:
    """The browser of Alice, who owns alpha."""
    return enter(cast.alice)


def send(client: Client, model: type[Model], rest: str, sent: Any = CONFIRMED) -> Any:
    return client.post(address("alpha", page_of(model, rest)), sent)


# --- Labels ---------------------------------------------------------------------------------------


def test_a_label_is_made_changed_and_deleted_with_events(
    cast: Cast, alice: Client, tasks: list[Task]
) -> None:
    since = last_event(cast.alpha)

    send(alice, Label, "add/", {"name": "Urgent", "colour": "#aabbcc"})
    with tenant_context(cast.alpha):
        label = Label.objects.get()
        copied = tasks[0].created_at
        TaskLabel.objects.create(task=tasks[0], task_created_at=copied, label=label)
    send(alice, Label, f"{label.pk}/change/", {"name": "Later", "colour": "#aabbcc"})
    send(alice, Label, f"{label.pk}/change/", {"name": "Later", "colour": "#aabbcc"})
    gone = send(alice, Label, f"{label.pk}/delete/")

    assert gone.status_code == 302
    assert told(cast.alpha, since) == [
        (EventKind.LABEL_CREATED, cast.alice.pk, {"name": "Urgent"}),
        (EventKind.LABEL_UPDATED, cast.alice.pk, {"label": "Later", "name": ["Urgent", "Later"]}),
        (EventKind.LABEL_DELETED, cast.alice.pk, {"name": "Later"}),
    ]
    assert contents(cast.alpha)["task_label"] == []
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 51}, "name"),
        ({"colour": "red"}, "colour"),
        ({"colour": "#AABBCC"}, "colour"),
        ({"name": "URGENT"}, "name"),
    ],
)
def test_a_refused_label_is_told_on_its_field(
    cast: Cast, alice: Client, sent: dict[str, str], field: str
) -> None:
    make_label(cast.alpha, "urgent")
    before = contents(cast.alpha)

    page = send(alice, Label, "add/", {"name": "new", "colour": "#aabbcc"} | sent)

    assert list(errors(page)) == [field]
    assert contents(cast.alpha) == before


def test_a_taken_name_is_refused_whatever_its_case(cast: Cast, alice: Client) -> None:
    make_label(cast.alpha, "urgent")
    before = contents(cast.alpha)

    page = send(alice, Label, "add/", {"name": "URGENT", "colour": "#aabbcc"})

    assert page.status_code == 200
    assert len(errors(page)) == 1
    assert contents(cast.alpha) == before


def test_a_race_for_a_name_is_told_on_the_field(
    cast: Cast, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_label(cast.alpha, "urgent")
    before = contents(cast.alpha)
    monkeypatch.setattr("tasks.services.relations.require_unique", lambda label: None)

    page = send(alice, Label, "add/", {"name": "URGENT", "colour": "#aabbcc"})

    assert errors(page) == {"name": ["This name is taken already."]}
    assert contents(cast.alpha) == before


def test_labels_are_listed_by_name_whatever_its_case(cast: Cast, alice: Client) -> None:
    for name in ("beta", "Alpha", "gamma", "BETTER"):
        make_label(cast.alpha, name)

    page = alice.get(address("alpha", page_of(Label)))
    found = alice.get(address("alpha", page_of(Label, "?q=BET")))

    assert [row.name for row in page.context["cl"].result_list] == [
        "Alpha",
        "beta",
        "BETTER",
        "gamma",
    ]
    assert [row.name for row in found.context["cl"].result_list] == ["beta", "BETTER"]


# --- Comments -------------------------------------------------------------------------------------


def comment_on(cast: Cast, task: Task, body_: str = "A word") -> Comment:
    with tenant_context(cast.alpha):
        return comment_add(task_id=task.pk, body=body_, actor_id=cast.bob.pk)


def test_a_comment_is_made_changed_and_deleted_with_events(cast: Cast, tasks: list[Task]) -> None:
    bob = enter(cast.bob)
    since = last_event(cast.alpha)

    send(bob, Comment, "add/", {"task": tasks[0].pk, "body": "A word"})
    with tenant_context(cast.alpha):
        comment = Comment.objects.get()
    assert (comment.author_id, comment.body, comment.edited_at) == (cast.bob.pk, "A word", None)
    send(bob, Comment, f"{comment.pk}/change/", {"body": "Another"})
    with tenant_context(cast.alpha):
        assert Comment.objects.get().edited_at is not None
    send(bob, Comment, f"{comment.pk}/delete/")

    kinds = (EventKind.COMMENT_ADDED, EventKind.COMMENT_EDITED, EventKind.COMMENT_DELETED)
    changes = {"comment": comment.pk}
    assert told(cast.alpha, since) == [(kind, cast.bob.pk, changes) for kind in kinds]
    assert contents(cast.alpha)["comment"] == []


def test_a_comment_of_two_lines_that_is_sent_as_it_came_was_not_edited(
    cast: Cast, tasks: list[Task]
) -> None:
    comment = comment_on(cast, tasks[0], "One.\nTwo.")

    send(enter(cast.bob), Comment, f"{comment.pk}/change/", {"body": "One.\r\nTwo."})

    with tenant_context(cast.alpha):
        assert Comment.objects.get().edited_at is None


def test_an_admin_changes_a_comment_and_its_author_stays(
    cast: Cast, alice: Client, tasks: list[Task]
) -> None:
    comment = comment_on(cast, tasks[0])

    send(alice, Comment, f"{comment.pk}/change/", {"body": "Politer", "author": cast.alice.pk})

    with tenant_context(cast.alpha):
        after = Comment.objects.get()
    assert (after.body, after.author_id, after.task_id) == ("Politer", cast.bob.pk, tasks[0].pk)


@pytest.mark.parametrize("text", ["", " \n ", "ä" * 9000])
def test_a_refused_comment_keeps_its_text(
    cast: Cast, alice: Client, tasks: list[Task], text: str
) -> None:
    before = contents(cast.alpha)

    page = send(alice, Comment, "add/", {"task": tasks[0].pk, "body": text})

    assert list(errors(page)) == ["body"]
    assert page.context["adminform"].form["body"].value() == text
    assert contents(cast.alpha) == before


def test_the_comments_of_a_deleted_task_stay_as_they_are(
    cast: Cast, alice: Client, tasks: list[Task]
) -> None:
    comment = comment_on(cast, tasks[0])
    with tenant_context(cast.alpha):
        task_delete(task_id=tasks[0].pk, actor_id=cast.alice.pk)
    before = contents(cast.alpha)

    changed = send(alice, Comment, f"{comment.pk}/change/", {"body": "Late"})
    gone = send(alice, Comment, f"{comment.pk}/delete/")

    reason = "It is gone: The comment&#x27;s task has been deleted."
    assert reason in body(changed)
    assert gone["Location"] == address("alpha", page_of(Comment, f"{comment.pk}/change/"))
    assert messages(alice.get(gone["Location"])) == [reason]
    assert contents(cast.alpha) == before


def test_the_list_of_comments_is_narrowed_to_a_task(
    cast: Cast, alice: Client, tasks: list[Task]
) -> None:
    first, second = (comment_on(cast, task, f"On {task.title}") for task in tasks)

    found = alice.get(address("alpha", page_of(Comment, f"?task={tasks[0].pk}")))
    whole = alice.get(address("alpha", page_of(Comment)))

    assert [row.pk for row in found.context["cl"].result_list] == [first.pk]
    assert [row.pk for row in whole.context["cl"].result_list] == [second.pk, first.pk]
    assert "WEB-1 Task 1" in body(whole)


# --- Dependencies ---------------------------------------------------------------------------------


def test_a_dependency_is_made_and_taken_back_with_events(
    cast: Cast, alice: Client, tasks: list[Task]
) -> None:
    since = last_event(cast.alpha)

    send(alice, Dependency, "add/", {"blocker": tasks[0].pk, "blocked": tasks[1].pk})
    with tenant_context(cast.alpha):
        found = Dependency.objects.get()
    send(alice, Dependency, f"{found.pk}/delete/")

    changes = {"blocker": tasks[0].pk}
    assert told(cast.alpha, since) == [
        (EventKind.DEPENDENCY_ADDED, cast.alice.pk, changes),
        (EventKind.DEPENDENCY_REMOVED, cast.alice.pk, changes),
    ]
    assert contents(cast.alpha)["dependency"] == []


@pytest.mark.parametrize(
    ("blocker", "blocked", "reason"),
    [
        (0, 1, "This dependency exists already."),
        (1, 0, "This would close a cycle."),
        (0, 0, "This would close a cycle."),
    ],
)
def test_a_dependency_that_makes_no_sense_is_refused(
    cast: Cast, alice: Client, tasks: list[Task], blocker: int, blocked: int, reason: str
) -> None:
    with tenant_context(cast.alpha):
        dependency_add(blocker_id=tasks[0].pk, blocked_id=tasks[1].pk, actor_id=cast.alice.pk)
    before = contents(cast.alpha)
    sent = {"blocker": tasks[blocker].pk, "blocked": tasks[blocked].pk}

    page = send(alice, Dependency, "add/", sent)

    assert errors(page) == {"__all__": [reason]}
    assert contents(cast.alpha) == before


def test_a_deleted_task_blocks_nothing(cast: Cast, alice: Client, tasks: list[Task]) -> None:
    with tenant_context(cast.alpha):
        task_delete(task_id=tasks[0].pk, actor_id=cast.alice.pk)

    page = send(alice, Dependency, "add/", {"blocker": tasks[0].pk, "blocked": tasks[1].pk})

    assert errors(page) == {
        "__all__": ["It is gone: There is no such task, or it has been deleted."]
    }


def test_the_page_of_a_task_shows_what_stands_around_it(
    cast: Cast, alice: Client, tasks: list[Task]
) -> None:
    with tenant_context(cast.alpha):
        project = tasks[0].project
    make_task(project, cast.alice, "A part", parent_id=tasks[0].pk)
    comment_on(cast, tasks[0], "First line.\n<b>Second.</b>")
    with tenant_context(cast.alpha):
        dependency_add(blocker_id=tasks[1].pk, blocked_id=tasks[0].pk, actor_id=cast.alice.pk)

    page = body(alice.get(address("alpha", page_of(Task, f"{tasks[0].pk}/change/"))))

    around = page.partition('id="around"')[2]
    for text in (
        "WEB-2 Task 2",
        "WEB-3 A part",
        "bob",
        "First line.<br>&lt;b&gt;Second.&lt;/b&gt;",
    ):
        assert text in around
