"""What is counted of a call, on the tables that any Django project has."""

from __future__ import annotations

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction

from perf import listed
from perf.catalogue import CatalogueError
from perf.engine.results import Statement
from perf.models import BenchmarkRun
from perf.pg.counters import (
    counting,
    gathered,
    in_transaction,
    peak_bytes,
    session_settings,
)
from perf.tests import built

pytestmark = pytest.mark.django_db
WRITES = (
    "UPDATE perf_run SET command = command",
    "update\nperf_run SET command = command",
    "INSERT INTO perf_run SELECT * FROM perf_run",
    "WITH one AS (UPDATE perf_run SET command = command RETURNING 1) SELECT * FROM one",
)


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_a_statement_is_counted_with_its_plan_and_blocks():
    with counting(connection) as found:
        number = ContentType.objects.count()

    assert number > 0
    (statement,) = found
    assert statement.sql.startswith("SELECT COUNT(*)")
    assert "django_content_type" in statement.fingerprint
    assert statement.blocks_hit + statement.blocks_read > 0
    assert statement.rows == 1


@pytest.mark.parametrize("sql", WRITES)
def test_a_write_must_be_declared_also_inside_of_a_transaction(sql):
    with (
        transaction.atomic(),
        counting(connection),
        pytest.raises(CatalogueError, match="must be declared with writes=True"),
    ):
        run(sql)


@pytest.mark.parametrize("sql", WRITES)
def test_a_declared_write_is_counted(sql):
    with transaction.atomic(), counting(connection, writes=True) as found:
        run(sql)

    assert [each.sql for each in found] == [sql]


def test_a_write_that_is_counted_happens_once():
    with transaction.atomic(), counting(connection, writes=True) as found:
        assert listed.enlist(built.run())

    assert BenchmarkRun.objects.count() == 1
    assert sum(each.wal_bytes for each in found) > 0


def test_a_lock_is_no_write():
    with transaction.atomic(), counting(connection) as found:
        run("SELECT id FROM perf_run FOR NO KEY UPDATE")

    assert len(found) == 1


def test_a_plan_alone_runs_nothing():
    with counting(connection, run=False) as found:
        run("SELECT 1 FROM django_content_type")

    assert (found[0].rows, found[0].blocks_hit) == (0, 0)
    assert "django_content_type" in found[0].fingerprint


def test_what_comes_in_chunks_has_a_plan_too():
    with transaction.atomic(), counting(connection) as found:
        rows = list(ContentType.objects.order_by("id").iterator(chunk_size=2))

    assert len(rows) == ContentType.objects.count()
    assert "django_content_type" in found[0].fingerprint


def test_equal_statements_are_one_with_their_sum():
    each = Statement(sql="SELECT 1", fingerprint="Result", rows=1, blocks_hit=2, wal_bytes=3)
    other = Statement(sql="SELECT 1", fingerprint="Seq Scan")

    one, two = gathered([each, other, each])

    assert (one.times, one.rows, one.blocks_hit, one.wal_bytes) == (2, 2, 4, 6)
    assert two.times == 1


def test_memory_is_what_a_call_held_at_most():
    assert 1_000_000 <= peak_bytes(lambda: len(bytes(1_000_000))) < 1_100_000


def test_what_was_set_in_the_session_is_seen():
    before = session_settings(connection)

    with transaction.atomic():
        run("SET LOCAL work_mem = '5MB'")
        inside = session_settings(connection)

    assert inside.items() - before.items() == {("work_mem", "5120")}
    run("RESET work_mem")


@pytest.mark.django_db(transaction=True)
def test_an_open_transaction_is_seen():
    run("SELECT 1")
    before = in_transaction(connection)
    run("BEGIN")
    amid = in_transaction(connection)
    run("ROLLBACK")

    assert (before, amid, in_transaction(connection)) == (False, True, False)
