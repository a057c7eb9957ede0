from __future__ import annotations

from argparse import ArgumentTypeError
from contextlib import closing
from dataclasses import fields
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import (
    CommandError,
    CommandParser,
)
from django.db import connection

from taskproject.tenancy.management.arguments import TaughtCommand
from tasks.dataset.seeding.files import Digests, write_files
from tasks.dataset.seeding.loading import load, vacuum
from tasks.dataset.seeding.options import SeedOptions
from tasks.dataset.seeding.rows import seed_blocks
from tasks.management.seed_reports import SeedReport, expected_failures

_DEFAULTS = SeedOptions()
_HELP = """\
Fills the database with made-up tenants: people, projects, tasks with labels,
comments and dependencies, and the events of the two years in which it all came
about. A few tenants are giants and most are small. Equal options make equal
rows, byte for byte.

It writes as the schema's owner (DATABASE_OWNER_URL), in one transaction. Until
that ends the tables can be read, and programs that write to them wait.
"""
_EPILOG = """\
examples:
  manage.py seed                        10,000 tasks of 20 tenants
  manage.py seed --tenants 1000 --tasks 1000000 --prefix lab-
                                        a hundred times as much, beside the first
  manage.py seed --digest               what equal rows are equal in
  manage.py seed --output rows          files for psql, and no database

exit codes:
  0 done; 1 nothing was written, or VACUUM failed afterwards; 130 interrupted

docs/seed.md says what is made, and how it is spread.
"""


class Command(TaughtCommand):
    """Fill the database with made-up tenants, reproducibly."""

    help = _HELP
    examples = _EPILOG
    # It needs no database for --digest and --output.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        for name, text in (
            ("tenants", "how many tenants, 1 to 100,000"),
            ("tasks", "how many tasks in all of them; each gets three, and the rest by its size"),
            ("seed", "any number: another one makes other rows of the same kind"),
        ):
            default = getattr(_DEFAULTS, name)
            text = f"{text} (default: {default:,})"
            add(f"--{name}", type=_whole, default=default, metavar="N", help=text)
        add(
            "--zipf",
            type=_decimal,
            default=_DEFAULTS.zipf,
            metavar="S",
            help="how uneven the tenants are, 0 to 4: the k-th largest has a share of 1/k^S; with "
            "0 all are alike, with 1.1 and 1,000 tenants the first has 18 percent "
            "(default: %(default)s)",
        )
        add(
            "--until",
            type=_day,
            default=_DEFAULTS.until,
            metavar="YYYY-MM-DD",
            help="the day that is today in the data: all of it happened before, and open tasks are "
            "due around it (default: %(default)s)",
        )
        add(
            "--prefix",
            default=_DEFAULTS.prefix,
            metavar="TEXT",
            help="stands in front of slugs and user names, such as lab-; with another one, a "
            "second seed fits into the same database",
        )
        add(
            "--digest",
            action="store_true",
            help="write nothing; print a SHA-256 of each table's rows. Needs no database",
        )
        add(
            "--output",
            type=Path,
            metavar="DIR",
            help="write the rows to a new folder as files for COPY, with a load.sql for psql, "
            "instead of into the database. Needs none",
        )

    def handle(self, *, digest: bool, output: Path | None, verbosity: int, **named: Any) -> None:
        options = _options(named)
        report = SeedReport(
            options, self._tell, rewrites=self.stderr.isatty(), shown=verbosity > 0 and not digest
        )
        with expected_failures(report):
            if digest or output:
                self._prepare(options, report, digest=digest, output=output)
            else:
                self._load(options, report)
        if verbosity > 0 and not digest:
            folder = str(output) if output else None
            self.stdout.write("\n".join(report.lines(folder)), self.style.SUCCESS)

    def _prepare(
        self, options: SeedOptions, report: SeedReport, *, digest: bool, output: Path | None
    ) -> None:
        digests, blocks = Digests(), seed_blocks(options)
        # Closed at once when it is left by Ctrl-C: that removes half-written files.
        with closing(write_files(blocks, output) if output else blocks) as passing:
            for block in passing:
                report.count(block)
                if digest:
                    digests.add(block)
        report.note_prepared()
        if digest:
            self.stdout.write("\n".join(digests.lines()))

    def _load(self, options: SeedOptions, report: SeedReport) -> None:
        owned: Any = connection
        with owned.as_owner():
            load(options, on_block=report.count, on_wait=report.wait)
            report.note_written()
            vacuum()

    def _tell(self, text: str) -> None:
        self.stderr.write(text, style_func=str, ending="")
        self.stderr.flush()


def _options(named: dict[str, Any]) -> SeedOptions:
    try:
        return SeedOptions(**{each.name: named[each.name] for each in fields(SeedOptions)})
    except ValueError as error:
        raise CommandError(str(error)) from error


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ArgumentTypeError(f"{text!r} is not a number") from None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day; write it as in 2026-06-30") from None
