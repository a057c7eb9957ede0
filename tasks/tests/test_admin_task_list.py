"""The list of tasks in the web admin: pages by keyset, filters with an index, searches by key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Role
from taskproject.tenancy.services import member_add
from taskproject.tenancy.webadmin.options import LargeListAdmin
from taskproject.tenancy.webadmin.tests.pages import (
    address,
    body,
    enter,
    listed,
    make_label,
    messages,
    page_of,
)
from taskproject.tests.cast import Cast, make_project, make_task
from taskproject.tests.rows import add_tasks
from tasks.admin.tasks import TaskAdmin
from tasks.models import Label, Status, Task, TaskLabel
from tasks.services.tasks import task_delete

pytestmark = pytest.mark.django_db

LIST = address("alpha", page_of(Task))
LINK = re.compile(r'href="(\?[^"]*)"')
REFUSED = "Here is the whole list."


@pytest.fixture
def project(cast: Cast) -> Project:
    """Alpha's project WEB."""
    return make_project(cast.alpha, cast.alice)


@pytest.fixture
def bob(cast: Cast) -> Client:
    """The browser of Bob, a member of alpha."""
    return enter(cast.bob)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows a page."""
    monkeypatch.setattr(LargeListAdmin, "list_per_page", 3)


def walk(client: Client, url: str, link: str = "next_link") -> Iterator[Any]:
    """The pages of a list from one of them on, by their links."""
    start = url.partition("?")[0]
    while url:
        page = client.get(url)
        yield page
        following = getattr(page.context["cl"], link)
        url = following and start + following


def shown(client: Client, query: str = "") -> list[int]:
    page = client.get(f"{LIST}{query}")
    assert page.status_code == 200, page.headers.get("Location")
    return listed(page)


def label_all(cast: Cast, tasks: list[Task]) -> Label:
    label = make_label(cast.alpha, "urgent")
    with tenant_context(cast.alpha):
        TaskLabel.objects.bulk_create(
            TaskLabel(task=task, task_created_at=task.created_at, label=label) for task in tasks
        )
    return label


# --- Pages ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_pages")
def test_a_walk_sees_each_task_once_also_where_times_are_equal(
    cast: Cast, project: Project, bob: Client
) -> None:
    tasks = add_tasks(project, cast.alice, [5, 1, 1, 1, 1, 1, 1, 1, 9, 9, 0])

    pages = [*walk(bob, LIST)]

    wanted = [task.pk for task in sorted(tasks, key=lambda t: (t.created_at, t.pk), reverse=True)]
    assert [pk for page in pages for pk in listed(page)] == wanted
    assert [len(listed(page)) for page in pages] == [3, 3, 3, 2]
    back = [*walk(bob, LIST + pages[2].context["cl"].next_link, "previous_link")]
    assert [listed(page) for page in back] == [listed(page) for page in reversed(pages)]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("query", ["?show=due", "?show=deleted", "?label={}", "?project={}"])
def test_a_walk_goes_by_the_order_of_each_list(
    cast: Cast, project: Project, bob: Client, query: str
) -> None:
    now = timezone.now()
    tasks = add_tasks(project, cast.alice, [1] * 8, due_at=now)
    label = label_all(cast, tasks)
    if "deleted" in query:
        with tenant_context(cast.alpha):
            Task.objects.update(deleted_at=now)

    url = LIST + query.format(label.pk if "label" in query else project.pk)
    found = [pk for page in walk(bob, url) for pk in listed(page)]

    ids = sorted(task.pk for task in tasks)
    assert found == (ids if "due" in query else ids[::-1])


@pytest.mark.parametrize("query", ["?p=2", "?p=abc", "?all=", "?o=1", "?o=-2.1", "?e=1", "?o=abc"])
def test_djangos_own_parameters_change_nothing(
    cast: Cast, project: Project, bob: Client, query: str
) -> None:
    tasks = add_tasks(project, cast.alice, [1, 2, 3])

    assert shown(bob, query) == [task.pk for task in reversed(tasks)]


@pytest.mark.usefixtures("small_pages")
def test_a_list_can_be_neither_shown_whole_nor_sorted_otherwise(
    cast: Cast, project: Project, bob: Client
) -> None:
    add_tasks(project, cast.alice, [1] * 5)

    page = bob.get(f"{LIST}?all=1&o=2&p=7")

    assert listed(page) == shown(bob)
    assert "Show all" not in body(page)
    assert "?o=" not in body(page)


@pytest.mark.usefixtures("small_pages")
def test_a_link_to_a_page_is_good_for_its_own_list_only(
    cast: Cast, project: Project, bob: Client
) -> None:
    member_add(tenant=cast.beta, user=cast.bob, role=Role.MEMBER)
    add_tasks(project, cast.alice, [1] * 5)
    add_tasks(make_project(cast.beta, cast.carol), cast.carol, [1] * 5)
    cursor = bob.get(LIST).context["cl"].next_link

    assert len(shown(bob, cursor)) == 2
    for elsewhere in (
        f"{LIST}{cursor}&status=0",
        f"{LIST}{cursor}&q=WEB-1",
        f"{LIST}{cursor}&show=due",
        address("alpha", f"tasks/comment/{cursor}"),
        address("alpha", f"tenancy/event/{cursor}"),
        address("beta", page_of(Task, cursor)),
        f"{LIST}{cursor[:-3]}abc",
        f"{LIST}?cursor=",
        f"{LIST}?cursor=abc",
        f"{LIST}?cursor=%00",
    ):
        refused = bob.get(elsewhere)

        assert (refused.status_code, refused["Location"]) == (302, elsewhere.partition("?")[0])
        (said,) = messages(bob.get(refused["Location"]))
        assert said == f"The link to that page is no longer good. {REFUSED}"


@pytest.mark.usefixtures("small_pages")
def test_a_page_that_has_become_empty_leads_back(cast: Cast, project: Project, bob: Client) -> None:
    add_tasks(project, cast.alice, [1] * 4)
    cursor = bob.get(LIST).context["cl"].next_link
    with tenant_context(cast.alpha):
        Task.objects.update(deleted_at=timezone.now())

    page = body(bob.get(LIST + cursor))

    assert "There is nothing on this page any more." in page
    assert 'href="?">Go to the first page.' in page


# --- Counts and empty lists -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 task"), (50, "50 tasks"), (51, "51 tasks"), (200, "200 tasks"), (201, "200+ tasks")],
)
def test_the_count_stops_at_two_hundred(
    cast: Cast, project: Project, bob: Client, count: int, text: str
) -> None:
    add_tasks(project, cast.alice, range(count))

    assert f'<span class="count">{text}</span>' in body(bob.get(LIST))


def test_a_list_by_label_is_counted_on_its_only_page(
    cast: Cast, project: Project, bob: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = label_all(cast, add_tasks(project, cast.alice, range(5)))

    assert bob.get(f"{LIST}?label={label.pk}").context["cl"].count_text == "5 tasks"

    monkeypatch.setattr(LargeListAdmin, "list_per_page", 3)
    assert bob.get(f"{LIST}?label={label.pk}").context["cl"].count_text == ""


def test_empty_lists_say_why(cast: Cast, project: Project, bob: Client) -> None:
    assert "There are no tasks yet." in body(bob.get(LIST))

    make_task(project, cast.alice)

    assert "No tasks match these filters." in body(bob.get(f"{LIST}?status=3"))
    assert "Nothing was found for “WEB-9”." in body(bob.get(f"{LIST}?q=WEB-9"))


# --- Filters --------------------------------------------------------------------------------------


def test_filters_show_what_they_say(cast: Cast, project: Project, bob: Client) -> None:
    now = timezone.now()
    other = make_project(cast.alpha, cast.alice, "APP")
    mine = make_task(project, cast.alice, assignee_id=cast.bob.pk, due_at=now + timedelta(days=9))
    late = make_task(project, cast.alice, due_at=now - timedelta(days=1))
    done = make_task(other, cast.alice, status=Status.DONE, due_at=now - timedelta(days=2))
    gone = make_task(other, cast.alice)
    with tenant_context(cast.alpha):
        task_delete(task_id=gone.pk, actor_id=cast.alice.pk)
    label = label_all(cast, [done, gone])

    found = {
        query: shown(bob, query)
        for query in (
            "",
            "?show=overdue",
            "?show=due",
            "?show=deleted",
            "?status=3",
            f"?project={project.pk}",
            f"?project={other.pk}&status=3",
            f"?assignee={cast.bob.pk}",
            f"?label={label.pk}",
        )
    }

    ids = {"mine": mine.pk, "late": late.pk, "done": done.pk, "gone": gone.pk}
    names = {pk: name for name, pk in ids.items()}
    assert [" ".join(names[pk] for pk in each) for each in found.values()] == [
        "done late mine",
        "late",
        "late mine",
        "gone",
        "done",
        "late mine",
        "done",
        "mine",
        "done",
    ]


@pytest.mark.parametrize(
    "query",
    [
        "show=due&status=0",
        "status=0&assignee={0}",
        "project={1}&assignee={0}",
        "show=due&q=1&label={2}",
    ],
)
def test_filters_without_an_index_together_are_refused(
    cast: Cast, project: Project, bob: Client, query: str
) -> None:
    label = make_label(cast.alpha, "urgent")

    page = bob.get(f"{LIST}?{query.format(cast.bob.pk, project.pk, label.pk)}", follow=True)

    assert page.redirect_chain == [(LIST, 302)]
    assert messages(page) == [f"These filters can&#x27;t be combined. {REFUSED}"]


def test_links_of_filters_drop_those_that_have_no_index_with_them(
    cast: Cast, project: Project, bob: Client
) -> None:
    filters = bob.get(f"{LIST}?project={project.pk}&status=0").context["cl"]

    assert filters.get_query_string({"show": "due"}) == "?show=due"
    assert filters.get_query_string({"assignee": 7}) == "?assignee=7"
    assert filters.get_query_string({"status": 3}) == f"?project={project.pk}&status=3"
    assert filters.get_query_string({"project": 9}) == "?project=9&status=0"
    assert filters.get_query_string(remove=["status"]) == f"?project={project.pk}"
    assert filters.get_query_string({"q": "x"}) == f"?project={project.pk}&q=x&status=0"


def test_every_link_of_every_filter_leads_to_a_list(
    cast: Cast, project: Project, bob: Client
) -> None:
    for query in ("", f"?project={project.pk}&status=0", "?show=due", f"?assignee={cast.bob.pk}"):
        page = bob.get(f"{LIST}{query}")
        filters = body(page).partition('id="changelist-filter"')[2]
        links = set(LINK.findall(filters))

        assert len(links) > 8
        assert [link for link in links if bob.get(LIST + unescape(link)).status_code != 200] == []


@pytest.mark.parametrize("query", ["status=9", "show=abc", "project=0", "assignee=abc", "label=-1"])
def test_a_value_that_a_filter_does_not_know_leads_to_the_whole_list(
    cast: Cast, project: Project, bob: Client, query: str
) -> None:
    page = bob.get(f"{LIST}?{query}", follow=True)

    assert page.redirect_chain == [(LIST, 302)]
    assert len(messages(page)) == 1
    assert messages(page)[0].endswith(REFUSED)


# --- Searches -------------------------------------------------------------------------------------


def test_a_search_finds_a_task_by_its_keys(cast: Cast, project: Project, bob: Client) -> None:
    first, second, alike = (
        make_task(project, cast.alice, external_key=key) for key in ("JIRA-7", None, "WEB-2")
    )

    assert shown(bob, "?q=JIRA-7") == [first.pk]
    assert shown(bob, "?q=%20WEB-1%20") == [first.pk]
    assert shown(bob, "?q=WEB-2") == shown(bob, "?q=WEB-2&status=0") == [alike.pk, second.pk]
    assert shown(bob, "?q=web-2") == [second.pk]
    for nothing in ("WEB-9", "NO-1", "WEB", "WEB-", "-1", "A task", "jira-7", "WEB-%"):
        assert shown(bob, f"?q={nothing}") == [], nothing
    assert len(shown(bob, "?q=")) == 3


def test_a_search_for_a_deleted_task_finds_it_among_the_deleted_only(
    cast: Cast, project: Project, bob: Client
) -> None:
    task = make_task(project, cast.alice)
    with tenant_context(cast.alpha):
        task_delete(task_id=task.pk, actor_id=cast.alice.pk)

    assert shown(bob, "?q=WEB-1") == []
    assert shown(bob, "?q=WEB-1&show=deleted") == [task.pk]


def test_a_title_is_shown_as_text(cast: Cast, project: Project, bob: Client) -> None:
    make_task(project, cast.alice, "<script>alert(1)</script>")

    page = body(bob.get(LIST))

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert TaskAdmin.list_per_page == 50
