"""Batches over REST as their clients see them."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from projects.models import Project
from projects.services import project_set_archived
from taskproject.db.context import tenant_context
from taskproject.tests.api.calls import Api, api_of, errors, good, problem, told
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Task
from tasks.services.tasks import task_delete


@pytest.fixture
def bob(cast: Cast) -> Api:
    """Alpha's API as Bob, a member, sees it."""
    return api_of(cast.alpha, cast.bob)


@pytest.fixture
def web(cast: Cast) -> Project:
    return make_project(cast.alpha, cast.alice)


@pytest.fixture
def tasks(cast: Cast, web: Project) -> list[Task]:
    return [make_task(web, cast.alice, f"Task {n}") for n in range(3)]


def new(title: str = "New", **more: Any) -> dict[str, Any]:
    return {"project": "WEB", "title": title, **more}


def stored(cast: Cast) -> list[tuple[int, str, int]]:
    with tenant_context(cast.alpha):
        rows = Task.objects.filter(deleted_at=None).order_by("number")
        return list(rows.values_list("number", "title", "version"))


# --- Create ---------------------------------------------------------------------------------------


def test_tasks_are_made_in_the_order_of_the_request(cast: Cast, web: Project, bob: Api) -> None:
    items = [new(f"Task {n}", assignee="bob" if n % 2 else None) for n in range(5)]

    answer = good(bob.post("tasks/bulk/create/", {"items": items}), 201)

    assert (answer["done"], answer["failed"]) == (5, 0)
    assert [each["key"] for each in answer["results"]] == [f"WEB-{n}" for n in range(1, 6)]
    for n, each in enumerate(answer["results"]):
        assert each == {
            "index": n, "status": 201, "id": each["id"], "key": f"WEB-{n + 1}", "version": 1
        }  # fmt: skip
        shown = good(bob.get(f"tasks/{each['id']}/"))
        assert shown["title"] == f"Task {n}"
        assert shown["assignee"] == ("bob" if n % 2 else None)
        assert shown["creator"] == "bob"
    assert told(cast.alpha)[-5:] == [
        ("task created", {"title": f"Task {n}", "status": "pending"}) for n in range(5)
    ]


def test_each_value_is_stored_as_one_request_for_it_would_store_it(
    cast: Cast, web: Project, tasks: list[Task], bob: Api
) -> None:
    item = new(
        "All of it",
        description="é\n\t'\"\\ %s",
        status="done",
        priority="urgent",
        assignee="bob",
        parent=tasks[0].pk,
        due_at="2030-01-31T12:00:00+02:00",
        external_key="x-1",
    )

    (made,) = good(bob.post("tasks/bulk/create/", {"items": [item]}), 201)["results"]
    alone = good(bob.post("tasks/", {**item, "external_key": "x-2"}), 201)

    shown = good(bob.get(f"tasks/{made['id']}/"))
    own = {"id", "key", "external_key", "created_at", "updated_at", "completed_at"}
    assert {n: v for n, v in shown.items() if n not in own} == {
        n: v for n, v in alone.items() if n not in own
    }
    assert shown["completed_at"] == shown["created_at"]


BAD: dict[int, tuple[dict[str, Any], str, str]] = {
    3: ({"title": ""}, "title", "blank"),
    99: ({"titel": "x"}, "titel", "unknown"),
    250: ({"status": "open"}, "status", "invalid_choice"),
    251: ({"project": "NONE"}, "project", "does_not_exist"),
    400: ({"assignee": "carol"}, "assignee", "does_not_exist"),
    500: ({"parent": 999_999}, "parent", "invalid"),
    600: ({"due_at": "tomorrow"}, "due_at", "invalid"),
    700: ({"id": 4}, "id", "read-only"),
    800: ({"project": None}, "project", "null"),
    999: ({"external_key": "twice"}, "external_key", "unique"),
}


def with_ten_bad_ones() -> list[dict[str, Any]]:
    items = [new(f"Task {n}") for n in range(1_000)]
    items[10]["external_key"] = "twice"
    return [{**item, **BAD[n][0]} if n in BAD else item for n, item in enumerate(items)]


def test_an_atomic_batch_with_ten_bad_ones_does_nothing_and_tells_all_ten(
    cast: Cast, web: Project, bob: Api
) -> None:
    refused = bob.post("tasks/bulk/create/", {"items": with_ten_bad_ones()})

    assert problem(refused) == (422, "validation")
    assert errors(refused) == {f"/items/{n}/{field}": code for n, (_, field, code) in BAD.items()}
    assert stored(cast) == []
    assert good(bob.post("tasks/", new()), 201)["key"] == "WEB-1"


