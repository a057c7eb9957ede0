from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from perf.pg.plans import Buffers, Node, Plan, explain, explain_sql, parse_plan, plans_of

# As PostgreSQL 18 writes it, with what nobody reads left out.
DOCUMENT: list[dict[str, Any]] = [
    {
        "Plan": {
            "Node Type": "Limit",
            "Plan Rows": 50,
            "Total Cost": 12.5,
            "Actual Rows": 50.0,
            "Actual Loops": 1,
            "Shared Hit Blocks": 17,
            "Shared Read Blocks": 3,
            "Plans": [
                {
                    "Node Type": "Sort",
                    "Plan Rows": 50,
                    "Total Cost": 12.0,
                    "Actual Rows": 50.0,
                    "Actual Loops": 1,
                    "Sort Key": ["book.title DESC", "book.id"],
                    "Shared Hit Blocks": 17,
                    "Shared Read Blocks": 3,
                    "Plans": [
                        {
                            "Node Type": "Index Scan",
                            "Scan Direction": "Backward",
                            "Relation Name": "book",
                            "Index Name": "book_shelf_idx",
                            "Index Cond": "((shelf_id = 7) AND (ROW(title, id) < ROW('x', 9)))",
                            "Filter": "(lent_at IS NULL)",
                            "Plan Rows": 60,
                            "Total Cost": 11.0,
                            "Actual Rows": 51.5,
                            "Actual Loops": 2,
                            "Rows Removed by Filter": 4.0,
                            "Index Searches": 3,
                            "Shared Hit Blocks": 17,
                            "Shared Read Blocks": 3,
                        }
                    ],
                }
            ],
        },
        "Planning Time": 0.25,
        "Execution Time": 1.5,
    }
]
SCAN = Node(
    type="Index Scan",
    relation="book",
    index="book_shelf_idx",
    index_condition="((shelf_id = 7) AND (ROW(title, id) < ROW('x', 9)))",
    filter="(lent_at IS NULL)",
    backward=True,
    planned_rows=60,
    cost=11.0,
    rows=51.5,
    removed=4.0,
    loops=2,
    searches=3,
    buffers=Buffers(hit=17, read=3),
)


class TestParsing:
    def test_each_node_keeps_what_explain_said_of_it(self) -> None:
        limit, sort, scan = parse_plan(DOCUMENT).nodes()

        assert (limit.type, limit.rows, limit.children) == ("Limit", 50, (sort,))
        assert sort.sort_keys == ("book.title DESC", "book.id")
        assert scan == SCAN

    def test_times_stand_beside_the_tree(self) -> None:
        plan = parse_plan(DOCUMENT)

        assert (plan.planning_ms, plan.execution_ms) == (0.25, 1.5)

    @pytest.mark.parametrize(
        "given", [json.dumps(DOCUMENT), json.dumps(DOCUMENT).encode(), DOCUMENT, DOCUMENT[0]]
    )
    def test_text_and_what_it_reads_as_give_the_same_plan(self, given: Any) -> None:
        assert parse_plan(given) == parse_plan(DOCUMENT)

    @pytest.mark.parametrize("given", ["[]", "{}", "null", "3", [DOCUMENT[0], DOCUMENT[0]]])
    def test_what_is_no_plan_of_one_statement_is_refused(self, given: Any) -> None:
        with pytest.raises(ValueError, match="This is no plan"):
            parse_plan(given)

    def test_a_plan_that_was_not_run_has_no_measured_values(self) -> None:
        plan = parse_plan({"Plan": {"Node Type": "Result", "Plan Rows": 1, "Total Cost": 0.01}})

        assert (plan.root.rows, plan.root.loops, plan.root.buffers) == (None, None, None)
        with pytest.raises(ValueError, match="analyze=True"):
            plan.buffers  # noqa: B018

    def test_a_plan_cannot_be_changed(self) -> None:
        with pytest.raises(AttributeError):
            parse_plan(DOCUMENT).root.type = "Seq Scan"  # type: ignore[misc]


class TestFinding:
    def test_an_index_that_is_read_is_found_by_its_name(self) -> None:
        plan = parse_plan(DOCUMENT)

        assert plan.uses_index("book_shelf_idx")
        assert not plan.uses_index("book")
        assert plan.indexes == ("book_shelf_idx",)
        assert plan.scans("book_shelf_idx") == (SCAN,)

    def test_nodes_are_found_by_type(self) -> None:
        plan = parse_plan(DOCUMENT)

        assert [node.type for node in plan.nodes("Sort", "Limit")] == ["Limit", "Sort"]
        assert plan.nodes("Seq Scan") == ()

    def test_pages_are_those_of_the_whole_statement(self) -> None:
        assert parse_plan(DOCUMENT).buffers == 20

    def test_a_column_bounds_an_index_only_by_its_whole_name(self) -> None:
        assert SCAN.bounds("shelf_id")
        assert SCAN.bounds("id")
        assert not SCAN.bounds("shelf")
        assert not SCAN.bounds("lent_at")

    @pytest.mark.parametrize("kind", ["Sort", "Incremental Sort"])
    def test_a_sort_of_either_kind_is_one(self, kind: str) -> None:
        assert Plan(root=Node(type="Limit", children=(Node(type=kind),))).has_sort
        assert not Plan(root=Node(type="Limit")).has_sort


