"""Logins and new tokens have limits, which are closed while Redis is away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from taskproject import caching
from taskproject.breaker import Breaker, MissedBumps
from taskproject.buckets import LocalBuckets
from taskproject.tenancy import limits
from taskproject.tenancy.models import ApiToken, User
from taskproject.tests.api.calls import api_of
from taskproject.tests.cast import Cast
from taskproject.tests.outages import cache_refused, no_cache

LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test leaves an open breaker or a used bucket to the next."""
    monkeypatch.setattr(caching, "breaker", Breaker())
    monkeypatch.setattr(caching, "missed", MissedBumps())
    monkeypatch.setattr(caching, "local_buckets", LocalBuckets())


@pytest.fixture(autouse=True)
def people(db: None, settings: Any) -> None:
    """Two, whose passwords are checked quickly: in 6 s a bucket has room for one more attempt."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    for name in ("ann", "zoe"):
        User.objects.create_user(name, password=f"right-{name}")


def log_in(name: str, password: str, **more: Any) -> Any:
    return Client().post(LOGIN, {"username": name, "password": password}, **more)


def is_refused(response: Any) -> bool:
    return "Too many attempts to log in. Try again in" in response.content.decode()


def test_after_ten_attempts_even_the_right_password_has_to_wait() -> None:
    for _ in range(limits.LOGINS_PER_MINUTE):
        assert not is_refused(log_in("ann", "wrong"))

    assert is_refused(log_in("ann", "right-ann"))
    assert is_refused(log_in(" ANN", "right-ann"))
    assert log_in("zoe", "right-zoe").status_code == 302
    assert log_in("ann", "right-ann", REMOTE_ADDR="10.0.0.9").status_code == 302


def test_while_redis_is_away_nobody_logs_in(tmp_path: Path) -> None:
    with cache_refused(tmp_path):
        for _ in range(4):
            assert is_refused(log_in("ann", "right-ann"))

    caching.breaker = Breaker()
    assert log_in("ann", "right-ann").status_code == 302


def test_without_a_configured_redis_the_process_counts() -> None:
    with no_cache():
        for _ in range(limits.LOGINS_PER_MINUTE):
            assert not is_refused(log_in("ann", "wrong"))
        assert is_refused(log_in("ann", "right-ann"))


def test_a_person_issues_so_many_tokens_a_minute(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TOKENS_PER_MINUTE", 2)
    api = api_of(cast.alpha, cast.alice)

    answers = [api.post("tokens/", {"name": f"{n}"}) for n in range(3)]

    assert [each.status_code for each in answers] == [201, 201, 429]
    assert int(answers[2]["Retry-After"]) in range(20, 31)


def test_while_redis_is_away_no_token_is_issued_and_all_else_goes_on(
    cast: Cast, tmp_path: Path
) -> None:
    api = api_of(cast.alpha, cast.alice)
    with cache_refused(tmp_path):
        before = ApiToken.unscoped.count()
        refused = api.post("tokens/", {"name": "new"})

        assert (refused.status_code, refused["Retry-After"]) == (429, "5")
        assert ApiToken.unscoped.count() == before
        assert api.get("tokens/").status_code == 200
