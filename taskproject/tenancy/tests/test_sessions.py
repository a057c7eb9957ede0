"""Who is logged in may use the REST API as well, in the tenants where the person is a member."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject import caching
from taskproject.breaker import Breaker, MissedBumps
from taskproject.db.context import current_tenant_id, no_tenant
from taskproject.tenancy import credentials
from taskproject.tenancy.identities import member_authenticate
from taskproject.tenancy.models import Membership, Role, Scope, Tenant, User
from taskproject.tenancy.services import (
    member_add,
    member_deactivate,
    member_reactivate,
    member_set_role,
)
from taskproject.tenancy.tests.things import ABSENT, ALPHA, BETA, Things, essence
from taskproject.tests.cast import Cast, make_client
from taskproject.tests.outages import (
    CacheRelay,
    cache_hanging,
    cache_refused,
    forget_cached,
    relayed_cache,
)

pytestmark = pytest.mark.urls("taskproject.tenancy.tests.things")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test leaves an open breaker or a missed bump to the next."""
    monkeypatch.setattr(caching, "breaker", Breaker())
    monkeypatch.setattr(caching, "missed", MissedBumps())
    Things.done.clear()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[CacheRelay]:
    with relayed_cache(tmp_path) as relay:
        yield relay


def browser(user: User, **options: Any) -> Client:
    """A browser in which somebody is logged in."""
    client = Client(**options)
    client.force_login(user)
    return client


@pytest.fixture
def bob(cast: Cast) -> Client:
    """Bob's browser. He is a member of alpha."""
    return browser(cast.bob)


def membership(tenant: Tenant, user: User) -> Membership:
    return Membership.objects.get(tenant=tenant, user=user)


# Who comes in


def test_a_member_comes_in_with_the_role_there_and_every_scope(cast: Cast, bob: Client) -> None:
    response = bob.get(ALPHA)

    assert response.status_code == 200
    assert response.json() == {
        "tenant": "alpha",
        "active": True,
        "user": "bob",
        "role": Role.MEMBER,
        "scopes": list(Scope.values),
        "limited_as": f"user:{cast.bob.pk}",
    }


def test_remembered_it_is_the_same(bob: Client) -> None:
    first, second = (bob.get(ALPHA) for _ in range(2))

    assert essence(first)[:2] == essence(second)[:2]


def test_the_role_decides_what_is_allowed(cast: Cast, bob: Client) -> None:
    vera = browser(cast.vera)

    assert vera.get(ALPHA).status_code == 200
    assert vera.post(ALPHA).status_code == 403
    assert bob.post(ALPHA).status_code == 201


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_a_tenant_where_one_is_a_stranger_looks_like_an_absent_one(
    warm: bool, cast: Cast, bob: Client
) -> None:
    if warm:
        bob.get(ALPHA)

    foreign, absent = essence(bob.get(BETA)), essence(bob.get(ABSENT))

    assert foreign == absent
    assert foreign[0] == 404
    assert foreign[1] == make_client(cast.alpha, cast.bob).get(BETA).content, "as with a token"


def test_a_former_member_is_a_stranger(cast: Cast, bob: Client) -> None:
    member_deactivate(membership=membership(cast.alpha, cast.bob))

    assert essence(bob.get(ALPHA)) == essence(bob.get(ABSENT))


def test_an_operator_of_the_platform_is_a_stranger_too(cast: Cast) -> None:
    root = User.objects.create(username="root", is_superuser=True, is_staff=True)

    assert browser(root).get(ALPHA).status_code == 404


@pytest.mark.django_db
def test_who_is_not_logged_in_is_told_to_send_a_token() -> None:
    response = Client().get(ALPHA)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.json()["code"] == "not-authenticated"


def test_who_may_not_log_in_any_more_is_not_logged_in(cast: Cast, bob: Client) -> None:
    bob.get(ALPHA)
    User.objects.filter(pk=cast.bob.pk).update(is_active=False)

    assert bob.get(ALPHA).status_code == 401


def test_a_made_up_session_is_nobody(cast: Cast) -> None:
    client = Client()
    client.cookies["sessionid"] = "x" * 32

    assert client.get(ALPHA).status_code == 401


