"""What `pgstat report` and `pgstat health` have in common: sections, windows, forms of output."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
from django.core.management.base import CommandError
from django.db import ProgrammingError

from perf.management.arguments import add_database, between
from perf.management.subcommands import USAGE
from perf.pgstat import store
from perf.pgstat.capabilities import probe
from perf.pgstat.deltas import Deltas
from perf.pgstat.packing import NoSample
from perf.pgstat.reading import look
from perf.pgstat.results import Document
from perf.pgstat.section import Options
from perf.pgstat.sections import SECTIONS
from perf.pgstat.sections.queries import SORTS
from perf.pgstat.server import Server, connected
from perf.pgstat.versus import beside
from perf.pgstat.views import Sample
from perf.report.database import documents, html, markdown
from perf.report.painting import Look

LONGEST_DAYS: Final = 30
LIFETIME: Final = "lifetime"
FORMATS: Final = ("text", "json", "markdown", "html")

type Moment = Callable[[datetime], datetime]
type Samples = tuple[Sample | None, Sample | None]
type Span = tuple[Moment, Moment | None]

_AGO: Final = re.compile(r"(\d{1,5})(m|h|d)")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> Moment:
    """A time such as 24h, which is so long ago, or 2026-11-26T14:00, in UTC."""
    if found := _AGO.fullmatch(text.strip()):
        ago = timedelta(**{_UNITS[found[2]]: int(found[1])})
        return lambda now: now - ago
    try:
        fixed = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text!r} must be a time such as 90m, 24h, 7d or 2026-11-26T14:00"
        ) from error
    return lambda now: fixed if fixed.tzinfo else fixed.replace(tzinfo=UTC)


def span(text: str) -> Span:
    """A window such as 24h, which is until now, or 48h..24h."""
    since, dots, until = text.partition("..")
    return moment(since), moment(until) if dots else None


def top(text: str) -> int | None:
    """A number of rows, or all."""
    return None if text == "all" else int(between(1, 100_000)(text))


def add_look(parser: ArgumentParser, *, shows_rows: bool, sections: bool = True) -> None:
    """Which sections, over which window, in which form."""
    if sections:
        _add_sections(parser)
    window = parser.add_argument_group("window of the counters")
    window.add_argument(
        "--window",
        type=lambda text: None if text == LIFETIME else span(text),
        default=...,
        metavar="WINDOW",
        help="such as 24h or 48h..24h, told from snapshots; lifetime: since the counters began "
        f"(default: the oldest snapshot of the last {LONGEST_DAYS} days, or lifetime)",
    )
    if shows_rows:
        window.add_argument(
            "--versus", type=span, metavar="WINDOW", help="another window beside it: 8d..7d"
        )
    add_database(parser)
    if shows_rows:
        parser.add_argument(
            "--top",
            type=top,
            default=20,
            metavar="N",
            help="rows of a section, or all (default: 20)",
        )
        parser.add_argument(
            "--sort", choices=SORTS, default="time", help="of statements (default: time)"
        )
        parser.add_argument(
            "--schema", action="append", default=[], metavar="SCHEMA", help="only tables of these"
        )
    out = parser.add_argument_group("output")
    out.add_argument("--format", choices=FORMATS, default="text", help="(default: text)")
    out.add_argument("--output", type=Path, metavar="FILE", help="write it there")


def _add_sections(parser: ArgumentParser) -> None:
    parser.add_argument(
        "sections",
        nargs="*",
        metavar="SECTION",
        type=_section,
        help=f"{', '.join(each.name for each in SECTIONS)} (default: all)",
    )


def _section(text: str) -> str:
    names = [each.name for each in SECTIONS]
    if text not in names:
        raise ArgumentTypeError(f"{text!r} is none of the sections: {', '.join(names)}")
    return text


def is_unmigrated(error: ProgrammingError) -> bool:
    """Whether the table of the snapshots was not made yet: a look needs none."""
    return isinstance(error.__cause__, psycopg.errors.UndefinedTable)


def looked(options: dict[str, Any]) -> Document:
    """The look that the options ask for. Raises `CommandError` where there is no such window."""
    with connected(alias=options["database"]) as server:
        try:
            window, versus = _samples(server, options["window"]), None
            if options.get("versus"):
                versus = _samples(server, options["versus"])
        except (store.NoSnapshot, NoSample) as error:
            raise CommandError(str(error), returncode=USAGE) from error
        except ProgrammingError as error:
            if options["window"] is not ... or options.get("versus") or not is_unmigrated(error):
                raise
            window, versus = (None, None), None
        found = _over(server, options, window, versus)
        if versus is None:
            return found
        # All rows of the earlier window: what is at the top now may have been far down.
        return beside(found, _over(server, {**options, "top": None}, versus))


def _over(
    server: Server, options: dict[str, Any], window: Samples, versus: Samples | None = None
) -> Document:
    before, after = window
    return look(
        server,
        names=options["sections"],
        before=before,
        after=after,
        options=Options(
            top=options.get("top", 20),
            sort=options.get("sort", "time"),
            schemas=tuple(options.get("schema", ())),
        ),
        earlier=Deltas(versus[0], versus[1]) if versus and versus[1] else None,
        kept_texts=store.kept_texts,
    )


def _samples(server: Server, window: Any) -> Samples:
    if window is None:
        return None, None
    now, can = datetime.now(UTC), probe(server)
    if window is ...:
        return store.oldest(timedelta(days=LONGEST_DAYS), server=server, can=can), None
    since, until = window
    before = store.at(since(now), server=server, can=can)
    after = store.at(until(now), server=server, can=can) if until else None
    if after and after.taken_at <= before.taken_at:
        raise store.NoSnapshot(
            "The window has no two snapshots: it would begin and end with the same one, of "
            f"{before.taken_at:%Y-%m-%d %H:%M} UTC."
        )
    return before, after


def shown(
    document: Document,
    options: dict[str, Any],
    stdout: Any,
    text: Callable[[Document, Look], str],
) -> None:
    """Write the document in its form, to where it is wanted."""
    path = options["output"]
    match options["format"]:
        case "json":
            told = documents.encode(document).decode()
        case "markdown":
            told = markdown.render(document)
        case "html":
            told = html.render(document)
        case _:
            told = text(document, Look() if path else Look.of(sys.stdout))
    if path:
        path.write_text(told, encoding="utf-8")
        stdout.write(f"Wrote {path}.")
    else:
        stdout.write(told, ending="")
