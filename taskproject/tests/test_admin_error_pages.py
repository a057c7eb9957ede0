"""Errors in the web admin are pages for people, and problems everywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from psycopg_pool import PoolTimeout, TooManyRequests

from taskproject.api.problems import MEDIA_TYPE
from taskproject.tenancy.webadmin.tests.pages import address, enter
from taskproject.tests.cast import Cast, make_client
from taskproject.tests.outages import database_down
from tasks.admin.tasks import TaskAdmin

pytestmark = pytest.mark.django_db

SECRET = "secret_table"


@pytest.fixture
def bob(cast: Cast) -> Client:
    """Bob's browser, which gets a page also where the server fails."""
    return enter(cast.bob, raise_request_exception=False)


def told(response: Any) -> str:
    """The heading of an error page, which is HTML and complete."""
    text = str(response.content.decode())
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert text.startswith("<!DOCTYPE html>")
    assert text.rstrip().endswith("</html>")
    assert SECRET not in text
    return text.split("<h1>")[1].split("</h1>")[0]


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let the list of tasks raise an error."""

    def raise_it(*args: Any) -> Any:
        raise error

    monkeypatch.setattr(TaskAdmin, "get_queryset", raise_it)


def test_a_malformed_request_is_a_page(cast: Cast, bob: Client) -> None:
    response = bob.get(address(cast.alpha, "tasks/task/?_to_field=password"))

    assert response.status_code == 400
    assert told(response) == "That request could not be understood"


def test_a_form_that_is_too_large_is_a_page(cast: Cast, bob: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    form = "application/x-www-form-urlencoded"

    response = bob.generic(
        "POST", address(cast.alpha, "tasks/task/add/"), "title=" + "x" * 2000, form
    )

    assert response.status_code == 413
    assert told(response) == "That was too much at once"


def test_what_a_role_does_not_allow_is_a_page(cast: Cast, bob: Client) -> None:
    response = bob.get(address(cast.alpha, "tasks/label/add/"))

    assert response.status_code == 403
    assert told(response) == "Your role does not allow this"


def test_an_absent_page_is_a_page_and_links_to_the_tenants(cast: Cast, bob: Client) -> None:
    for path in (address(cast.alpha, "no/such/"), address("nowhere"), "/admin/no/such/"):
        response = bob.get(path)

        assert response.status_code == 404
        assert told(response) == "There is no such page"
        assert '<a href="/admin/">To your tenants</a>' in response.content.decode()


def test_a_failure_is_a_page_that_tells_nothing_of_it(
    cast: Cast, bob: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, RuntimeError(SECRET))

    response = bob.get(address(cast.alpha, "tasks/task/"))

    assert response.status_code == 500
    assert told(response) == "Something went wrong here"
    assert "Retry-After" not in response


@pytest.mark.parametrize("error", [OperationalError(SECRET), PoolTimeout(SECRET), TooManyRequests])
def test_a_database_that_is_busy_or_away_is_a_page_that_says_when_to_come_back(
    cast: Cast, bob: Client, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    fail_with(monkeypatch, error if isinstance(error, Exception) else error(SECRET))

    response = bob.get(address(cast.alpha, "tasks/task/"))

    assert response.status_code == 503
    assert told(response) == "The database is busy or away"
    assert response["Retry-After"] == "1"


def test_a_database_that_is_down_is_such_a_page_too(
    cast: Cast, bob: Client, tmp_path: Path
) -> None:
    with database_down(tmp_path):
        response = bob.get(address(cast.alpha, "tasks/task/"))

    assert response.status_code == 503
    assert told(response) == "The database is busy or away"
    assert response["Retry-After"] == "1"


def test_a_failure_while_a_page_is_rendered_is_a_whole_page(
    cast: Cast, bob: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_it(*args: Any) -> Any:
        raise OperationalError(SECRET)

    monkeypatch.setattr("taskproject.tenancy.models.Event.get_kind_display", raise_it)

    response = bob.get(address(cast.alpha))

    assert response.status_code == 503
    assert told(response) == "The database is busy or away"


def test_the_platforms_pages_fail_in_the_same_way(
    bob: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_it(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("taskproject.tenancy.selectors.memberships_of", raise_it)

    response = bob.get("/admin/")

    assert response.status_code == 500
    assert told(response) == "Something went wrong here"


def test_outside_of_the_web_admin_errors_stay_problems(cast: Cast) -> None:
    api = make_client(cast.alpha, cast.alice)
    for path, status in (
        ("/no/such/page", 404),
        ("/administration/", 404),
        ("/api/v1/tenants/beta/tasks/", 404),
        ("/api/v1/tenants/alpha/tasks/?limit=abc", 400),
    ):
        response = api.get(path)

        assert response.status_code == status, path
        assert response["Content-Type"] == MEDIA_TYPE
        assert response.json()["status"] == status


def test_the_pages_carry_nothing_of_the_request(cast: Cast, bob: Client) -> None:
    there = bob.get(address("a-slug-that-is-typed", "tasks/?q=SOMETHING"))

    assert "a-slug-that-is-typed" not in there.content.decode()
    assert "SOMETHING" not in there.content.decode()
    assert "bob" not in there.content.decode()


def test_a_form_without_its_token_is_a_page_like_the_others(cast: Cast) -> None:
    client = enter(cast.bob, enforce_csrf_checks=True)

    response = client.post(address(cast.alpha, "tasks/task/add/"))

    assert response.status_code == 403
    assert '<a href="/admin/">To your tenants</a>' in response.content.decode()
