"""`pgstat explain`: the plan of a statement as a tree."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import CommandError

from perf.management.arguments import add_database
from perf.management.subcommands import USAGE
from perf.pgstat.captured import Captured, NotCaptured, captured, generic
from perf.pgstat.server import connected
from perf.report.database import text
from perf.report.painting import Look

SAYS: Final = "the plan of a statement that was captured, as a tree"
DESCRIPTION: Final = """\
Shows the plans that a statement had when the application sent it: with its real
values, in its tenant and role, prepared if it was prepared. The monitor asks for
one of each shape, and again of slow ones; where the plan has changed, the ones
before are shown too. Nothing is run.

Of a statement that no monitored request has sent, with --generic, PostgreSQL's
plan for any values (16 and later), in the role of this look: which may be
another than the application gets.

exit codes:
  0 shown; 2 no such statement; 3 no answer"""
EXAMPLES: Final = """\
  manage.py pgstat queries                          shows the ids
  manage.py pgstat explain -8196472948237780373
  manage.py pgstat explain -8196472948237780373 --generic"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which statement."""
    parser.add_argument(
        "statement", metavar="ID", help="a queryid, or the shape's digest that a log has"
    )
    parser.add_argument("--generic", action="store_true", help="the plan for any values, now")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="(default: text)"
    )
    add_database(parser)


def run(options: dict[str, Any], stdout: Any) -> int:
    """Show it; 0."""
    try:
        found = _found(options)
    except NotCaptured as error:
        raise CommandError(str(error), returncode=USAGE) from error
    if options["format"] == "json":
        stdout.write(json.dumps(found.values(), indent=1))
    else:
        stdout.write(text.plans(found, Look.of(sys.stdout)), ending="")
    return 0


def _found(options: dict[str, Any]) -> Captured:
    if not options["generic"]:
        return captured(options["statement"])
    with connected(alias=options["database"]) as server:
        return generic(server, options["statement"])
