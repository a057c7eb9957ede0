"""The history page of a task tells what the event log knows of it, the newest first."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind
from taskproject.tenancy.webadmin.tests.pages import ABSENT, address, body, enter, page_of
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Status, Task
from tasks.services.tasks import task_delete, task_update

pytestmark = pytest.mark.django_db


@pytest.fixture
def task(cast: Cast) -> Task:
    """A task of alpha."""
    return make_task(make_project(cast.alpha, cast.alice), cast.alice, "Paint the fence")


@pytest.fixture
def vera(cast: Cast) -> Client:
    """The browser of Vera, who may only look."""
    return enter(cast.vera)


def at(task: Task, query: str = "") -> str:
    return address("alpha", page_of(Task, f"{task.pk}/history/{query}"))


def test_each_change_is_told_in_words(cast: Cast, task: Task, vera: Client) -> None:
    with tenant_context(cast.alpha):
        task_update(
            task_id=task.pk,
            actor_id=cast.bob.pk,
            status=Status.ACTIVE,
            assignee_id=cast.vera.pk,
            title="<b>Paint</b> " + "x" * 100,
        )

    page = vera.get(at(task))

    (updated, changes), (created, _) = page.context["entries"]
    assert (updated.kind, created.kind) == (EventKind.TASK_UPDATED, EventKind.TASK_CREATED)
    told_of = {each.name: (each.old, each.new) for each in changes}
    assert told_of["status"] == ("pending", "active")
    assert told_of["assignee"] == ("–", "vera")
    assert told_of["title"] == ("Paint the fence", "<b>Paint</b> " + "x" * 67 + "…")
    assert "<td>bob</td>" in body(page)
    assert "<b>Paint" not in body(page)


def test_a_deleted_task_keeps_its_history(cast: Cast, task: Task, vera: Client) -> None:
    with tenant_context(cast.alpha):
        task_delete(task_id=task.pk, actor_id=cast.alice.pk)

    kinds = [event.kind for event, _ in vera.get(at(task)).context["entries"]]

    assert kinds == [EventKind.TASK_DELETED, EventKind.TASK_CREATED]


def test_a_walk_sees_each_event_once(cast: Cast, task: Task, vera: Client) -> None:
    add_events(cast, task, 120)

    pages: list[Any] = [vera.get(at(task))]
    while cursor := pages[-1].context["page"].next:
        pages.append(vera.get(at(task, f"?cursor={cursor}")))

    seen = [[event.pk for event, _ in page.context["entries"]] for page in pages]
    assert [len(each) for each in seen] == [50, 50, 21]
    everything = [pk for each in seen for pk in each]
    assert everything == sorted(set(everything), reverse=True)
    back = vera.get(at(task, f"?cursor={pages[1].context['page'].previous}"))
    assert [event.pk for event, _ in back.context["entries"]] == seen[0]


def test_a_link_to_a_page_of_another_history_leads_to_the_first_page(
    cast: Cast, task: Task, vera: Client
) -> None:
    with tenant_context(cast.alpha):
        other = make_task(task.project, cast.alice)
    add_events(cast, task, 60)
    cursor = vera.get(at(task)).context["page"].next

    for query in (f"?cursor={cursor}", "?cursor=", "?cursor=abc", "?cursor=%00"):
        refused = vera.get(at(other, query))

        assert (refused.status_code, refused["Location"]) == (302, at(other))
    assert vera.get(at(task, f"?cursor={cursor}")).status_code == 200


def test_a_task_that_is_not_there_has_no_history(cast: Cast, vera: Client) -> None:
    for pk in (ABSENT, "abc", "%00"):
        assert vera.get(address("alpha", page_of(Task, f"{pk}/history/"))).status_code == 404


def test_a_former_member_and_a_command_are_named_as_far_as_known(
    cast: Cast, task: Task, vera: Client
) -> None:
    with tenant_context(cast.alpha):
        for changes in ({"assignee_id": [cast.carol.pk, None]}, {"project": "WEB"}):
            Event.objects.create(kind=EventKind.TASK_UPDATED, task_id=task.pk, changes=changes)

    page = body(vera.get(at(task)))

    assert f"<del>user {cast.carol.pk}</del> → <ins>–</ins>" in page
    assert "carol" not in page
    assert "<td>platform</td>" in page


def add_events(cast: Cast, task: Task, count: int) -> None:
    """Events of one transaction, with changes that any program could have written."""
    odd: list[Any] = [{}, {"status": [0, 1]}, {"x": [1, 2, 3]}, {"x": None}, {"due_at": ["T", ""]}]
    with tenant_context(cast.alpha):
        Event.objects.bulk_create(
            Event(kind=EventKind.TASK_UPDATED, task_id=task.pk, changes=odd[n % len(odd)])
            for n in range(count)
        )
