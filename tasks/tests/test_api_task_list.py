"""GET /api/v1/tenants/<tenant>/tasks/ as its clients see it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import ApiToken, Scope
from taskproject.tenancy.services import token_issue, token_revoke
from taskproject.tests.api.calls import instant
from taskproject.tests.cast import Cast, make_client, make_project, make_task
from taskproject.tests.rows import add_tasks, names_of
from tasks.models import Priority, Status
from tasks.services.tasks import task_delete

ALPHA = "/api/v1/tenants/alpha/tasks/"
BETA = "/api/v1/tenants/beta/tasks/"
SENTINEL = "nobody outside alpha may read this"


@pytest.fixture
def project(cast: Cast) -> Project:
    """Alpha's project WEB."""
    return make_project(cast.alpha, cast.alice)


@pytest.fixture
def client(cast: Cast) -> Client:
    """A client with a token of Alice in alpha."""
    return make_client(cast.alpha, cast.alice)


def titles(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [task["title"] for task in response.json()["results"]]


def known_before(response: Any) -> dict[str, str]:
    """The headers without the one that differs in every response."""
    return {name: text for name, text in response.headers.items() if name != "X-Request-Id"}


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/problems/{code}")
    return body


# What a list shows


def test_a_task_shows_its_fields_in_words(project: Project, cast: Cast, client: Client) -> None:
    due = datetime(2030, 5, 1, 12, tzinfo=UTC)
    task = make_task(
        project,
        cast.alice,
        "Paint the fence",
        description="Green",
        status=Status.DONE,
        priority=Priority.URGENT,
        assignee_id=cast.bob.pk,
        due_at=due,
        external_key="X-1",
    )
    with tenant_context(cast.alpha):
        task.refresh_from_db()

    assert client.get(ALPHA).json() == {
        "results": [
            {
                "id": task.pk,
                "key": "WEB-1",
                "project": "WEB",
                "title": "Paint the fence",
                "description": "Green",
                "status": "done",
                "priority": "urgent",
                "assignee": "bob",
                "creator": "alice",
                "parent": None,
                "due_at": "2030-05-01T12:00:00Z",
                "completed_at": instant(task.completed_at),
                "external_key": "X-1",
                "version": 1,
                "created_at": instant(task.created_at),
                "updated_at": instant(task.updated_at),
                "deleted_at": None,
            }
        ],
        "next": None,
        "previous": None,
    }


def test_what_a_task_lacks_is_null(project: Project, cast: Cast, client: Client) -> None:
    make_task(project, cast.alice)

    (task,) = client.get(ALPHA).json()["results"]

    absent = ("assignee", "due_at", "completed_at", "external_key")
    assert [task[name] for name in absent] == [None] * 4
    assert (task["description"], task["status"], task["priority"]) == ("", "pending", "normal")


def test_without_tasks_the_list_is_empty(cast: Cast, client: Client) -> None:
    response = client.get(ALPHA)

    assert response.json() == {"results": [], "next": None, "previous": None}
    assert "Link" not in response
    assert response["Content-Type"] == "application/json"


def test_the_newest_task_comes_first(project: Project, cast: Cast, client: Client) -> None:
    add_tasks(project, cast.alice, [1, 0, 2, 2])

    assert titles(client.get(ALPHA)) == ["Task 4", "Task 3", "Task 1", "Task 2"]
    assert titles(client.get(ALPHA, {"sort": "-created"})) == titles(client.get(ALPHA))


def test_sort_created_puts_the_oldest_first(project: Project, cast: Cast, client: Client) -> None:
    add_tasks(project, cast.alice, [1, 0, 2, 2])

    assert titles(client.get(ALPHA, {"sort": "created"})) == [
        "Task 2",
        "Task 1",
        "Task 3",
        "Task 4",
    ]


@pytest.mark.parametrize("status", ["pending", "active", "blocked", "done", "cancelled"])
def test_status_keeps_the_tasks_of_one_status(
    status: str, project: Project, cast: Cast, client: Client
) -> None:
    for each in Status:
        make_task(project, cast.alice, f"is {each.label}", status=each)

    assert titles(client.get(ALPHA, {"status": status})) == [f"is {status}"]


def test_a_deleted_task_is_not_listed(project: Project, cast: Cast, client: Client) -> None:
    kept, deleted = (make_task(project, cast.alice, title) for title in ("kept", "deleted"))
    with tenant_context(cast.alpha):
        task_delete(task_id=deleted.pk, actor_id=cast.alice.pk)

    assert titles(client.get(ALPHA)) == [kept.title]
    assert titles(client.get(ALPHA, {"status": "pending"})) == [kept.title]


# Pages


def test_the_links_lead_through_all_pages_and_back(
    project: Project, cast: Cast, client: Client
) -> None:
    add_tasks(project, cast.alice, [0] * 5)
    query = {"limit": "2", "sort": "created", "status": "pending"}

    first = client.get(ALPHA, query).json()
    second = client.get(first["next"]).json()
    third = client.get(second["next"]).json()

    pages = [[task["title"] for task in page["results"]] for page in (first, second, third)]
    assert pages == [["Task 1", "Task 2"], ["Task 3", "Task 4"], ["Task 5"]]
    assert (first["previous"], third["next"]) == (None, None)
    assert client.get(third["previous"]).json()["results"] == second["results"]
    assert client.get(second["previous"]).json()["results"] == first["results"]


def test_a_link_repeats_what_was_asked_for(project: Project, cast: Cast, client: Client) -> None:
    add_tasks(project, cast.alice, [0] * 3)

    link = client.get(ALPHA, {"limit": "1", "status": "pending"}).json()["next"]

    asked = parse_qs(urlsplit(link).query)
    assert link.startswith(f"http://testserver{ALPHA}?")
    assert {name: asked[name] for name in ("limit", "status")} == {
        "limit": ["1"],
        "status": ["pending"],
    }
    assert set(asked) == {"limit", "status", "cursor"}


def test_the_link_header_says_what_the_body_says(
    project: Project, cast: Cast, client: Client
) -> None:
    add_tasks(project, cast.alice, [0] * 3)

    first = client.get(ALPHA, {"limit": "1"})
    second = client.get(first.json()["next"])

    assert first["Link"] == f'<{first.json()["next"]}>; rel="next"'
    assert second["Link"] == (
        f'<{second.json()["next"]}>; rel="next", <{second.json()["previous"]}>; rel="prev"'
    )


def test_50_tasks_make_a_page_unless_limit_says_so(
    project: Project, cast: Cast, client: Client
) -> None:
    add_tasks(project, cast.alice, [0] * 201)

    assert len(titles(client.get(ALPHA))) == 50
    assert len(titles(client.get(ALPHA, {"limit": "1"}))) == 1
    assert len(titles(client.get(ALPHA, {"limit": "200"}))) == 200


@pytest.mark.parametrize("other", [{"sort": "created"}, {"status": "pending"}])
def test_a_cursor_serves_no_other_sort_or_status(
    other: dict[str, str], project: Project, cast: Cast, client: Client
) -> None:
    add_tasks(project, cast.alice, [0] * 3)
    link = client.get(ALPHA, {"limit": "1"}).json()["next"]
    (cursor,) = parse_qs(urlsplit(link).query)["cursor"]

    assert_problem(client.get(ALPHA, {"cursor": cursor, **other}), 400, "invalid-cursor")


def test_a_cursor_serves_no_other_tenant(project: Project, cast: Cast, client: Client) -> None:
    add_tasks(project, cast.alice, [0] * 3)
    link = client.get(ALPHA, {"limit": "1"}).json()["next"]
    carol = make_client(cast.beta, cast.carol)

    response = carol.get(link.replace("/alpha/", "/beta/"))

    assert_problem(response, 400, "invalid-cursor")


@pytest.mark.parametrize("cursor", ["", "A", "äöü", "x" * 10_000, "%00", "🙂", "AAAA" * 20])
def test_a_made_up_cursor_is_a_problem(cursor: str, cast: Cast, client: Client) -> None:
    assert_problem(client.get(ALPHA, {"cursor": cursor}), 400, "invalid-cursor")


# What can't be asked for


@pytest.mark.parametrize(
    ("query", "about"),
    [
        ("statsu=done", "Unknown parameter 'statsu'"),
        ("offset=3", "Unknown parameter 'offset'"),
        ("page=2", "Unknown parameter 'page'"),
        ("format=json", "Unknown parameter 'format'"),
        ("=1", "Unknown parameter ''"),
        ("Sort=created", "Known here: assignee, created_after,"),
        ("limit=1&limit=2", "limit is given more than once"),
        ("status=done&status=done", "status is given more than once"),
        ("status=do%00ne", "status contains a NUL"),
        ("cursor=%00", "cursor contains a NUL"),
        ("limit=0", "limit must be a whole number from 1 to 200"),
        ("limit=201", "limit must be a whole number from 1 to 200"),
        ("limit=-1", "limit must be a whole number from 1 to 200"),
        ("limit=", "limit must be a whole number from 1 to 200"),
        ("limit=0199999", "limit must be a whole number from 1 to 200"),
        ("sort=title", "sort must be one of -created, created"),
        ("sort=", "sort must be one of -created, created"),
        ("status=DONE", "status must be one of pending, active, blocked, done, cancelled"),
        ("status=3", "status must be one of pending, active, blocked, done, cancelled"),
        ("status=", "status must be one of pending, active, blocked, done, cancelled"),
    ],
)
def test_a_wrong_parameter_is_a_problem_that_says_what_is_wrong(
    query: str, about: str, cast: Cast, client: Client
) -> None:
    body = assert_problem(client.get(f"{ALPHA}?{query}"), 400, "invalid-parameter")

    assert about in body["detail"]


def test_a_wrong_parameter_asks_the_database_nothing(cast: Cast, client: Client) -> None:
    client.get(ALPHA)

    with CaptureQueriesContext(connection) as queries:
        client.get(f"{ALPHA}?offset=1")

    assert names_of(queries) == []


def test_put_is_not_allowed(cast: Cast, client: Client) -> None:
    response = client.put(ALPHA, {"title": "x"}, content_type="application/json")

    assert_problem(response, 405, "method-not-allowed")
    assert response["Allow"] == "GET, HEAD, POST"


# Who may ask


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic YWxpY2U6eA==",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer tp_",
        "Bearer tp_1_",
        "Bearer tp_1_abcdefgh",
        "Bearer tp_0_abcdefgh",
        "Bearer tp_-1_abcdefgh",
        "Bearer tp_99999999999999999999_abcdefgh",
        "Bearer tp_9223372036854775807_abcdefgh",
        "Bearer tp_1_" + "x" * 10_000,
        "Bearer tp_1_äöü",
        "Bearertp_1_abcdefgh",
    ],
    ids=lambda header: ascii(header)[:40],
)
def test_without_a_good_token_the_answer_is_401(header: str | None, cast: Cast) -> None:
    headers = {} if header is None else {"authorization": header}

    response = Client(headers=headers).get(ALPHA)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] in {"not-authenticated", "authentication-failed"}


