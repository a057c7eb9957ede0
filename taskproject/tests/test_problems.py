"""Every error is a problem: inside and outside of REST views, known to us or not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from psycopg_pool import PoolTimeout
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from taskproject.api.problems import CATALOGUE
from taskproject.tests.outages import another_connection, database_down, default_database
from taskproject.urls import handler400, handler403, handler404, handler500, urlpatterns

SECRET = "secret_table"
LOCK_A, LOCK_B = 815_001, 815_002

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def sql(*statements: str) -> Callable[[], None]:
    def run() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    return run


def server_says(sqlstate: str) -> Callable[[], None]:
    return sql(f"DO $$ BEGIN RAISE '{SECRET}' USING ERRCODE = '{sqlstate}'; END $$")


def throw(error: Exception) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


def deep_errors() -> None:
    raise exceptions.ValidationError(
        {
            "title": ["Too long.", "Too loud."],
            "items": [{}, {"labels": [{"name": ["Taken."]}]}],
            "tags": {"0": ["Empty."]},
            "a/b~c": ["Odd."],
            "texts": {"message": ["Rude."], "code": ["Unknown."]},
            "non_field_errors": ["Neither fits the other."],
        }
    )


TROUBLES: dict[str, Callable[[], None]] = {
    "ask": sql("SELECT 1"),
    "bug": throw(RuntimeError(SECRET)),
    "integrity": server_says("23505"),
    "absent": throw(Http404(SECRET)),
    "denied": throw(PermissionDenied(SECRET)),
    "query-timeout": sql("SET LOCAL statement_timeout = 20", f"SELECT pg_sleep(9) AS {SECRET}"),
    "locked": sql("SET LOCAL lock_timeout = 20", f"SELECT pg_advisory_xact_lock({LOCK_A})"),
    "deadlock": server_says("40P01"),
    "serialization": server_says("40001"),
    "shutdown": server_says("57P01"),
    "throttled": throw(exceptions.Throttled(wait=2.5)),
    "nested": deep_errors,
    "one": throw(exceptions.ValidationError("Nothing fits.", code="misfit")),
    "list": throw(exceptions.ValidationError([{}, {"title": ["Empty."]}])),
    "service": throw(
        DjangoValidationError(
            {
                "title": [DjangoValidationError("Up to %(n)s.", code="long", params={"n": 3})],
                "__all__": ["Neither fits the other."],
            }
        )
    ),
    "message": throw(DjangoValidationError("The project has active tasks.")),
}


class Rest(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request, name: str) -> Response:
        TROUBLES[name]()
        return Response(dict(request.query_params))

    def post(self, request: Request, name: str) -> Response:
        return Response(request.data)


def plain(request: HttpRequest, name: str) -> HttpResponse:
    if request.method == "POST":
        return HttpResponse(request.body)
    TROUBLES[name]()
    return HttpResponse(request.GET.urlencode())


urlpatterns = [
    *urlpatterns,
    path("rest/<str:name>/", Rest.as_view()),
    path("plain/<str:name>/", plain),
]

both = pytest.mark.parametrize("where", ["rest", "plain"])


@pytest.fixture
def client() -> Client:
    """A client that gets the answer of a failed view and not its exception."""
    return Client(raise_request_exception=False)


def problem_of(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["type"] == f"/problems/{code}"
    assert body["title"] == CATALOGUE[code].title
    assert CATALOGUE[code].status == status
    assert isinstance(body["detail"], str)
    for internal in (SECRET, "Traceback", "SELECT", "pg_", "psycopg", "<"):
        assert internal not in response.content.decode()
    return body


def assert_unavailable(response: Any, code: str, *, status: int = 503) -> None:
    body = problem_of(response, status, code)
    assert (response["Retry-After"], body["retry_after"]) == ("1", 1)


# The client's errors


@pytest.mark.parametrize(
    "address", ["/nowhere", "/api/", "/api/v1/tenants/a b/tasks/", "/api/v1/tenants/alpha/nothing/"]
)
def test_an_unknown_address_is_a_404_problem(address: str, client: Client) -> None:
    problem_of(client.get(address), 404, "not-found")


@both
def test_something_absent_is_a_404_problem(where: str, client: Client) -> None:
    problem_of(client.get(f"/{where}/absent/"), 404, "not-found")


def test_a_404_reads_the_same_inside_and_outside_of_rest_views(client: Client) -> None:
    assert client.get("/rest/absent/").content == client.get("/nowhere").content


@both
def test_something_forbidden_is_a_403_problem(where: str, client: Client) -> None:
    problem_of(client.get(f"/{where}/denied/"), 403, "permission-denied")


def test_a_foreign_host_is_a_400_problem(client: Client) -> None:
    response = client.get("/livez/", headers={"host": "evil.example"})

    problem_of(response, 400, "bad-request")


@both
def test_more_parameters_than_a_client_may_send_are_a_400_problem(
    where: str, client: Client, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3

    response = client.get(f"/{where}/ask/?a=1&b=2&c=3&d=4")

    problem_of(response, 400, "bad-request")


@both
def test_a_body_that_is_too_large_is_a_problem(where: str, client: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

    response = client.post(f"/{where}/ask/", {"a": "x" * 20}, content_type="application/json")

    problem_of(response, 413, "content-too-large")


def test_json_that_is_none_is_a_400_problem(client: Client) -> None:
    response = client.post("/rest/ask/", '{"a": ', content_type="application/json")

    problem_of(response, 400, "malformed-json")


def test_a_body_of_another_kind_is_a_415_problem(client: Client) -> None:
    response = client.post("/rest/ask/", "a,b", content_type="text/csv")

    problem_of(response, 415, "unsupported-media-type")


def test_an_answer_of_another_kind_is_a_406_problem(client: Client) -> None:
    problem_of(client.get("/rest/ask/", headers={"accept": "text/csv"}), 406, "not-acceptable")


def test_another_method_is_a_405_problem(client: Client) -> None:
    response = client.delete("/rest/ask/")

    problem_of(response, 405, "method-not-allowed")
    assert response["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_too_many_requests_are_a_429_problem_with_the_whole_wait(client: Client) -> None:
    response = client.get("/rest/throttled/")

    assert problem_of(response, 429, "throttled")["retry_after"] == 3
    assert response["Retry-After"] == "3"


# Values that are not valid


def errors_of(response: Any) -> list[tuple[str, str, str]]:
    body = problem_of(response, 422, "validation")
    return [(each["pointer"], each["code"], each["detail"]) for each in body["errors"]]


def test_each_invalid_value_is_pointed_at_however_deep_it_stands(client: Client) -> None:
    assert errors_of(client.get("/rest/nested/")) == [
        ("/title", "invalid", "Too long."),
        ("/title", "invalid", "Too loud."),
        ("/items/1/labels/0/name", "invalid", "Taken."),
        ("/tags/0", "invalid", "Empty."),
        ("/a~1b~0c", "invalid", "Odd."),
        ("/texts/message", "invalid", "Rude."),
        ("/texts/code", "invalid", "Unknown."),
        ("", "invalid", "Neither fits the other."),
    ]


def test_an_error_of_the_whole_body_points_at_all_of_it(client: Client) -> None:
    assert errors_of(client.get("/rest/one/")) == [("", "misfit", "Nothing fits.")]


def test_an_error_in_a_list_is_pointed_at_by_its_index(client: Client) -> None:
    assert errors_of(client.get("/rest/list/")) == [("/1/title", "invalid", "Empty.")]


def test_what_a_service_refuses_is_pointed_at_too(client: Client) -> None:
    assert errors_of(client.get("/rest/service/")) == [
        ("/title", "long", "Up to 3."),
        ("", "invalid", "Neither fits the other."),
    ]
    assert errors_of(client.get("/rest/message/")) == [
        ("", "invalid", "The project has active tasks.")
    ]


# The server's errors


@both
@pytest.mark.parametrize("name", ["bug", "integrity"])
def test_a_fault_of_ours_is_a_500_problem_without_internals(
    where: str, name: str, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    response = client.get(f"/{where}/{name}/")

    problem_of(response, 500, "internal-error")
    assert "Retry-After" not in response
    assert SECRET in caplog.text, "the log has what the answer hides"


@both
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("query-timeout", "query-timeout"),
        ("deadlock", "conflict-retry"),
        ("serialization", "conflict-retry"),
        ("shutdown", "database-unavailable"),
    ],
)
def test_passing_trouble_of_the_database_is_a_503_problem(
    where: str, name: str, code: str, client: Client
) -> None:
    assert_unavailable(client.get(f"/{where}/{name}/"), code)


@both
def test_a_lock_that_is_not_free_in_time_is_a_409_problem(where: str, client: Client) -> None:
    with another_connection() as other, other.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_lock({LOCK_A})")
        response = client.get(f"/{where}/locked/")

    assert_unavailable(response, "locked", status=409)


def test_a_real_deadlock_is_a_503_problem(client: Client) -> None:
    at_work = threading.Event()
    take_a, take_b = (f"SELECT pg_advisory_xact_lock({lock})" for lock in (LOCK_A, LOCK_B))

    def request() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(take_a)
            at_work.set()
            cursor.execute(take_b)

    def cross(rival: Any) -> None:
        at_work.wait(5)
        time.sleep(0.3)  # the request waits first, so it is the one that PostgreSQL ends
        rival.execute(take_a)

    TROUBLES["real-deadlock"] = request
    with (
        another_connection() as other,
        transaction.atomic(using=other.alias),
        other.cursor() as rival,
        ThreadPoolExecutor() as threads,
    ):
        rival.execute(take_b)
        crossing = threads.submit(cross, rival.cursor)
        response = client.get("/rest/real-deadlock/")
        crossing.result(5)

    assert_unavailable(response, "conflict-retry")


@both
def test_a_database_that_is_down_is_a_503_problem(
    where: str, client: Client, tmp_path: Path
) -> None:
    with database_down(tmp_path):
        response = client.get(f"/{where}/ask/")

    assert_unavailable(response, "database-unavailable")


@contextmanager
def busy_pool() -> Iterator[Any]:
    """A pool of one connection, which is taken, for the requests of this thread."""
    tiny = {"min_size": 1, "max_size": 1, "timeout": 0.1, "max_waiting": 1}
    with another_connection(pool=tiny) as other, default_database(other):
        other.pool.open(wait=True, timeout=5)
        taken = other.pool.getconn()
        try:
            yield other.pool
        finally:
            other.pool.putconn(taken)


@both
def test_a_pool_without_a_free_connection_is_a_503_problem(where: str, client: Client) -> None:
    with busy_pool():
        response = client.get(f"/{where}/ask/")

    assert_unavailable(response, "database-unavailable")


@both
def test_a_pool_that_too_many_wait_for_is_a_503_problem(where: str, client: Client) -> None:
    with busy_pool() as pool, ThreadPoolExecutor() as threads:
        waiting = threads.submit(pool.getconn, timeout=0.3)
        while not pool.get_stats().get("requests_waiting"):
            time.sleep(0.005)
        response = client.get(f"/{where}/ask/")
        assert isinstance(waiting.exception(5), PoolTimeout)

    assert_unavailable(response, "database-busy")


def test_the_next_request_after_trouble_is_answered(client: Client) -> None:
    client.get("/rest/query-timeout/")

    assert client.get("/rest/ask/").status_code == 200
