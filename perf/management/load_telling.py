"""`loadtest history`: load tests and searches that were kept."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, Final

from django.core.management.base import CommandError

from perf import load_history
from perf.load.results import CapacityResult, LoadRun
from perf.management.load_arguments import add_outputs, write_as
from perf.management.load_running import write
from perf.management.subcommands import USAGE
from perf.report.load import documents, knee, search, summary, terminal
from perf.report.painting import Look
from perf.report.texts import printable

SAYS: Final = "load tests and searches that were kept, or one of them again"
DESCRIPTION: Final = """\
Lists the load tests and searches that were kept, the newest last. --show shows
one of them again, in any form of report; of a search that is the knee."""
EXAMPLES: Final = """\
  manage.py loadtest history
  manage.py loadtest history --show last --html load.html"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which of them, and how to show it."""
    parser.add_argument("--show", metavar="NAME", help="an id or its beginning, a file, or last")
    add_outputs(parser)


def run(options: dict[str, Any], stdout: Any) -> int:
    """Tell it; 0."""
    try:
        if options["show"]:
            _show(load_history.either(options["show"]), options, stdout)
        else:
            _list(stdout)
    except (load_history.NoSuchRun, documents.DocumentError) as error:
        raise CommandError(str(error), returncode=USAGE) from error
    return 0


def _show(found: LoadRun | CapacityResult, options: dict[str, Any], stdout: Any) -> None:
    if isinstance(found, CapacityResult):
        stdout.write(knee.render(found, Look.of(sys.stdout)), ending="")
        write_as(found, options, knee)
    else:
        stdout.write(terminal.render(found, Look.of(sys.stdout)), ending="")
        write(found, options)


def _list(stdout: Any) -> None:
    lines = [_line(each) for each in _all()]
    if not lines:
        raise load_history.NoSuchRun(
            f"There is no load test yet in {load_history.folder()}: `manage.py loadtest run` makes "
            "one."
        )
    for each in lines:
        stdout.write(printable(each))


def _line(found: LoadRun | CapacityResult) -> str:
    if isinstance(found, CapacityResult):
        return f"{found.id}  search  {search.what(found)}  {search.headline(found)}"
    what = summary.scenarios(found) or found.target
    return f"{found.id}  {summary.standing(found)}  {what}  {summary.headline(found)}"


def _all() -> Iterator[LoadRun | CapacityResult]:
    for each in load_history.all_ids():
        try:
            yield load_history.either(each)
        except (documents.DocumentError, OSError) as error:
            sys.stderr.write(f"Left out: {error}\n")
