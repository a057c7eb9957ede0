"""`benchmark explain`: what the ways of one pair send, with plans, and what each costs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any, Final

from perf.management.arguments import add_module, between, size
from perf.management.planning import chosen, made, planned
from perf.management.running import ROWS_DIFFER
from perf.report import details
from perf.report.painting import Look

SAYS: Final = "statements, plans and costs of one pair"
DESCRIPTION: Final = """\
Proves that the ways of one pair return the same rows, and shows what each of
them sends: statements, plans with the blocks they read, and the claims on them.
Nothing is timed, and nothing kept.

exit codes:
  0 done; 2 no such pair; 3 refused; 5 rows differ"""
EXAMPLES: Final = """\
  manage.py benchmark explain tasks.deep_page
  manage.py benchmark explain tasks.status_filter --size 100k"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which pair, at which size."""
    parser.add_argument("name", metavar="NAME", help="a pair, such as tasks.deep_page")
    add_module(parser)
    parser.add_argument("--size", type=size, default=10_000, metavar="ROWS", help="default: 10k")
    parser.add_argument(
        "--seed", type=between(0, 2**31 - 1), default=1, metavar="N", help="of the arguments drawn"
    )


def run(options: dict[str, Any], stdout: Any) -> int:
    """Count one pair and show it whole; 5 if its rows differ."""
    plan = planned(
        chosen([options["name"]], modules=options["module"]),
        sizes=[options["size"]],
        seed=options["seed"],
        modules=options["module"],
    )
    runner, ended = made(plan, timed=False, quiet=True)
    found = runner.result()
    for pair in found.pairs:
        stdout.write(details.details(pair, Look.of(sys.stdout)), ending="")
    refused = any(each.refusal for pair in found.pairs for each in pair.sizes)
    return ended or (ROWS_DIFFER if refused else 0)
