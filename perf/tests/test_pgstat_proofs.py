"""What a snapshot takes of 5,000 statements and 500 tables. `-s` prints it."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from perf.pgstat import store
from perf.pgstat.capabilities import probe
from perf.pgstat.connecting import connected
from perf.pgstat.server import Server
from perf.pgstat.views import STATEMENT_COUNTS, VIEWS
from perf.report import figures

pytestmark = [pytest.mark.prove, pytest.mark.django_db]

TABLES = 500
STATEMENTS = 5_000
ROUNDS = 15
MOST_BYTES = 2_000_000
MOST_TIMES = 3.0


@pytest.fixture
def crowd(statements: None, superuser_url: str) -> Iterator[Server]:
    """So many tables and statements, in a schema that is dropped again."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(superuser_url, dbname=name, autocommit=True) as superuser:
        superuser.execute("CREATE SCHEMA crowd")
        for n in range(TABLES):
            superuser.execute(
                f"CREATE TABLE crowd.t{n} (id bigint PRIMARY KEY, a int, b text);"
                f"CREATE INDEX ON crowd.t{n} (a); INSERT INTO crowd.t{n} VALUES (1, 2, 'three')"
            )
        for n in range(STATEMENTS):
            # Names of columns make no other statement: their number does.
            listed = ", ".join(["a"] * (1 + n // TABLES))
            superuser.execute(f"SELECT {listed} FROM crowd.t{n % TABLES} WHERE id = {n}")
        with connected(superuser_url) as server:
            yield server
        for n in range(TABLES):  # one at a time: all at once would take too many locks
            superuser.execute(f"DROP TABLE crowd.t{n}")
        superuser.execute("DROP SCHEMA crowd")


def bare(server: Server) -> None:
    """The same views and nothing else."""
    for view in VIEWS:
        if not server.columns(view.name):
            continue
        source = "public.pg_stat_statements(false)" if view is STATEMENT_COUNTS else view.name
        if view.name == "pg_stat_statements_info":
            source = "public.pg_stat_statements_info"
        server.tuples(f"SELECT * FROM {source}")


def test_a_snapshot_is_small_and_takes_little_more_than_its_reading(crowd: Server) -> None:
    can = probe(crowd)
    store.snapshot(crowd, can)  # with the texts, which are kept once
    taken, ratios = None, []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        bare(crowd)
        middle = time.perf_counter()
        taken = store.snapshot(crowd, can)
        ratios.append((time.perf_counter() - middle) / (middle - start))

    assert taken is not None
    assert taken.statements >= STATEMENTS * 0.75  # others' are among those that PostgreSQL keeps
    assert taken.tables >= TABLES
    low, high = min(ratios), max(ratios)
    sys.stdout.write(
        f"\n{taken.statements:,} statements, {taken.tables:,} tables: "
        f"{figures.size_bytes(taken.size_bytes)}, {statistics.median(ratios):.2f} times the bare "
        f"SELECTs [{low:.2f}, {high:.2f}], {ROUNDS} rounds\n"
    )
    assert taken.size_bytes * STATEMENTS / taken.statements <= MOST_BYTES
    assert statistics.median(ratios) <= MOST_TIMES
