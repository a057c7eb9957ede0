"""What a look says of tables: how they are read, what they take up, what is cleared away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings

from perf.pgstat.capabilities import probe
from perf.pgstat.estimates import Width, btree_pages, table_pages
from perf.pgstat.reading import look
from perf.pgstat.relations import Table
from perf.pgstat.results import Confidence, Document, Severity, Status
from perf.pgstat.samples import take
from perf.pgstat.section import Options
from perf.pgstat.sections import bloat, hot, wraparound
from perf.pgstat.sections.vacuum import vacuum_trigger
from perf.tests.lab import ask, owner
from perf.tests.pgstat_fixture import (
    FLUSH,
    check,
    found,
    looked_at,
    name_of,
    row,
    section,
    server_of,
)

ALL = Options(top=None)
SECTIONS = ("index_usage", "tables", "vacuum", "wraparound", "bloat", "ids", "hot")


@pytest.fixture(scope="module")
def document(library: str) -> Document:
    return looked_at(library, *SECTIONS, options=ALL)


@pytest.fixture
def scratch() -> Any:
    """A database for a test that changes it."""
    name = name_of("scratch")
    ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    ask(f"CREATE DATABASE {name}")
    yield name
    ask(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_two_worst_tables_are_told_and_not_the_one_whose_indexes_were_built(document):
    told = found(document, "IU1")

    assert set(told) == {"hot", "bare"}
    assert told["hot"].evidence["index_scans"] == 0
    assert told["bare"].evidence["index_scans"] is None  # it has no index: that hides nothing
    assert told["bare"].evidence["rows_per_seq_scan"] == 11_000
    assert "1 were built, which is up to" in told["hot"].caveats[1]


def test_how_a_table_was_read_is_counted(document):
    told = row(document, "index_usage", table="bare")

    assert (told["seq_scans"], told["rows_read_by_seq_scans"]) == (15, 165_000)
    assert told["seq_read_share"] == 1
    assert told["heap_bytes"] > 10_000_000
    assert row(document, "index_usage", table="built")["indexes_built"] == 12


def test_partitions_are_summed_up_in_their_table(document):
    tables = [each["table"] for each in section(document, "tables").rows]
    told = row(document, "tables", table="event")

    assert not {"event_1", "event_2"} & {*tables}
    assert (told["partitions"], told["rows"]) == (2, 2_000)
    assert told["heap_bytes"] > 2 * 8_192
    # Two of its own, and a key: those of the partitions are their parts.
    assert row(document, "index_usage", table="event")["indexes"] == 3


def test_a_table_with_more_of_indexes_than_of_rows_is_told(document):
    told = found(document, "TB1")

    assert set(told) == {"slim"}
    assert told["slim"].severity is Severity.INFO
    assert told["slim"].evidence["index_bytes"] > 2 * told["slim"].evidence["heap_bytes"]


def test_growth_is_told_of_a_window_and_of_nothing_else(scratch):
    ask("CREATE TABLE growing (word text)", scratch)
    with server_of(scratch) as server:
        now = take(server, probe(server))
        before = replace(now, taken_at=now.taken_at - timedelta(days=2))
        ask("INSERT INTO growing SELECT repeat('x', 1000) FROM generate_series(1, 8000)", scratch)
        over = look(server, names=["tables"], before=before)
        since_ever = look(server, names=["tables"])

    told = row(over, "tables", table="growing")
    assert told["growth_bytes_per_day"] == pytest.approx(int(told["total_bytes"]) / 2, rel=0.01)
    assert row(since_ever, "tables", table="growing")["growth_bytes_per_day"] is None


def test_dead_rows_are_told_beyond_what_calls_autovacuum(document):
    told = found(document, "VA1")

    assert set(told) == {"churn", "counter", "busy", "roomy"}
    evidence = told["churn"].evidence
    assert (evidence["dead_rows"], evidence["live_rows"]) == (15_000, 25_000)
    assert evidence["vacuum_trigger"] == 50 + 0.2 * 40_000
    assert "Autovacuum is off for this table." in told["churn"].caveats


def table(**changes: Any) -> Table:
    plain = Table(1, "public", "t", "r", 1_000_000, 1, {}, {}, None, 1, True)
    return replace(plain, **changes)


SETTINGS: Mapping[str, str] = {
    "autovacuum_vacuum_threshold": "50",
    "autovacuum_vacuum_scale_factor": "0.2",
}


@pytest.mark.parametrize(
    ("options", "settings", "rows"),
    [
        ({}, SETTINGS, 200_050),
        ({"autovacuum_vacuum_scale_factor": "0.01"}, SETTINGS, 10_050),
        ({}, {**SETTINGS, "autovacuum_vacuum_max_threshold": "100000"}, 100_000),
        ({}, {**SETTINGS, "autovacuum_vacuum_max_threshold": "-1"}, 200_050),
        (
            {"autovacuum_vacuum_max_threshold": "70000"},
            {**SETTINGS, "autovacuum_vacuum_max_threshold": "100000"},
            70_000,
        ),
        ({}, {}, None),
    ],
)
def test_what_calls_autovacuum(options, settings, rows):
    assert vacuum_trigger(table(options=options), settings) == rows


def test_a_table_that_was_never_analysed_counts_as_empty():
    assert vacuum_trigger(table(rows=-1), SETTINGS) == 50


def test_who_keeps_dead_rows_is_named(library):
    with psycopg.connect(**owner(), dbname=library, application_name="sleeper") as other:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1 FROM churn LIMIT 1")
        ask("SELECT txid_current()", library)
        told = looked_at(library, "vacuum")

    named = [each for each in found(told, "VA1")["churn"].caveats if "can't go yet" in each]
    assert len(named) == 1
    assert "sleeper idle in transaction may still see them" in named[0]
    assert any("sleeper" in each for each in section(told, "vacuum").notes)


def test_stale_planner_statistics_are_told_with_the_reason(document):
    told = found(document, "VA2")

    assert set(told) == {"unknown", "event", "churn", "counter", "busy", "roomy"}
    assert "it was never analysed" in told["unknown"].what
    assert "nobody has analysed it as a whole" in told["event"].what
    assert "38% of its rows have changed since" in told["churn"].what
    assert told["event"].fix.sql == 'ANALYZE "public"."event";'


def test_ages_are_those_that_postgresql_tells(document, library):
    age = ask("SELECT age(relfrozenxid) FROM pg_class WHERE relname = 'hot'", library)[0]
    told, whole = (
        next(each for each in section(document, "wraparound").rows if each["name"] == name)
        for name in ("hot", library)
    )

    assert 0 <= age - told["xid_age"] < 10_000
    assert whole["kind"] == "database"
    assert check(document, "WR1").status is Status.OK


@pytest.mark.parametrize(
    ("xids", "multixacts", "severity"),
    [
        (999_999_999, 0, None),
        (1_000_000_000, 0, Severity.WARNING),
        (0, 1_000_000_000, Severity.WARNING),
        (1_600_000_000, 0, Severity.CRITICAL),
    ],
)
def test_an_old_database_and_an_old_table_are_told(library, xids, multixacts, severity):
    ages = {"xid_age": xids, "multixact_age": multixacts}
    rows = [
        {"schema": None, "name": "old", "kind": "database", **ages},
        {"schema": "public", "name": "hot", "kind": "table", **ages},
    ]

    told: list[Any] = list(wraparound.OLD.find(reading_of(), rows))

    assert [str(each.place) for each in told] == (["old", "hot"] if severity else [])
    assert {each.severity for each in told} == ({severity} if severity else set())
    if severity:
        assert told[1].fix.sql == 'VACUUM (FREEZE) "public"."hot";'


def reading_of() -> Any:
    """What a check that asks nothing of a server needs."""
    from perf.pgstat.objects import Models
    from perf.pgstat.section import Reading

    nobody: Any = None
    return Reading(nobody, nobody, nobody, Models())


def test_what_is_full_wastes_little_and_what_was_emptied_much(document):
    full, holes = (row(document, "bloat", table=name) for name in ("hot", "holes"))

    assert full["method"] == holes["method"] == "estimate"
    assert full["wasted_share"] < 0.05
    assert holes["wasted_share"] == pytest.approx(0.75, abs=0.03)
    assert check(document, "BL1").status is Status.OK  # it is no 100 MB


def test_a_large_table_that_is_mostly_empty_is_told(library, monkeypatch):
    monkeypatch.setattr(bloat, "LEAST_BYTES", 5_000_000)

    told = found(looked_at(library, "bloat"), "BL1")

    assert set(told) == {"holes"}
    assert told["holes"].confidence is Confidence.LOW
    assert not told["holes"].fix.online


def test_an_index_that_is_mostly_empty_is_told(scratch, monkeypatch):
    monkeypatch.setattr(bloat, "LEAST_LISTED_BYTES", 1_000_000)
    monkeypatch.setattr(bloat, "LEAST_BYTES", 1_000_000)
    ask("CREATE TABLE queue (id bigint) WITH (autovacuum_enabled = off)", scratch)
    ask("INSERT INTO queue SELECT generate_series(1, 100000)", scratch)
    ask("CREATE INDEX queue_id ON queue (id)", scratch)
    ask("DELETE FROM queue WHERE id % 10 > 0", scratch)
    ask("VACUUM (ANALYZE) queue", scratch)

    document = looked_at(scratch, "bloat")

    told = found(document, "BL1")
    assert set(told) == {"queue", "queue_id"}
    assert row(document, "bloat", index="queue_id")["wasted_share"] == pytest.approx(0.9, abs=0.03)
    assert told["queue_id"].fix.sql == 'REINDEX INDEX CONCURRENTLY "public"."queue_id";'


def test_an_estimate_is_not_made_of_statistics_that_are_old(scratch, monkeypatch):
    monkeypatch.setattr(bloat, "LEAST_LISTED_BYTES", 0)
    ask("CREATE TABLE changing (id bigint) WITH (autovacuum_enabled = off)", scratch)
    ask("INSERT INTO changing SELECT generate_series(1, 1000)", scratch)

    told = looked_at(scratch, "bloat")
    assert row(told, "bloat", table="changing")["wasted_bytes"] is None
    assert row(told, "bloat", table="changing")["why"] == "It was never analysed."

    ask("ANALYZE changing", scratch)
    ask("UPDATE changing SET id = id WHERE id <= 101", scratch)
    told = looked_at(scratch, "bloat")
    assert row(told, "bloat", table="changing")["why"] == (
        "Too much has changed since it was analysed."
    )
    assert check(told, "BL1").status is Status.SKIPPED


def test_a_table_is_measured_where_the_extension_is_there(scratch):
    superuser = getattr(settings, "PERF_SUPERUSER_URL", "")
    available = "SELECT 1 FROM pg_available_extensions WHERE name = 'pgstattuple'"
    if not superuser or not ask(available, scratch):
        pytest.skip("Only a superuser makes the extension pgstattuple.")
    with psycopg.connect(superuser, dbname=scratch, autocommit=True) as own:
        own.execute("CREATE SCHEMA extensions")
        own.execute("CREATE EXTENSION pgstattuple SCHEMA extensions")
    ask("CREATE TABLE holes (id bigint, word text) WITH (autovacuum_enabled = off)", scratch)
    ask("INSERT INTO holes SELECT n, repeat('x', 1000) FROM generate_series(1, 11000) n", scratch)
    ask("DELETE FROM holes WHERE id % 4 > 0", scratch)

    mine = row(looked_at(scratch, "bloat"), "bloat", table="holes")
    theirs = row(looked_at(scratch, "bloat", url=superuser), "bloat", table="holes")

    # Who may not call it gets no figure of rows that were never analysed.
    assert (mine["method"], mine["wasted_bytes"]) == ("unavailable", None)
    assert theirs["method"] == "pgstattuple_approx"
    assert theirs["wasted_share"] == pytest.approx(0.75, abs=0.05)


def test_an_estimate_is_near_to_what_postgresql_fills(scratch):
    ask("CREATE TABLE mixed (id bigint, flag boolean, word text, gone text)", scratch)
    ask(
        "INSERT INTO mixed SELECT n, n % 2 = 0, repeat('x', n % 200) FROM"
        " generate_series(1, 50000) n",
        scratch,
    )
    ask("CREATE INDEX mixed_id ON mixed (id)", scratch)
    ask("VACUUM ANALYZE mixed", scratch)
    pages = dict.fromkeys(("mixed", "mixed_id"), 0)
    for name in pages:
        pages[name] = ask(f"SELECT pg_relation_size('{name}') / 8192", scratch)[0]

    widths = [Width(8, 0), Width(1, 0), Width(103, 0), Width(0, 1)]
    assert table_pages(50_000, widths, page_bytes=8192, fill=100) == pytest.approx(
        pages["mixed"], rel=0.1
    )
    assert btree_pages(50_000, widths[:1], page_bytes=8192, fill=90) == pytest.approx(
        pages["mixed_id"], rel=0.05
    )


def test_an_id_is_as_full_as_the_narrowest_that_must_hold_it(document):
    told = found(document, "SQ1")

    assert {place: finding.severity for place, finding in told.items()} == {
        "narrow.id": Severity.CRITICAL,  # an integer column that a bigint sequence fills
        "wide.id": Severity.INFO,  # a bigint one, to which an integer points
    }
    assert told["narrow.id"].evidence["used_share"] == pytest.approx(2_141_000_000 / 2_147_483_647)
    assert told["wide.id"].evidence["limited_by"] == "pointing.wide_id"
    assert told["wide.id"].fix.sql == (
        'ALTER TABLE "public"."pointing" ALTER COLUMN "wide_id" TYPE bigint;'
    )


def test_a_sequence_that_gave_no_number_is_told_as_such(document):
    told = row(document, "ids", sequence="book_id_seq")

    assert (told["state"], told["last_value"], told["used_share"]) == ("unused", None, None)


def test_a_serial_and_its_sequence_are_widened_together(scratch):
    ask("CREATE TABLE old (id serial PRIMARY KEY)", scratch)
    ask("SELECT setval('old_id_seq', 1700000000)", scratch)

    fix = found(looked_at(scratch, "ids"), "SQ1")["old.id"].fix
    for statement in fix.sql.split("\n"):
        ask(statement, scratch)

    assert fix.sql.count("bigint") == 2
    assert not found(looked_at(scratch, "ids"), "SQ1")


def test_updates_that_find_no_room_or_change_an_indexed_column_are_told(document):
    told = row(document, "hot", table="busy")
    assert (told["updates"], told["hot_updates"], told["fillfactor"]) == (10_000, 0, 40)
    assert row(document, "hot", table="roomy")["hot_share"] == 1
    if told["new_page_updates"] is None:
        assert check(document, "HT1").status is Status.SKIPPED
        assert set(found(document, "HT2")) == {"busy", "counter"}
        assert found(document, "HT2")["busy"].confidence is Confidence.LOW
        return
    assert told["new_page_share"] == 0
    assert set(found(document, "HT2")) == {"busy"}
    full = found(document, "HT1")
    assert set(full) == {"counter"}
    assert full["counter"].fix.sql == 'ALTER TABLE "public"."counter" SET (fillfactor = 90);'
    assert full["counter"].fix.undo_sql == 'ALTER TABLE "public"."counter" RESET (fillfactor);'


def test_of_a_few_updates_nothing_is_told(library, monkeypatch):
    monkeypatch.setattr(hot, "LEAST_UPDATES", 10_001)

    assert check(looked_at(library, "hot"), "HT2").status is Status.INSUFFICIENT


def test_what_was_not_read_at_all_is_not_told_as_fine(library):
    with server_of(library) as server:
        sample = take(server, probe(server))
        after = replace(sample, views={}, missing={"sizes": "it took too long"})
        told = look(server, names=["tables", "hot", "vacuum", "indexes"], after=after)

    assert section(told, "tables").reason == "sizes was not read: it took too long."
    assert {check(told, name).status for name in ("TB1", "HT2", "VA1", "VA2", "IX6")} == {
        Status.SKIPPED
    }
    assert len(found(told, "IX4")) == 5  # the catalogue says it without any counter


def test_what_was_not_read_at_first_is_not_told_as_a_gain(library):
    with server_of(library) as server:
        before = take(server, probe(server))
        views = {name: view for name, view in before.views.items() if "tables" not in name}
        told = look(server, names=["index_usage"], before=replace(before, views=views), options=ALL)
        ask(FLUSH, library)

    assert row(told, "index_usage", table="hot")["seq_scans"] is None
    assert not found(told, "IU1")
