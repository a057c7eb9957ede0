"""Whether updates stay on their page and spare the indexes (heap-only tuples)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from perf.pgstat.deltas import Change, Flag
from perf.pgstat.fixes import quoted
from perf.pgstat.relations import Table, indexes_by_table, tables
from perf.pgstat.results import Column, Confidence, Finding, Fix, Kind, Row, Severity
from perf.pgstat.section import Check, NotEnough, Reading, Section, Unreadable, ratio
from perf.pgstat.views import TABLES

LEAST_UPDATES: Final = 10_000
NEW_PAGE_SHARE: Final = 0.20
HOT_SHARE: Final = 0.10
_FILLFACTOR: Final = 100
_ADVISED_FILLFACTOR: Final = 90


def _read(reading: Reading) -> Iterator[Row]:
    known = reading.once(tables)
    rows = [
        _row(reading, known[change["relid"]], change)
        for change in reading.changes(TABLES)
        if change.flag is not Flag.EVICTED
        and change["relid"] in known
        and known[change["relid"]].kind != "p"
        and reading.wants(change["schemaname"])
    ]
    yield from sorted(rows, key=lambda row: -(row["updates"] or 0))  # type: ignore[operator]


def _row(reading: Reading, table: Table, change: Change) -> Row:
    updates, hot = change.get("n_tup_upd"), change.get("n_tup_hot_upd")
    new_page = change.get("n_tup_newpage_upd")
    same_page = updates - (new_page or 0) if updates is not None else None
    return {
        "schema": table.schema,
        "table": table.name,
        "updates": updates,
        "hot_updates": hot,
        "new_page_updates": new_page,
        "hot_share": ratio(hot, updates),
        "new_page_share": ratio(new_page, updates),
        "hot_share_of_same_page": ratio(hot, same_page),
        "fillfactor": int(table.options.get("fillfactor", _FILLFACTOR)),
        "touched_columns": list(_touched(reading, table)),
    }


def _touched(reading: Reading, table: Table) -> Iterator[str]:
    """Columns that each save() writes and an index holds: those with auto_now."""
    root = reading.once(tables).get(table.root, table)
    held = {
        column
        for index in reading.once(indexes_by_table).get(table.oid, ())
        if index.method != "brin"
        for column in (*index.columns, *index.included)
    }
    for field in reading.models.fields(root.name, root.schema):
        if getattr(field, "auto_now", False) and field.column in held:
            yield field.column


def _busy(rows: Sequence[Row]) -> list[Any]:
    """The tables that were updated often enough. Raises `NotEnough` without any."""
    busy = [row for row in rows if (row["updates"] or 0) >= LEAST_UPDATES]  # type: ignore[operator]
    if not busy:
        raise NotEnough(f"No table has had {LEAST_UPDATES:,} updates.")
    return busy


def _full_pages(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    if not reading.server.has(TABLES.name, "n_tup_newpage_upd"):
        raise Unreadable("PostgreSQL counts updates on another page from version 16 on.")
    for row in _busy(rows):
        if row["new_page_share"] is not None and row["new_page_share"] >= NEW_PAGE_SHARE:
            yield FULL_PAGES.finding(
                Severity.INFO,
                f"{row['new_page_share']:.0%} of the updates of {row['table']} found no room on"
                f" their page (fillfactor {row['fillfactor']}).",
                confidence=Confidence.MEDIUM,
                place=reading.place(row["schema"], row["table"]),
                evidence=row,
                fix=_fillfactor(row),
                caveats=(
                    "It holds for pages that are written from now on.",
                    "A table that grows by as much as it is updated gains nothing by it.",
                ),
            )


def _fillfactor(row: Any) -> Fix | None:
    if row["fillfactor"] <= _ADVISED_FILLFACTOR:
        return None  # somebody has thought of it: no smaller one is told blindly
    table = quoted(row["schema"], row["table"])
    before = row["fillfactor"]
    undo = "RESET (fillfactor)" if before == _FILLFACTOR else f"SET (fillfactor = {before})"
    sql = f"ALTER TABLE {table} SET (fillfactor = {_ADVISED_FILLFACTOR});"
    back = f"ALTER TABLE {table} {undo};"
    return Fix(sql, back, f"migrations.RunSQL({sql!r}, {back!r})", online=True)


def _indexed(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for row in _busy(rows):
        share = row["hot_share_of_same_page"]
        if share is None or share >= HOT_SHARE:
            continue
        guess = row["new_page_updates"] is None
        yield INDEXED.finding(
            Severity.INFO,
            f"Of the updates of {row['table']} that stayed on their page only {share:.1%} spared"
            " its indexes: they change an indexed column.",
            confidence=Confidence.LOW if guess else Confidence.MEDIUM,
            place=reading.place(row["schema"], row["table"]),
            evidence=row,
            caveats=tuple(_caveats(row, guess)),
        )


def _caveats(row: Any, guess: bool) -> Iterator[str]:
    if row["touched_columns"]:
        yield f"Each save() writes {', '.join(row['touched_columns'])}, which an index holds."
    if guess:
        yield "Before PostgreSQL 16 full pages are not told from it: fillfactor may be the reason."


FULL_PAGES: Final = Check(
    "HT1",
    "full-pages",
    "Updates that find no room on their page",
    "20 % of at least 10,000 updates, as pg-extras has it; from PostgreSQL 16 on. An update on"
    " another page writes all indexes of the row.",
    _full_pages,
)
INDEXED: Final = Check(
    "HT2",
    "indexed-updates",
    "Updates that change an indexed column",
    "Less than 10 % HOT among those that stayed on their page, of at least 10,000 updates, as"
    " pg-extras has it.",
    _indexed,
)

SECTION: Final = Section(
    "hot",
    "Updates",
    "How many updates stayed on their page and spared the indexes (HOT).",
    (
        Column("schema", "text", Kind.LABEL, "schema", "pg_stat_user_tables.schemaname"),
        Column("table", "text", Kind.LABEL, "table", "pg_stat_user_tables.relname"),
        Column(
            "updates", "rows", Kind.COUNTER, "rows updated", "pg_stat_user_tables.n_tup_upd"
        ),
        Column(
            "hot_updates", "rows", Kind.COUNTER, "of these, without a new entry in any index",
            "pg_stat_user_tables.n_tup_hot_upd",
        ),
        Column(
            "new_page_updates", "rows", Kind.COUNTER,
            "of these, on another page; from PostgreSQL 16 on",
            "pg_stat_user_tables.n_tup_newpage_upd",
        ),
        Column("hot_share", "1", Kind.RATIO, "share of HOT", "n_tup_hot_upd / n_tup_upd"),
        Column(
            "new_page_share", "1", Kind.RATIO, "share on another page",
            "n_tup_newpage_upd / n_tup_upd",
        ),
        Column(
            "hot_share_of_same_page", "1", Kind.RATIO, "share of HOT where there was room",
            "n_tup_hot_upd / (n_tup_upd - n_tup_newpage_upd)",
        ),
        Column("fillfactor", "%", Kind.GAUGE, "how full pages are made", "pg_class.reloptions"),
        Column(
            "touched_columns", "text", Kind.LABEL, "indexed columns that each save() writes",
            "fields with auto_now, pg_index",
        ),
    ),
    _read,
    (FULL_PAGES, INDEXED),
)  # fmt: skip