def test_a_token_with_one_letter_changed_is_refused(cast: Cast) -> None:
    with tenant_context(cast.alpha):
        text = token_issue(user_id=cast.alice.pk, name="good").text

    last = "A" if text[-1] != "A" else "B"
    response = Client(headers={"authorization": f"Bearer {text[:-1]}{last}"}).get(ALPHA)

    assert_problem(response, 401, "authentication-failed")


def test_an_expired_token_is_refused(cast: Cast, client: Client) -> None:
    with tenant_context(cast.alpha):
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    response = client.get(ALPHA)

    assert_problem(response, 401, "authentication-failed")
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_remembered_token_stops_at_its_time(cast: Cast) -> None:
    soon = timezone.now() + timedelta(seconds=0.3)
    client = make_client(cast.alpha, cast.alice, expires_at=soon)
    assert client.get(ALPHA).status_code == 200

    time.sleep(0.35)
    # PostgreSQL's now() is the start of the transaction, which in a test is long ago.
    with tenant_context(cast.alpha):
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(hours=1))

    assert_problem(client.get(ALPHA), 401, "authentication-failed")


def test_a_revoked_token_is_refused_at_once_although_it_is_remembered(
    cast: Cast, client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    assert client.get(ALPHA).status_code == 200
    with tenant_context(cast.alpha), django_capture_on_commit_callbacks(execute=True):
        token_revoke(prefix=ApiToken.objects.get().prefix)

    response = client.get(ALPHA)

    assert_problem(response, 401, "authentication-failed")
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("warm", [False, True], ids=["cold token", "warm token"])
def test_another_tenant_is_told_exactly_like_one_that_does_not_exist(
    warm: bool, cast: Cast, client: Client
) -> None:
    if warm:
        client.get(ALPHA)

    foreign, absent = client.get(BETA), client.get("/api/v1/tenants/absent/tasks/")

    assert_problem(foreign, 404, "not-found")
    assert (foreign.status_code, foreign.content) == (absent.status_code, absent.content)
    assert known_before(foreign) == known_before(absent)
    assert foreign.content == client.get("/api/v1/nowhere/").content


def test_without_a_token_a_tenant_is_told_exactly_like_one_that_does_not_exist(cast: Cast) -> None:
    foreign, absent = Client().get(BETA), Client().get("/api/v1/tenants/absent/tasks/")

    assert (foreign.status_code, foreign.content) == (absent.status_code, absent.content)
    assert known_before(foreign) == known_before(absent)


def test_beta_never_sees_a_task_of_alpha(project: Project, cast: Cast) -> None:
    make_task(project, cast.alice, SENTINEL, description=SENTINEL)
    carol = make_client(cast.beta, cast.carol)

    for address in (BETA, ALPHA, f"{BETA}?status=pending", f"{BETA}?sort=created"):
        assert SENTINEL not in carol.get(address).content.decode()
    assert titles(carol.get(BETA)) == []


def test_the_tenant_of_one_request_does_not_linger_in_the_next(
    project: Project, cast: Cast, client: Client
) -> None:
    make_task(project, cast.alice, SENTINEL)
    carol = make_client(cast.beta, cast.carol)

    answers = [titles(each.get(address)) for each, address in [(client, ALPHA), (carol, BETA)] * 2]

    assert answers == [[SENTINEL], [], [SENTINEL], []]


def test_a_viewer_reads(project: Project, cast: Cast) -> None:
    make_task(project, cast.alice, "Look at me")

    assert titles(make_client(cast.alpha, cast.vera).get(ALPHA)) == ["Look at me"]


@pytest.mark.parametrize("scopes", [[Scope.WRITE], [Scope.ADMIN], [Scope.WRITE, Scope.ADMIN]])
def test_a_token_without_the_scope_read_reads_nothing(scopes: list[Scope], cast: Cast) -> None:
    client = make_client(cast.alpha, cast.alice, scopes=scopes)

    assert_problem(client.get(ALPHA), 403, "permission-denied")


def test_the_scope_read_is_enough(cast: Cast) -> None:
    assert make_client(cast.alpha, cast.alice, scopes=[Scope.READ]).get(ALPHA).status_code == 200


# What it costs


@pytest.mark.parametrize("rows", [3, 30])
def test_a_list_is_one_statement_and_one_more_for_a_token_not_seen_lately(
    rows: int, cast: Cast, client: Client
) -> None:
    for key in ("WEB", "APP", "OPS"):
        project = make_project(cast.alpha, cast.alice, key)
        add_tasks(project, cast.bob, [0] * (rows // 3), assignee=cast.vera)

    with CaptureQueriesContext(connection) as cold:
        client.get(ALPHA)
    with CaptureQueriesContext(connection) as warm:
        response = client.get(ALPHA)

    assert len(titles(response)) == rows
    assert names_of(cold) == ["authenticate token", "list tasks"]
    assert names_of(warm) == ["list tasks"]


def test_a_later_page_is_one_statement_too(project: Project, cast: Cast, client: Client) -> None:
    add_tasks(project, cast.alice, [0] * 30)
    link = client.get(ALPHA, {"limit": "3"}).json()["next"]

    with CaptureQueriesContext(connection) as queries:
        client.get(link)

    assert names_of(queries) == ["list tasks"]
    sql = queries.captured_queries[0]["sql"]
    assert '("task"."created_at", "task"."id") < (' in sql
    assert "OFFSET" not in sql


def test_the_use_of_a_token_is_noted(cast: Cast, client: Client) -> None:
    client.get(ALPHA)

    with tenant_context(cast.alpha):
        assert ApiToken.objects.get().last_used_at is not None
