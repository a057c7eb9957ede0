"""Fixtures of the whole suite. See taskproject/tests/cast.py for who is who."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection

from taskproject.db.context import no_tenant
from taskproject.tests.cast import Cast, make_cast
from taskproject.tests.outages import CACHE_TIMEOUTS

_DATABASE = settings.DATABASES["default"]["NAME"]  # before the tests have one of their own

# Files that took 20 s or more of a run of all.
_LONG = {
    "test_admin_budgets",
    "test_api_plans",
    "test_benchmark_paths",
    "test_command",
    "test_docs_clients",
    "test_documentation",
    "test_embedded",
    "test_gate",
    "test_kept_answers",
    "test_lists",
    "test_load_command",
    "test_load_engine",
    "test_load_freeze",
    "test_load_workers",
    "test_locks",
    "test_matrix",
    "test_odd_requests",
    "test_one_task",
    "test_projection",
    "test_proofs",
    "test_roles",
    "test_run",
    "test_schemathesis",
    "test_two_tenants",
    "test_wall_foreign_rows",
}


def pytest_configure() -> None:
    """Give each test process keys of its own in the cache, as it has a database of its own.

    And limits that no test reaches but by lowering them.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    settings.CACHES["default"]["KEY_PREFIX"] = f"test-{worker}"
    # On a busy machine 0.2 s go by now and then, and an answer is one without Redis.
    options: Any = settings.CACHES["default"]["OPTIONS"]
    options.update(dict.fromkeys(CACHE_TIMEOUTS, 5.0))
    settings.RATE_LIMIT_TOKEN_PER_MINUTE = settings.RATE_LIMIT_TENANT_PER_MINUTE = 1_000_000
    # The monitor counts as ever. It asks nothing by itself, writes nothing, and tells of budgets
    # alone.
    never = dict.fromkeys(("SLOW_MS", "THRESHOLD_MS", "REPEATS", "WRITE_S"), 1_000_000_000)
    settings.PERF_MONITOR |= never | {"IDENTIFIERS": False, "PLANS": False}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: of two processes none has one to itself at the end.

    For --no-loadscope-reorder: pytest-xdist would begin with the files that have the most tests.
    """
    items.sort(key=lambda item: item.path.stem not in _LONG)  # what is equal stays as it was


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """pytest-django's own, and the proof that it took place.

    It makes a test database only if some test of the session is marked `django_db`: a module
    fixture that opens the database by itself would work on the development database.
    """
    name = connection.settings_dict["NAME"]
    assert name.startswith("test_"), f"{name} is no test database: mark the tests django_db."
    _forget_dropped_databases()


def _forget_dropped_databases() -> None:
    """Make room in pg_stat_statements: each run leaves statements of databases that it drops, and
    on a server with many of them what a test sends would be forgotten at once."""
    if settings.PERF_SUPERUSER_URL:
        with psycopg.connect(settings.PERF_SUPERUSER_URL, dbname=_DATABASE) as superuser:
            superuser.execute(
                "SELECT pg_stat_statements_reset(0, dbid, 0)"
                " FROM (SELECT DISTINCT dbid FROM pg_stat_statements(false)) AS counted"
                " WHERE dbid NOT IN (SELECT oid FROM pg_database)"
            )


@pytest.fixture
def cast(db: None) -> Cast:
    """Alpha and beta with their people, in a transaction that is rolled back."""
    return make_cast()


@pytest.fixture(autouse=True)
def outside_tenants() -> Iterator[None]:
    """No test begins in the tenant that another one has left active."""
    with no_tenant():
        yield


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """No test sees what another one cached."""
    keep: Any = cache
    keep.delete_pattern("*")
