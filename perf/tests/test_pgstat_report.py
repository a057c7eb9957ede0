from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest

from perf.pgstat.results import (
    LINES,
    SCHEMA,
    SQL,
    CheckResult,
    Column,
    Confidence,
    Document,
    Finding,
    Fix,
    Kind,
    Place,
    Row,
    SectionResult,
    Severity,
    Status,
    Window,
)
from perf.report.database import documents, html, markdown, text, values
from perf.report.painting import Look

NASTY = "<script>alert(1)</script> | `x` @everybody \x1b[31m"
FINDING = Finding(
    "IX2",
    Severity.WARNING,
    Confidence.HIGH,
    "task_a_idx is served by task_a_b_idx.",
    Place("public", "task", "task_a_idx", "tasks.Task", "tasks/models.py:31", "app"),
    {"size_bytes": 8192, "scans": None},
    Fix('DROP INDEX CONCURRENTLY "task_a_idx";', "CREATE INDEX task_a_idx …;", "```", online=True),
    ("It may be used on a replica.",),
)
CHECKS = (
    CheckResult("IX2", "redundant-index", "Redundant indexes", Status.FINDING, (FINDING,)),
    CheckResult(
        "IX1",
        "unused-index",
        "Unused indexes",
        Status.INSUFFICIENT,
        reason="The window is 3 h.",
        remedy="pgstat snapshot --loop 5m",
    ),
)
COLUMNS = (
    Column("table", "text", Kind.LABEL, "table", "pg_class.relname"),
    Column("size", "bytes", Kind.GAUGE, "size", "pg_relation_size"),
    Column("hit_ratio", "1", Kind.RATIO, "hits", "hit / (hit + read)"),
)
DOCUMENT = Document(
    SCHEMA,
    "2026-11-26T12:00:00+00:00",
    "tasks",
    {"version": "18.1", "version_num": 180001, "in_recovery": False},
    {"role": "monitor"},
    Window("2026-11-25T12:00:00+00:00", "2026-11-26T12:00:00+00:00", "snapshots", 86_400.0),
    (
        SectionResult(
            "indexes",
            "Indexes",
            "Each index.",
            COLUMNS,
            Status.FINDING,
            ({"table": NASTY, "size": 8192, "hit_ratio": None},),
            hidden_rows=3,
            notes=("A note.",),
            checks=CHECKS,
        ),
        SectionResult(
            "io", "IO", "By context.", COLUMNS, Status.SKIPPED, reason="Not here.", remedy="Update."
        ),
    ),
)


def test_a_document_is_read_as_it_was_written_and_as_the_schema_says():
    told = documents.encode(DOCUMENT)

    assert documents.decode(told) == DOCUMENT
    jsonschema.validate(json.loads(told), json.loads(documents.schema_document()))
    assert json.loads(told)["sections"][0]["rows"][0]["hit_ratio"] is None


def test_the_schema_refuses_a_status_that_there_is_not():
    told = json.loads(documents.encode(DOCUMENT))
    told["sections"][0]["status"] = "fine"

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told, json.loads(documents.schema_document()))
    with pytest.raises(msgspec.ValidationError):
        documents.decode(json.dumps(told))


def test_the_schema_in_its_file_is_this_one():
    assert documents.SCHEMA_FILE.read_bytes() == documents.schema_document()


def test_a_report_tells_rows_what_is_hidden_and_what_is_unknown():
    told = text.report(DOCUMENT, Look())

    assert "2026-11-25 12:00:00 to 2026-11-26 12:00:00 UTC (1 d), told from snapshots" in told
    assert "8 KiB" in told
    assert "3 more rows: --top all shows them." in told
    assert "skipped  Not here." in told
    assert "Redundant indexes: 1 found" in told


def test_health_tells_evidence_and_what_mends_it():
    told = text.health(DOCUMENT, Look())

    for each in (
        "warning IX2: task_a_idx",
        "tasks.Task, tasks/models.py:31",
        "size_bytes 8,192",
        "It may be used on a replica.",
        'DROP INDEX CONCURRENTLY "task_a_idx";',
        "others write meanwhile",
        "Unused indexes: insufficient data: The window is 3 h.",
        "pgstat snapshot --loop 5m",
        "1 finding; 1 of 2 checks answered.",
    ):
        assert each in told
    assert "scans" not in told  # it is not known


def test_a_number_that_is_a_name_has_no_commas():
    finding = replace(
        DOCUMENT.findings[0], evidence={"pid": 12_345, "rows": 12_345, "is_own": False, "age": None}
    )

    assert values.evidence(finding) == ["pid 12345", "rows 12,345", "is_own no"]
    assert values.value(12_345, "id") == "12345"


def test_nothing_in_a_name_is_markup():
    page, notes = html.render(DOCUMENT), markdown.render(DOCUMENT)

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\\<script\\>" in notes
    assert "@everybody" not in notes
    for told in (page, notes, text.report(DOCUMENT, Look())):
        assert "\x1b" not in told


def test_a_fence_is_longer_than_any_in_what_it_holds():
    assert "````python\n```\n````" in markdown.render(DOCUMENT)


def test_a_database_without_findings_is_told_so():
    fine = replace(DOCUMENT, sections=())

    assert "Nothing found; 0 of 0 checks answered." in text.health(fine, Look())
    assert "Nothing found" in html.render(fine)


@pytest.mark.parametrize("render", [markdown.render, html.render])
def test_a_report_says_what_helps(render: Any):
    assert "Update." in render(DOCUMENT)


def test_what_is_long_stands_behind_the_figures():
    long = Column("query", SQL, Kind.LABEL, "statement", "query")
    lines = Column("origins", LINES, Kind.LABEL, "lines", "the monitor")
    row: Row = {"query": "SELECT 1", "origins": ["GET a", "GET b"], "size": 8192}
    section = replace(DOCUMENT.sections[0], columns=(long, lines, *COLUMNS), rows=(row,), checks=())

    told = html.render(replace(DOCUMENT, sections=(section,)))

    assert told.index("8 KiB") < told.index("<code>SELECT 1</code>") < told.index("GET a</div>")


def test_what_reads_no_counters_has_no_window():
    now = replace(DOCUMENT, window=Window(None, "2026-11-26T12:00:00+00:00", "now", None))

    assert "As it was at 2026-11-26 12:00:00 UTC." in text.report(now, Look())
