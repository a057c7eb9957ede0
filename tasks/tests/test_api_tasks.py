"""Single tasks over REST as their clients see them. Lists are in test_api_task_list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Membership, Tenant
from taskproject.tenancy.tests.sql import fetch
from taskproject.tests.api.calls import Api, api_of, errors, good, instant, problem, told, updates
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Status, Task
from tasks.services.tasks import task_delete

STATUSES = [each.label for each in Status]


@pytest.fixture
def api(cast: Cast) -> Api:
    """Alpha's API as Bob, a member, sees it."""
    return api_of(cast.alpha, cast.bob)


@pytest.fixture
def web(cast: Cast) -> Project:
    """Alpha's project WEB."""
    return make_project(cast.alpha, cast.alice)


@pytest.fixture
def task(web: Project, cast: Cast) -> Task:
    """WEB-1 of Alice's."""
    return make_task(web, cast.alice, "Paint the fence")


def stored(task: Task | int) -> Task:
    """A task as it stands in the database."""
    pk = task if isinstance(task, int) else task.pk
    with tenant_context(Tenant.objects.get(slug="alpha")):
        return Task.objects.get(pk=pk)


def at(task: Task) -> str:
    return f"tasks/{task.pk}/"


# Making one


def test_a_task_is_made_and_shown(cast: Cast, api: Api, task: Task) -> None:
    sent = {
        "project": "WEB",
        "title": "Oil the hinges",
        "description": "All *six*",
        "status": "blocked",
        "priority": "urgent",
        "assignee": "vera",
        "parent": task.pk,
        "due_at": "2030-05-01T12:00:00Z",
        "external_key": "X-1",
    }

    response = api.post("tasks/", sent)

    made = stored(good(response, 201)["id"])
    assert response.json() == {
        **sent,
        "id": made.pk,
        "key": "WEB-2",
        "creator": "bob",
        "completed_at": None,
        "version": 1,
        "created_at": instant(made.created_at),
        "updated_at": instant(made.updated_at),
        "deleted_at": None,
    }
    assert made.due_at == datetime(2030, 5, 1, 12, tzinfo=UTC)
    assert (made.assignee_id, made.parent_id) == (cast.vera.pk, task.pk)
    assert response["Location"] == api.at(f"tasks/{made.pk}/")
    assert api.get(response["Location"]).json() == response.json()
    assert api.get(response["Location"])["ETag"] == response["ETag"]


def test_a_title_and_a_project_are_enough(api: Api, web: Project) -> None:
    made = good(api.post("tasks/", {"project": "WEB", "title": "Mow"}), 201)

    words = [made[name] for name in ("description", "status", "priority")]
    absent = [made[name] for name in ("assignee", "parent", "due_at", "external_key")]
    assert (words, absent) == (["", "pending", "normal"], [None] * 4)
    assert good(api.get("tasks/WEB-1/")) == made


def test_the_project_of_the_address_is_that_of_the_task(api: Api, web: Project) -> None:
    made = good(api.post("projects/WEB/tasks/", {"title": "Mow"}), 201)

    assert (made["project"], made["key"]) == ("WEB", "WEB-1")
    refused = api.post("projects/WEB/tasks/", {"title": "Mow", "project": "WEB"})
    assert errors(refused) == {"/project": "read-only"}


def test_a_project_that_is_absent_makes_none(api: Api) -> None:
    assert problem(api.post("projects/NOSUCH/tasks/", {"title": "Mow"})) == (404, "not-found")


def test_numbers_have_no_gap_where_a_task_was_refused(api: Api, web: Project) -> None:
    for title in ("one", "", "two", None, "three"):
        api.post("tasks/", {"project": "WEB", "title": title})

    found = good(api.get("projects/WEB/tasks/?sort=number"))["results"]
    assert [(each["key"], each["title"]) for each in found] == [
        ("WEB-1", "one"),
        ("WEB-2", "two"),
        ("WEB-3", "three"),
    ]