def test_a_token_counts_more_than_a_session(cast: Cast, bob: Client) -> None:
    token = make_client(cast.alpha, cast.vera).defaults["HTTP_AUTHORIZATION"]

    assert bob.get(ALPHA, headers={"authorization": token}).json()["user"] == "vera"
    assert bob.get(ALPHA, headers={"authorization": "Bearer tp_1_no"}).status_code == 401


def test_a_request_leaves_no_tenant_behind(bob: Client) -> None:
    bob.get(ALPHA)

    assert current_tenant_id() is None


def test_a_refused_person_leaves_no_tenant_active(cast: Cast) -> None:
    with no_tenant():
        assert member_authenticate(user=cast.bob, slug="beta") is None
        assert current_tenant_id() is None


# Forged requests


@pytest.mark.parametrize("address", [ALPHA, BETA, ABSENT])
def test_writing_without_a_csrf_token_is_refused_whatever_the_tenant(
    address: str, cast: Cast
) -> None:
    response = browser(cast.bob, enforce_csrf_checks=True).post(address)

    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "permission-denied"
    assert "CSRF" in response.json()["detail"]
    assert Things.done == []


def test_with_a_csrf_token_one_writes(cast: Cast) -> None:
    client = browser(cast.bob, enforce_csrf_checks=True)
    secret = "a" * 32
    client.cookies["csrftoken"] = secret

    statuses = [
        client.generic(method, ALPHA, headers={"x-csrftoken": token}).status_code
        for token in (secret, "b" * 32)
        for method in ("POST", "PUT", "DELETE")
    ]

    assert statuses == [201, 422, 404, 403, 403, 403]


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        ("{", "application/json"),
        ('{"csrfmiddlewaretoken": "' + "a" * 32 + '"}', "application/json"),
        ("csrfmiddlewaretoken=" + "a" * 32, "application/x-www-form-urlencoded"),
    ],
)
def test_the_csrf_token_is_a_header_and_the_body_is_not_looked_at(
    body: str, media_type: str, cast: Cast
) -> None:
    client = browser(cast.bob, enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32

    response = client.post(ALPHA, body, content_type=media_type)

    assert (response.status_code, response.json()["code"]) == (403, "permission-denied")


def test_reading_and_tokens_need_no_csrf_token(cast: Cast) -> None:
    token = make_client(cast.alpha, cast.bob).defaults["HTTP_AUTHORIZATION"]

    assert browser(cast.bob, enforce_csrf_checks=True).get(ALPHA).status_code == 200
    client = Client(enforce_csrf_checks=True)
    assert client.post(ALPHA, headers={"authorization": token}).status_code == 201


# What it costs


def test_a_membership_is_one_statement_and_then_none(bob: Client) -> None:
    def tables() -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            assert bob.get(ALPHA).status_code == 200
        names = ("django_session", "membership", "user_account")
        return [
            next(name for name in names if f'FROM "{name}"' in query["sql"])
            for query in queries.captured_queries
        ]

    assert tables() == ["django_session", "user_account", "membership"]
    assert tables() == ["django_session", "user_account"]


def test_a_remembered_membership_is_one_trip(cast: Cast, relay: CacheRelay) -> None:
    with no_tenant():
        member_authenticate(user=cast.bob, slug="alpha")
        relay.trips = 0
        assert member_authenticate(user=cast.bob, slug="alpha") is not None

    assert relay.trips == 1


# At once


@pytest.fixture
def remembered(cast: Cast, bob: Client) -> Client:
    """Bob's browser, after his membership has been read and kept."""
    assert bob.get(ALPHA).json()["role"] == Role.MEMBER
    return bob


def test_a_new_role_is_felt(
    cast: Cast, remembered: Client, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        member_set_role(membership=membership(cast.alpha, cast.bob), role=Role.VIEWER)

    assert remembered.get(ALPHA).json()["role"] == Role.VIEWER
    assert remembered.post(ALPHA).status_code == 403


def test_a_role_is_felt_when_it_is_committed_and_not_before(
    cast: Cast, remembered: Client, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        member_set_role(membership=membership(cast.alpha, cast.bob), role=Role.VIEWER)
    assert remembered.get(ALPHA).json()["role"] == Role.MEMBER
    for callback in callbacks:
        callback()
    assert remembered.get(ALPHA).json()["role"] == Role.VIEWER


def test_a_deactivation_and_a_reactivation_are_felt(
    cast: Cast, remembered: Client, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        member_deactivate(membership=membership(cast.alpha, cast.bob))
    assert remembered.get(ALPHA).status_code == 404

    with django_capture_on_commit_callbacks(execute=True):
        member_reactivate(membership=membership(cast.alpha, cast.bob))
    assert remembered.get(ALPHA).json()["role"] == Role.MEMBER


def test_a_return_with_another_role_is_felt(
    cast: Cast, remembered: Client, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        member_deactivate(membership=membership(cast.alpha, cast.bob))
        member_add(tenant=cast.alpha, user=cast.bob, role=Role.VIEWER)

    assert remembered.get(ALPHA).json()["role"] == Role.VIEWER


def test_each_change_of_a_member_is_told_to_tokens_and_sessions(
    cast: Cast, django_capture_on_commit_callbacks: Any
) -> None:
    def generations() -> tuple[bytes | None, bytes | None]:
        _, session = credentials.recall_member(cast.bob.pk, "alpha")
        _, token = credentials.recall_token(cast.alpha.pk, b"")
        return session.generation, token.generation

    seen = [generations()]
    for change in (
        lambda member: member_set_role(membership=member, role=Role.VIEWER),
        lambda member: member_deactivate(membership=member),
        lambda member: member_reactivate(membership=member),
        lambda member: member_deactivate(membership=member),
        lambda member: member_add(tenant=member.tenant, user=member.user, role=Role.ADMIN),
    ):
        with django_capture_on_commit_callbacks(execute=True):
            change(membership(cast.alpha, cast.bob))
        seen.append(generations())

    for ours in zip(*seen, strict=True):
        assert len(set(ours)) == 6


def test_a_new_member_comes_in(
    cast: Cast, bob: Client, django_capture_on_commit_callbacks: Any
) -> None:
    assert bob.get(BETA).status_code == 404
    with django_capture_on_commit_callbacks(execute=True):
        member_add(tenant=cast.beta, user=cast.bob, role=Role.VIEWER)

    assert bob.get(BETA).json()["role"] == Role.VIEWER


def test_a_late_reader_can_not_bring_the_old_role_back(
    cast: Cast, django_capture_on_commit_callbacks: Any
) -> None:
    with no_tenant():
        _, reading = credentials.recall_member(cast.bob.pk, "alpha")
        old = member_authenticate(user=cast.bob, slug="alpha")
        assert old is not None
        with django_capture_on_commit_callbacks(execute=True):
            member_set_role(membership=membership(cast.alpha, cast.bob), role=Role.VIEWER)
        credentials.remember(reading, old)

        found = member_authenticate(user=cast.bob, slug="alpha")

    assert found is not None
    assert found.role == Role.VIEWER


def test_another_members_change_forgets_nothing_of_ones_own(
    cast: Cast, django_capture_on_commit_callbacks: Any
) -> None:
    with no_tenant():
        member_authenticate(user=cast.bob, slug="alpha")
        with django_capture_on_commit_callbacks(execute=True):
            member_set_role(membership=membership(cast.alpha, cast.vera), role=Role.MEMBER)

    assert credentials.recall_member(cast.bob.pk, "alpha")[0] is not None


# Without Redis


@pytest.mark.parametrize("outage", [cache_refused, cache_hanging])
def test_without_redis_the_database_is_asked(
    outage: Any, cast: Cast, bob: Client, tmp_path: Path
) -> None:
    with outage(tmp_path):
        before = [bob.get(ALPHA).status_code for _ in range(3)]
        member_deactivate(membership=membership(cast.alpha, cast.bob))
        after = bob.get(ALPHA).status_code

    assert (before, after) == ([200] * 3, 404)


def test_what_another_version_of_the_code_kept_is_a_miss(cast: Cast, bob: Client) -> None:
    bob.get(ALPHA)
    for odd in ({"role": 3}, ["x"], "x", 3, {**_identity(cast), "scopes": 3}):
        forget_cached()
        reading = caching.read("member:alpha", subject=f"member:{cast.bob.pk}")
        caching.keep(reading, odd, lifetime_s=30)

        assert bob.get(ALPHA).json()["role"] == Role.MEMBER


def _identity(cast: Cast) -> dict[str, Any]:
    reading = caching.read("member:alpha", subject=f"member:{cast.bob.pk}")
    return dict(reading.value)
