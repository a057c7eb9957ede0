"""A dump by the owner, restored into an empty database, is the same database."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection as django_connection

from taskproject.tests.cast import make_cast, make_project, make_task

connection: Any = django_connection
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
ROWS = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {} AS t"
CONSTRAINTS = (
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1, 2"
)
POLICIES = (
    "SELECT p.tablename, p.policyname, p.roles::text, p.qual, p.with_check, c.relrowsecurity,"
    " c.relforcerowsecurity, c.relacl::text FROM pg_policies p JOIN pg_class c"
    " ON c.oid = p.tablename::regclass ORDER BY 1"
)


def program(name: str) -> str:
    """A client program of the embedded server's version, or the one on the PATH."""
    version = f"postgres-{connection.get_database_version()[0]}"
    for folder in sorted(Path(settings.LOCAL_DIR).glob(f"binaries/{version}*")):
        for found in folder.rglob(f"bin/{name}"):
            return str(found)
    return name


@pytest.fixture
def restored_name(transactional_db: None) -> Iterator[str]:
    name = f"{connection.settings_dict['NAME']}_restored"
    make_something()
    with connection.as_owner(), connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}"')
    yield name
    with connection.as_owner(), connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def make_something() -> None:
    cast = make_cast()
    for tenant, owner in ((cast.alpha, cast.alice), (cast.beta, cast.carol)):
        project = make_project(tenant, owner)
        for number in range(3):
            make_task(project, owner, f"Dumped {number}")


def owner_url(database: str) -> dict[str, Any]:
    parts = connection.settings_dict
    return {
        "host": parts["HOST"],
        "port": parts["PORT"] or None,
        "dbname": database,
        "user": parts["OWNER"]["USER"],
        "password": parts["OWNER"]["PASSWORD"],
    }


def conninfo(database: str) -> str:
    return psycopg.conninfo.make_conninfo(**owner_url(database))


def ask(database: str, query: str) -> list[Any]:
    with psycopg.connect(conninfo(database)) as session:
        return session.execute(query).fetchall()


def contents(database: str) -> dict[str, Any]:
    """How many rows each table has, and a checksum of them."""
    tables = [row[0] for row in ask(database, TABLES)]
    return {table: ask(database, ROWS.format(table))[0] for table in tables}


def test_a_restored_dump_has_equal_rows_keys_and_policies(
    restored_name: str, tmp_path: Path
) -> None:
    name, dump = connection.settings_dict["NAME"], str(tmp_path / "tasks.dump")

    subprocess.run(
        [program("pg_dump"), "--format=custom", f"--file={dump}", conninfo(name)], check=True
    )
    subprocess.run(
        [program("pg_restore"), f"--dbname={conninfo(restored_name)}", dump],
        check=False,
        capture_output=True,
    )

    assert contents(restored_name)["task"][0] == 6
    assert contents(restored_name) == contents(name)
    for query in (CONSTRAINTS, POLICIES):
        assert ask(restored_name, query) == ask(name, query)
    assert len(ask(restored_name, POLICIES)) == 9
