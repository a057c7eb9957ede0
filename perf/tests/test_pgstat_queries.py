"""Statements: what is one, what is hidden, and which are slow."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perf.pg.redaction import redacted
from perf.pgstat import store
from perf.pgstat.captured import NotCaptured, generic
from perf.pgstat.deltas import Deltas
from perf.pgstat.results import Severity, Status
from perf.pgstat.section import Options
from perf.pgstat.sections.queries import SORTS
from perf.pgstat.views import STATEMENT_COUNTS, STATEMENT_INFO, Captured
from perf.tests.live import Live, check, made, role, row

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
TABLE = "CREATE TABLE item (id int PRIMARY KEY, word text)"
ROWS = "INSERT INTO item SELECT n, 'word' FROM generate_series(1, 2000) n"
EXTENSION = "CREATE EXTENSION pg_stat_statements"
# Of this database alone: other tests may run at the same time.
RESET = (
    "SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()"
)
# What functions ask is counted too: which a session of a superuser may say for itself.
NESTED = "SET pg_stat_statements.track = 'all'"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with made(f"test_perf_queries_{WORKER}", EXTENSION, TABLE, ROWS) as found:
        yield found


def queries(live: Live, **options: Any) -> Any:
    """The section, with all its rows."""
    return live.section("queries", options=Options(top=None), **options)


def test_a_statement_has_its_calls_rows_and_time_of_the_window(live):
    session = live.session()
    session.execute("SELECT word FROM item WHERE id < 11")
    before = live.sample()
    for _ in range(3):
        session.execute("SELECT word FROM item WHERE id < 11")

    found = row(queries(live, before=before), query="SELECT word FROM item WHERE id < $1")

    assert (found["calls"], found["rows"], found["rows_per_call"]) == (3, 30, 10)
    assert found["mean_ms"] == pytest.approx(found["total_time_ms"] / 3)
    assert found["since"] == "window"
    assert 0 < found["share"] <= 1
    assert found["plan_time_ms"] is None  # which is not tracked


def test_all_shares_together_are_the_whole(live):
    live.session().execute("SELECT count(*) FROM item")

    rows = queries(live).rows

    assert sum(each["share"] for each in rows) == pytest.approx(1)


def test_lists_of_any_length_are_one_statement(live):
    session, before = live.session(), live.sample()
    for count in (1, 2, 7):
        numbers = ", ".join(str(each) for each in range(count))
        session.execute(f"SELECT id FROM item WHERE id IN ({numbers}) AND word = 'word'".encode())

    found = [
        each
        for each in queries(live, before=before).rows
        if str(each["query"]).startswith("SELECT id FROM item WHERE id IN")
    ]

    assert [each["calls"] for each in found] == [3]
    assert "IN ($1 /*, ... */)" in found[0]["query"]


def test_cursors_of_django_are_one_statement_and_tell_no_value(live):
    session, before = live.session(), live.sample()
    for number in (1, 2):
        name = f'"_django_curs_140_sync_{number}"'
        session.execute("BEGIN")
        session.execute(f"DECLARE {name} CURSOR FOR SELECT 'secret' FROM item".encode())
        session.execute(f"FETCH FORWARD 5 FROM {name}".encode())
        session.execute(f"CLOSE {name}".encode())
        session.execute("COMMIT")

    found = queries(live, before=before)

    assert row(found, query="DECLARE _django_curs_…")["calls"] == 2
    assert row(found, query="FETCH _django_curs_…")["rows"] == 10
    assert row(found, query="CLOSE _django_curs_…")["kind"] == "cursor"
    assert "secret" not in str(found)


def test_utility_commands_are_one_statement_each_without_their_texts(live):
    session, before = live.session(), live.sample()
    for name in ("one", "two"):
        session.execute(
            f"/* from here */ CREATE ROLE perf_q_{name} PASSWORD 'hush-{name}'".encode()
        )
        session.execute(f"DROP ROLE perf_q_{name}".encode())

    found = queries(live, before=before)

    assert row(found, query="CREATE …")["calls"] == 2
    assert row(found, query="DROP …")["kind"] == "utility"
    assert "hush" not in str(found)


def test_what_reports_ask_is_one_row(live):
    before = live.sample()
    live.look()

    found = row(queries(live, before=before), kind="pgstat")

    assert found["statements"] > 10
    assert not [each for each in queries(live).rows if "pg_stat_" in str(each["query"])]


def test_what_a_function_asks_is_not_counted_twice(live):
    live.do(
        "CREATE OR REPLACE FUNCTION count_items() RETURNS bigint LANGUAGE plpgsql AS "
        "'BEGIN RETURN (SELECT count(*) FROM item WHERE id > 5); END'"
    )
    session = live.session()
    session.execute(NESTED)
    before = live.sample()
    session.execute("SELECT count_items()")
    after = live.sample()

    inner = [each for each in after.views["pg_stat_statements"].rows() if not each["toplevel"]]
    found = queries(live, before=before, after=after).rows

    assert inner, "nothing nested was counted at all"
    assert [each["calls"] for each in found if "count_items" in str(each["query"])] == [1]
    assert not [each for each in found if "FROM item WHERE id >" in str(each["query"])]


def test_other_databases_are_left_out(live):
    before = live.sample()
    with made(f"test_perf_queries_other_{WORKER}", "CREATE TABLE elsewhere ()") as other:
        other.session().execute("SELECT count(*) FROM elsewhere")
        found = queries(live, before=before)

    assert "elsewhere" not in str(found.rows)
    assert "forgotten" not in [each["kind"] for each in found.rows]  # as one without a text is


def test_a_statement_that_is_counted_anew_is_told_so_and_never_negative(live):
    session = live.session()
    for _ in range(5):
        session.execute("SELECT max(id) FROM item")
    before = live.sample()
    live.do(RESET)
    session.execute("SELECT max(id) FROM item")

    found = queries(live, before=before)

    assert row(found, query="SELECT max(id) FROM item")["calls"] == 1
    assert row(found, query="SELECT max(id) FROM item")["since"] == "within the window"
    assert all(each["total_time_ms"] >= 0 for each in found.rows)


def test_what_a_second_had_is_told_from_when_the_statements_count_and_not_the_database(live):
    before, after = live.sample(), live.sample()
    reset_at = after.taken_at - timedelta(seconds=7)
    info = Captured({"stats_reset": [reset_at.isoformat()], "dealloc": [0]})
    reset = replace(after, views={**after.views, STATEMENT_INFO.name: info})
    long_ago = replace(before, taken_at=after.taken_at - timedelta(hours=1))

    assert Deltas(None, reset).seconds(STATEMENT_INFO) == 7
    assert Deltas(long_ago, reset).seconds(STATEMENT_INFO) == 7
    assert Deltas(long_ago, after).seconds(STATEMENT_INFO) == 3_600


def test_rows_that_are_gone_are_counted_as_lost(live):
    session = live.session()
    session.execute("SELECT min(id) FROM item")
    before = live.sample()
    live.do(RESET)

    notes = queries(live, before=before).notes

    assert any("were forgotten or reset within the window" in each for each in notes)


def test_a_statement_that_was_forgotten_is_told_by_the_text_that_was_kept(live):
    gone = live.sample()
    view = gone.views[STATEMENT_COUNTS.name]
    columns = {name: [*cells, cells[0]] for name, cells in view.columns.items()}
    columns["queryid"][-1] = 77  # which PostgreSQL has no text of
    known = replace(gone, views={**gone.views, STATEMENT_COUNTS.name: Captured(columns)})

    found = queries(live, after=known, kept_texts=lambda ids: dict.fromkeys(ids, "SELECT kept"))

    assert row(found, query="SELECT kept")["kind"] == "forgotten"
    assert row(queries(live, after=known), queryid="77")["query"] is None


def test_statements_of_other_roles_are_counted_and_not_shown(live):
    live.session().execute("SELECT word FROM item WHERE word = 'of-the-other'")
    with role(f"perf_plain_{WORKER}") as plain:
        found = queries(live, role=plain)
        hidden = row(found, kind="hidden")

        assert found.status is not Status.ERROR
        assert hidden["query"] is None
        assert hidden["queryid"] is None
        assert hidden["calls"] >= 1
        assert any("GRANT pg_read_all_stats TO" in each for each in found.notes)
        assert "FROM item" not in str(found.rows)
        assert check(found, "QS").status is Status.SKIPPED
        assert check(found, "QS").remedy == f"GRANT pg_read_all_stats TO {plain};"


def test_statements_that_are_out_of_sight_are_not_called_forgotten(live):
    live.session().execute("SELECT word FROM item WHERE word = 'of-the-other'")
    before = live.sample()
    with role(f"perf_plain_{WORKER}") as plain:
        found = queries(live, role=plain, before=before)

    assert not any("forgotten" in each for each in found.notes)


def test_a_member_of_pg_monitor_sees_all(live):
    live.session().execute("SELECT word FROM item WHERE id = 4")
    with role(f"perf_monitor_{WORKER}", "pg_monitor") as monitor:
        found = queries(live, role=monitor)

        assert "hidden" not in [each["kind"] for each in found.rows]
        assert row(found, query="SELECT word FROM item WHERE id = $1")["calls"] >= 1


def test_a_slow_statement_is_a_finding_also_below_the_rows_that_are_shown(live):
    session, before = live.session(), live.sample()
    for _ in range(10):
        session.execute("SELECT pg_sleep(0.11)")
    for _ in range(60):
        session.execute("SELECT 1 FROM item WHERE id = 1")
    options = Options(top=1, sort="calls")

    found = live.section("queries", before=before, options=options)
    findings = check(found, "QS").findings

    assert len(found.rows) == 1
    assert [each.severity for each in findings] == [Severity.WARNING]
    assert "SELECT pg_sleep($1)" in findings[0].what
    assert findings[0].evidence["calls"] == 10
    assert findings[0].id == f"QS:{findings[0].evidence['queryid']}"


def test_a_few_slow_calls_that_take_most_of_the_time_are_told_as_info(live):
    session, before = live.session(), live.sample()
    session.execute("SELECT pg_sleep(1.1)")

    findings = check(live.section("queries", before=before), "QS").findings

    assert [each.severity for each in findings] == [Severity.INFO]


def test_the_strict_limit_is_lower(live):
    session, before = live.session(), live.sample()
    for _ in range(100):
        session.execute("SELECT pg_sleep(0.021)")
    after = live.sample()

    def severities(**options: Any) -> list[Severity]:
        found = live.section("queries", before=before, after=after, options=Options(**options))
        return [each.severity for each in check(found, "QS").findings]

    assert severities(strict=True) == [Severity.WARNING]
    assert Severity.WARNING not in severities()


def test_more_blocks_than_in_the_earlier_window_are_a_regression(live):
    session = live.session()
    live.do("CREATE TABLE grown (n int)", "INSERT INTO grown SELECT generate_series(1, 100)")
    samples = [live.sample()]
    for _ in range(2):
        for _ in range(100):
            session.execute("SELECT count(*) FROM grown")
        samples.append(live.sample())
        live.do("INSERT INTO grown SELECT generate_series(1, 60000)")
    first, second, third = samples
    earlier = Deltas(first, second)

    worse = check(queries(live, before=second, after=third, earlier=earlier), "QR")
    same = check(queries(live, before=first, after=second, earlier=earlier), "QR")

    assert [each.severity for each in worse.findings] == [Severity.WARNING]
    assert "SELECT count(*) FROM grown" in worse.findings[0].what
    evidence: Any = worse.findings[0].evidence
    assert evidence["earlier_blocks_per_call"] < 10
    assert evidence["blocks_per_call"] > 200
    assert same.status is Status.OK


def test_without_an_earlier_window_nothing_is_compared(live):
    assert check(queries(live), "QR").status is Status.INSUFFICIENT


@pytest.mark.parametrize("sort", ["time", "mean", "calls", "rows", "io", "temp", "wal"])
def test_rows_come_in_the_order_that_is_asked_for(live, sort):
    live.session().execute("CREATE TEMP TABLE many AS SELECT * FROM item ORDER BY word")
    rows = live.section("queries", options=Options(top=None, sort=sort)).rows
    values = [each[SORTS[sort]] for each in rows]

    assert values == sorted(values, key=lambda each: -each)


def test_an_empty_database_is_no_failure():
    with made(f"test_perf_queries_empty_{WORKER}", EXTENSION) as empty:
        found = empty.section("queries", before=empty.sample())

    assert check(found, "QS").status is Status.OK


def test_without_the_extension_it_is_skipped_and_told_what_helps():
    with made(f"test_perf_queries_bare_{WORKER}") as bare:
        found = bare.section("queries")
        with bare.server() as server, pytest.raises(NotCaptured):
            generic(server, "1")

    assert found.status is Status.SKIPPED
    assert "CREATE EXTENSION pg_stat_statements" in str(found.remedy)


def test_where_statements_are_not_counted_nothing_is_said_to_be_fine():
    name = f"test_perf_queries_untracked_{WORKER}"
    untracked = f"ALTER DATABASE {name} SET pg_stat_statements.track = 'none'"
    with made(name, EXTENSION, untracked) as live:
        found = live.section("queries")
        wanting = row(live.section("capabilities"), name="pg_stat_statements.track")

    assert check(found, "QS").status is Status.SKIPPED
    assert "pg_stat_statements.track = top" in str(check(found, "QS").remedy)
    assert not wanting["is_enough"]


def test_the_extension_may_stand_in_any_schema():
    statements = ("CREATE SCHEMA extensions", f"{EXTENSION} SCHEMA extensions", TABLE)
    with made(f"test_perf_queries_moved_{WORKER}", *statements) as moved:
        moved.session().execute("SELECT word FROM item")
        found = queries(moved)

    assert row(found, query="SELECT word FROM item")["calls"] == 1


@pytest.mark.parametrize("version", ["1.8", "1.9", "1.10"])
def test_an_old_version_of_the_extension_is_read_as_far_as_it_goes(version):
    statements = (f"{EXTENSION} VERSION '{version}'", TABLE, ROWS)
    with made(f"test_perf_queries_old_{WORKER}", *statements) as old:
        session = old.session()
        session.execute("SELECT count(*) FROM item")
        before = old.sample()
        for _ in range(2):
            session.execute("SELECT count(*) FROM item")
        found = queries(old, before=before)
        wanting = row(old.section("capabilities"), name="pg_stat_statements version")

    assert row(found, query="SELECT count(*) FROM item")["calls"] == 2
    assert row(found, query="SELECT count(*) FROM item")["wal_bytes"] == 0
    if wanting["is_enough"]:
        assert version == "1.10"  # which is the newest of PostgreSQL 15
    else:
        assert wanting["remedy"] == "ALTER EXTENSION pg_stat_statements UPDATE;"


def through_a_reset(live: Live, statement: str) -> dict[int, str]:
    """What PostgreSQL has of a statement that was running when its statistics were reset."""
    sleeper = live.session(application_name="sleeper")
    running = threading.Thread(target=lambda: sleeper.execute(statement.encode()))
    running.start()
    active = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'sleeper' AND state = 'active'"
    )
    while not live.do(active):
        pass
    live.do(RESET)
    running.join()
    known = live.do(
        "SELECT queryid, query FROM pg_stat_statements WHERE query LIKE '%through_a_reset'"
        " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    assert [text for _, text in known] == [statement]  # PostgreSQL has the values itself
    return dict(known)


def test_a_statement_that_ran_through_a_reset_is_kept_without_its_values(live):
    known = through_a_reset(live, "SELECT pg_sleep(0.5), 'secret' AS through_a_reset")
    with live.server() as server:
        kept = store.texts(server, known)

    assert list(kept.values()) == ["SELECT pg_sleep(?), ? AS through_a_reset"]


def test_its_plan_for_any_values_shows_none_of_its_own(live):
    statement = (
        "SELECT id FROM item WHERE word <> 'secret' AND (SELECT pg_sleep(0.5)) IS NOT NULL"
        " LIMIT 1 -- through_a_reset"
    )
    known = through_a_reset(live, statement)
    with live.server() as server:
        if server.session.info.server_version < 160_000:
            pytest.skip("PostgreSQL makes plans for any values from version 16 on.")
        found = generic(server, str(*known))

    assert "word <> ?" in found.sql
    assert "secret" not in f"{found.sql} {found.plans[0].plan}"


def test_a_text_of_another_database_is_not_kept_as_ours(live):
    utility = "SET pgstat.of_{} = 'x'"
    with made(f"test_perf_queries_other_{WORKER}") as other:
        live.do(utility.format("ours"))
        other.do(utility.format("theirs"))
        ids = live.do("SELECT queryid FROM pg_stat_statements WHERE query LIKE 'SET pgstat.of_%'")
        with live.server() as server:
            kept = store.texts(server, {queryid for (queryid,) in ids})

    assert [text.split()[1] for text in kept.values()] == ["pgstat.of_ours"]


def test_values_are_taken_out_of_a_statement_and_names_are_not():
    text = (
        "SELECT 'it''s', E'a\\'b', $$c$$, 4.2e-3, date'2027-01-01', $1, \"it's\", t2.n -- o'clock"
    )

    assert redacted(text) == "SELECT ?, ?, ?, ?, date?, $1, \"it's\", t2.n -- o'clock"


@pytest.mark.parametrize("begun", ["'half a sec", "E'half \\' a sec", "$$half a", "'it''s"])
def test_a_string_that_was_cut_off_is_taken_out_whole(begun):
    assert redacted(f"SELECT 1 FROM t WHERE name = {begun}") == "SELECT ? FROM t WHERE name = ?"


@pytest.mark.parametrize(
    "before",
    [
        "/* /* one in another */ don't */",
        "-- ends as on an old Mac, isn't it\r",
        "SELECT E'a'\n'goes on \\' ';",
        "SELECT E'a' -- with a comment\n  '\\' ';",
    ],
)
def test_no_quote_before_a_password_leads_to_its_being_shown(before):
    assert "secret" not in str(redacted(f"{before} ALTER ROLE r PASSWORD 'secret'"))


def test_a_string_that_was_cut_off_behind_a_backslash_is_taken_out_whole():
    assert redacted("SELECT 1 WHERE a = E'it\\'s a secret\\") == "SELECT ? WHERE a = ?"


def test_a_long_statement_is_cut_and_shows_it():
    assert redacted("SELECT " + "a, " * 200, 20) == "SELECT a, a, a, a, …"
