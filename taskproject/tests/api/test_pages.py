"""Every declared way to read a list, page by page: to its end and back, whatever changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.api.listings import LISTINGS as OF_PROJECTS
from taskproject.api.registry import Access, Listing, entries
from taskproject.db.context import tenant_context
from taskproject.tenancy.api.listings import LISTINGS as OF_PEOPLE
from taskproject.tenancy.models import Membership, User
from taskproject.tests.api.calls import Api, api_of, good, instant, problem
from taskproject.tests.cast import Cast, make_cast, make_project
from taskproject.tests.rows import START, add_tasks, rolled_back
from tasks.api.listings import LISTINGS as OF_TASKS
from tasks.models import Comment, Dependency, Label, Priority, Task, TaskLabel
from tasks.services.tasks import task_delete

COUNT: Final = 7
ADDRESSES: Final = {
    "tasks": "tasks/",
    "project-tasks": "projects/WEB/tasks/",
    "labels": "labels/",
    "comments": "tasks/WEB-1/comments/",
    "dependencies": "tasks/WEB-1/dependencies/",
    "task-events": "tasks/WEB-1/events/",
    "projects": "projects/",
    "members": "members/",
    "tokens": "tokens/",
}
ENTRIES: Final = list(entries(OF_PROJECTS | OF_PEOPLE | OF_TASKS))
IDS: Final = [f"{each.name} by {access.words} {sort}" for each, access, sort in ENTRIES]


@pytest.fixture
def api(cast: Cast) -> Api:
    """Alpha's API as Alice, its owner, sees it. Each list of alpha's has some rows."""
    furnish(cast)
    return api_of(cast.alpha, cast.alice)


def furnish(cast: Cast) -> None:
    """Some rows in each list of alpha, with ties wherever a sort may have them. WEB-1 has all that
    hangs on a task, and is the parent of the others."""
    project = make_project(cast.alpha, cast.alice)
    (first,) = add_tasks(project, cast.alice, [0])
    values: dict[str, Any] = {
        "assignee": cast.bob,
        "priority": Priority.HIGH,
        "parent": first,
        "due_at": START,
    }
    tasks = add_tasks(project, cast.alice, [0, 0, 1, 1, 1, 2, 3], **values)
    with tenant_context(cast.alpha):
        labels = Label.objects.bulk_create(Label(name=f"label {n}") for n in range(COUNT))
        TaskLabel.objects.bulk_create(
            TaskLabel(task=each, label=labels[0], task_created_at=each.created_at) for each in tasks
        )
        Comment.objects.bulk_create(
            Comment(task=first, author=cast.bob, body=f"Comment {n}") for n in range(COUNT)
        )
        Dependency.objects.bulk_create(Dependency(blocker=each, blocked=first) for each in tasks)
        Dependency.objects.bulk_create(Dependency(blocker=first, blocked=each) for each in tasks)
        for each in add_tasks(project, cast.alice, [0] * COUNT):
            task_delete(task_id=each.pk, actor_id=cast.alice.pk)
    furnish_people(cast)


def furnish_people(cast: Cast) -> None:
    """Projects, members and tokens of alpha, and events of WEB-1."""
    bob = api_of(cast.alpha, cast.bob)
    for number in range(COUNT):
        make_project(cast.alpha, cast.alice, f"P{number}")
        api_of(cast.alpha, cast.bob)
        user = User.objects.create(username=f"user-{number}")
        Membership.objects.create(tenant=cast.alpha, user=user)
        bob.patch("tasks/WEB-1/", {"title": f"Title {number}"})


def query_of(cast: Cast, access: Access, sort: str) -> dict[str, Any]:
    """The parameters that ask for an access in an order, with rows to be found."""
    with tenant_context(cast.alpha):
        values = {
            "project": "WEB",
            "status": "pending",
            "assignee": "bob",
            "parent": Task.objects.get(number=1).pk,
            "priority": "high",
            "label": Label.objects.get(name="label 0").pk,
            "deleted": "true",
            "q": "task",
            "direction": "blocks",
        }
    wanted = {name: values[name] for name in access.filters}
    if access.matches and access.filters == {"label"}:
        wanted["project"] = values["project"]  # of the label alone an index has the order
    return {**wanted, "sort": sort}


def asked(listing: Listing, query: dict[str, Any]) -> str:
    return f"{ADDRESSES[listing.name]}?{urlencode(query)}"


def rows(page: Any) -> list[str]:
    """The rows of a page, each as text."""
    return [json.dumps(each, sort_keys=True) for each in page["results"]]


def pages(api: Api, address: str, way: str = "next") -> Iterator[Any]:
    """The page at an address and all that follow it."""
    while address:
        page = good(api.get(address))
        yield page
        address = page[way] or ""


def cursor_of(link: str) -> str:
    (cursor,) = parse_qs(urlsplit(link).query)["cursor"]
    return cursor


# To the end and back


@pytest.mark.parametrize(("listing", "access", "sort"), ENTRIES, ids=IDS)
def test_a_list_pages_to_its_end_and_back(
    cast: Cast, api: Api, listing: Listing, access: Access, sort: str
) -> None:
    query = query_of(cast, access, sort)
    whole = good(api.get(asked(listing, {**query, "limit": 200})))
    assert len(whole["results"]) >= COUNT
    assert (whole["next"], whole["previous"]) == (None, None)

    for limit in (1, 2, 3):
        there = list(pages(api, asked(listing, {**query, "limit": limit})))
        back = list(pages(api, there[-1]["previous"] or "", "previous"))

        assert [row for page in there for row in rows(page)] == rows(whole)
        assert there[0]["previous"] is None
        assert all(len(page["results"]) == limit for page in there[:-1])
        assert [rows(page) for page in reversed(back)] == [rows(page) for page in there[:-1]]
        assert all(page["next"] for page in back)


def test_every_list_has_an_address_here() -> None:
    assert {listing.name for listing, *_ in ENTRIES} == set(ADDRESSES)


def test_the_order_is_that_of_the_sort(cast: Cast, api: Api) -> None:
    def column(query: str, *names: str) -> list[tuple[Any, ...]]:
        found = good(api.get(f"tasks/?{query}"))["results"]
        return [tuple(each[name] for name in names) for each in found]

    by_time = column("sort=created", "created_at", "id")
    assert by_time == sorted(by_time)
    assert column("", "created_at", "id") == column("sort=-created", "created_at", "id")
    assert column("", "created_at", "id") == by_time[::-1]
    by_due = column("sort=due", "due_at", "id")
    assert by_due == sorted(by_due)
    number = {"high": 2, "normal": 1}
    by_priority = [
        (number[p], *rest) for p, *rest in column("sort=-priority", "priority", "created_at", "id")
    ]
    assert by_priority == sorted(by_priority, reverse=True)
    by_number = column("project=WEB&sort=number", "key")
    assert by_number == [(f"WEB-{n}",) for n in range(1, 9)]


def test_a_cursor_serves_another_limit(api: Api) -> None:
    cursor = cursor_of(good(api.get("tasks/?limit=1"))["next"])

    second = good(api.get(f"tasks/?limit=3&cursor={cursor}"))

    assert rows(second) == rows(good(api.get("tasks/?limit=200")))[1:4]


# Cursors of other lists


def test_a_cursor_serves_its_own_list_only(cast: Cast, api: Api) -> None:
    addresses = [
        asked(listing, {**query_of(cast, access, sort), "limit": 2})
        for listing, access, sort in ENTRIES
    ]
    cursors = {each: cursor_of(good(api.get(each))["next"]) for each in addresses}
    assert len(set(cursors.values())) == len(ENTRIES)

    for address, cursor in cursors.items():
        for other in addresses:
            response = api.get(f"{other}&cursor={cursor}")
            if other == address:
                assert response.status_code == 200
            else:
                assert problem(response) == (400, "invalid-cursor"), (address, other)


def test_a_cursor_serves_the_same_task_only(cast: Cast, api: Api) -> None:
    for rest in ("comments/", "events/", "dependencies/"):
        cursor = cursor_of(good(api.get(f"tasks/WEB-1/{rest}?limit=1"))["next"])

        other = api.get(f"tasks/WEB-2/{rest}?limit=1&cursor={cursor}")

        assert problem(other) == (400, "invalid-cursor")


def test_a_cursor_serves_the_same_tenant_only(cast: Cast, api: Api) -> None:
    make_project(cast.beta, cast.carol)
    carol = api_of(cast.beta, cast.carol)
    for address in ("tasks/", "projects/", "labels/", "members/", "tokens/", "projects/WEB/tasks/"):
        link = good(api.get(f"{address}?limit=1"))["next"]

        response = carol.get(link.replace("/alpha/", "/beta/"))

        assert problem(response) == (400, "invalid-cursor")


def test_a_cursor_serves_another_reader_of_the_same_list(cast: Cast, api: Api) -> None:
    link = good(api.get("tasks/?limit=1"))["next"]

    assert good(api_of(cast.alpha, cast.vera).get(link)) == good(api.get(link))


def test_me_is_somebody_else_for_another_reader(cast: Cast, api: Api) -> None:
    bob, vera = (api_of(cast.alpha, each) for each in (cast.bob, cast.vera))
    link = good(bob.get("tasks/?assignee=me&limit=2"))["next"]

    assert len(good(bob.get(link))["results"]) == 2
    assert good(vera.get(link))["results"] == []


# Pages that change under the reader


def test_a_page_that_was_emptied_leads_back(cast: Cast, api: Api) -> None:
    first = good(api.get("projects/WEB/tasks/?limit=2&sort=number"))
    for number in range(3, 9):
        api.delete(f"tasks/WEB-{number}/")

    emptied = good(api.get(first["next"]))

    assert (emptied["results"], emptied["next"]) == ([], None)
    assert rows(good(api.get(emptied["previous"]))) == rows(first)


def test_a_page_that_was_emptied_on_the_way_back_leads_on(cast: Cast, api: Api) -> None:
    first = good(api.get("projects/WEB/tasks/?limit=2&sort=number"))
    second = good(api.get(first["next"]))
    for number in (1, 2):
        api.delete(f"tasks/WEB-{number}/")

    emptied = good(api.get(second["previous"]))

    assert (emptied["results"], emptied["previous"]) == ([], None)
    assert rows(good(api.get(emptied["next"]))) == rows(second)


@pytest.mark.django_db
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_who_stays_is_seen_once_whoever_comes_and_goes(data: st.DataObject) -> None:
    seconds = st.lists(st.integers(0, 3), max_size=9)
    with rolled_back():
        cast = make_cast()
        project = make_project(cast.alpha, cast.alice)
        start = add_tasks(project, cast.alice, data.draw(seconds.filter(bool)))
        api = api_of(cast.alpha, cast.alice)
        sort = data.draw(st.sampled_from(["created", "-created"]))
        limit = data.draw(st.integers(1, 3))
        seen: list[tuple[str, int]] = []
        gone: set[int] = set()
        for turn, page in enumerate(pages(api, f"tasks/?sort={sort}&limit={limit}")):
            seen += [(each["created_at"], each["id"]) for each in page["results"]]
            if turn < 4:
                for task in data.draw(st.lists(st.sampled_from(start), max_size=2)):
                    api.delete(f"tasks/{task.pk}/")
                    gone.add(task.pk)
                add_tasks(project, cast.alice, data.draw(seconds))

    assert seen == sorted(set(seen), reverse=sort == "-created")
    assert {each.pk for each in start} - gone <= {pk for _, pk in seen}


# Ranges


BOUNDS: Final = [0, 1, 2, 3, 4]


def in_range(lower: int | None, upper: int | None, seconds: list[int]) -> list[int]:
    """The numbers from `lower` on and before `upper`."""
    return [
        each
        for each in seconds
        if (lower is None or each >= lower) and (upper is None or each < upper)
    ]


@pytest.fixture
def ranged(cast: Cast) -> Api:
    """Alpha's API, with tasks made and due at START and up to four seconds later."""
    project = make_project(cast.alpha, cast.alice)
    for second in BOUNDS:
        due = START + timedelta(seconds=second)
        add_tasks(project, cast.alice, [second] * 2, due_at=due, assignee=cast.bob)
    return api_of(cast.alpha, cast.alice)


