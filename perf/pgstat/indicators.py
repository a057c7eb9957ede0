"""Four figures of a database that are asked for most, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS

from perf.pgstat import store
from perf.pgstat.capabilities import probe
from perf.pgstat.connecting import connected
from perf.pgstat.reading import look
from perf.pgstat.results import Document, Kind, Status
from perf.pgstat.section import Options
from perf.pgstat.server import Server
from perf.pgstat.views import Sample

MOST: Final = 10  # of each list
LARGE_BYTES: Final = 10 * 1024**2
LARGE_INDEX_BYTES: Final = 1024**2
FEW_SCANS: Final = 50  # in the window, as PgHero has it
WINDOW_DAYS: Final = 30

_SECTIONS: Final = {
    "cache_hit_ratio": "cache",
    "large_tables": "tables",
    "inefficient_indexes": "indexes",
    "slow_queries": "queries",
}
_READ: Final = (Status.OK, Status.FINDING, Status.INSUFFICIENT)
_TABLE: Final = ("schema", "table", "total_bytes", "rows")
_INDEX: Final = ("schema", "table", "index", "scans", "size_bytes")
_QUERY: Final = ("queryid", "query", "calls", "mean_ms", "total_time_ms", "share")


def get_database_performance_indicators(alias: str = DEFAULT_DB_ALIAS) -> dict[str, Any]:
    """How well a database does: `cache_hit_ratio`, `large_tables`, `inefficient_indexes` and
    `slow_queries`; with `window`, the time that they are of, and the `units` of all figures.

    What is not known is None, and `unknown` says why. The window begins with the oldest snapshot of
    30 days, or when the counters did. Lists have ten entries at most, the worst first: tables from
    10 MiB on; indexes from 1 MiB on that nothing but reading needs, with at most 50 scans;
    statements as the check QS finds them. It is as dear as a report of four sections. Raises
    `psycopg.Error` where the server can't be asked.
    """
    with connected(alias=alias) as server:
        within = timedelta(days=WINDOW_DAYS)
        return indicators(server, store.oldest(within, server=server, can=probe(server)))


def indicators(server: Server, before: Sample | None = None) -> dict[str, Any]:
    """The same for the window that begins with a sample, or with the counters."""
    options = Options(top=None, sort="mean")
    found = look(server, names=tuple(_SECTIONS.values()), before=before, options=options)
    figures = {
        "cache_hit_ratio": _hit_ratio(found),
        "large_tables": _large_tables(found),
        "inefficient_indexes": _inefficient_indexes(found),
        "slow_queries": _slow_queries(found),
    }
    return {
        **figures,
        "units": _units(found),
        "window": asdict(found.window),
        "unknown": {
            name: _section(found, name).reason or "Nothing has been counted."
            for name, value in figures.items()
            if value is None
        },
    }


def _section(found: Document, name: str) -> Any:
    return next(each for each in found.sections if each.name == _SECTIONS[name])


def _rows(found: Document, name: str) -> Sequence[Any] | None:
    """The rows of a section; None where it could not be read."""
    section = _section(found, name)
    return None if section.reason and section.status not in _READ else section.rows


def _hit_ratio(found: Document) -> Any:
    rows = _rows(found, "cache_hit_ratio")
    return rows[0]["hit_ratio"] if rows else None


def _large_tables(found: Document) -> list[dict[str, Any]] | None:
    rows = _rows(found, "large_tables")
    if rows is None:
        return None
    large = [each for each in rows if (each["total_bytes"] or 0) >= LARGE_BYTES]
    return _told(sorted(large, key=lambda each: -each["total_bytes"]), _TABLE)


def _inefficient_indexes(found: Document) -> list[dict[str, Any]] | None:
    rows = _rows(found, "inefficient_indexes")
    if rows is None:
        return None
    rare = [
        each
        for each in rows
        if (each["size_bytes"] or 0) >= LARGE_INDEX_BYTES
        and each["scans"] is not None
        and each["scans"] <= FEW_SCANS
        and not _is_needed(each)
    ]
    return _told(sorted(rare, key=lambda each: -each["size_bytes"]), _INDEX)


def _is_needed(index: Any) -> bool:
    """Whether it does something without being read."""
    return bool(
        index["is_unique"]
        or index["constraint"]
        or index["is_replica_identity"]
        or index["is_part"]
    )


def _slow_queries(found: Document) -> list[dict[str, Any]] | None:
    if _rows(found, "slow_queries") is None:
        return None
    (check,) = (each for each in _section(found, "slow_queries").checks if each.id == "QS")
    return _told([each.evidence for each in check.findings], _QUERY)


def _told(rows: Sequence[Any], names: Sequence[str]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in rows[:MOST]]


def _units(found: Document) -> dict[str, str]:
    """The unit of each figure, by the columns of the sections."""
    told = {*_TABLE, *_INDEX, *_QUERY}
    columns = [column for section in found.sections for column in section.columns]
    return {"cache_hit_ratio": "1"} | {
        each.key: each.unit for each in columns if each.key in told and each.kind is not Kind.LABEL
    }
