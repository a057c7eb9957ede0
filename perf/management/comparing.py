"""`benchmark compare`: what has changed from one kept run to another."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.core.management.base import CommandError

from perf import comparison, history
from perf.comparison import Change, Difference
from perf.engine.results import Run
from perf.management.subcommands import REFUSED
from perf.report import documents
from perf.report.texts import printable

SAYS: Final = "what has changed from one run to another"
DESCRIPTION: Final = """\
Compares two kept runs: what is counted otherwise, and which ratios between the
ways have moved by more than the margin. Two runs are not taken in turns, so
times themselves are not compared: for those there is `gate --against`.

exit codes:
  0 nothing is worse; 1 something is; 2 no such run; 3 they have nothing in
  common"""
EXAMPLES: Final = """\
  manage.py benchmark compare 20261126-2112 last
  manage.py benchmark compare main.json last"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which two."""
    for name in ("one", "other"):
        parser.add_argument(name, metavar="RUN", help="an id or the beginning of one, a file, last")
    parser.add_argument("--all", action="store_true", help="what has not changed too")


def run(options: dict[str, Any], stdout: Any) -> int:
    """Compare and say what came out; 1 if anything is worse."""
    try:
        one, other = history.load(options["one"]), history.load(options["other"])
    except (history.NoSuchRun, documents.DocumentError) as error:
        raise CommandError(str(error), returncode=2) from error
    if not comparison.is_comparable(one, other):
        raise CommandError("The two runs have no pair at a size in common.", returncode=REFUSED)
    found = comparison.compare(one, other)
    for line in _lines(one, other, found, everything=options["all"]):
        stdout.write(printable(line))
    return int(any(each.change is Change.WORSE for each in found))


def _lines(one: Run, other: Run, found: Sequence[Difference], *, everything: bool) -> Iterator[str]:
    yield f"From {one.id} to {other.id}"
    for each in comparison.unlike(one, other):
        yield f"  not alike  {each}"
    for difference in found:
        if everything or difference.change is not Change.SAME:
            yield (
                f"  {difference.change:9}  {difference.pair} at {difference.size:,}: "
                f"{difference.variant}, {difference.what}: {difference.text}"
            )
    changes = [each.change for each in found]
    yield ", ".join(f"{changes.count(each)} {each}" for each in Change) + "."
