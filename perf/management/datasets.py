"""`benchmark data`: the lab's databases, which are filled once and kept."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from django.core.management.base import CommandError

from perf import catalogue, history
from perf.management.arguments import sizes
from perf.pg import databases, locks
from perf.report import figures

SAYS: Final = "the databases that are measured on"
DESCRIPTION: Final = """\
The lab measures in databases of its own, whose names begin with perf_. One for
each dataset and size is filled when it is first needed, and kept."""
EXAMPLES: Final = """\
  manage.py benchmark data build --sizes 1k,10k,100k,1M
  manage.py benchmark data list
  manage.py benchmark data drop          what is out of date, and copies of runs
  manage.py benchmark data drop --all"""


def add_arguments(parser: ArgumentParser) -> None:
    """What to do with them."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser("build", help="fill those that are missing")
    build.add_argument(
        "--sizes",
        type=sizes,
        default=sizes("1k,10k,100k"),
        metavar="SIZES",
        help="rows of the table (default: 1k,10k,100k)",
    )
    actions.add_parser("list", help="what there is, and how large")
    drop = actions.add_parser("drop", help="drop what no run can use any more")
    drop.add_argument("--all", action="store_true", help="drop all of them")


def run(options: dict[str, Any], stdout: Any) -> int:
    """Do it; 0."""
    {"build": _build, "list": _list, "drop": _drop}[options["action"]](options, stdout)
    return 0


def _build(options: dict[str, Any], stdout: Any) -> None:
    with _alone(), locks.using():
        for dataset in _datasets():
            for size in options["sizes"]:
                name = databases.kept_name(dataset, size)
                if databases.is_filled(name):
                    stdout.write(f"{name} is there.")
                    continue
                stdout.write(f"Filling {name}.")
                databases.fill(dataset, size, stdout.write)


def _list(options: dict[str, Any], stdout: Any) -> None:
    found = databases.kept_databases()
    for each in found:
        state = "copy of a run" if each.is_copy else "filled" if each.is_filled else "half-filled"
        stdout.write(f"{each.name}  {figures.size_bytes(each.size_bytes)}  {state}")
    total = sum(each.size_bytes for each in found)
    stdout.write(f"{len(found)} databases, {figures.size_bytes(total)}")


def _drop(options: dict[str, Any], stdout: Any) -> None:
    with _alone(), locks.dropping():
        for each in databases.kept_databases():
            if options["all"] or not _is_of_use(each):
                databases.drop(each.name)
                stdout.write(f"Dropped {each.name}.")


def _is_of_use(found: databases.Kept) -> bool:
    """Whether a run would take this database: it is whole, and made for rows as they are now."""
    if found.is_copy or not found.is_filled:
        return False
    rows = int(found.name.removeprefix(databases.PREFIX).split("_")[-2])
    return any(found.name == databases.kept_name(each, rows) for each in _datasets())


def _datasets() -> list[catalogue.Dataset]:
    found = {each.dataset.name: each.dataset for each in catalogue.discover()}
    return [found[name] for name in sorted(found)]


@contextmanager
def _alone() -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(history.alone())
        except history.Busy as error:
            raise CommandError(str(error), returncode=3) from error
        yield
