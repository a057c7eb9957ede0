"""`loadtest history`: load tests that were kept."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, Final

from django.core.management.base import CommandError

from perf import load_history
from perf.load.results import LoadRun
from perf.management.load_arguments import add_outputs
from perf.management.load_running import write
from perf.management.subcommands import USAGE
from perf.report.load import documents, summary, terminal
from perf.report.painting import Look
from perf.report.texts import printable

SAYS: Final = "load tests that were kept, or one of them again"
DESCRIPTION: Final = """\
Lists the load tests that were kept, the newest last. --show shows one of them
again, in any form of report."""
EXAMPLES: Final = """\
  manage.py loadtest history
  manage.py loadtest history --show last --html load.html"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which of them, and how to show it."""
    parser.add_argument("--show", metavar="RUN", help="an id or its beginning, a file, or last")
    add_outputs(parser)


def run(options: dict[str, Any], stdout: Any) -> int:
    """Tell it; 0."""
    try:
        if options["show"]:
            found = load_history.load(options["show"])
            stdout.write(terminal.render(found, Look.of(sys.stdout)), ending="")
            write(found, options)
        else:
            _list(stdout)
    except (load_history.NoSuchRun, documents.DocumentError) as error:
        raise CommandError(str(error), returncode=USAGE) from error
    return 0


def _list(stdout: Any) -> None:
    lines = [_line(each) for each in _all()]
    if not lines:
        raise load_history.NoSuchRun(
            f"There is no load test yet in {load_history.folder()}: `manage.py loadtest run` makes "
            "one."
        )
    for each in lines:
        stdout.write(printable(each))


def _line(found: LoadRun) -> str:
    what = summary.scenarios(found) or found.target
    return f"{found.id}  {summary.standing(found)}  {what}  {summary.headline(found)}"


def _all() -> Iterator[LoadRun]:
    for each in load_history.ids():
        try:
            yield load_history.load(each)
        except (documents.DocumentError, OSError) as error:
            sys.stderr.write(f"Left out: {error}\n")