@pytest.mark.parametrize("lower", [None, 0, 2, 9])
@pytest.mark.parametrize("upper", [None, 0, 3, 9])
@pytest.mark.parametrize("column", ["created", "due"])
def test_a_range_holds_on_every_page_both_ways(
    ranged: Api, column: str, lower: int | None, upper: int | None
) -> None:
    bounds = {
        name: instant(START + timedelta(seconds=second))
        for name, second in ((f"{column}_after", lower), (f"{column}_before", upper))
        if second is not None
    }
    wanted = in_range(lower, upper, [each for each in BOUNDS for _ in range(2)])
    for sort, extra in SORTS[column]:
        query = urlencode({**bounds, **extra, "sort": sort, "limit": 3})

        there = list(pages(ranged, f"tasks/?{query}"))
        back = list(pages(ranged, there[-1]["previous"] or "", "previous"))

        found = [each[f"{column}_at"] for page in there for each in page["results"]]
        assert found == [
            instant(START + timedelta(seconds=each))
            for each in (wanted[::-1] if sort.startswith("-") else wanted)
        ]
        assert [rows(page) for page in reversed(back)] == [rows(page) for page in there[:-1]]


SORTS: Final[dict[str, list[tuple[str, dict[str, str]]]]] = {
    "created": [
        ("created", {}),
        ("-created", {}),
        ("-created", {"status": "pending"}),
        ("created", {"project": "WEB", "assignee": "bob", "q": "task"}),
    ],
    "due": [("due", {})],
}


