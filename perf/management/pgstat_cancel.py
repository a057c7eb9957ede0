"""`pgstat cancel`: end the statement that a session runs."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import CommandError

from perf.management.arguments import add_database, between
from perf.management.subcommands import REFUSED
from perf.pgstat.cancelling import Refused, Started, Target, cancel, target
from perf.pgstat.server import connected

_MOST: Final = 2**31 - 1

SAYS: Final = "end the statement that a session runs"
DESCRIPTION: Final = """\
Has PostgreSQL cancel the statement that a session runs: the session goes on, and
its program hears an error. It asks first. Sessions of superusers and of other
databases are refused, as are PostgreSQL's own processes, and a session that runs
nothing. What was done, by whom and why is kept in the table perf_action.

exit codes:
  0 cancelled; 2 wrong arguments; 3 refused, or not agreed to"""
EXAMPLES: Final = """\
  manage.py pgstat cancel 4711 --reason 'holds up the migration'
  manage.py pgstat cancel 4711 --reason 'holds up the migration' --yes"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which one, and why."""
    parser.add_argument("pid", type=between(1, _MOST), metavar="PID", help="of `pgstat locks`")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="is kept with the record")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_database(parser)


def run(options: dict[str, Any], stdout: Any) -> int:
    """Cancel it; 0. Raises `CommandError` with 3 where it is refused."""
    pid, reason = options["pid"], options["reason"]
    with connected(alias=options["database"]) as server:
        try:
            agreed = None if options["yes"] else _agreed(target(server, pid), stdout)
            done = cancel(server, pid, who=_who(), reason=reason, agreed=agreed)
        except Refused as error:
            raise CommandError(str(error), returncode=REFUSED) from error
    stdout.write(f"Cancelled what session {pid} ran: {done.query}")
    return 0


def _agreed(found: Target, stdout: Any) -> Started:
    """What somebody on a terminal has agreed to. Raises `Refused`."""
    if not sys.stdin.isatty():
        raise Refused("Nobody is there to be asked: say --yes.")
    stdout.write(f"Session {found.pid} of {found.role}, for {found.query_s:,.0f} s:")
    stdout.write(f"  {found.query}")
    try:
        answer = input("Cancel it? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise Refused("It was not agreed to.")
    return found.started


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container may run as a number without a name
