"""`manage.py pgstat`: what PostgreSQL says of the database."""

from __future__ import annotations

from typing import Final

import psycopg

from perf.management.subcommands import SubcommandCommand

SUBCOMMANDS: Final = {
    "report": "pgstat_report",
    "health": "pgstat_health",
    "queries": "pgstat_queries",
    "explain": "pgstat_explain",
    "snapshot": "pgstat_snapshot",
    "docs": "pgstat_docs",
    "locks": "pgstat_locks",
    "cancel": "pgstat_cancel",
}


class Command(SubcommandCommand):
    """Reports, findings and snapshots. It never resets anything."""

    help = (
        "Tells what PostgreSQL says of the database: reports with units, windows and sources; "
        "findings with their evidence and what mends them; snapshots to tell windows from."
    )
    subcommands = SUBCOMMANDS

    def hindrances(self) -> tuple[type[Exception], ...]:
        return (*super().hindrances(), psycopg.Error)
