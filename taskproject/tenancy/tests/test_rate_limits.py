"""A token and a tenant may send so many requests a minute, whatever happens to Redis."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject import caching
from taskproject.breaker import Breaker, MissedBumps
from taskproject.buckets import LocalBuckets
from taskproject.db.context import no_tenant, tenant_context
from taskproject.tenancy.identities import token_authenticate
from taskproject.tenancy.models import Role
from taskproject.tenancy.services import member_add, token_issue
from taskproject.tenancy.tests.things import ABSENT, ALPHA, BETA, Things, essence
from taskproject.tests.cast import Cast, make_cast, make_client
from taskproject.tests.outages import (
    CacheRelay,
    cache_hanging,
    cache_refused,
    forget_cached,
    no_cache,
    own_cache,
    relayed_cache,
)

pytestmark = pytest.mark.urls("taskproject.tenancy.tests.things")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test leaves an open breaker or a used bucket to the next."""
    monkeypatch.setattr(caching, "breaker", Breaker())
    monkeypatch.setattr(caching, "missed", MissedBumps())
    monkeypatch.setattr(caching, "local_buckets", LocalBuckets())
    Things.done.clear()


@pytest.fixture(autouse=True)
def usual_limits(settings: Any) -> None:
    """The limits of a server that is told nothing else."""
    settings.RATE_LIMIT_TOKEN_PER_MINUTE = 600
    settings.RATE_LIMIT_TENANT_PER_MINUTE = 6000


@pytest.fixture
def limits(settings: Any) -> Any:
    """Limits of 3 a minute for a token and 5 for a tenant: a test is over before one is back."""
    settings.RATE_LIMIT_TOKEN_PER_MINUTE = 3
    settings.RATE_LIMIT_TENANT_PER_MINUTE = 5
    return settings


@pytest.fixture
def client(cast: Cast) -> Client:
    """A client with a token of Alice in alpha."""
    return make_client(cast.alpha, cast.alice)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[CacheRelay]:
    with relayed_cache(tmp_path) as relay:
        yield relay


def statuses(client: Client, times: int, **request: Any) -> list[int]:
    return [client.get(ALPHA, **request).status_code for _ in range(times)]


def limits_of(response: Any) -> tuple[str | None, str | None]:
    return response.headers.get("RateLimit-Policy"), response.headers.get("RateLimit")


def left(response: Any) -> dict[str, int]:
    """How many requests are left, by policy; the times are checked."""
    found = re.findall(r'"(\w+)";r=(\d+);t=(\d+)', response["RateLimit"])
    for name, _, after_s in found:
        assert 1 <= int(after_s) <= {"token": 20, "tenant": 12}[name]
    return {name: int(number) for name, number, _ in found}


# What clients are told


def test_each_answer_tells_the_limits_and_what_is_left(client: Client) -> None:
    response = client.get(ALPHA)

    assert response.status_code == 200
    assert limits_of(response) == (
        '"token";q=600;w=60, "tenant";q=6000;w=60',
        '"token";r=599;t=1, "tenant";r=5999;t=1',
    )


def test_what_is_left_shrinks_until_a_request_is_refused(client: Client, limits: Any) -> None:
    answers = [client.get(ALPHA) for _ in range(4)]

    assert [left(answer) for answer in answers] == [
        {"token": 2, "tenant": 4},
        {"token": 1, "tenant": 3},
        {"token": 0, "tenant": 2},
        {"token": 0, "tenant": 2},
    ]
    assert {limits_of(answer)[0] for answer in answers} == {'"token";q=3;w=60, "tenant";q=5;w=60'}


def test_a_refused_request_gets_a_problem_that_says_when_to_come_back(
    client: Client, limits: Any
) -> None:
    statuses(client, 3)

    response = client.get(ALPHA)

    assert response.status_code == 429
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"], body["type"]) == (
        429,
        "rate-limited",
        "/problems/rate-limited",
    )
    assert 1 <= body["retry_after"] <= 20
    assert response["Retry-After"] == str(body["retry_after"])
    assert f'"token";r=0;t={body["retry_after"]}' in response["RateLimit"]


@pytest.mark.parametrize(
    ("method", "status"), [("post", 201), ("put", 422), ("delete", 404), ("patch", 405)]
)
def test_every_answer_of_a_limited_view_tells_the_limits(
    method: str, status: int, client: Client
) -> None:
    response = getattr(client, method)(ALPHA, {}, content_type="application/json")

    assert response.status_code == status
    assert limits_of(response)[1] == '"token";r=599;t=1, "tenant";r=5999;t=1'


