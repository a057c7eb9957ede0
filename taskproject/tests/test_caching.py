"""The cache, a cache that fails, and what the health checks say of it."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_redis import get_redis_connection
from redis.exceptions import ConnectionError as CacheDown

from taskproject import caching
from taskproject.tests.outages import cache_hanging, cache_refused, database_down


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of a breaker that nothing has happened to yet."""
    clock = Clock()
    monkeypatch.setattr(caching, "breaker", caching.Breaker(clock))
    return clock


@pytest.fixture(autouse=True)
def fresh_breaker(clock: Clock) -> None:
    """No test leaves an open breaker to the next."""


def raw(key: str) -> bytes | None:
    """The bytes that Redis holds."""
    client: Any = get_redis_connection()
    kept: bytes | None = client.get(cache.make_key(key))
    return kept


def lifetime_s(key: str) -> float:
    client: Any = get_redis_connection()
    return float(client.pttl(cache.make_key(key))) / 1000


# Values


def test_what_was_added_is_found() -> None:
    caching.add("k", {"a": [1, None, "ä"]}, lifetime_s=30)

    assert caching.get("k") == {"a": [1, None, "ä"]}


def test_what_was_never_added_is_none() -> None:
    assert caching.get("k") is None


def test_add_does_not_overwrite() -> None:
    caching.add("k", "first", lifetime_s=30)
    caching.add("k", "second", lifetime_s=30)

    assert caching.get("k") == "first"


def test_a_value_lives_at_most_as_long_as_it_was_given_and_at_least_four_fifths() -> None:
    for number in range(30):
        caching.add(f"k{number}", 1, lifetime_s=100)

    lives = [lifetime_s(f"k{number}") for number in range(30)]
    assert all(79 < life <= 100 for life in lives)
    assert len({round(life) for life in lives}) > 3, "values made together expire apart"


def test_a_value_lives_for_a_second_at_least() -> None:
    caching.add("k", 1, lifetime_s=0.1)

    assert 0 < lifetime_s("k") <= 1


def test_what_was_removed_is_gone() -> None:
    for key in ("a", "b", "c"):
        caching.add(key, key, lifetime_s=30)

    caching.remove(["a", "b"], lifetime_s=60)

    assert [caching.get(key) for key in ("a", "b", "c")] == [None, None, "c"]


def test_a_reader_from_before_the_removal_can_not_bring_the_old_value_back() -> None:
    caching.remove(["k"], lifetime_s=60)

    caching.add("k", "old", lifetime_s=30)

    assert caching.get("k") is None
    assert 59 < lifetime_s("k") <= 60


def test_the_mark_of_a_removal_passes() -> None:
    caching.remove(["k"], lifetime_s=1)
    cache.expire("k", 0)  # type: ignore[attr-defined]

    caching.add("k", "new", lifetime_s=30)

    assert caching.get("k") == "new"


def test_removing_nothing_asks_nothing(tmp_path: Path) -> None:
    with cache_refused(tmp_path):
        for _ in range(3):
            caching.remove([], lifetime_s=60)

    assert not caching.breaker.is_open


def test_values_are_json_in_redis_and_never_pickle() -> None:
    caching.add("k", {"user": "ä", "scopes": ["read"]}, lifetime_s=30)
    caching.remove(["gone"], lifetime_s=30)

    assert raw("k") == b'{"user": "\\u00e4", "scopes": ["read"]}'
    assert raw("gone") == b'{"gone": true}'


def test_a_value_that_is_no_json_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError):
        caching.add("k", object(), lifetime_s=30)


@pytest.mark.parametrize("junk", [b"\x80\x05K\x01.", b"{", b"", b"\xff\xfe", b"(lp0"])
def test_bytes_that_are_no_json_are_a_miss(junk: bytes) -> None:
    client: Any = get_redis_connection()
    client.set(cache.make_key("k"), junk)

    assert caching.get("k") is None


# A cache that fails


def use_it() -> None:
    """Each function once; none may raise, and a read misses."""
    assert caching.get("k") is None
    caching.add("k", 1, lifetime_s=30)
    caching.remove(["k"], lifetime_s=30)


def test_a_cache_that_refuses_is_a_miss_and_no_error(tmp_path: Path) -> None:
    with cache_refused(tmp_path):
        use_it()


def test_a_cache_that_hangs_costs_its_timeout_and_no_error(tmp_path: Path) -> None:
    with cache_hanging(tmp_path):
        started = time.monotonic()
        assert caching.get("k") is None
        took_s = time.monotonic() - started

    assert 0.15 < took_s < 0.45


def test_a_cache_that_goes_on_hanging_is_left_alone_after_three_times(tmp_path: Path) -> None:
    with cache_hanging(tmp_path):
        for _ in range(3):
            caching.get("k")
        started = time.monotonic()
        for _ in range(100):
            use_it()
        took_s = time.monotonic() - started

    assert took_s < 0.1


