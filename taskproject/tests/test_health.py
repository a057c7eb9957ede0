"""What the health checks say of the database and the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject import caching
from taskproject.breaker import Breaker
from taskproject.tests.cached import (
    get,
)
from taskproject.tests.outages import (
    cache_hanging,
    cache_refused,
    database_down,
)


@pytest.fixture(autouse=True)
def fresh_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test leaves an open breaker to the next."""
    monkeypatch.setattr(caching, "breaker", Breaker())


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
            get()

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
