from __future__ import annotations

import sys
import time
from functools import partial
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from taskproject.db.context import tenant_context
from taskproject.tenancy.management.arguments import TaughtCommand
from taskproject.tenancy.management.lookups import find_tenant
from tasks.dataset.forms import FORMS, form_of
from tasks.dataset.target import open_target
from tasks.management.progress import ProgressLine, bar
from tasks.selectors import tasks_exported
from tasks.services.exports import tasks_export

_HELP: Final = """\
Writes the live tasks of a tenant to a file, one record a line, as import_tasks
reads them: texts, words, dates, labels and the names of people. A task without
an external key gets its own key, WEB-42, for one. Comments, dependencies,
parents and due dates are not in it.

In CSV, cells that a spreadsheet would take for a formula begin with an
apostrophe, which an import takes away again. What breaks off leaves no file
behind, and an old one as it was.
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
            choices=FORMS,
            help="what to write (default: csv for a file that ends with .csv or .csv.gz)",
        )

    def handle(self, *, tenant: str, file: str, format: str | None, **options: Any) -> None:
        found = find_tenant(tenant)
        form = FORMS[format or form_of(file)]
        start = time.monotonic()
        progress = ProgressLine(self._tell, rewrites=self.stderr.isatty(), shown=True)
        try:
            with open_target(file) as target, tenant_context(found):
                total = tasks_exported().count()
                number = tasks_export(
                    target,
                    form,
                    tenant_slug=tenant,
                    on_progress=lambda number: progress.update(partial(_text, number, total)),
                )
        except BrokenPipeError:
            sys.exit(0)  # who reads has enough
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}. Nothing was written.") from error
        except KeyboardInterrupt:
            self.stderr.write("\nInterrupted. Nothing was written.")
            sys.exit(130)
        finally:
            progress.end()
        seconds = time.monotonic() - start
        self.stderr.write(f"Wrote {number:,} tasks of {tenant} in {seconds:.1f} s.")

    def _tell(self, text: str) -> None:
        self.stderr.write(text, style_func=str, ending="")
        self.stderr.flush()


def _text(number: int, total: int, seconds: float) -> str:
    ratio = min(number / max(total, 1), 1.0)  # others may make tasks meanwhile
    return f"{bar(ratio, seconds)} {number:,} tasks, {number / seconds:,.0f} a second"
