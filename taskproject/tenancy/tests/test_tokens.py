"""A token speaks for one user in one tenant, and stops the moment it should."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject import caching
from taskproject.breaker import BREAKER_FAILURES, Breaker, MissedBumps
from taskproject.db.context import current_tenant_id, no_tenant, tenant_context
from taskproject.tenancy import credentials
from taskproject.tenancy.credentials import Identity
from taskproject.tenancy.identities import token_authenticate
from taskproject.tenancy.models import ApiToken, Event, EventKind, Membership, Role, Tenant, User
from taskproject.tenancy.services import (
    IssuedToken,
    member_add,
    member_deactivate,
    member_set_role,
    token_issue,
    token_revoke,
)
from taskproject.tenancy.tests.sql import execute, fetch, refusal
from taskproject.tenancy.tests.things import essence
from taskproject.tests.cast import Cast, make_cast, make_client, make_project, make_task
from taskproject.tests.outages import forget_cached, relayed_cache

URL = "/api/v1/tenants/alpha/tasks/"


@pytest.fixture(autouse=True)
def fresh_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "breaker", Breaker())
    monkeypatch.setattr(caching, "missed", MissedBumps())


@pytest.fixture
def issued(cast: Cast) -> IssuedToken:
    """A token of Alice's in alpha."""
    return issue(cast.alpha, cast.alice)


def issue(tenant: Tenant, user: User, **options: Any) -> IssuedToken:
    with tenant_context(tenant):
        return token_issue(user_id=user.pk, name="test", **options)


def authenticate(text: str) -> Identity | None:
    """Check a token as a request does, which begins and ends without a tenant."""
    with no_tenant():
        return token_authenticate(text=text)


def revoke(token: ApiToken, run_on_commit: Any) -> None:
    with run_on_commit(execute=True), tenant_context(token.tenant):
        token_revoke(prefix=token.prefix)


def remembered(tenant: Tenant, text: str) -> Identity | None:
    """Whom the cache knows a token to speak for."""
    return credentials.recall_token(tenant.pk, credentials.digest(text))[0]


def membership(tenant: Tenant, user: User) -> Membership:
    return Membership.objects.get(tenant=tenant, user=user)