def test_a_task_that_is_made_done_has_been_completed(api: Api, web: Project) -> None:
    made = good(api.post("tasks/", {"project": "WEB", "title": "Mow", "status": "done"}), 201)

    assert made["completed_at"] == made["created_at"]


def test_making_one_is_told(cast: Cast, api: Api, web: Project) -> None:
    api.post("tasks/", {"project": "WEB", "title": "Mow", "status": "active"})

    assert told(cast.alpha)[-1] == ("task created", {"title": "Mow", "status": "active"})


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"title": ""}, "/title", "blank"),
    ({"title": None}, "/title", "null"),
    ({"title": 7}, "/title", "invalid"),
    ({"title": "t" * 301}, "/title", "max_length"),
    ({"description": None}, "/description", "null"),
    ({"description": "d" * 65_537}, "/description", "invalid"),
    ({"description": "é" * 32_769}, "/description", "invalid"),
    ({"status": "DONE"}, "/status", "invalid_choice"),
    ({"status": 3}, "/status", "invalid_choice"),
    ({"status": None}, "/status", "null"),
    ({"priority": "huge"}, "/priority", "invalid_choice"),
    ({"priority": True}, "/priority", "invalid_choice"),
    ({"assignee": "nobody"}, "/assignee", "does_not_exist"),
    ({"assignee": "carol"}, "/assignee", "does_not_exist"),
    ({"assignee": 1}, "/assignee", "invalid"),
    ({"parent": 999_999_999}, "/parent", "invalid"),
    ({"parent": "1"}, "/parent", "invalid"),
    ({"parent": True}, "/parent", "invalid"),
    ({"parent": 1.0}, "/parent", "invalid"),
    ({"parent": 0}, "/parent", "invalid"),
    ({"parent": -1}, "/parent", "invalid"),
    ({"due_at": "tomorrow"}, "/due_at", "invalid"),
    ({"due_at": "2030-05-01"}, "/due_at", "invalid"),
    ({"due_at": "2030-05-01T12:00:00"}, "/due_at", "invalid"),
    ({"due_at": "9999-12-31T23:59:59Z"}, "/due_at", "invalid"),
    ({"due_at": "99999-01-01T00:00:00Z"}, "/due_at", "invalid"),
    ({"due_at": "0001-01-01T00:00:00+14:00"}, "/due_at", "invalid"),
    ({"due_at": "2030-02-30T00:00:00Z"}, "/due_at", "invalid"),
    ({"due_at": 1_900_000_000}, "/due_at", "invalid"),
    ({"due_at": ""}, "/due_at", "invalid"),
    ({"external_key": "x" * 201}, "/external_key", "max_length"),
    ({"external_key": 1}, "/external_key", "invalid"),
    ({"id": 1}, "/id", "read-only"),
    ({"key": "WEB-9"}, "/key", "read-only"),
    ({"creator": "alice"}, "/creator", "read-only"),
    ({"completed_at": None}, "/completed_at", "read-only"),
    ({"version": 1}, "/version", "read-only"),
    ({"deleted_at": None}, "/deleted_at", "read-only"),
    ({"created_at": "2030-05-01T12:00:00Z"}, "/created_at", "read-only"),
    ({"tenant": "beta"}, "/tenant", "unknown"),
    ({"tenant_id": 2}, "/tenant_id", "unknown"),
    ({"number": 9}, "/number", "unknown"),
    ({"search": "x"}, "/search", "unknown"),
    ({"assignee_id": 1}, "/assignee_id", "unknown"),
    ({"labels": []}, "/labels", "unknown"),
    ({"__class__": "x"}, "/__class__", "unknown"),
]


@pytest.mark.parametrize(("wrong", "pointer", "code"), WRONG, ids=lambda each: str(each)[:40])
def test_a_wrong_value_is_pointed_at(
    cast: Cast, api: Api, web: Project, wrong: dict[str, Any], pointer: str, code: str
) -> None:
    response = api.post("tasks/", {"project": "WEB", "title": "Mow", **wrong})

    assert problem(response) == (422, "validation")
    assert errors(response) == {pointer: code}
    assert good(api.get("tasks/"))["results"] == []


