from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from taskproject.tenancy.management.arguments import TaughtCommand, at_least
from tasks.dataset.forms import FORMS
from tasks.dataset.source import SourceError, open_source
from tasks.management.import_reports import Progress, Rejections, rejects_file
from tasks.services.imports.run import BATCH_SIZE, tasks_import
from tasks.services.imports.summary import ImportFailed, ImportSummary, LinesRejected

SKIPPING_COMMITS_EVERY: Final = 10_000
_HELP: Final = """\
Imports tasks from NDJSON or CSV, plain or gzip, with the tenants, projects,
labels and members that they name, as export_tasks writes them. The tasks keep
their dates; people are made without a password.

All or nothing: one transaction. With --commit-every, or --on-error skip, what
is committed stays if it breaks off. Run again, it adds only what is not there
yet: a record whose external key its tenant has is left alone.
"""
_EPILOG: Final = """\
examples:
  manage.py import_tasks tasks.ndjson.gz --dry-run
  manage.py import_tasks tasks.csv
  manage.py import_tasks - --on-error skip --rejects rejects.ndjson < tasks.ndjson

exit codes: 0 done; 1 it failed, and tells what was written: nothing, or what it
had committed; 130 interrupted, the same
"""


class Command(TaughtCommand):
    """Import tasks from a file of records."""

    help = _HELP
    examples = _EPILOG

    # They ask the database, and when it can't be reached they fail with a traceback.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the file to read; - for standard input")
        parser.add_argument(
            "--format",
            choices=FORMS,
            help="what it holds (default: csv for a file that ends with .csv or .csv.gz)",
        )
        parser.add_argument(
            "--on-error",
            choices=("abort", "skip"),
            default="abort",
            help="what to do when a line is no record: abort writes nothing of its transaction, "
            "skip imports the others (default: %(default)s)",
        )
        parser.add_argument(
            "--commit-every",
            type=at_least(1),
            metavar="N",
            help="commit after every N records (default: at the end; with --on-error skip every "
            f"{SKIPPING_COMMITS_EVERY:,})",
        )
        parser.add_argument(
            "--rejects",
            metavar="FILE",
            help="write each rejected line there, as NDJSON, with its number and the reason",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="do everything, then roll it back"
        )
        parser.add_argument(
            "--limit", type=at_least(1), metavar="N", help="read the first N records only"
        )
        parser.add_argument(
            "--batch-size",
            type=at_least(1),
            default=BATCH_SIZE,
            metavar="N",
            help=f"records written together, fewer if they are long (default: {BATCH_SIZE:,})",
        )

    def handle(self, *, file: str, verbosity: int, **options: Any) -> None:
        started = time.monotonic()
        progress = Progress(self._tell, rewrites=self.stderr.isatty(), shown=verbosity > 0)
        with _expected_failures(progress):
            summary = self._import(file, progress, **options)
        if verbosity > 0:
            self._report(summary, time.monotonic() - started, dry_run=options["dry_run"])
        if verbosity > 1:
            self._report_tenants(summary)

    def _import(
        self,
        file: str,
        progress: Progress,
        *,
        format: str | None,
        rejects: str | None,
        limit: int | None,
        batch_size: int,
        on_error: str,
        commit_every: int | None,
        dry_run: bool,
        **_: Any,
    ) -> ImportSummary:
        skip = on_error == "skip"
        with open_source(file, format) as source, rejects_file(rejects, source=file) as target:
            rejections = Rejections(target)
            progress.source = source
            try:
                return tasks_import(
                    islice(source.lines(), limit),
                    batch_size=batch_size,
                    commit_every=commit_every or (SKIPPING_COMMITS_EVERY if skip else None),
                    skip_rejected=skip,
                    dry_run=dry_run,
                    on_reject=rejections.add,
                    on_progress=progress.update,
                    on_wait=progress.wait,
                )
            except LinesRejected as error:
                raise CommandError(
                    f"{error} Correct them, or import the others with --on-error skip."
                ) from None
            finally:
                progress.end()
                self._tell(rejections.text(path=rejects))

    def _tell(self, text: str) -> None:
        self.stderr.write(text, style_func=str, ending="")
        self.stderr.flush()

    def _report(self, summary: ImportSummary, seconds: float, *, dry_run: bool) -> None:
        made = ", ".join(
            f"{summary.total(name):,} {name}" for name in ("projects", "members", "labels", "tasks")
        )
        self.stdout.write(
            self.style.SUCCESS(
                f"{'Would add' if dry_run else 'Added'} {summary.tenants_made:,} tenants, {made}; "
                f"{summary.total('already_there'):,} already there, {summary.rejected:,} rejected; "
                f"{seconds:.1f} s."
            )
        )
        if dry_run:
            self.stdout.write("This was a dry run: everything was rolled back.")

    def _report_tenants(self, summary: ImportSummary) -> None:
        for slug, counts in sorted(summary.by_tenant.items()):
            words = (f"{n:,} {name.replace('_', ' ')}" for name, n in asdict(counts).items())
            self.stdout.write(f"  {slug}: {', '.join(words)}")


@contextmanager
def _expected_failures(progress: Progress) -> Iterator[None]:
    try:
        yield
    except SourceError as error:
        raise CommandError(f"{error} {progress.summary.written}") from error
    except ImportFailed as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt as interrupt:
        text = f"Interrupted. {progress.summary.written}"
        if progress.summary.committing:
            text = (
                "Interrupted while committing: more may be imported. Another run adds what is not."
            )
            if progress.summary.committed_line:
                text = f"{text} {progress.summary.written}"
        raise CommandError(text, returncode=128 + signal.SIGINT) from interrupt
