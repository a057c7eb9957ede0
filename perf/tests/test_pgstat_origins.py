"""Statements with the lines that send them, and their plans: from what the monitor has left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from perf.management import pgstat_explain, pgstat_queries
from perf.monitor.totals import SCHEMA
from perf.pgstat.captured import NotCaptured, captured, generic
from perf.pgstat.origins import origins
from perf.pgstat.server import connected
from perf.report.database.text import plans
from perf.report.painting import Look

AT = "2026-11-26T12:00:00+00:00"
ENTRY = {
    **{"calls": 3, "total_ms": 4.5, "max_ms": 2.0, "rows": 3, "failures": 0, "repeats": 0},
    "advice": "",
}


def plan(fingerprint: str, last: str = AT) -> dict[str, Any]:
    return {"fingerprint": fingerprint, "first": AT, "last": last, "plan": f"{fingerprint} on t"}


def document(*statements: dict[str, Any], **shapes: Any) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "pid": 1,
        "began": AT,
        "written": AT,
        "routes": [],
        "statements": [{**ENTRY, **each} for each in statements],
        "other": ENTRY,
        "shapes": shapes,
    }


def shape(*identifiers: int, **more: Any) -> dict[str, Any]:
    known = {"says": "SELECT t", "text": "SELECT ?", "plans": [plan("Index Scan")]}
    return {**known, "identifiers": list(identifiers), **more}


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.PERF_DIR = tmp_path
    found = tmp_path / "monitor"
    found.mkdir()
    return found


def leave(folder: Path, name: str, found: dict[str, Any]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")


def test_a_statement_has_the_lines_of_all_processes_the_most_time_first(folder):
    here = {"route": "GET list", "shape": "d", "place": "views.py:3"}
    leave(folder, "1", document(here, d=shape(7)))
    there = {**here, "route": "GET detail", "total_ms": 90.0, "advice": "select_related"}
    leave(folder, "2", document(here, there, d=shape(7, 8)))

    found = origins()

    assert [str(each) for each in found.of([8, 7])] == [
        "GET detail, views.py:3: 3 calls, 90.0 ms; select_related",
        "GET list, views.py:3: 6 calls, 9.0 ms",
    ]
    assert found.of([99]) == []
    assert found.since == AT


def test_where_nothing_was_monitored_no_origin_is_known(folder):
    assert origins().since is None


def test_plans_are_found_by_identifier_and_by_digest_the_newest_first(folder):
    old, new = plan("Seq Scan"), plan("Index Scan", "2026-11-27T00:00:00+00:00")
    leave(folder, "1", document(d=shape(-7, plans=[old])))
    leave(folder, "2", document(d=shape(-7, plans=[new])))

    found = captured("-7")

    assert [each.fingerprint for each in found.plans] == ["Index Scan", "Seq Scan"]
    assert "2 different ones" in found.note
    assert captured("d").plans == found.plans
    told = plans(found, Look())
    assert told.index("Index Scan on t") < told.index("Seq Scan on t")


def test_of_a_statement_that_nobody_sent_the_message_says_what_helps(folder):
    with pytest.raises(NotCaptured, match="--generic"):
        captured("1")
    leave(folder, "1", document(d=shape(7, plans=[])))
    with pytest.raises(NotCaptured, match="could not be asked for"):
        captured("7")


@pytest.mark.django_db
def test_postgresql_plans_a_statement_for_any_values(statements):
    marked = "SELECT count(*) FROM perf_run WHERE id = %s AND 'planned' <> ''"
    with connection.cursor() as cursor:
        cursor.execute(marked, ["x"])
        version_num = cursor.connection.info.server_version
    with connected() as server:
        ids = server.rows(
            "SELECT queryid FROM public.pg_stat_statements JOIN pg_database ON oid = dbid"
            " WHERE datname = current_database() AND query LIKE 'SELECT count(*) FROM perf_run%'"
        )
        wanted = str(ids[0]["queryid"])
        if version_num < 160_000:
            with pytest.raises(NotCaptured, match="from version 16 on"):
                generic(server, wanted)
            return
        found = generic(server, wanted)
        assert "perf_run" in found.plans[0].plan
        with pytest.raises(NotCaptured, match="knows no statement"):
            generic(server, "1")
        with pytest.raises(NotCaptured, match="no query identifier"):
            generic(server, "abc")
        with pytest.raises(NotCaptured, match="no query identifier"):
            generic(server, "²")  # which Python takes for a digit


@pytest.mark.parametrize("module", [pgstat_queries, pgstat_explain])
def test_help_ends_with_exit_codes(module):
    assert "exit codes:" in module.DESCRIPTION