@pytest.mark.parametrize("parent", ["1", "WEB-1", True, 1.0, 0, -1, []], ids=str)
def test_a_parent_is_named_by_a_number(api: Api, task: Task, parent: Any) -> None:
    refused = api.patch(at(task), {"parent": parent})

    (error,) = refused.json()["errors"]
    assert error["detail"] == "It must be the id of a row, a whole number."


@pytest.mark.parametrize(
    ("project", "code"),
    [
        ("NOSUCH", "does_not_exist"),
        ("SECRET", "does_not_exist"),
        ("web", "does_not_exist"),
        ("", "does_not_exist"),
        (1, "invalid"),
        (None, "null"),
        (["WEB"], "invalid"),
    ],
)
def test_a_wrong_project_is_pointed_at(
    cast: Cast, api: Api, web: Project, project: Any, code: str
) -> None:
    make_project(cast.beta, cast.carol, "SECRET")

    response = api.post("tasks/", {"project": project, "title": "Mow"})

    assert errors(response) == {"/project": code}


def test_what_is_missing_is_pointed_at(api: Api) -> None:
    assert errors(api.post("tasks/", {})) == {"/project": "required", "/title": "required"}
    assert errors(api.post("tasks/")) == {"/project": "required", "/title": "required"}


def test_an_external_key_that_is_taken_is_a_409(cast: Cast, api: Api, task: Task) -> None:
    make_task(make_project(cast.beta, cast.carol), cast.carol, external_key="X-2")
    assert api.patch(at(task), {"external_key": "X-1"}).status_code == 200

    for taken in (
        api.post("tasks/", {"project": "WEB", "title": "Mow", "external_key": "X-1"}),
        api.post("projects/WEB/tasks/", {"title": "Mow", "external_key": "X-1"}),
    ):
        assert problem(taken) == (409, "duplicate")
        assert errors(taken) == {"/external_key": "unique"}
    free = {"project": "WEB", "title": "Mow", "external_key": "X-2"}
    assert good(api.post("tasks/", free), 201)["key"] == "WEB-2"


def test_a_deleted_task_keeps_its_external_key(cast: Cast, api: Api, task: Task) -> None:
    api.patch(at(task), {"external_key": "X-1"})
    api.delete(at(task))

    response = api.post("tasks/", {"project": "WEB", "title": "Mow", "external_key": "X-1"})

    assert errors(response) == {"/external_key": "unique"}


def test_an_empty_external_key_is_not_one(api: Api, task: Task) -> None:
    sent = {"project": "WEB", "title": "Mow", "external_key": ""}

    assert errors(api.post("tasks/", sent)) == {"/external_key": "blank"}
    assert errors(api.patch(at(task), {"external_key": ""})) == {"/external_key": "blank"}


def test_a_former_member_is_given_nothing_new(cast: Cast, api: Api, task: Task) -> None:
    api.patch(at(task), {"assignee": "vera"})
    Membership.objects.filter(tenant=cast.alpha, user=cast.vera).update(active=False)

    refused = api.post("tasks/", {"project": "WEB", "title": "Mow", "assignee": "vera"})

    assert errors(refused) == {"/assignee": "does_not_exist"}
    assert good(api.get(at(task)))["assignee"] == "vera"
    assert good(api.patch(at(task), {"title": "Mow"}))["assignee"] == "vera"


def test_a_deleted_task_is_no_parent(cast: Cast, api: Api, web: Project, task: Task) -> None:
    api.delete(at(task))

    response = api.post("tasks/", {"project": "WEB", "title": "Mow", "parent": task.pk})

    assert errors(response) == {"/parent": "invalid"}


# Reading one


def test_a_task_is_named_by_its_id_or_by_its_key(api: Api, task: Task) -> None:
    by_id, by_key = api.get(at(task)), api.get("tasks/WEB-1/")

    assert good(by_id)["id"] == task.pk
    assert (by_id.content, by_id["ETag"]) == (by_key.content, by_key["ETag"])


