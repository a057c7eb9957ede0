"""A database to measure in: made, filled with a seed, and dropped."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import django
import psycopg
from django.core.management import call_command
from django.db import connection


@contextmanager
def seeded_database(purpose: str, *, tasks: int, tenants: int | None, keep: bool) -> Iterator[None]:
    """A database of its own, with that many made-up tasks, that the connection goes to.

    Without `tenants` there is one for each 1,000 tasks, and at least five. With `keep` it stays for
    the next one of that purpose and size. Two of one purpose at once get into each other's way.
    """
    own = connection.settings_dict["NAME"]
    sizes = [str(tasks), *([str(tenants)] if tenants else [])]
    connection.settings_dict["TEST"]["NAME"] = "_".join(["tasks_benchmark", purpose, *sizes])
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False, keepdb=keep)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM tenant)")
            (is_full,) = cursor.fetchone()
        if not is_full:
            call_command("seed", tenants=tenants or max(5, tasks // 1000), tasks=tasks)
        yield
    finally:
        connection.creation.destroy_test_db(own, verbosity=0, keepdb=keep)


def versions() -> str:
    """What a measurement ran on. One statement."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (postgresql,) = cursor.fetchone()
    return (
        f"PostgreSQL {postgresql.split()[0]}, Python {platform.python_version()}, Django "
        f"{django.__version__}, psycopg {psycopg.__version__}, {len(os.sched_getaffinity(0))} CPUs"
    )