class TestComplaints:
    def test_a_plan_that_does_what_is_expected_gives_none(self) -> None:
        plan = Plan(root=SCAN)

        assert plan.complaints(index="book_shelf_idx", table="book", bounds=["shelf_id"]) == []

    def test_a_sort_is_one_unless_it_may_be(self) -> None:
        plan = parse_plan(DOCUMENT)
        expected: dict[str, Any] = {"index": "book_shelf_idx", "table": "book"}

        assert plan.complaints(**expected) == ["the rows are sorted"]
        assert plan.complaints(**expected, may_sort=True) == []

    def test_columns_that_do_not_bound_the_index_are_named(self) -> None:
        found = Plan(root=SCAN).complaints(
            index="book_shelf_idx", table="book", bounds=["shelf_id", "lent_at", "colour"]
        )

        assert found == ["book_shelf_idx is not narrowed by lent_at, colour"]

    def test_another_index_and_a_read_table_are_named(self) -> None:
        other = Plan(root=Node(type="Index Scan", relation="book", index="book_pkey"))
        whole = Plan(root=Node(type="Seq Scan", relation="book"))
        expected: dict[str, Any] = {"index": "book_shelf_idx", "table": "book"}

        assert other.complaints(**expected) == ["book_shelf_idx is not used, but book_pkey"]
        assert whole.complaints(**expected) == [
            "book_shelf_idx is not used, but no index",
            "book is read from end to end",
        ]


def test_a_plan_is_drawn_as_a_tree() -> None:
    assert str(parse_plan(DOCUMENT)) == (
        "Limit rows=50 buffers=17+3\n"
        "  Sort by=book.title DESC, book.id rows=50 buffers=17+3\n"
        "    Index Scan backward using book_shelf_idx on book"
        " cond=((shelf_id = 7) AND (ROW(title, id) < ROW('x', 9))) filter=(lent_at IS NULL)"
        " rows=51.5 removed=4 loops=2 buffers=17+3"
    )


@pytest.mark.django_db
class TestPostgresql:
    def test_a_look_up_by_key_reads_an_index_and_not_the_table(self) -> None:
        plan = explain_sql(
            connection, "SELECT relname FROM pg_class WHERE oid = %s", [1259], analyze=True
        )

        (scan,) = plan.scans("pg_class_oid_index")
        assert (scan.type, scan.relation, scan.rows) == ("Index Scan", "pg_class", 1)
        assert scan.bounds("oid")
        assert 1 <= plan.buffers <= 5
        assert not plan.has_sort

    def test_a_sorted_table_is_read_from_end_to_end(self) -> None:
        plan = explain(ContentType.objects.order_by("model"), analyze=True)

        (scan,) = plan.seq_scans("django_content_type")
        assert scan.rows == ContentType.objects.count()
        assert plan.nodes("Sort")[0].sort_keys == ("model",)

    def test_without_analyze_nothing_is_run(self) -> None:
        plan = explain_sql(connection, "SELECT 1 / (id - id) FROM django_content_type")

        assert plan.root.rows is None
        assert plan.execution_ms is None

    def test_an_index_is_found_below_a_bitmap_too(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_indexscan = off")

        plan = explain(Permission.objects.filter(pk__in=[1, 2]))

        (scan,) = plan.scans("auth_permission_pkey")
        assert (scan.type, scan.relation) == ("Bitmap Index Scan", None)
        assert scan.bounds("id")

    def test_a_queryset_that_asks_nothing_has_no_plan(self) -> None:
        with pytest.raises(ValueError, match="without a statement"):
            explain(ContentType.objects.none())

    def test_the_plans_of_a_block_come_in_order_with_their_statements(self) -> None:
        with plans_of(connection) as plans:
            ContentType.objects.filter(pk=1).exists()
            list(Permission.objects.values_list("codename"))

        assert ["auth_permission" in plan.statement for plan in plans] == [False, True]
        assert [plan.root.rows for plan in plans] == [None, None]

    def test_a_block_gets_its_own_answers_though_its_statements_are_planned(self) -> None:
        expected = ContentType.objects.count()

        with plans_of(connection, analyze=True) as plans:
            found = ContentType.objects.count()

        assert found == expected
        assert plans[0].root.rows == 1

    def test_what_may_write_is_planned_but_written_once(self) -> None:
        with plans_of(connection, analyze=True) as plans, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO django_session VALUES ('once', 'x', now()) RETURNING session_key"
            )
            assert cursor.fetchall() == [("once",)]

        assert [plan.root.type for plan in plans] == ["ModifyTable"]
        assert plans[0].root.rows is None

    def test_a_statement_that_has_no_plan_is_left_alone(self) -> None:
        with plans_of(connection) as plans, connection.cursor() as cursor:
            cursor.execute("SET LOCAL work_mem = '4MB'")

        assert plans == []


def modify(name: str, hit: int, wal: int, *below: dict[str, Any]) -> dict[str, Any]:
    return step("ModifyTable", hit, wal, *below) | {"Subplan Name": f"CTE {name}"}


def step(kind: str, hit: int, wal: int, *below: dict[str, Any]) -> dict[str, Any]:
    figures = {"Shared Hit Blocks": hit, "WAL Bytes": wal, "WAL FPI": wal // 100}
    return {"Node Type": kind, "Plans": list(below), "Actual Loops": 1, **figures}


def test_a_with_that_writes_and_is_not_read_counts_beside_the_root():
    scan = step("CTE Scan", 10, 700) | {"CTE Name": "made"}
    root = step("Aggregate", 10, 700, modify("made", 10, 700), modify("told", 5, 300), scan)

    plan = parse_plan({"Plan": root})

    assert (plan.buffers, plan.wal_bytes, plan.full_pages) == (15, 1000, 10)