@pytest.mark.parametrize(
    "name",
    [
        *("WEB-2", "web-1", "WEB-01", "WEB-0", "WEB--1", "WEB-1.0", "WEB-%201", "WEB", "WEB-"),
        *("WEB-999999999", "WEB-9999999999", "WEB-" + "9" * 400, "0", "00", "-1", "1.0", "1e3"),
        *("999999999999", "9223372036854775807", "9" * 18, "9" * 19, "9" * 5_000, "%00", "1%00"),
        *("٣", "WEB-٣", "１", "🙂", "%F0%9F", "null", "true", "NaN", "a" * 3_000, "%2E%2E", "'"),
    ],
    ids=lambda each: ascii(each)[:24],
)
def test_a_name_of_no_task_is_a_404(api: Api, task: Task, name: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        assert problem(api.send(method, f"tasks/{name}/", b"{}")) == (404, "not-found")
    for rest in ("labels/", "comments/", "dependencies/", "events/", "comments/1/"):
        assert problem(api.get(f"tasks/{name}/{rest}")) == (404, "not-found")


def test_a_deleted_task_is_absent(api: Api, task: Task) -> None:
    absent = api.get("tasks/999999999999/")
    api.delete(at(task))

    for name in (task.pk, "WEB-1"):
        response = api.get(f"tasks/{name}/")
        assert (response.status_code, response.content) == (404, absent.content)
        assert problem(api.patch(f"tasks/{name}/", {"title": "x"})) == (404, "not-found")
        assert problem(api.delete(f"tasks/{name}/")) == (404, "not-found")


# Changing one


def test_a_change_touches_what_was_sent_and_nothing_else(cast: Cast, api: Api, task: Task) -> None:
    before = good(api.get(at(task)))

    with updates() as columns:
        changed = good(api.patch(at(task), {"title": "Paint the gate"}))

    assert columns == [{"title", "version", "updated_at"}]
    assert changed == {
        **before,
        "title": "Paint the gate",
        "version": 2,
        "updated_at": instant(stored(task).updated_at),
    }
    assert good(api.get(at(task))) == changed
    assert told(cast.alpha)[-1] == (
        "task updated",
        {"title": ["Paint the fence", "Paint the gate"]},
    )


@pytest.mark.parametrize(
    ("sent", "columns"),
    [
        ({"description": "All of it"}, {"description"}),
        ({"status": "active"}, {"status", "completed_at"}),
        ({"priority": "low"}, {"priority"}),
        ({"assignee": "vera"}, {"assignee_id"}),
        ({"due_at": "2030-05-01T12:00:00Z"}, {"due_at"}),
        ({"external_key": "X-1"}, {"external_key"}),
        ({"title": "Mow", "priority": "high"}, {"title", "priority"}),
    ],
    ids=lambda each: " ".join(sorted(each)),
)
def test_each_field_is_changed_by_itself(
    api: Api, task: Task, sent: dict[str, Any], columns: set[str]
) -> None:
    before = good(api.get(at(task)))

    with updates() as found:
        changed = good(api.patch("tasks/WEB-1/", sent))

    assert found == [columns | {"version", "updated_at"}]
    assert changed == {**before, **sent, "version": 2, "updated_at": changed["updated_at"]}
    assert good(api.get(at(task))) == changed


def test_a_parent_is_given_and_taken(cast: Cast, api: Api, web: Project, task: Task) -> None:
    part = make_task(web, cast.alice)

    with updates() as columns:
        assert good(api.patch(at(part), {"parent": task.pk}))["parent"] == task.pk
    assert columns == [{"parent_id", "version", "updated_at"}]
    assert good(api.patch(at(part), {"parent": None}))["parent"] is None


@pytest.mark.parametrize("name", ["assignee", "due_at", "external_key"])
def test_what_may_be_absent_can_be_taken_away(api: Api, task: Task, name: str) -> None:
    values = {"assignee": "vera", "due_at": "2030-05-01T12:00:00Z", "external_key": "X-1"}
    api.patch(at(task), values)

    changed = good(api.patch(at(task), {name: None}))

    assert {each: changed[each] for each in values} == {**values, name: None}


def test_what_is_the_same_already_changes_nothing(cast: Cast, api: Api, task: Task) -> None:
    before, events = api.get(at(task)), told(cast.alpha)
    same = {"title": "Paint the fence", "status": "pending", "priority": "normal"}

    for sent in ({}, same, {**same, "assignee": None, "due_at": None, "parent": None}):
        row = row_version(cast.alpha, task)
        response = api.patch(at(task), sent)

        assert (response.json(), response["ETag"]) == (before.json(), before["ETag"])
        assert row_version(cast.alpha, task) == row
    assert told(cast.alpha) == events


def row_version(tenant: Tenant, task: Task) -> list[Any]:
    """Which transaction and statement of it wrote the row, and where it lies."""
    with tenant_context(tenant):
        return fetch(
            "SELECT xmin::text || cmin::text || ctid::text FROM task WHERE id = %s", [task.pk]
        )


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"),
    [*WRONG, ({"project": "WEB"}, "/project", "read-only")],
    ids=lambda each: str(each)[:40],
)
def test_a_wrong_change_is_pointed_at_and_changes_nothing(
    api: Api, task: Task, wrong: dict[str, Any], pointer: str, code: str
) -> None:
    before = good(api.get(at(task)))

    response = api.patch(at(task), {"priority": "low", **wrong})

    assert problem(response) == (422, "validation")
    assert errors(response) == {pointer: code}
    assert good(api.get(at(task))) == before


