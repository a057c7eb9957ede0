from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perf.pgstat.deltas import Deltas, Flag
from perf.pgstat.views import (
    DATABASE,
    STATEMENT_COUNTS,
    STATEMENT_INFO,
    TABLES,
    Captured,
    Sample,
)

START = datetime(2026, 11, 26, 12, tzinfo=UTC)


def sample(hours: float = 0, started_at: str = "2026-11-01T00:00:00Z", **views: Any) -> Sample:
    names = {"tables": TABLES, "statements": STATEMENT_COUNTS, "info": STATEMENT_INFO}
    names["database"] = DATABASE
    found = {
        names[key].name: Captured.of(list(rows[0]), [tuple(row.values()) for row in rows])
        for key, rows in views.items()
    }
    return Sample(START + timedelta(hours=hours), started_at, found)


def table(relid: int, **values: Any) -> dict[str, Any]:
    return {"relid": relid, "relname": f"t{relid}", "seq_scan": 0, "n_live_tup": 0, **values}


def statement(queryid: int, calls: int, since: str = "2026-11-20", **values: Any) -> dict[str, Any]:
    key = {"userid": 10, "dbid": 5, "queryid": queryid, "toplevel": True}
    return {**key, "calls": calls, "stats_since": since, **values}


def test_counters_are_gains_and_gauges_are_of_the_end():
    before = sample(tables=[table(1, seq_scan=30, n_live_tup=100)])
    after = sample(1, tables=[table(1, seq_scan=42, n_live_tup=90)])

    (found,) = Deltas(before, after).changes(TABLES)

    assert found.values == {"relid": 1, "relname": "t1", "seq_scan": 12, "n_live_tup": 90}
    assert found.flag is Flag.PLAIN


def test_a_counter_that_fell_was_reset_and_what_it_shows_is_of_the_window():
    before = sample(tables=[table(1, seq_scan=30)])
    after = sample(1, tables=[table(1, seq_scan=7)])

    (found,) = Deltas(before, after).changes(TABLES)

    assert (found["seq_scan"], found.flag) == (7, Flag.RESET)


def test_a_statement_that_was_reset_is_known_by_its_time_although_its_calls_are_the_same():
    before = sample(statements=[statement(1, calls=1)])
    after = sample(1, statements=[statement(1, calls=1, since="2026-11-26")])

    (found,) = Deltas(before, after).changes(STATEMENT_COUNTS)

    assert (found["calls"], found.flag) == (1, Flag.RESET)


def test_what_is_new_is_whole_and_what_is_gone_is_unknown_and_not_zero():
    before = sample(statements=[statement(1, calls=5)])
    after = sample(1, statements=[statement(2, calls=3)])

    found = {each["queryid"]: each for each in Deltas(before, after).changes(STATEMENT_COUNTS)}

    assert (found[2]["calls"], found[2].flag) == (3, Flag.NEW)
    assert (found[1]["calls"], found[1].flag) == (None, Flag.EVICTED)


def test_a_column_that_the_older_sample_did_not_have_is_unknown():
    before = sample(tables=[table(1)])
    after = sample(1, tables=[table(1, n_tup_newpage_upd=9)])

    (found,) = Deltas(before, after).changes(TABLES)

    assert found["n_tup_newpage_upd"] is None


def test_null_stays_null():
    before = sample(tables=[table(1, idx_scan=None)])
    after = sample(1, tables=[table(1, idx_scan=None)])

    (found,) = Deltas(before, after).changes(TABLES)

    assert found["idx_scan"] is None


def test_without_an_earlier_sample_counters_are_of_all_time():
    after = sample(tables=[table(1, seq_scan=30)], database=[{"datid": 5, "stats_reset": None}])

    deltas = Deltas(None, after)

    assert deltas.changes(TABLES)[0]["seq_scan"] == 30
    assert (deltas.window.source, deltas.window.since) == ("lifetime", None)
    assert "Nobody knows" in deltas.window.notes[0]


def test_a_window_tells_restarts_resets_and_evictions():
    was = [{"datid": 5, "stats_reset": "2026-11-01"}]
    now = [{"datid": 5, "stats_reset": "2026-11-26"}]
    before = sample(database=was, info=[{"dealloc": 2, "stats_reset": "2026-11-01"}])
    after = sample(
        2,
        "2026-11-26T13:00:00Z",
        database=now,
        info=[{"dealloc": 7, "stats_reset": "2026-11-01"}],
    )

    window = Deltas(before, after).window

    assert window.seconds == 7_200
    assert window.notes == (
        "The server was started at 2026-11-26T13:00:00Z, within the window.",
        "pg_stat_database was reset at 2026-11-26, within the window.",
        "PostgreSQL has forgotten statements 5 times within the window.",
    )


def test_the_first_reset_of_all_is_told_too():
    before = sample(database=[{"datid": 5, "stats_reset": None}])
    after = sample(2, database=[{"datid": 5, "stats_reset": "2026-11-26"}])

    assert Deltas(before, after).window.notes == (
        "pg_stat_database was reset at 2026-11-26, within the window.",
    )
    assert Deltas(before, before).window.notes == ()
    assert Deltas(sample(), after).window.notes == ()  # nobody knows what it was


@pytest.mark.parametrize("view", [TABLES, STATEMENT_COUNTS, DATABASE])
def test_a_view_that_can_not_be_read_has_no_rows(view):
    assert Deltas(None, sample()).changes(view) == []
    assert Deltas(sample(), sample(1)).change(view) is None
