"""Pages of the newest look at the database: which sections each shows, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import psycopg
from django.db import connection

from perf.pgstat import store
from perf.pgstat.connecting import connected
from perf.pgstat.reading import look
from perf.pgstat.results import Document
from perf.pgstat.section import Options
from perf.pgstat.series import series
from perf.report.database import documents, html

DRAWN: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its sections, those that the look has; without any, the findings."""

    title: str
    sections: tuple[str, ...] = ()
    is_live: bool = False
    is_drawn: bool = False


PAGES: Final = {
    "health": Page("Health", is_drawn=True),
    "queries": Page("Queries", ("queries",)),
    "tables": Page(
        "Tables and indexes",
        ("tables", "index_usage", "indexes", "cache", "vacuum", "hot", "bloat", "ids"),
    ),
    "server": Page(
        "Server", ("connections", "checkpoints", "io", "wraparound", "replication", "capabilities")
    ),
    "live": Page("Live activity", ("activity", "locks"), is_live=True),
}
_NONE_YET: Final = "There is no look yet: manage.py pgstat snapshot makes one."
_ANOTHER: Final = "The look was kept by another version: manage.py pgstat snapshot makes one."


def page(wanted: Page) -> str:
    """The page as HTML. Two statements at most, but for the live one, which looks anew."""
    database = str(connection.settings_dict["NAME"])
    try:
        found = _live(wanted) if wanted.is_live else _kept(database, wanted)
    except psycopg.Error as error:
        return html.message(f"PostgreSQL gave no answer: {error}")
    except msgspec.DecodeError:
        return html.message(_ANOTHER)
    if found is None:
        return html.message(_NONE_YET)
    if not wanted.is_drawn:
        return html.render(found)
    since = datetime.now(UTC) - DRAWN
    return html.render(found, series(store.drawn(database, since=since)))


def _live(wanted: Page) -> Document:
    with connected() as server:
        # Without a sample: it is of now, and reading all counters would be most of its cost.
        return look(server, names=wanted.sections, options=Options(top=100), samples=False)


def _kept(database: str, wanted: Page) -> Document | None:
    kept = store.kept_look(database)
    if kept is None:
        return None
    document = documents.decode(kept)
    if not wanted.sections:
        without_rows = tuple(replace(each, columns=(), rows=()) for each in document.sections)
        return replace(document, sections=without_rows)
    shown = tuple(each for each in document.sections if each.name in wanted.sections)
    return replace(document, sections=shown)
