"""What a seed tells: how far it is, what it made, and why it failed."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median_low

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import DatabaseError

from tasks.dataset.seeding.options import SeedOptions
from tasks.dataset.seeding.sizes import tenant_sizes
from tasks.dataset.seeding.tables import Block
from tasks.management.progress import ProgressLine


class SeedReport:
    """Counts the rows of a seed while they are sent. `written` is set once they are committed."""

    def __init__(
        self, options: SeedOptions, tell: Callable[[str], object], *, rewrites: bool, shown: bool
    ) -> None:
        self.rows: Counter[str] = Counter()
        self.written = False
        self._options = options
        self._tell = tell
        self._line = ProgressLine(tell, rewrites=rewrites, shown=shown)
        self._started = self._written_at = time.monotonic()

    def count(self, block: Block) -> None:
        """Take note of a block, and tell if it is time to."""
        self.rows[block.table] += block.rows
        self._line.update(self._text)

    def wait(self) -> None:
        """Tell that another seed has to end first."""
        self._tell("Another seed is running: waiting for its end. Ctrl-C gives up.\n")

    def note_prepared(self) -> None:
        """Take note that all rows have been sent."""
        self._written_at = time.monotonic()

    def note_written(self) -> None:
        """Take note that all rows are committed."""
        self.note_prepared()
        self.written = True
        self._line.update(lambda _: "VACUUM (ANALYZE)")

    def end(self) -> None:
        """Clear the line that was rewritten."""
        self._line.end()

    def _text(self, seconds: float) -> str:
        tasks, rows = self.rows["task"], self.rows.total()
        ratio = f", {tasks / self._options.tasks:.0%}" if self._options.tasks else ""
        return f"{tasks:,} tasks{ratio}; {rows / seconds:,.0f} rows a second"

    def lines(self, folder: str | None = None) -> list[str]:
        """The summary, once all is done: sizes of tenants, rows of tables, seconds."""
        sizes = tenant_sizes(self._options.tasks, self._options.tenants, self._options.zipf)
        spent, rows = self._written_at - self._started, self.rows.total()
        text = f"{rows:,} rows in {spent:.1f} s, {rows / spent:,.0f} a second"
        if self.written:
            text += f"; {time.monotonic() - self._written_at:.1f} s to vacuum and analyse"
        return [
            f"{f'Wrote to {folder}' if folder else 'Added'} {len(sizes):,} tenants: {sizes[0]:,} "
            f"tasks in the largest, {median_low(sizes):,} in the middle one, {sizes[-1]:,} in the "
            "smallest.",
            f"Rows: {', '.join(f'{table} {count:,}' for table, count in self.rows.items())}.",
            f"{text}.",
        ]


@contextmanager
def expected_failures(report: SeedReport) -> Iterator[None]:
    """Turn what may well go wrong into a `CommandError` that says what helps."""
    try:
        yield
    except FileExistsError as error:
        raise CommandError(
            f"--output: {error.filename} is there already; name a new one."
        ) from error
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    except psycopg.errors.UniqueViolation as error:
        raise CommandError(_taken(error)) from error
    except (psycopg.Error, DatabaseError) as error:
        raise CommandError(_refused(error, report)) from error
    except OSError as error:
        text = f"--output: {error.filename or 'a file'} can't be written: {error.strerror}."
        raise CommandError(text) from error
    except KeyboardInterrupt as interrupt:
        text = "Interrupted: nothing was written."
        if report.written:
            text = "Interrupted: the rows are written, and only VACUUM (ANALYZE) is not done."
        raise CommandError(text, returncode=128 + signal.SIGINT) from interrupt
    finally:
        report.end()


def _taken(error: psycopg.Error) -> str:
    """Its detail reads `Key (slug)=(acme) already exists.`"""
    detail = error.diag.message_detail or str(error)
    return (
        f"{detail.replace('Key ', '')} `make run` or an earlier seed made it: run with another "
        "--prefix. "
        "Nothing was written."
    )


def _refused(error: Exception, report: SeedReport) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if report.written:
        return f"The rows are written, but VACUUM (ANALYZE) failed: {reason}."
    if isinstance(error.__cause__ or error, psycopg.errors.LockNotAvailable):
        return "Others have been writing for a minute; try again later. Nothing was written."
    return f"The database refused: {reason}. Nothing was written."
