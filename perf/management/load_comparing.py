"""`loadtest compare`: what has changed from one load test to another."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import CommandError

from perf import load_history
from perf.load.compare import MARGIN, IncomparableError, compare, fails_more
from perf.load.results import Change
from perf.management.arguments import between
from perf.management.load_arguments import add_outputs, write_as
from perf.management.subcommands import REFUSED, USAGE
from perf.report.load import comparison, documents
from perf.report.painting import Look

SAYS: Final = "what has changed from one load test to another"
DESCRIPTION: Final = """\
Compares the p50 and p99 of each step, and in the closed model the rate, after
to before. A change counts if the whole interval lies beyond the margin.

One run on each side says little, as its interval does not show how much runs
differ from each other. Make three of each, in turns (A B B A A B), and name
them with commas between.

exit codes:
  0 nothing is worse; 1 something is worse, or 0.5 percentage points more of the
  requests got no good answer; 2 wrong arguments, or no such run; 3 the runs
  can't be compared"""
EXAMPLES: Final = """\
  manage.py loadtest compare 20261126-2112 last
  manage.py loadtest compare a1.json,a2.json,a3.json b1.json,b2.json,b3.json"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which, and from when on a change counts."""
    for name in ("before", "after"):
        parser.add_argument(
            name,
            metavar=name.upper(),
            help="an id or its beginning, a file, or last; several with commas",
        )
    parser.add_argument(
        "--margin",
        type=between(0, 1, float),
        default=MARGIN,
        metavar="SHARE",
        help="a change up to this does not count (default: 0.1)",
    )
    add_outputs(parser, "the comparison")


def run(options: dict[str, Any], stdout: Any) -> int:
    """Compare and say what came out; 1 if anything is worse, or more had no good answer."""
    try:
        sides = [
            [load_history.load(each) for each in options[side].split(",")]
            for side in ("before", "after")
        ]
        found = compare(*sides, margin=options["margin"])
    except (load_history.NoSuchRun, documents.DocumentError) as error:
        raise CommandError(str(error), returncode=USAGE) from error
    except IncomparableError as error:
        raise CommandError(str(error), returncode=REFUSED) from error
    stdout.write(comparison.render(found, Look.of(sys.stdout)), ending="")
    write_as(found, options, comparison)
    is_worse = any(each.verdict is Change.WORSE for each in found.differences)
    return int(is_worse or fails_more(*sides))
