"""What a look says of indexes, on a database that has one of each and what only looks like it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from perf.pgstat.capabilities import probe
from perf.pgstat.indexes import tenant_first, unused
from perf.pgstat.reading import look
from perf.pgstat.relations import Index, predicate
from perf.pgstat.results import Confidence, Document, Severity, Status
from perf.pgstat.samples import take
from perf.pgstat.section import Options
from perf.tests.lab import ask, owner
from perf.tests.live import made
from perf.tests.pgstat_fixture import (
    FLUSH,
    check,
    found,
    looked_at,
    name_of,
    role,
    row,
    server_of,
)

ALL = Options(top=None)


@pytest.fixture(scope="module")
def document(library: str) -> Document:
    return looked_at(library, "indexes", options=ALL)


def over_days(library: str, days: int, *between: str) -> Document:
    """A look over a window that these statements fell into, told as if it had so many days."""
    with server_of(library) as server:
        now = take(server, probe(server))
        before = replace(now, taken_at=now.taken_at - timedelta(days=days))
        with psycopg.connect(**owner(), dbname=library, autocommit=True) as own:
            for statement in (*between, FLUSH, "SELECT 1"):
                own.execute(statement.encode())
        return look(server, names=["indexes"], before=before, options=ALL)


def test_a_redundant_index_names_the_one_that_serves_it(document):
    served = {
        place: finding.evidence["served_by"] for place, finding in found(document, "IX2").items()
    }

    # All others differ from their neighbours: in collation, operator class, order, NULLS FIRST,
    # condition, expression, method, what they include, or in what they forbid.
    assert served == {
        "archive.book_year": "book_year_id",
        "book_isbn": "book_isbn_key",
        "book_isbn_again": "book_isbn_key",
        "book_note_lent_again": "book_note_lent",
        "book_year": "book_year_with_order",
        "book_year_with_author": "book_year_author",
        "event_kind": "event_kind_day",
    }


def test_a_redundant_index_can_go_and_come_back(document):
    found_here = found(document, "IX2")

    fix, whole = found_here["archive.book_year"].fix, found_here["event_kind"].fix

    assert fix.sql == 'DROP INDEX CONCURRENTLY "archive"."book_year";'
    assert fix.undo_sql == (
        "CREATE INDEX CONCURRENTLY book_year ON archive.book USING btree (year);"
    )
    assert fix.online
    assert whole.sql == 'DROP INDEX "public"."event_kind";'  # PostgreSQL has no other for these
    assert whole.undo_sql == "CREATE INDEX event_kind ON public.event USING btree (kind);"
    assert not whole.online


def test_each_fix_and_its_way_back_are_taken_by_postgresql(document):
    name = name_of("fixes")
    ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    ask(f"CREATE DATABASE {name} TEMPLATE {document.database}")
    try:
        with psycopg.connect(**owner(), dbname=name, autocommit=True) as own:
            own.execute("TRUNCATE twice")
            done = 0
            for finding in (each for each in document.findings if each.fix):
                for sql in (finding.fix.sql, finding.fix.undo_sql):
                    for statement in filter(None, (sql or "").split("\n")):
                        own.execute(statement.encode())
                        done += 1
    finally:
        ask(f"DROP DATABASE {name} WITH (FORCE)")
    assert done > 30


def test_an_index_that_was_not_finished_is_told_with_what_to_do(document):
    told = {
        place: (finding.evidence["action"], finding.severity)
        for place, finding in found(document, "IX3").items()
    }

    assert told == {
        "loan_v": ("validate", Severity.WARNING),
        "twice_part": ("uncertain", Severity.WARNING),
        "twice_word": ("recreate", Severity.CRITICAL),
        "twice_word_ccnew": ("drop", Severity.WARNING),
    }


@contextmanager
def building(database: str) -> Iterator[None]:
    """While an index is built, which waits for somebody that writes."""
    with (
        psycopg.connect(**owner(), dbname=database) as writer,
        psycopg.connect(**owner(), dbname=database, autocommit=True) as builder,
    ):
        writer.execute("INSERT INTO wide DEFAULT VALUES")
        statement = "CREATE INDEX CONCURRENTLY wide_slow ON wide ((id + 1))"
        thread = threading.Thread(target=builder.execute, args=(statement,))
        thread.start()
        while not ask("SELECT 1 FROM pg_class WHERE relname = 'wide_slow'", database):
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield
        finally:
            writer.rollback()
            thread.join()
            builder.execute("DROP INDEX wide_slow")


def test_an_index_that_is_being_built_is_not_invalid(library):
    with building(library):
        document = looked_at(library, "indexes", options=ALL)

    assert row(document, "indexes", index="wide_slow")["is_valid"] is False
    assert "wide_slow" not in found(document, "IX3")


def test_that_it_is_being_built_is_seen_by_who_may_not_read_the_progress(library):
    with role("test_pgstat_stranger") as url, building(library):
        document = looked_at(library, "indexes", options=ALL, url=url)

    assert "wide_slow" not in found(document, "IX3")
    assert "twice_word" in found(document, "IX3")


def test_foreign_keys_without_an_index_are_told_with_what_a_deletion_does(document):
    told = {
        place: (finding.evidence["on_delete"], finding.severity)
        for place, finding in found(document, "IX4").items()
    }

    # Covered are loan_pair, whose index has its columns in another order, loan_partial, whose index
    # leaves out only rows that point nowhere, and pointing's.
    assert told == {
        "event_book_id_fkey": ("NO ACTION", Severity.INFO),  # once, and not for each partition
        "loan_half": ("CASCADE", Severity.WARNING),
        "loan_kept": ("NO ACTION", Severity.INFO),
        "loan_plain": ("CASCADE", Severity.WARNING),
        "loan_wrong": ("SET NULL", Severity.WARNING),
    }


def test_a_foreign_key_is_given_its_index(document):
    fix = found(document, "IX4")["loan_half"].fix

    assert fix.sql == 'CREATE INDEX CONCURRENTLY "loan_v_w_idx" ON "public"."loan" ("v", "w");'
    assert fix.undo_sql == 'DROP INDEX CONCURRENTLY "public"."loan_v_w_idx";'
    assert not found(document, "IX4")["event_book_id_fkey"].fix.online


def test_indexes_of_tenants_that_do_not_begin_with_the_tenant(document):
    assert set(found(document, "IX5")) == {"ticket_code", "ticket_label_key"}


def test_where_the_right_index_is_there_the_other_can_just_go(document):
    fix = found(document, "IX5")["ticket_code"].fix

    assert fix.sql == 'DROP INDEX CONCURRENTLY "public"."ticket_code";'


def test_a_right_index_is_looked_for_on_its_own_table_alone(library, monkeypatch):
    looked_at_tables = []

    def begins(other: Index, index: Index, columns: tuple[str, ...]) -> bool:
        looked_at_tables.append((other.table, index.table))
        return False

    monkeypatch.setattr(tenant_first, "_begins", begins)
    found(looked_at(library, "indexes"), "IX5")

    assert looked_at_tables
    assert all(other == own for other, own in looked_at_tables)


def test_an_index_across_tenants_stands_in_the_settings_with_its_reason(library, settings):
    settings.PERF_TENANT_GLOBAL = {"ticket_label_key": "A label is printed on paper."}
    assert set(found(looked_at(library, "indexes"), "IX5")) == {"ticket_code"}

    settings.PERF_TENANT_GLOBAL = {"ticket_label_key": ""}
    told = check(looked_at(library, "indexes"), "IX5")
    assert told.status is Status.ERROR
    assert ImproperlyConfigured.__name__ in str(told.reason)


def test_the_column_of_the_tenant_is_a_setting(library, settings):
    settings.PERF_TENANT_COLUMN = "pair_a"
    assert "ticket_tenant_code" in found(looked_at(library, "indexes"), "IX5")

    settings.PERF_TENANT_COLUMN = "organisation_id"
    assert check(looked_at(library, "indexes"), "IX5").status is Status.SKIPPED


def test_of_two_tables_that_share_a_column_s_name_only_the_empty_one_is_told(document):
    told = found(document, "IX6")

    assert set(told) == {"empty_words_new", "empty_words_word"}
    assert told["empty_words_word"].evidence["null_share"] == pytest.approx(0.9)
    assert told["empty_words_new"].evidence["distinct"] == 2


def test_a_table_that_was_never_analysed_is_not_judged_and_that_is_told():
    name = name_of("unanalysed")
    ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    ask(f"CREATE DATABASE {name}")
    try:
        ask("CREATE TABLE young (flag boolean) WITH (autovacuum_enabled = off)", name)
        ask("INSERT INTO young SELECT n % 2 = 0 FROM generate_series(1, 12000) n", name)
        before = looked_at(name, "indexes")
        ask("CREATE INDEX young_flag ON young (flag)", name)
        unknown = looked_at(name, "indexes")
        ask("ANALYZE young", name)
        after = looked_at(name, "indexes")
    finally:
        ask(f"DROP DATABASE {name} WITH (FORCE)")

    assert check(before, "IX6").status is Status.OK
    assert check(unknown, "IX6").status is Status.INSUFFICIENT
    assert "public.young" in str(check(unknown, "IX6").reason)
    assert set(found(after, "IX6")) == {"young_flag"}


def test_without_snapshots_no_index_is_called_unused(document):
    told = check(document, "IX1")

    assert told.status is Status.INSUFFICIENT
    assert "take snapshots for 14 days" in str(told.reason)


def test_a_window_of_a_week_is_too_short(library):
    told = check(over_days(library, 7), "IX1")

    assert told.status is Status.INSUFFICIENT
    assert told.reason == "The window has 7.0 days; this needs 14."


def test_indexes_that_nothing_has_read_for_long(library):
    read = "SET enable_seqscan = off", "SELECT 1 FROM slim WHERE a + 1 = 7"

    document = over_days(library, 15, *read)

    assert set(found(document, "IX1")) == {f"slim_{number}" for number in range(2, 7)}
    assert row(document, "indexes", index="slim_1")["scans"] == 1
    finding = found(document, "IX1")["slim_2"]
    assert finding.confidence is Confidence.MEDIUM
    assert finding.fix.sql == 'DROP INDEX CONCURRENTLY "public"."slim_2";'


def test_an_index_with_a_purpose_is_never_called_unused(library, monkeypatch):
    monkeypatch.setattr(unused, "LEAST_BYTES", 0)

    told = set(found(over_days(library, 15), "IX1"))

    assert {"book_title", "event_kind"} <= told
    # Keys, unique ones, the only ones of a foreign key, parts of a partitioned one, invalid ones.
    assert not told & {
        *("book_pkey", "book_isbn_key", "book_isbn_again", "loan_pair_idx", "loan_partial_idx"),
        *("pointing_wide", "event_1_kind_idx", "event_1_pkey", "twice_part", "ticket_slug_key"),
    }


def test_an_index_that_is_new_in_the_window_is_not_judged(library, monkeypatch):
    monkeypatch.setattr(unused, "LEAST_BYTES", 0)

    told = over_days(library, 15, "CREATE INDEX book_fresh ON book (pages, title)")
    ask("DROP INDEX book_fresh", library)

    assert row(told, "indexes", index="book_fresh")["flag"] == "new"
    assert "book_fresh" not in found(told, "IX1")


def test_on_a_server_with_replicas_nobody_is_sure(library):
    superuser, slot = getattr(settings, "PERF_SUPERUSER_URL", ""), name_of("replica").lower()
    if not superuser:
        pytest.skip("Only a superuser makes a slot for a replica.")
    with psycopg.connect(superuser, autocommit=True) as own:
        own.execute("SELECT pg_create_physical_replication_slot(%s)", [slot])
        try:
            finding = found(over_days(library, 15), "IX1")["slim_2"]
        finally:
            own.execute("SELECT pg_drop_replication_slot(%s)", [slot])

    assert finding.confidence is Confidence.LOW
    assert "There are replicas, whose reads are not counted here: look there, too." in (
        finding.caveats
    )


def test_what_an_index_cost_is_told(document):
    told = row(document, "indexes", index="busy_touched")

    assert told["rows_written"] == 20_000  # 10,000 new ones and as many updates that were not HOT
    assert told["method"] == "btree"
    assert told["definition"] == "CREATE INDEX busy_touched ON public.busy USING btree (touched)"


def test_the_name_of_an_object_has_its_schema_unless_that_is_public(document):
    assert found(document, "IX2")["archive.book_year"].id == "IX2:archive.book_year"
    assert found(document, "IX2")["book_year"].id == "IX2:book_year"


def test_only_the_schemas_that_are_wanted_are_told(library):
    document = looked_at(library, "indexes", options=Options(schemas=("archive",)))

    assert set(found(document, "IX2")) == {"archive.book_year"}
    assert {each["schema"] for each in document.sections[0].rows} == {"archive"}
    assert not found(document, "IX3")
    assert not found(document, "IX4")


@pytest.mark.parametrize(
    ("definition", "condition"),
    [
        ("CREATE INDEX i ON t USING btree (a)", None),
        ("CREATE INDEX i ON t USING btree (a) WHERE (b > 1)", "(b > 1)"),
        (
            "CREATE INDEX i ON t USING btree (a) WHERE (b = ' WHERE '::text)",
            "(b = ' WHERE '::text)",
        ),
        ("CREATE INDEX i ON t USING btree (((a || ' WHERE x'::text)))", None),
        ('CREATE INDEX i ON t USING btree (" WHERE ") WHERE c', "c"),
        ("CREATE INDEX i ON t USING btree (((a || 'it''s WHERE '::text))) WHERE c", "c"),
    ],
)
def test_the_condition_is_read_out_of_a_definition(definition, condition):
    assert predicate(definition) == condition


def test_names_with_brackets_and_quotes_do_not_break_what_mends_an_index(settings):
    settings.PERF_TENANT_COLUMN = "tenant_id"
    odd = '"x (""y"") USING btree (z"'
    table = f"CREATE TABLE {odd} (id int PRIMARY KEY, tenant_id int, {odd} int)"
    with made("test_perf_odd_names", table, f"CREATE INDEX odd ON {odd} ({odd} DESC)") as live:
        (finding,) = check(live.look("indexes"), "IX5").findings
        for each in str(finding.fix and finding.fix.sql).removesuffix(";").split(";\n"):
            live.do(each)
        (left,) = live.do("SELECT indexdef FROM pg_indexes WHERE indexdef ~ 'tenant_id'")

    assert left[0].endswith(f"ON public.{odd} USING btree (tenant_id, {odd} DESC)")
