"""`pgstat snapshot`: the counters as they stand now, kept."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.core.management.base import CommandError
from django.db import InternalError, ProgrammingError, close_old_connections
from django.db.utils import NotSupportedError

from perf.management.arguments import add_database, duration_s
from perf.management.looking import LONGEST_DAYS, is_unmigrated
from perf.management.subcommands import REFUSED
from perf.pgstat import store
from perf.pgstat.capabilities import Capabilities, probe
from perf.pgstat.packing import unpack
from perf.pgstat.reading import look
from perf.pgstat.section import Options
from perf.pgstat.server import Server, connected
from perf.pgstat.views import Sample
from perf.report import figures
from perf.report.database import documents

SHOWN_ROWS: Final = 50

SAYS: Final = "keep the counters as they stand, to tell windows from"
DESCRIPTION: Final = """\
Keeps all counters in the application's database: a compressed row for each
snapshot, and the texts of statements once. Nothing is ever reset. Snapshots of
48 hours are all kept, then one an hour for 14 days, then one a day for 400.

exit codes:
  0 taken; 2 wrong arguments; 3 refused, such as by a standby or while another
  process takes one; 130 interrupted"""
EXAMPLES: Final = """\
  manage.py pgstat snapshot                one, such as from cron
  manage.py pgstat snapshot --loop 5m      one every five minutes, until Ctrl-C
  manage.py pgstat snapshot --list"""


def add_arguments(parser: ArgumentParser) -> None:
    """Once, or again and again."""
    parser.add_argument("--loop", type=duration_s, metavar="TIME", help="take one so often")
    parser.add_argument("--list", action="store_true", help="show those that are kept")
    parser.add_argument("--prune", action="store_true", help="thin out, and take none")
    add_database(parser)


def run(options: dict[str, Any], stdout: Any) -> int:
    """Take one, or go on taking; 0."""
    if options["list"]:
        _list(stdout)
    elif options["prune"]:
        stdout.write(f"{store.prune():,} snapshots deleted.")
    elif options["loop"]:
        _loop(options, stdout)
    else:
        _take(options, stdout)
    return 0


def _list(stdout: Any) -> None:
    for each in store.latest(store.MOST):
        stdout.write(
            f"{each.taken_at:%Y-%m-%d %H:%M:%S}  {each.statements:5,} statements  "
            f"{each.tables:4,} tables  {figures.size_bytes(each.size_bytes):>9}  {each.database}"
        )


def _take(options: dict[str, Any], stdout: Any) -> None:
    start = time.perf_counter()
    try:
        with connected(alias=options["database"]) as server:
            can = probe(server)
            taken = store.snapshot(server, can)
            store.prune()
            _keep_look(server, can, unpack(bytes(taken.sample)))
    except (store.Collecting, InternalError, NotSupportedError) as error:
        raise CommandError(str(error).strip(), returncode=REFUSED) from error
    except ProgrammingError as error:
        if not is_unmigrated(error):
            raise
        told = "There is no table for snapshots yet: `manage.py migrate` makes it."
        raise CommandError(told, returncode=REFUSED) from error
    stdout.write(
        f"{taken.taken_at:%Y-%m-%d %H:%M:%S} UTC: {taken.statements:,} statements, "
        f"{taken.tables:,} tables, {figures.size_bytes(taken.size_bytes)}, "
        f"in {figures.ns((time.perf_counter() - start) * 1e9)}"
    )


def _keep_look(server: Server, can: Capabilities, after: Sample) -> None:
    """What the pages of the admin show, which ask PostgreSQL nothing themselves."""
    before = store.oldest(timedelta(days=LONGEST_DAYS), server=server, can=can)
    if before is not None and before.taken_at == after.taken_at:
        before = None  # the first one makes no window
    found = look(
        server,
        before=before,
        after=after,
        options=Options(top=SHOWN_ROWS),
        kept_texts=store.kept_texts,
    )
    store.keep_look(found.database, documents.encode(found), datetime.now(UTC))


def _loop(options: dict[str, Any], stdout: Any) -> None:
    """Take one at each multiple of the interval, so that several machines agree on them.

    One that fails is told, and the next is tried: a server may be restarted meanwhile.
    """
    interval_s = options["loop"]
    while True:
        try:
            _take(options, stdout)
        except Exception as error:
            stdout.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC: not taken: {error}")
        close_old_connections()
        time.sleep(interval_s - time.time() % interval_s)