def test_a_task_is_no_part_of_itself(cast: Cast, api: Api, web: Project, task: Task) -> None:
    part = make_task(web, cast.alice, parent_id=task.pk)

    for parent in (part, task):
        response = api.patch(at(task), {"parent": parent.pk})

        assert problem(response) == (409, "state-conflict")
        assert good(api.get(at(task)))["parent"] is None


def test_an_external_key_that_another_task_has_is_a_409(
    cast: Cast, api: Api, web: Project, task: Task
) -> None:
    make_task(web, cast.alice, external_key="X-1")

    response = api.patch(at(task), {"external_key": "X-1", "title": "Mow"})

    assert problem(response) == (409, "duplicate")
    assert errors(response) == {"/external_key": "unique"}
    assert stored(task).title == "Paint the fence"


# Its status


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_completed_at_is_there_exactly_while_a_task_is_done(
    cast: Cast, api: Api, web: Project, before: str, after: str
) -> None:
    made = good(api.post("tasks/", {"project": "WEB", "title": "Mow", "status": before}), 201)

    changed = good(api.patch(f"tasks/{made['id']}/", {"status": after}))

    assert changed["status"] == after
    assert (changed["completed_at"] is not None) == (after == "done")
    if before == after == "done":
        assert changed == made
    if before != after:
        assert told(cast.alpha)[-1][1] == {
            "status": [Status.values[STATUSES.index(before)], Status.values[STATUSES.index(after)]]
        }


def test_the_events_of_a_task_say_its_status_in_words(api: Api, task: Task) -> None:
    api.patch(at(task), {"status": "done", "priority": "urgent"})

    *_, last = good(api.get(f"tasks/{task.pk}/events/"))["results"]

    assert last["changes"] == {"status": ["pending", "done"], "priority": ["normal", "urgent"]}


def test_a_task_of_an_archived_project_becomes_not_active(cast: Cast, api: Api, task: Task) -> None:
    api_of(cast.alpha, cast.alice).post("projects/WEB/archive/")

    assert problem(api.patch(at(task), {"status": "active"})) == (409, "state-conflict")
    assert good(api.patch(at(task), {"status": "done"}))["status"] == "done"


# Deleting and restoring one