def test_what_the_role_forbids_is_counted_too(cast: Cast, limits: Any) -> None:
    client = make_client(cast.alpha, cast.vera)

    answers = [client.post(ALPHA, {}, content_type="application/json") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [403, 403, 403, 429]
    assert all(limits_of(answer)[0] for answer in answers)
    assert Things.done == []


def test_who_is_nobody_is_not_counted(cast: Cast, limits: Any) -> None:
    answers = [Client().get(ALPHA) for _ in range(10)]

    assert {answer.status_code for answer in answers} == {401}
    assert {limits_of(answer) for answer in answers} == {(None, None)}


def test_a_foreign_tenant_looks_like_an_absent_one_and_tells_no_limits(
    client: Client, limits: Any
) -> None:
    foreign, absent = client.get(BETA), client.get(ABSENT)

    assert foreign.status_code == 404
    assert essence(foreign) == essence(absent)
    assert limits_of(foreign) == (None, None)


def test_at_another_tenants_address_a_token_is_counted_too(client: Client, limits: Any) -> None:
    client.get(ALPHA)
    assert [client.get(address).status_code for address in (BETA, ABSENT)] == [404, 404]

    assert [client.get(address).status_code for address in (BETA, ABSENT, ALPHA)] == [429] * 3


# Who is counted with whom


def test_a_refused_request_does_no_work(client: Client, limits: Any) -> None:
    statuses(client, 3)
    Things.done.clear()

    with CaptureQueriesContext(connection) as queries:
        assert statuses(client, 5) == [429] * 5

    assert Things.done == []
    assert queries.captured_queries == []


def test_each_token_has_a_limit_of_its_own(cast: Cast, limits: Any) -> None:
    first, second = (make_client(cast.alpha, cast.alice) for _ in range(2))

    assert statuses(first, 4) == [200, 200, 200, 429]
    assert statuses(second, 2) == [200, 200]


def test_the_tokens_of_a_tenant_share_its_limit(cast: Cast, limits: Any) -> None:
    people = [make_client(cast.alpha, user) for user in (cast.alice, cast.bob, cast.vera)]

    assert [statuses(each, 2) for each in people] == [[200, 200], [200, 200], [200, 429]]


def test_a_token_that_is_refused_takes_nothing_from_its_tenant(cast: Cast, limits: Any) -> None:
    greedy, other = make_client(cast.alpha, cast.alice), make_client(cast.alpha, cast.bob)

    assert statuses(greedy, 50).count(200) == 3
    assert statuses(other, 3) == [200, 200, 429]


def test_another_tenant_feels_nothing(cast: Cast, limits: Any) -> None:
    people = [make_client(cast.alpha, user) for user in (cast.alice, cast.bob)]
    refused = [each.get(ALPHA) for each in people for _ in range(10)][-1]
    answer = make_client(cast.beta, cast.carol).get(BETA)

    assert refused.status_code == 429
    assert answer.status_code == 200
    assert limits_of(answer)[1] == '"token";r=2;t=20, "tenant";r=4;t=12'


def test_a_member_of_two_tenants_is_counted_in_each(cast: Cast, limits: Any) -> None:
    member_add(tenant=cast.beta, user=cast.alice, role=Role.MEMBER)
    client = Client()
    client.force_login(cast.alice)

    assert statuses(client, 4) == [200, 200, 200, 429]
    assert client.get(BETA).status_code == 200


def test_the_sessions_of_a_person_are_counted_together_and_apart_from_tokens(
    cast: Cast, limits: Any
) -> None:
    laptop, phone = Client(), Client()
    for browser in (laptop, phone):
        browser.force_login(cast.alice)

    assert statuses(laptop, 2) + statuses(phone, 2) == [200, 200, 200, 429]
    assert statuses(make_client(cast.alpha, cast.alice), 3) == [200, 200, 429]


@pytest.mark.parametrize(
    "header",
    ["HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "REMOTE_ADDR", "HTTP_USER_AGENT"],
)
def test_where_a_request_says_it_comes_from_changes_nothing(
    header: str, client: Client, limits: Any
) -> None:
    answers = [client.get(ALPHA, **{header: f"10.0.0.{n}"}) for n in range(10)]  # type: ignore[arg-type]

    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 7


# Settings


def test_0_switches_a_limit_off(cast: Cast, limits: Any) -> None:
    limits.RATE_LIMIT_TOKEN_PER_MINUTE = 0
    first = make_client(cast.alpha, cast.alice).get(ALPHA)
    assert limits_of(first) == ('"tenant";q=5;w=60', '"tenant";r=4;t=12')

    limits.RATE_LIMIT_TOKEN_PER_MINUTE, limits.RATE_LIMIT_TENANT_PER_MINUTE = 3, 0
    second = make_client(cast.alpha, cast.bob).get(ALPHA)
    assert limits_of(second) == ('"token";q=3;w=60', '"token";r=2;t=20')


def test_without_limits_nothing_is_counted_told_or_asked(
    client: Client, limits: Any, relay: CacheRelay
) -> None:
    limits.RATE_LIMIT_TOKEN_PER_MINUTE = limits.RATE_LIMIT_TENANT_PER_MINUTE = 0
    client.get(ALPHA)
    relay.trips = 0

    answers = [client.get(ALPHA) for _ in range(10)]

    assert {answer.status_code for answer in answers} == {200}
    assert {limits_of(answer) for answer in answers} == {(None, None)}
    assert relay.trips == 10, "for the token"


# What it costs


def test_counting_costs_no_trip_of_its_own_and_no_statement(
    client: Client, relay: CacheRelay
) -> None:
    client.get(ALPHA)
    relay.trips = 0

    with CaptureQueriesContext(connection) as queries:
        client.get(ALPHA)

    assert relay.trips == 1, "for the token and both buckets"
    assert queries.captured_queries == []


# Many at once


def test_of_ten_times_the_limit_at_once_the_limit_passes(cast: Cast, settings: Any) -> None:
    """The token was checked before, so that the threads need no database."""
    settings.RATE_LIMIT_TOKEN_PER_MINUTE = 10
    with tenant_context(cast.alpha):
        text = token_issue(user_id=cast.alice.pk, name="crowd").text
    with no_tenant():
        token_authenticate(text=text)
    barrier = threading.Barrier(20)

    def rush(_: int) -> list[int]:
        client = Client(headers={"authorization": f"Bearer {text}"})
        barrier.wait()
        return statuses(client, 5)

    with ThreadPoolExecutor(20) as pool:
        answers = [status for each in pool.map(rush, range(20)) for status in each]

    assert len(answers) == 100
    assert set(answers) == {200, 429}
    assert answers.count(200) in (10, 11), "one is given back each 6 s"


# A Redis that fails

Outage = Callable[[Path], AbstractContextManager[Any]]


def without_redis(folder: Path) -> AbstractContextManager[Any]:
    return no_cache()


@pytest.mark.parametrize("outage", [without_redis, cache_refused, cache_hanging])
def test_without_redis_this_process_counts(
    outage: Outage, client: Client, limits: Any, tmp_path: Path
) -> None:
    with outage(tmp_path):
        answers = [client.get(ALPHA) for _ in range(8)]

    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 5
    assert 1 <= int(answers[-1]["Retry-After"]) <= 20


@pytest.mark.parametrize("trouble", ["hang", "close", "cut"])
def test_trouble_in_the_middle_is_no_error(
    trouble: str, client: Client, limits: Any, relay: CacheRelay
) -> None:
    before = statuses(client, 2)
    getattr(relay, trouble)()
    after = statuses(client, 8)

    assert before == [200, 200]
    assert set(after) == {200, 429}
    assert after.count(200) == (1 if trouble == "cut" else 3)


def test_a_flush_in_the_middle_is_no_error(client: Client, limits: Any) -> None:
    before = statuses(client, 4)
    forget_cached()

    assert before + statuses(client, 4) == [200, 200, 200, 429] * 2


def test_a_restart_in_the_middle_is_no_error(client: Client, limits: Any, tmp_path: Path) -> None:
    with own_cache(tmp_path) as server:
        together = statuses(client, 4)
        server.stop()
        alone = statuses(client, 1)
        server.start()
        again = statuses(client, 4)

    assert (together, alone) == ([200, 200, 200, 429], [200])
    assert again == [200, 200, 200, 429]


@pytest.mark.django_db(transaction=True)
def test_500_requests_while_redis_comes_and_goes_are_never_answered_5xx(relay: CacheRelay) -> None:
    cast = make_cast()
    clients = [make_client(cast.alpha, cast.alice) for _ in range(4)]
    answers: list[int] = []

    def ask(client: Client) -> None:
        for _ in range(125):
            answers.append(client.get(ALPHA).status_code)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, client) for client in clients]
        for trouble in (relay.cut, forget_cached, relay.hang, relay.recover, relay.close):
            trouble()
            threading.Event().wait(0.1)
        for each in asking:
            each.result()

    assert len(answers) == 500
    assert set(answers) == {200}
