from __future__ import annotations

import sys
import time
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from taskproject.db.context import tenant_context
from taskproject.db.timeouts import statement_timeout
from taskproject.tenancy.management.arguments import TaughtCommand
from taskproject.tenancy.management.lookups import find_tenant
from tasks.dataset.target import FORMATS, open_target
from tasks.services.exports import records_of

_HELP: Final = """\
Writes the live tasks of a tenant to a file, one record a line, as import_tasks
reads them: texts, words, dates, labels and the names of people. A task without
an external key gets its own key, WEB-42, for one. Comments, dependencies,
parents and due dates are not in it.

CSV is for people: cells that a spreadsheet would take for a formula begin with
an apostrophe. What breaks off leaves no file behind, and an old one as it was.
"""
_EPILOG: Final = """\
examples:
  manage.py export_tasks acme acme.ndjson.gz
  manage.py export_tasks acme - --format csv | head

exit codes: 0 written; 1 nothing was written; 130 interrupted
"""


class Command(TaughtCommand):
    """Write the tasks of a tenant to a file."""

    help = _HELP
    examples = _EPILOG

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("file", help="the file to write, gzip if it ends so; - for stdout")
        parser.add_argument(
            "--format",
            choices=FORMATS,
            help="what to write (default: csv for a file that ends with .csv or .csv.gz)",
        )

    def handle(self, *, tenant: str, file: str, format: str | None, **options: Any) -> None:
        found = find_tenant(tenant)
        form = format or ("csv" if file.removesuffix(".gz").endswith(".csv") else "ndjson")
        start, number = time.monotonic(), 0
        try:
            with (
                open_target(file, form=form) as write,
                tenant_context(found),
                statement_timeout(None),
            ):
                for number, record in enumerate(records_of(tenant), 1):
                    write(record)
                    if number % 10_000 == 0:
                        self._progress(number)
        except BrokenPipeError:
            sys.exit(0)  # who reads has enough
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}. Nothing was written.") from error
        except KeyboardInterrupt:
            self.stderr.write("\nInterrupted. Nothing was written.")
            sys.exit(130)
        seconds = time.monotonic() - start
        self.stderr.write(f"Wrote {number:,} tasks of {tenant} in {seconds:.1f} s.")

    def _progress(self, number: int) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"{number:,} tasks", ending="\r")