def test_a_cursor_serves_no_other_range(ranged: Api) -> None:
    after = urlencode({"created_after": instant(START)})
    cursor = cursor_of(good(ranged.get(f"tasks/?limit=1&{after}"))["next"])

    for other in ("", urlencode({"created_after": instant(START + timedelta(seconds=1))})):
        refused = ranged.get(f"tasks/?limit=1&cursor={cursor}&{other}")

        assert problem(refused) == (400, "invalid-cursor")


def test_one_moment_in_two_zones_is_one_range(ranged: Api) -> None:
    here, there = "2025-01-01T00:00:02Z", "2025-01-01T01:00:02+01:00"
    first = good(ranged.get(f"tasks/?limit=1&{urlencode({'created_after': here})}"))
    cursor = cursor_of(first["next"])

    second = ranged.get(f"tasks/?limit=1&cursor={cursor}&{urlencode({'created_after': there})}")

    assert rows(good(second)) == rows(good(ranged.get(first["next"])))


def test_a_range_that_ends_before_it_begins_is_empty(ranged: Api) -> None:
    query = urlencode(
        {
            "created_after": instant(START + timedelta(seconds=3)),
            "created_before": instant(START + timedelta(seconds=1)),
        }
    )

    assert good(ranged.get(f"tasks/?{query}")) == {"results": [], "next": None, "previous": None}
