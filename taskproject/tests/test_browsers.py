"""Requests with a token pass by what browsers need, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.test import Client

from taskproject.tests.cast import Cast, make_client, make_project

pytestmark = pytest.mark.django_db

URL = "/api/v1/tenants/alpha/tasks/"
OF_PAGES = ("Content-Security-Policy", "X-Frame-Options")


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses for which a session was looked for."""
    seen: list[str] = []
    look = SessionMiddleware.process_request

    def note(self: Any, request: Any) -> Any:
        seen.append(request.path)
        return look(self, request)

    monkeypatch.setattr(SessionMiddleware, "process_request", note)
    return seen


def test_a_request_with_a_token_meets_no_session_and_no_policy_for_pages(
    cast: Cast, sessions: list[str]
) -> None:
    make_project(cast.alpha, cast.alice)
    client = make_client(cast.alpha, cast.alice)

    for response in (client.get(URL), client.post(URL, {}, content_type="application/json")):
        assert response.status_code in (200, 422)
        assert not [name for name in OF_PAGES if name in response]
        assert response["X-Content-Type-Options"] == "nosniff"
        assert int(response["Content-Length"]) == len(response.content)
    assert sessions == []


@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER"])
def test_a_bad_token_is_refused_also_with_a_good_session(
    cast: Cast, word: str, sessions: list[str]
) -> None:
    client = Client()
    client.force_login(cast.alice)

    assert client.get(URL, headers={"authorization": f"{word} tp_1_nonsense"}).status_code == 401
    assert sessions == []
    assert client.get(URL).status_code == 200


@pytest.mark.parametrize(
    ("address", "authorization"),
    [(URL, None), (URL, "Basic YTpi"), ("/admin/login/", "Bearer x"), ("/apis/", "Bearer x")],
)
def test_everything_else_is_served_like_a_page(
    cast: Cast, address: str, authorization: str | None, sessions: list[str]
) -> None:
    headers = {"authorization": authorization} if authorization else {}
    response = Client().get(address, headers=headers)

    assert sessions == [address]
    assert [name for name in OF_PAGES if name in response] == list(OF_PAGES)


def test_a_change_by_a_session_still_needs_its_csrf_token(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)

    assert client.post(URL, {}, content_type="application/json").status_code == 403


def test_a_host_that_is_not_ours_is_refused_with_a_token_too(cast: Cast) -> None:
    client = make_client(cast.alpha, cast.alice)

    response = client.get(URL, headers={"host": "evil.example"})

    assert (response.status_code, response.json()["code"]) == (400, "bad-request")


def test_the_short_way_leaves_out_what_stands_between_its_two_ends() -> None:
    names = [name.rpartition(".")[2] for name in settings.MIDDLEWARE]
    start, end = names.index("TokensPassBy"), names.index("Innermost")

    assert end == len(names) - 1
    assert names[start + 1 : end] == [
        "WhiteNoiseMiddleware",
        "ContentSecurityPolicyMiddleware",
        "SessionMiddleware",
        "SlashMiddleware",
        "CsrfViewMiddleware",
        "AuthenticationMiddleware",
        "MessageMiddleware",
        "XFrameOptionsMiddleware",
    ]