def test_a_partial_batch_does_the_other_990_and_tells_the_ten(
    cast: Cast, web: Project, bob: Api
) -> None:
    body = {"mode": "partial", "items": with_ten_bad_ones()}

    answer = good(bob.post("tasks/bulk/create/", body), 207)

    assert (answer["done"], answer["failed"]) == (990, 10)
    assert [each["index"] for each in answer["results"]] == list(range(1_000))
    failed = {each["index"]: each for each in answer["results"] if each["status"] != 201}
    assert sorted(failed) == sorted(BAD)
    for n, (_, field, code) in BAD.items():
        problem_of = failed[n]["problem"]
        assert problem_of["status"] == failed[n]["status"] == (409 if code == "unique" else 422)
        assert [(e["pointer"], e["code"]) for e in problem_of["errors"]] == [
            (f"/items/{n}/{field}", code)
        ]
    assert [number for number, *_ in stored(cast)] == list(range(1, 991))


@pytest.mark.parametrize("name", ["create", "update", "delete", "upsert"])
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"items": []}, "/items"),
        ({"items": {}}, "/items"),
        ({"items": "x"}, "/items"),
        ({"items": [1]}, "/items/0"),
        ({"items": [{}] * 1_001}, "/items"),
        ({"items": [{}], "mode": "best"}, "/mode"),
        ({"items": [{}], "mode": None}, "/mode"),
        ({"items": [{}], "more": 1}, "/more"),
        ({"item": []}, "/item"),
    ],
)
def test_what_is_no_batch_is_refused(
    web: Project, bob: Api, name: str, body: dict[str, Any], pointer: str
) -> None:
    refused = bob.post(f"tasks/bulk/{name}/", body)

    assert refused.status_code == 422
    assert pointer in errors(refused)


def test_a_batch_of_any_size_says_the_same_statements(web: Project, bob: Api) -> None:
    said = []
    bob.get("tasks/")  # which asks the database for the token
    for number in (1, 100, 1_000):
        items = [new(f"Task {n}", assignee="bob") for n in range(number)]
        with CaptureQueriesContext(connection) as queries:
            made = good(bob.post("tasks/bulk/create/", {"items": items}), 201)["results"]
            changes = [{"id": e["id"], "version": 1, "set": {"title": "x"}} for e in made]
            good(bob.post("tasks/bulk/update/", {"items": changes}))
            good(bob.post("tasks/bulk/delete/", {"ids": [each["id"] for each in made]}))
        said.append([q["sql"][:30] for q in queries if "SAVEPOINT" not in q["sql"]])

    assert said[0] == said[1] == said[2]


def test_a_viewer_makes_nothing(cast: Cast, web: Project) -> None:
    vera = api_of(cast.alpha, cast.vera)

    for name in ("create", "update", "delete", "upsert"):
        assert problem(vera.post(f"tasks/bulk/{name}/", {"items": [new()]})) == (
            403,
            "permission-denied",
        )


def test_an_item_is_told_all_that_is_wrong_with_it(web: Project, bob: Api) -> None:
    item = {"project": "NONE", "title": "", "assignee": "carol", "parent": 999_999}

    assert errors(bob.post("tasks/bulk/create/", {"items": [item]})) == {
        "/items/0/title": "blank",
        "/items/0/project": "does_not_exist",
        "/items/0/assignee": "does_not_exist",
    }


# --- Update ---------------------------------------------------------------------------------------


def test_tasks_are_changed_each_in_its_own_way(
    cast: Cast, web: Project, tasks: list[Task], bob: Api
) -> None:
    items = [
        {"id": tasks[0].pk, "set": {"title": "New", "assignee": "bob"}},
        {"id": tasks[1].pk, "version": 1, "set": {"status": "done", "due_at": None}},
        {"id": tasks[2].pk, "set": {}},
    ]

    answer = good(bob.post("tasks/bulk/update/", {"items": items}))

    assert [(each["id"], each["version"]) for each in answer["results"]] == [
        (tasks[0].pk, 2),
        (tasks[1].pk, 2),
        (tasks[2].pk, 1),
    ]
    shown = [good(bob.get(f"tasks/{task.pk}/")) for task in tasks]
    assert [each["title"] for each in shown] == ["New", "Task 1", "Task 2"]
    assert [each["assignee"] for each in shown] == ["bob", None, None]
    assert [each["status"] for each in shown] == ["pending", "done", "pending"]


def test_tasks_are_changed_all_in_the_same_way(
    cast: Cast, web: Project, tasks: list[Task], bob: Api
) -> None:
    body = {"ids": [task.pk for task in tasks], "set": {"priority": "high", "assignee": "alice"}}

    good(bob.post("tasks/bulk/update/", body))

    for task in tasks:
        shown = good(bob.get(f"tasks/{task.pk}/"))
        assert (shown["priority"], shown["assignee"], shown["version"]) == ("high", "alice", 2)