def test_a_deleted_task_leaves_the_lists_and_can_be_restored(
    cast: Cast, api: Api, task: Task
) -> None:
    before = good(api.get(at(task)))

    deleted = api.delete(at(task))

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert good(api.get("tasks/"))["results"] == []
    (gone,) = good(api.get("tasks/?deleted=true"))["results"]
    assert gone == {
        **before,
        "version": 2,
        "updated_at": gone["deleted_at"],
        "deleted_at": gone["updated_at"],
    }
    back = good(api.post(f"tasks/{task.pk}/restore/"))
    assert back == {**before, "version": 3, "updated_at": back["updated_at"]}
    assert good(api.get("tasks/WEB-1/")) == back
    assert [kind for kind, _ in told(cast.alpha)][-2:] == ["task deleted", "task restored"]


def test_restoring_a_live_task_changes_nothing(cast: Cast, api: Api, task: Task) -> None:
    before, events = api.get(at(task)), told(cast.alpha)

    response = api.post(f"tasks/{task.pk}/restore/")

    assert (response.json(), response["ETag"]) == (before.json(), before["ETag"])
    assert told(cast.alpha) == events


@pytest.mark.parametrize("name", ["WEB-1", "999999999999", "0", "9" * 40, "%00", "x"])
def test_what_is_not_there_is_not_restored(api: Api, task: Task, name: str) -> None:
    assert problem(api.post(f"tasks/{name}/restore/")) == (404, "not-found")


def test_an_active_task_of_an_archived_project_stays_deleted(
    cast: Cast, api: Api, web: Project
) -> None:
    task = make_task(web, cast.alice, status=Status.ACTIVE)
    with tenant_context(cast.alpha):
        task_delete(task_id=task.pk, actor_id=cast.alice.pk)
    api_of(cast.alpha, cast.alice).post("projects/WEB/archive/")

    assert problem(api.post(f"tasks/{task.pk}/restore/")) == (409, "state-conflict")
    assert stored(task).deleted_at is not None


# Counting them


def test_tasks_are_counted_by_the_filters_of_lists(cast: Cast, api: Api, web: Project) -> None:
    for status in (Status.DONE, Status.DONE, Status.PENDING):
        make_task(web, cast.alice, status=status, assignee_id=cast.bob.pk)
    make_task(make_project(cast.beta, cast.carol), cast.carol, status=Status.DONE)

    counts = {
        query: good(api.get(f"tasks/count/{query}"))
        for query in ("", "?status=done", "?assignee=me", "?project=WEB&status=pending", "?q=task")
    }

    assert counts == {
        "": {"count": 3, "capped": False},
        "?status=done": {"count": 2, "capped": False},
        "?assignee=me": {"count": 3, "capped": False},
        "?project=WEB&status=pending": {"count": 1, "capped": False},
        "?q=task": {"count": 3, "capped": False},
    }


@pytest.mark.parametrize("query", ["limit=1", "cursor=x", "sort=created", "status=open", "x=1"])
def test_a_count_takes_filters_only(api: Api, query: str) -> None:
    assert problem(api.get(f"tasks/count/?{query}")) == (400, "invalid-parameter")


def test_the_summary_tells_what_waits(cast: Cast, api: Api, web: Project) -> None:
    past, future = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2090))
    make_task(web, cast.alice, status=Status.ACTIVE, due_at=past, assignee_id=cast.bob.pk)
    make_task(web, cast.alice, status=Status.ACTIVE, due_at=future, assignee_id=cast.vera.pk)
    make_task(web, cast.alice, status=Status.DONE, due_at=past, assignee_id=cast.bob.pk)
    make_task(make_project(cast.beta, cast.carol), cast.carol, due_at=past)

    def count(number: int) -> dict[str, Any]:
        return {"count": number, "capped": False}

    assert good(api.get("tasks/summary/")) == {
        "status": {
            "pending": count(0),
            "active": count(2),
            "blocked": count(0),
            "done": count(1),
            "cancelled": count(0),
        },
        "overdue": count(1),
        "mine": count(1),
    }