def test_the_breaker_opens_at_the_third_failure_in_a_row(tmp_path: Path) -> None:
    states = []
    with cache_refused(tmp_path):
        for _ in range(3):
            states.append(caching.breaker.is_open)
            caching.get("k")

    assert [*states, caching.breaker.is_open] == [False, False, False, True]


def test_an_answer_in_between_starts_the_count_again(tmp_path: Path) -> None:
    for _ in range(3):
        with cache_refused(tmp_path):
            caching.get("k")
            caching.get("k")
        caching.get("k")

    assert not caching.breaker.is_open


def test_an_open_breaker_leaves_a_cache_alone_that_answers_again(tmp_path: Path) -> None:
    caching.add("k", "there", lifetime_s=30)
    with cache_refused(tmp_path):
        for _ in range(3):
            caching.get("k")

    assert caching.get("k") is None


def test_the_breaker_closes_after_five_seconds(clock: Clock, tmp_path: Path) -> None:
    caching.add("k", "there", lifetime_s=30)
    with cache_refused(tmp_path):
        for _ in range(3):
            caching.get("k")

    clock.now_s += 4.9
    assert caching.get("k") is None
    clock.now_s += 0.1
    assert caching.get("k") == "there"


def test_one_line_in_the_log_tells_of_an_outage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with cache_refused(tmp_path), caplog.at_level(logging.DEBUG, logger="taskproject.caching"):
        for _ in range(10):
            use_it()

    ours = [record for record in caplog.records if record.name == "taskproject.caching"]
    assert [record.levelname for record in ours] == ["WARNING"]
    assert "left alone for 5 s" in ours[0].message


def test_another_outage_is_another_line(
    clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with cache_refused(tmp_path):
        for _ in range(2):
            for _ in range(5):
                caching.get("k")
            clock.now_s += 5

    assert caplog.text.count("left alone") == 2


def test_the_breaker_counts_by_itself() -> None:
    clock = Clock()
    breaker = caching.Breaker(clock)

    for _ in range(3):
        breaker.fail(CacheDown("down"))
    opened = breaker.is_open
    clock.now_s += 5
    breaker.fail(CacheDown("down"))

    assert (opened, breaker.is_open) == (True, False)


# Health

pages = pytest.mark.parametrize("address", ["/livez", "/readyz"])


@pytest.mark.django_db
def test_ready_means_that_database_and_cache_answer() -> None:
    response = Client().get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"status": "ready", "database": "ok", "cache": "ok"}


@pytest.mark.django_db
@pytest.mark.parametrize("outage", [cache_refused, cache_hanging])
def test_without_the_cache_it_is_ready_and_says_so(outage: Any, tmp_path: Path) -> None:
    with outage(tmp_path):
        response = Client().get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"status": "ready", "database": "ok", "cache": "down"}


@pytest.mark.django_db
def test_readiness_looks_at_the_cache_although_the_breaker_is_open(tmp_path: Path) -> None:
    with cache_refused(tmp_path):
        for _ in range(3):
            caching.get("k")

    assert Client().get("/readyz").json()["cache"] == "ok"


@pytest.mark.django_db
def test_without_the_database_it_is_unready(tmp_path: Path) -> None:
    with database_down(tmp_path):
        response = Client().get("/readyz")

    assert response.status_code == 503
    assert response.json() == {"status": "unready", "database": "down", "cache": "ok"}
    assert response["Retry-After"] == "1"


@pytest.mark.django_db
def test_with_a_role_that_must_not_serve_it_is_unready(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise ImproperlyConfigured("The role bypasses row-level security.")

    monkeypatch.setattr(connection, "cursor", refuse)
    response = Client().get("/readyz")

    assert response.status_code == 503
    assert response.json()["database"] == "refused"


@pytest.mark.django_db
def test_it_lives_without_a_database_and_without_a_cache(tmp_path: Path) -> None:
    with database_down(tmp_path), cache_refused(tmp_path):
        response = Client().get("/livez")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})


@pytest.mark.django_db
def test_living_asks_the_database_nothing_and_readiness_one_thing() -> None:
    with CaptureQueriesContext(connection) as living:
        Client().get("/livez")
    with CaptureQueriesContext(connection) as readiness:
        Client().get("/readyz")

    assert living.captured_queries == []
    (statement,) = readiness.captured_queries
    assert statement["sql"].endswith("SELECT 1")  # a tenant's setting may travel with it


@pages
@pytest.mark.django_db
def test_health_may_be_asked_with_get_and_head_only(address: str) -> None:
    statuses = [getattr(Client(), method)(address).status_code for method in ("head", "post")]

    assert statuses == [200, 405]


@pages
@pytest.mark.django_db
def test_health_is_asked_over_plain_http_also_where_the_rest_is_not(
    address: str, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert Client().get(address).status_code == 200
    assert Client().get("/").status_code == 301