@pytest.fixture
def dead_cache(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A cache that refuses every connection; the list tells what was asked of it."""
    asked: list[str] = []

    def refuse(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            asked.append(name)
            raise ConnectionRefusedError

        return call

    class Dead:
        @property
        def connection_pool(self) -> Any:
            raise refuse("connection_pool")()

        def __getattr__(self, name: str) -> Callable[..., Any]:
            return refuse(name)

    monkeypatch.setattr(caching, "_client", Dead)
    return asked


class TestIssuing:
    def test_the_text_is_kept_nowhere(self, cast: Cast, issued: IssuedToken) -> None:
        secret = issued.text.removeprefix(f"tp_{cast.alpha.pk}_{issued.token.prefix}")
        assert len(secret) >= 43
        with tenant_context(cast.alpha):
            for table in ("api_token", "event"):
                kept = "\n".join(fetch(f"SELECT row_to_json(t)::text FROM {table} AS t"))
                assert secret not in kept
            digest = hashlib.sha256(issued.text.encode()).digest()
            assert [bytes(each) for each in fetch("SELECT digest FROM api_token")] == [digest]

    def test_two_tokens_differ(self, cast: Cast) -> None:
        texts = {issue(cast.alpha, cast.alice).text for _ in range(20)}
        assert len(texts) == 20

    def test_it_reads_and_writes_unless_told_otherwise(self, issued: IssuedToken) -> None:
        assert issued.token.scopes == ["read", "write"]
        assert issued.token.expires_at is None

    def test_it_is_recorded(self, cast: Cast, issued: IssuedToken) -> None:
        with tenant_context(cast.alpha):
            event = Event.objects.get(kind=EventKind.TOKEN_ISSUED)
        assert event.changes == {"prefix": issued.token.prefix, "scopes": ["read", "write"]}
        assert event.actor_id == cast.alice.pk

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"scopes": []}, "some of"),
            ({"scopes": ["read", "everything"]}, "some of"),
            ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expired already"),
        ],
    )
    def test_a_senseless_one_is_refused(
        self, cast: Cast, options: dict[str, Any], reason: str
    ) -> None:
        with pytest.raises(ValidationError, match=reason):
            issue(cast.alpha, cast.alice, **options)
        with tenant_context(cast.alpha):
            assert not ApiToken.objects.exists()

    def test_only_an_active_member_can_have_one(self, cast: Cast) -> None:
        member_deactivate(membership=membership(cast.alpha, cast.bob))
        for nobody in (cast.carol, cast.bob):
            with pytest.raises(ValidationError, match="active member"):
                issue(cast.alpha, nobody)

    def test_the_database_refuses_unknown_scopes_too(self, issued: IssuedToken) -> None:
        with tenant_context(issued.token.tenant):
            for scopes in ("{}", "{root}"):
                change = lambda value=scopes: execute(  # noqa: E731
                    "UPDATE api_token SET scopes = %s", [value]
                )
                assert refusal(change) == "23514"


class TestAuthentication:
    def test_it_says_who_and_where(self, cast: Cast, issued: IssuedToken) -> None:
        assert authenticate(issued.text) == Identity(
            tenant_id=cast.alpha.pk,
            tenant_slug="alpha",
            user_id=cast.alice.pk,
            username="alice",
            role=Role.OWNER,
            scopes=("read", "write"),
            expires_at=None,
            limited_as=f"token:{hashlib.sha256(issued.text.encode()).hexdigest()[:16]}",
        )

    def test_what_it_is_counted_as_tells_tokens_apart_and_not_what_they_are(
        self, cast: Cast
    ) -> None:
        texts = [issue(cast.alpha, cast.alice).text for _ in range(20)]
        found = [authenticate(text) for text in texts]
        labels = {each.limited_as for each in found if each}
        assert len(labels) == 20
        assert not any(label.removeprefix("token:") in "".join(texts) for label in labels)

    def test_a_remembered_identity_is_the_same(self, cast: Cast) -> None:
        later = timezone.now() + timedelta(days=1)
        text = issue(cast.alpha, cast.vera, scopes=["read"], expires_at=later).text
        first = authenticate(text)
        assert first is not None
        assert remembered(cast.alpha, text) == first
        assert authenticate(text) == first

    def test_its_tenant_becomes_the_active_one(self, cast: Cast, issued: IssuedToken) -> None:
        for _ in range(2):  # cold, then remembered
            with no_tenant():
                token_authenticate(text=issued.text)
                assert current_tenant_id() == cast.alpha.pk

    def test_a_refused_token_leaves_no_tenant_active(self, cast: Cast) -> None:
        with no_tenant():
            assert token_authenticate(text=f"tp_{cast.alpha.pk}_unknown") is None
            assert current_tenant_id() is None

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "tp",
            "tp_",
            "tp_1",
            "tp_1_",
            "tp__secret",
            "tp_x_secret",
            "tp_-1_secret",
            "tp_0_secret",
            "tp_1.0_secret",
            "tp_ 1_secret",
            "tp_¹_secret",
            "tp_٣_secret",
            "tp_9223372036854775808_secret",
            "tp_9223372036854775807_secret",
            "tp_1_" + "x" * 96,
            "tp_" + "9" * 90 + "_s",
            "Bearer",
            "tp_1_sec\0ret",
            "tp_1_'; DROP TABLE task; --",
        ],
    )
    @pytest.mark.django_db
    def test_nonsense_is_nobody(self, text: str) -> None:
        assert authenticate(text) is None

    def test_an_unknown_secret_is_nobody(self, issued: IssuedToken) -> None:
        assert authenticate(issued.text[:-1] + ("x" if issued.text[-1] != "x" else "y")) is None
        assert authenticate(issued.text + "x") is None
        assert authenticate(issued.text.upper()) is None

    def test_the_tenant_in_its_text_can_not_be_altered(
        self, cast: Cast, issued: IssuedToken
    ) -> None:
        member_add(tenant=cast.beta, user=cast.alice, role=Role.OWNER)
        own, foreign = f"tp_{cast.alpha.pk}_", f"tp_{cast.beta.pk}_"
        authenticate(issued.text)
        assert authenticate(issued.text.replace(own, foreign)) is None
        assert authenticate(issued.text.replace(own, f"tp_0{cast.alpha.pk}_")) is None

    def test_an_expired_one_is_nobody(self, cast: Cast, issued: IssuedToken) -> None:
        with tenant_context(cast.alpha):
            execute("UPDATE api_token SET expires_at = now() - interval '1 second'")
        assert authenticate(issued.text) is None

    def test_one_that_expires_while_it_is_remembered_is_nobody(
        self, cast: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = issue(cast.alpha, cast.alice, expires_at=timezone.now() + timedelta(hours=1)).text
        assert authenticate(text) is not None
        with tenant_context(cast.alpha):
            execute("UPDATE api_token SET expires_at = now()")
        assert authenticate(text) is not None  # remembered, and by its own time still good
        later = time.time() + 7200
        monkeypatch.setattr(time, "time", lambda: later)
        assert authenticate(text) is None

    def test_a_user_who_may_not_log_in_is_nobody(self, cast: Cast, issued: IssuedToken) -> None:
        User.objects.filter(pk=cast.alice.pk).update(is_active=False)
        assert authenticate(issued.text) is None

    def test_its_use_is_noted_at_most_once_a_minute(self, issued: IssuedToken) -> None:
        def last_used() -> Any:
            with tenant_context(issued.token.tenant):
                return ApiToken.objects.get().last_used_at

        def use() -> None:
            forget_cached()
            authenticate(issued.text)

        assert last_used() is None
        use()
        first = last_used()
        assert first is not None
        with tenant_context(issued.token.tenant):
            execute("UPDATE api_token SET last_used_at = now() - interval '50 seconds'")
        before = last_used()
        use()
        assert last_used() == before
        with tenant_context(issued.token.tenant):
            execute("UPDATE api_token SET last_used_at = now() - interval '61 seconds'")
        use()
        assert last_used() > before


class TestAtOnce:
    """What ends or changes a token is felt by the next request, though identities are kept."""

    def test_a_revoked_token_stops(
        self, issued: IssuedToken, django_capture_on_commit_callbacks: Any
    ) -> None:
        assert authenticate(issued.text) is not None
        revoke(issued.token, django_capture_on_commit_callbacks)
        assert authenticate(issued.text) is None

    def test_it_stops_when_the_revocation_commits_and_not_before(
        self, cast: Cast, issued: IssuedToken, django_capture_on_commit_callbacks: Any
    ) -> None:
        assert authenticate(issued.text) is not None
        with django_capture_on_commit_callbacks() as callbacks, tenant_context(cast.alpha):
            token_revoke(prefix=issued.token.prefix)
        assert remembered(cast.alpha, issued.text) is not None
        for callback in callbacks:
            callback()
        assert remembered(cast.alpha, issued.text) is None

    def test_a_late_reader_can_not_bring_the_old_identity_back(
        self, cast: Cast, issued: IssuedToken, django_capture_on_commit_callbacks: Any
    ) -> None:
        """A reader asked the database before the revocation and remembers the answer after it."""
        digest = credentials.digest(issued.text)
        _, reading = credentials.recall_token(cast.alpha.pk, digest)
        late = authenticate(issued.text)
        assert late is not None
        revoke(issued.token, django_capture_on_commit_callbacks)
        credentials.remember(reading, late)
        assert authenticate(issued.text) is None

    @pytest.mark.django_db(transaction=True)
    def test_it_stops_for_its_revoker_while_others_use_it(self) -> None:
        """Readers check the token all the time, so that there is always one in the middle."""
        cast, done = make_cast(), threading.Event()
        texts = [issue(cast.alpha, cast.alice).text]

        def use() -> None:
            while not done.is_set():
                authenticate(texts[-1])
            connection.close()

        survivors = 0
        with ThreadPoolExecutor(3) as pool:
            using = [pool.submit(use) for _ in range(3)]
            try:
                for _ in range(100):
                    token = issue(cast.alpha, cast.alice)
                    texts.append(token.text)
                    authenticate(token.text)
                    with tenant_context(cast.alpha):
                        token_revoke(prefix=token.token.prefix)
                    survivors += authenticate(token.text) is not None
            finally:
                done.set()
            for each in using:
                each.result()

        assert survivors == 0

    def test_revoking_twice_changes_nothing(
        self, cast: Cast, issued: IssuedToken, django_capture_on_commit_callbacks: Any
    ) -> None:
        revoke(issued.token, django_capture_on_commit_callbacks)
        with tenant_context(cast.alpha):
            first = ApiToken.objects.get().revoked_at
        revoke(issued.token, django_capture_on_commit_callbacks)
        with tenant_context(cast.alpha):
            assert ApiToken.objects.get().revoked_at == first
            assert Event.objects.filter(kind=EventKind.TOKEN_REVOKED).count() == 1

    def test_another_tenants_token_can_not_be_revoked(
        self, cast: Cast, issued: IssuedToken
    ) -> None:
        with tenant_context(cast.beta), pytest.raises(ApiToken.DoesNotExist):
            token_revoke(prefix=issued.token.prefix)
        assert authenticate(issued.text) is not None

    def test_another_token_of_the_same_user_goes_on(
        self, cast: Cast, issued: IssuedToken, django_capture_on_commit_callbacks: Any
    ) -> None:
        other = issue(cast.alpha, cast.alice)
        revoke(issued.token, django_capture_on_commit_callbacks)
        assert authenticate(other.text) is not None

    def test_another_tenants_tokens_stay_remembered(
        self, cast: Cast, issued: IssuedToken, django_capture_on_commit_callbacks: Any
    ) -> None:
        other = issue(cast.beta, cast.carol)
        authenticate(other.text)
        revoke(issued.token, django_capture_on_commit_callbacks)
        assert remembered(cast.beta, other.text) is not None

    def test_a_new_role_is_felt(
        self, cast: Cast, issued: IssuedToken, django_capture_on_commit_callbacks: Any
    ) -> None:
        authenticate(issued.text)
        member_set_role(membership=membership(cast.alpha, cast.bob), role=Role.OWNER)
        with django_capture_on_commit_callbacks(execute=True):
            member_set_role(membership=membership(cast.alpha, cast.alice), role=Role.VIEWER)
        identity = authenticate(issued.text)
        assert identity is not None
        assert identity.role == Role.VIEWER

    def test_a_deactivated_members_token_stops_for_good(
        self, cast: Cast, issued: IssuedToken, django_capture_on_commit_callbacks: Any
    ) -> None:
        authenticate(issued.text)
        member_set_role(membership=membership(cast.alpha, cast.bob), role=Role.OWNER)
        with django_capture_on_commit_callbacks(execute=True):
            member_deactivate(membership=membership(cast.alpha, cast.alice))
        assert authenticate(issued.text) is None
        with django_capture_on_commit_callbacks(execute=True):
            member_add(tenant=cast.alpha, user=cast.alice, role=Role.VIEWER)
        assert authenticate(issued.text) is None
        again = issue(cast.alpha, cast.alice)
        identity = authenticate(again.text)
        assert identity is not None
        assert identity.role == Role.VIEWER


class TestWithoutACache:
    def test_tokens_are_checked_in_the_database(
        self, issued: IssuedToken, dead_cache: list[str]
    ) -> None:
        for _ in range(10):
            assert authenticate(issued.text) is not None
        assert len(dead_cache) == BREAKER_FAILURES

    def test_a_revoked_one_stops(
        self,
        issued: IssuedToken,
        dead_cache: list[str],
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        assert authenticate(issued.text) is not None
        revoke(issued.token, django_capture_on_commit_callbacks)
        assert authenticate(issued.text) is None

    def test_a_dead_socket_is_no_error(
        self, issued: IssuedToken, settings: Any, cast: Cast
    ) -> None:
        redis = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
        settings.CACHES = {"default": redis}
        client = Client(headers={"authorization": f"Bearer {issued.text}"})
        assert [client.get(URL).status_code for _ in range(5)] == [200] * 5


class TestOverRest:
    @pytest.fixture
    def client(self, cast: Cast) -> Client:
        make_task(make_project(cast.alpha, cast.alice), cast.alice)
        return make_client(cast.alpha, cast.alice)

    def test_a_foreign_tenant_looks_like_an_absent_one(self, client: Client) -> None:
        foreign, absent = (
            essence(client.get(f"/api/v1/tenants/{slug}/tasks/")) for slug in ("beta", "betx")
        )
        assert foreign == absent
        assert foreign[0] == 404

    def test_and_like_an_address_that_does_not_exist(self, client: Client) -> None:
        foreign = essence(client.get("/api/v1/tenants/beta/tasks/"))
        nowhere = essence(client.get("/api/v1/nowhere/"))
        assert foreign[:2] == nowhere[:2]

    @pytest.mark.parametrize("slug", ["beta", "betx", "ALPHA", "alpha-", "1"])
    def test_another_address_is_no_way_in(self, client: Client, slug: str) -> None:
        assert client.get(f"/api/v1/tenants/{slug}/tasks/").status_code == 404

    def test_ones_own_tenant_answers(self, client: Client) -> None:
        response = client.get(URL)
        assert response.status_code == 200
        assert len(response.json()["results"]) == 1

    def test_a_member_of_both_needs_two_tokens(self, cast: Cast, client: Client) -> None:
        member_add(tenant=cast.beta, user=cast.alice, role=Role.OWNER)
        assert client.get("/api/v1/tenants/beta/tasks/").status_code == 404

    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Token tp_1_x", "Bearer tp_1_x y"]
    )
    @pytest.mark.django_db
    def test_no_good_token_is_a_401_that_says_how(self, header: str) -> None:
        response = Client(headers={"authorization": header}).get(URL)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
        assert response["Content-Type"] == "application/problem+json"

    def test_an_unknown_and_a_revoked_token_get_the_same_answer(
        self, cast: Cast, issued: IssuedToken, django_capture_on_commit_callbacks: Any
    ) -> None:
        revoke(issued.token, django_capture_on_commit_callbacks)
        unknown = f"tp_{cast.alpha.pk}_" + "x" * 51
        answers = [
            essence(Client(headers={"authorization": f"Bearer {text}"}).get(URL))
            for text in (issued.text, unknown)
        ]
        assert answers[0] == answers[1]

    def test_without_the_scope_to_read_nothing_is_read(self, cast: Cast) -> None:
        assert make_client(cast.alpha, cast.alice, scopes=["write"]).get(URL).status_code == 403
        assert make_client(cast.alpha, cast.vera, scopes=["read"]).get(URL).status_code == 200


class TestCost:
    """Round trips to Redis; those to PostgreSQL are counted in test_round_trips.py."""

    def test_a_remembered_token_is_one_trip(
        self, cast: Cast, issued: IssuedToken, tmp_path: Path
    ) -> None:
        with relayed_cache(tmp_path) as relay:
            authenticate(issued.text)
            for _ in range(3):
                relay.trips = 0
                with CaptureQueriesContext(connection) as queries:
                    assert authenticate(issued.text) is not None
                assert (relay.trips, queries.captured_queries) == (1, [])

    def test_text_that_is_no_tokens_is_none(self, tmp_path: Path) -> None:
        with relayed_cache(tmp_path) as relay:
            assert authenticate("tp_x_secret") is None
            assert relay.trips == 0
