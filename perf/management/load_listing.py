"""`loadtest list`: the scenarios that there are."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import CommandError

from perf.management.load_planning import declared
from perf.management.subcommands import USAGE
from perf.scenarios import Declared, NoSuchScenario
from perf.service import service

SAYS: Final = "the scenarios: what users do"
DESCRIPTION: Final = """\
Lists the scenarios of the `scenarios` modules of all apps, each with its weight:
of several in a run, that says how often each is begun."""
EXAMPLES: Final = """\
  manage.py loadtest list
  manage.py loadtest list 'tasks.*' --json"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which of them."""
    parser.add_argument("names", nargs="*", metavar="SCENARIO", help="* stands for anything")
    parser.add_argument(
        "--module",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module that declares more",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: dict[str, Any], stdout: Any) -> int:
    """Write them; 0."""
    try:
        found = declared(options["names"] or ["*"], options["module"])
    except NoSuchScenario as error:
        if options["names"]:
            raise CommandError(str(error), returncode=USAGE) from error
        found = ()
    if options["json"]:
        stdout.write(json.dumps([_document(each) for each in found], indent=1))
        return 0
    for each in found:
        writes = ", writes" if each.scenario.writes else ""
        stdout.write(
            f"{each.name}: {each.scenario.title} (weight {each.scenario.weight:g}{writes})"
        )
        stdout.write(f"  {each.says}\n")
    where = "--serve or --target URL" if service() else "--target URL"
    stdout.write(
        f"{len(found)} scenarios. `manage.py loadtest run NAME` with {where} plays them; "
        "`loadtest run --get URL` needs none."
    )
    return 0


def _document(each: Declared) -> dict[str, Any]:
    return {
        "name": each.name,
        "title": each.scenario.title,
        "says": each.says,
        "weight": each.scenario.weight,
        "writes": each.scenario.writes,
        "module": each.module,
    }