def test_every_failed_change_is_told_by_its_place(
    cast: Cast, web: Project, tasks: list[Task], bob: Api
) -> None:
    with tenant_context(cast.beta):
        theirs = make_task(make_project(cast.beta, cast.carol), cast.carol)
    with tenant_context(cast.alpha):
        task_delete(task_id=tasks[2].pk, actor_id=cast.alice.pk)
    items = [
        {"id": tasks[0].pk, "set": {"title": "Good"}},
        {"id": tasks[0].pk, "set": {"title": "Again"}},
        {"id": theirs.pk, "set": {"title": "x"}},
        {"id": tasks[2].pk, "set": {"title": "x"}},
        {"id": tasks[1].pk, "version": 5, "set": {"title": "x"}},
        {"id": tasks[1].pk, "set": {"titel": "x"}},
        {"id": "one", "set": {"title": "x"}},
        {"set": {"title": "x"}},
        {"id": tasks[1].pk},
        {"id": tasks[1].pk, "set": {"project": "WEB"}},
        {"id": tasks[1].pk, "set": {"assignee": "carol"}},
    ]
    expected = {
        "/items/1/id": "repeated",
        "/items/2/id": "does_not_exist",
        "/items/3/id": "does_not_exist",
        "/items/4/version": "version-conflict",
        "/items/5/set/titel": "unknown",
        "/items/6/id": "invalid",
        "/items/7/id": "required",
        "/items/8/set": "required",
        "/items/9/set/project": "read-only",
        "/items/10/set/assignee": "does_not_exist",
    }

    refused = bob.post("tasks/bulk/update/", {"items": items})
    assert errors(refused) == expected
    assert (1, "Task 0", 1) in stored(cast)

    answer = good(bob.post("tasks/bulk/update/", {"mode": "partial", "items": items}), 207)
    assert [each["status"] for each in answer["results"]] == [
        200, 422, 404, 404, 412, 422, 422, 422, 422, 422, 422
    ]  # fmt: skip
    assert (1, "Good", 2) in stored(cast)
    foreign, gone = (answer["results"][n]["problem"] for n in (2, 3))
    assert foreign["detail"] == gone["detail"] == "The task does not exist."


def test_a_foreign_id_among_ids_is_told_by_its_place(
    cast: Cast, web: Project, tasks: list[Task], bob: Api
) -> None:
    body = {"ids": [tasks[0].pk, 999_999, "x"], "set": {"title": "x"}}
    assert errors(bob.post("tasks/bulk/update/", body)) == {"/ids/2": "invalid"}

    body["ids"] = [tasks[0].pk, 999_999, tasks[0].pk]
    assert errors(bob.post("tasks/bulk/update/", body)) == {
        "/ids/1": "does_not_exist",
        "/ids/2": "repeated",
    }
    body = {"ids": [tasks[0].pk], "set": {"titel": "x"}}
    assert errors(bob.post("tasks/bulk/update/", body)) == {"/set/titel": "unknown"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"set": {"title": "x"}},
        {"ids": [1]},
        {"ids": [1], "items": [{"id": 1, "set": {}}], "set": {}},
        {"items": [{"id": 1, "set": {}}], "set": {}},
    ],
)
def test_a_batch_of_changes_is_said_in_one_way(
    web: Project, bob: Api, body: dict[str, Any]
) -> None:
    assert problem(bob.post("tasks/bulk/update/", body)) == (422, "validation")


def test_no_task_becomes_active_in_an_archived_project(
    cast: Cast, web: Project, tasks: list[Task], bob: Api
) -> None:
    with tenant_context(cast.alpha):
        project_set_archived(project_id=web.pk, archived=True, actor_id=cast.alice.pk)
    body = {"mode": "partial", "ids": [tasks[0].pk], "set": {"status": "active"}}

    (result,) = good(bob.post("tasks/bulk/update/", body), 207)["results"]

    assert (result["status"], result["problem"]["code"]) == (409, "state-conflict")


# --- Delete and upsert ----------------------------------------------------------------------------


def test_tasks_are_deleted_by_id_or_with_the_version_that_was_seen(
    cast: Cast, web: Project, tasks: list[Task], bob: Api
) -> None:
    good(bob.post("tasks/bulk/delete/", {"ids": [tasks[0].pk]}))
    assert [title for _, title, _ in stored(cast)] == ["Task 1", "Task 2"]
    items = [{"id": tasks[1].pk, "version": 1}, {"id": tasks[2].pk, "version": 9}]

    answer = good(bob.post("tasks/bulk/delete/", {"mode": "partial", "items": items}), 207)

    assert [each["status"] for each in answer["results"]] == [200, 412]
    assert [title for _, title, _ in stored(cast)] == ["Task 2"]
    assert good(bob.post(f"tasks/{tasks[0].pk}/restore/"))["title"] == "Task 0"


def test_an_upsert_makes_and_changes_by_external_key(cast: Cast, web: Project, bob: Api) -> None:
    first = [new("One", external_key="a"), new("Two", external_key="b", priority="high")]
    made = good(bob.post("tasks/bulk/upsert/", {"items": first}))["results"]

    again = [new("Two again", external_key="b"), new("Three", external_key="c")]
    changed = good(bob.post("tasks/bulk/upsert/", {"items": again}))["results"]

    assert changed[0]["id"] == made[1]["id"]
    shown = good(bob.get(f"tasks/{made[1]['id']}/"))
    assert (shown["title"], shown["priority"], shown["version"]) == ("Two again", "high", 2)
    assert [title for _, title, _ in stored(cast)] == ["One", "Two again", "Three"]
    refused = bob.post("tasks/bulk/upsert/", {"items": [new("x")]})
    assert errors(refused) == {"/items/0/external_key": "required"}
