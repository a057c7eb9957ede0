from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from perf.tests.lab import MODULE, Lab, ask
from perf.tests.pgstat_fixture import library, nothing  # noqa: F401


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The database of an application: one table, with one row. The planted one is filled too."""
    name = f"test_perf_application_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    ask(f"CREATE DATABASE {name}")
    ask("CREATE TABLE precious (word text)", name)
    ask("INSERT INTO precious VALUES ('kept')", name)
    _fill(Lab(tmp_path_factory.mktemp("filled"), name))
    yield name
    ask(f"DROP DATABASE {name} WITH (FORCE)")


def _fill(lab: Lab) -> None:
    # Of two test processes one fills it, which the other one would refuse to wait for.
    with Path(tempfile.gettempdir(), "perf-planted.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, output, errors = lab.do("explain", "planted.same", "--module", MODULE)
        assert code == 0, output + errors


@pytest.fixture
def lab(application: str, tmp_path: Path) -> Lab:
    """The command, with a folder for its runs."""
    return Lab(tmp_path / "lab", application)


@pytest.fixture(scope="session")
def superuser_url() -> str:
    """Who may make an extension, where the settings name somebody."""
    if not (url := getattr(settings, "PERF_SUPERUSER_URL", "")):
        pytest.skip("PERF_SUPERUSER_URL names no superuser")
    return str(url)


@pytest.fixture
def statements(db: None, superuser_url: str) -> Iterator[None]:
    """pg_stat_statements in the database of the tests."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(superuser_url, dbname=name, autocommit=True) as superuser:
        superuser.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        # Room for those of this test: the server remembers some thousands of all databases.
        superuser.execute(
            "SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database"
            " WHERE datname = current_database()"
        )
        yield
        superuser.execute("DROP EXTENSION pg_stat_statements")
