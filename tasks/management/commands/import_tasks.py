from __future__ import annotations

import signal
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks.dataset.source import SourceError, open_source
from tasks.management.import_reports import Progress, Rejections, rejects_file
from tasks.services.imports import ImportFailed, ImportSummary, LinesRejected, tasks_import


class Command(BaseCommand):
    """Import tasks from a file of JSON lines."""

    help = (
        "Import tasks from NDJSON, plain or gzip, with the tenants, projects, labels and members "
        "they name. All or nothing, unless --on-error skip is given. Run again, it adds only what "
        "is not there yet. Exit codes: 0 done; 1 nothing was written; 130 interrupted, "
        "nothing was written.\n"
        "Example: manage.py import_tasks tasks.ndjson.gz --dry-run"
    )

    # They ask the database, and when it can't be reached they fail with a traceback.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the file to read; - for standard input")
        parser.add_argument(
            "--on-error",
            choices=("abort", "skip"),
            default="abort",
            help="if a line is no record, abort writes nothing at all, skip imports the others "
            "(default: %(default)s)",
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
            "--limit", type=_positive, metavar="N", help="read the first N records only"
        )
        parser.add_argument(
            "--batch-size",
            type=_positive,
            default=1000,
            metavar="N",
            help="records written together (default: %(default)s)",
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
        rejects: str | None,
        limit: int | None,
        batch_size: int,
        on_error: str,
        dry_run: bool,
        **_: Any,
    ) -> ImportSummary:
        with open_source(file) as source, rejects_file(rejects, source=file) as target:
            rejections = Rejections(target)
            progress.source = source
            try:
                return tasks_import(
                    islice(source.lines(), limit),
                    batch_size=batch_size,
                    skip_rejected=on_error == "skip",
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
    except (SourceError, ImportFailed) as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt as interrupt:
        text = "Interrupted: everything was rolled back, nothing was written."
        if progress.summary.committing:
            text = "Interrupted while committing: it may be imported. Another run adds what is not."
        raise CommandError(text, returncode=128 + signal.SIGINT) from interrupt


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000_000:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1,000,000,000")
    return int(text)
