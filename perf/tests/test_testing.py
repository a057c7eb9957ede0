from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from perf.testing import (
    assert_index_served,
    assert_no_tenant_free_statement,
    assert_queries,
    plan_fingerprint,
    statements,
)
from perf.testing.indexes import served_plan
from perf.testing.tenants import free_tables

pytestmark = pytest.mark.django_db


def run(sql: str, params: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


class TestQueries:
    def test_a_count_that_fits_passes_and_tells_the_statements(self) -> None:
        with assert_queries(2) as found:
            ContentType.objects.first()
            Permission.objects.count()

        assert [each.shape.says for each in found] == [
            "SELECT django_content_type",
            "SELECT auth_permission",
        ]
        assert [each.rows for each in found] == [1, 1]

    def test_one_that_does_not_fails_with_each_statement_and_its_place(self) -> None:
        with pytest.raises(AssertionError) as raised, assert_queries(2):
            ContentType.objects.filter(model="needle").first()

        told = str(raised.value)
        assert told.startswith("2 statements expected, 1 run:\n1. SELECT django_content_type, 0 ")
        assert "test_testing.py:" in told
        assert "needle" not in told

    def test_statements_may_be_named_in_order_by_verb_and_table_or_a_part(self) -> None:
        def work() -> None:
            ContentType.objects.first()
            Permission.objects.count()

        with assert_queries(["SELECT django_content_type", "COUNT(*)"]):
            work()
        with pytest.raises(AssertionError), assert_queries(["COUNT(*)", "django_content_type"]):
            work()
        with pytest.raises(AssertionError), assert_queries(["SELECT django_content_type"]):
            work()

    def test_savepoints_are_left_out_unless_asked_for(self) -> None:
        with statements() as found, transaction.atomic():
            ContentType.objects.first()
        with statements(with_savepoints=True) as all_of_them, transaction.atomic():
            ContentType.objects.first()

        assert len(found) == 1
        assert [each.shape.verb for each in all_of_them] == ["savepoint", "select", "release"]

    def test_what_the_block_raises_is_raised(self) -> None:
        with pytest.raises(LookupError), assert_queries(1):
            raise LookupError


class TestIndexes:
    def test_an_index_serves_a_table_of_any_size(self) -> None:
        wanted = ContentType.objects.filter(app_label="auth", model="x")

        plan = assert_index_served(wanted, leading=("app_label", "model"))

        assert plan.indexes
        assert assert_index_served(wanted, leading=("app_label",)).indexes == plan.indexes

    def test_no_index_is_told_with_the_plan(self) -> None:
        with pytest.raises(AssertionError, match="read from end to end") as raised:
            assert_index_served(Permission.objects.filter(name="x").order_by(), leading=("name",))

        assert "Seq Scan on auth_permission" in str(raised.value)

    def test_an_index_that_is_not_narrowed_does_not_serve(self) -> None:
        run("CREATE TEMPORARY TABLE pairs (tenant_id int, n int)")
        run("CREATE INDEX pairs_idx ON pairs (tenant_id, n)")
        run("INSERT INTO pairs VALUES (1, 1)")
        run("ALTER TABLE pairs RENAME TO planted_pairs")
        # Of a table without a model: PostgreSQL reads this index from end to end, or skips in it.
        by_n = Permission.objects.extra(tables=["planted_pairs"], where=["planted_pairs.n = 4242"])
        both = Permission.objects.extra(
            tables=["planted_pairs"],
            where=["planted_pairs.n = 4242 AND planted_pairs.tenant_id = 1"],
        )

        assert_index_served(both, table="planted_pairs")
        assert "pairs_idx" in served_plan(by_n).indexes
        with pytest.raises(AssertionError, match="pairs_idx is not narrowed by tenant_id"):
            assert_index_served(by_n, table="planted_pairs")

    def test_a_bitmap_is_judged_by_its_indexes(self) -> None:
        plan = served_plan(Permission.objects.filter(content_type_id__in=[1, 2, 3]))

        assert_index_served(
            Permission.objects.filter(content_type_id__in=[1, 2, 3]), leading=("content_type_id",)
        )
        assert plan.seq_scans("auth_permission") == ()

    def test_nothing_stays_set(self) -> None:
        assert_index_served(ContentType.objects.filter(pk=1), leading=("id",))

        with connection.cursor() as cursor:
            cursor.execute("SHOW enable_seqscan")
            assert cursor.fetchone() == ("on",)

    def test_another_table_must_be_named_that_is_read(self) -> None:
        with pytest.raises(AssertionError, match="elsewhere is not read"):
            assert_index_served(ContentType.objects.filter(pk=1), table="elsewhere")


def test_a_fingerprint_is_a_plan_without_figures() -> None:
    one, other = (ContentType.objects.filter(pk=number) for number in (1, 2))

    assert plan_fingerprint(one) == plan_fingerprint(other)
    assert "django_content_type" in plan_fingerprint(one)


WATCHED = frozenset({"task", "project"})


class TestTenants:
    @pytest.mark.parametrize(
        "text",
        [
            'SELECT "task"."id" FROM "task" WHERE "task"."tenant_id" = ?',
            "SELECT id FROM task WHERE tenant_id = ? AND id = ?",
            "SELECT t.id FROM task AS t WHERE ? = t.tenant_id",
            "SELECT t.id FROM task t WHERE t.tenant_id IN (?)",
            "SELECT t.id FROM task t WHERE (t.tenant_id, t.id) IN ((?, ?))",
            "SELECT t.id FROM task t WHERE t.tenant_id = current_setting(?)::bigint",
            "SELECT t.id FROM task t JOIN project p ON t.tenant_id = p.tenant_id"
            " AND t.project_id = p.id WHERE p.tenant_id = ?",
            "SELECT t.id FROM task t, project p"
            " WHERE (t.tenant_id = p.tenant_id) AND t.tenant_id=?",
            "SELECT t.id FROM task t JOIN tenant ON tenant.id = t.tenant_id WHERE tenant.slug = ?",
            'SELECT 1 FROM "task" WHERE "task"."tenant_id" = ? AND EXISTS(SELECT 1 FROM "project"'
            ' U0 WHERE U0."tenant_id" = ("task"."tenant_id"))',
            "SELECT id FROM task WHERE tenant_id = ?"
            " UNION ALL SELECT id FROM task WHERE tenant_id = ?",
            "SELECT page.id FROM (SELECT id, project_id FROM task WHERE tenant_id = ?) AS page"
            " LEFT JOIN LATERAL (SELECT key FROM project WHERE tenant_id = ? AND id = page.id) AS p"
            " ON true",
            "WITH gone AS (DELETE FROM task WHERE tenant_id = ? RETURNING id) SELECT id FROM gone",
            'UPDATE "task" SET "title" = ? WHERE "task"."tenant_id" = ?',
            "DELETE FROM task WHERE tenant_id = ?",
            "INSERT INTO task (tenant_id, title) VALUES (?, ?)",
            "SELECT task.id FROM other AS task_of",
            "SELECT label.task FROM label",
        ],
    )
    def test_a_statement_with_a_tenant_passes(self, text: str) -> None:
        assert free_tables(text, WATCHED, "tenant_id") == set()

    @pytest.mark.parametrize(
        ("text", "free"),
        [
            ('SELECT "task"."tenant_id" FROM "task"', {"task"}),
            ('SELECT "task"."id" FROM "task" WHERE "task"."id" = ?', {"task"}),
            ("SELECT id FROM task WHERE tenant_id IS NOT NULL", {"task"}),
            ("SELECT id FROM task WHERE tenant_id <> ?", {"task"}),
            (
                "SELECT t.id FROM task t JOIN project p ON t.tenant_id = p.tenant_id",
                {"task", "project"},
            ),
            (
                "SELECT t.id FROM task t JOIN project p ON t.project_id = p.id"
                " WHERE p.tenant_id = ?",
                {"task"},
            ),
            ("SELECT t.id FROM task t, project p WHERE t.tenant_id = ?", {"project"}),
            (
                "SELECT 1 FROM task WHERE task.tenant_id = ? AND id IN (SELECT task.id FROM task)",
                {"task"},
            ),
            ('UPDATE "task" SET "tenant_id" = ? WHERE "task"."id" = ?', {"task"}),
            ("DELETE FROM task", {"task"}),
            ("SELECT id FROM task WHERE tenant_id = ? UNION SELECT id FROM task", {"task"}),
            (
                "SELECT id FROM task WHERE tenant_id = ? AND project_id = (SELECT id FROM project)",
                {"project"},
            ),
            (
                "SELECT (SELECT count(*) FROM project p WHERE p.tenant_id = t.tenant_id)"
                " FROM task t",
                {"task", "project"},
            ),
            ("SELECT t.id FROM task t JOIN tenant ON tenant.id = t.tenant_id", {"task"}),
            ("INSERT INTO task (tenant_id) SELECT p.id FROM project p", {"project"}),
        ],
    )
    def test_one_without_is_found(self, text: str, free: set[str]) -> None:
        assert free_tables(text, WATCHED, "tenant_id") == free

    def test_a_planted_statement_is_told_with_its_place(self) -> None:
        options: Any = {"column": "content_type_id", "tables": ["auth_permission"]}
        with assert_no_tenant_free_statement(**options):
            Permission.objects.filter(content_type_id=1).first()
            ContentType.objects.first()
        with (
            pytest.raises(
                AssertionError, match="auth_permission without content_type_id"
            ) as raised,
            assert_no_tenant_free_statement(**options),
        ):
            Permission.objects.filter(codename="needle").first()

        assert "test_testing.py:" in str(raised.value)
        assert "needle" not in str(raised.value)

    def test_one_in_chunks_is_found_too(self) -> None:
        with (
            pytest.raises(AssertionError, match="auth_permission without"),
            assert_no_tenant_free_statement("content_type_id", tables=["auth_permission"]),
        ):
            list(Permission.objects.filter(codename="x").iterator(chunk_size=2))

    def test_subqueries_of_the_orm_are_read(self) -> None:
        inner = Permission.objects.filter(content_type=OuterRef("pk"))
        with assert_no_tenant_free_statement("content_type_id", tables=["auth_permission"]):
            list(ContentType.objects.filter(Exists(inner), pk=1))

    def test_a_condition_that_postgresql_adds_counts_unless_it_must_not(self) -> None:
        run("CREATE TEMPORARY TABLE planted_rows (tenant_id int, n int)")
        # As a policy does: what is asked has no tenant in it, what is read has.
        run(
            "CREATE TEMPORARY VIEW planted_view AS"
            " SELECT * FROM planted_rows WHERE tenant_id = current_setting('a.b', true)::int"
        )
        tables = ["planted_view", "planted_rows"]

        with assert_no_tenant_free_statement(tables=tables):
            run("SELECT n FROM planted_view WHERE n = %s", [1])
        with (
            pytest.raises(AssertionError, match="planted_view without tenant_id"),
            assert_no_tenant_free_statement(tables=tables, by_policy=False),
        ):
            run("SELECT n FROM planted_view WHERE n = %s", [1])
        with (
            pytest.raises(AssertionError, match="planted_rows without tenant_id"),
            assert_no_tenant_free_statement(tables=tables),
        ):
            run("SELECT n FROM planted_rows WHERE n = %s", [1])
