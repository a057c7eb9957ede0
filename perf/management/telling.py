"""`benchmark history`: runs that were kept."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, Final

from django.core.management.base import CommandError

from perf import history
from perf.engine.results import Run
from perf.management.running import add_outputs, write
from perf.report import details, documents, figures, summary, terminal
from perf.report.painting import Look
from perf.report.texts import printable

SAYS: Final = "runs that were kept, or one of them again"
DESCRIPTION: Final = """\
Lists the runs that were kept, the newest last. With a pair's name: its ratios
through all of them. With --show: one run again, in any form of report."""
EXAMPLES: Final = """\
  manage.py benchmark history
  manage.py benchmark history tasks.deep_page
  manage.py benchmark history --show last --html run.html"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which runs, and how to show them."""
    parser.add_argument("name", nargs="?", metavar="PAIR", help="a pair, such as tasks.deep_page")
    parser.add_argument(
        "--show", metavar="RUN", help="a run: its id or the beginning, a file, last"
    )
    add_outputs(parser)


def run(options: dict[str, Any], stdout: Any) -> int:
    """Tell it; 0."""
    folder = history.folder()
    try:
        if options["show"]:
            _show(history.load(options["show"]), options, stdout)
        elif options["name"]:
            _list(_ratios(options["name"]), f"No run in {folder} has {options['name']}.", stdout)
        else:
            none = f"There is no run yet in {folder}: `manage.py benchmark run` makes one."
            _list(_runs(), none, stdout)
    except (history.NoSuchRun, documents.DocumentError) as error:
        raise CommandError(str(error), returncode=2) from error
    return 0


def _show(found: Run, options: dict[str, Any], stdout: Any) -> None:
    pairs = [each for each in found.pairs if each.name == options["name"]]
    if options["name"] and not pairs:
        raise history.NoSuchRun(f"Run {found.id} has no pair {options['name']}.")
    if options["name"]:
        stdout.write(details.details(pairs[0], Look.of(sys.stdout)), ending="")
    else:
        stdout.write(terminal.render(found, Look.of(sys.stdout)), ending="")
    write(found, options)


def _list(lines: Iterator[str], none: str, stdout: Any) -> None:
    told = False
    for line in lines:
        stdout.write(printable(line))
        told = True
    if not told:
        raise history.NoSuchRun(none)


def _runs() -> Iterator[str]:
    for found in _all():
        commit = found.environment.get("commit", "unknown")
        state = "" if found.ended_at else "  broken off"
        pairs = figures.plural(len(found.pairs), "pair")
        yield f"{found.id}  {pairs:>8}  {summary.claims_line(found)}  commit {commit}{state}"


def _ratios(name: str) -> Iterator[str]:
    for found in _all():
        for pair in found.pairs:
            for size in pair.sizes if pair.name == name else ():
                for each in size.comparisons:
                    yield (
                        f"{found.id}  {figures.size(size.size):>5}  {each.efficient}/{each.naive}  "
                        f"{figures.ratio_interval(each.ratio)}  {each.verdict}"
                    )


def _all() -> Iterator[Run]:
    for each in history.ids():
        try:
            yield history.load(each)
        except (documents.DocumentError, OSError) as error:
            sys.stderr.write(f"Left out: {error}\n")
