"""`loadtest run`: from its arguments to a load test that is shown and kept."""

from __future__ import annotations

import dataclasses
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import DatabaseError

from perf import history, listed, load_history
from perf.environment import environment, machine
from perf.load.ceiling import ceiling_rate
from perf.load.results import LoadRun
from perf.load.serving import NotServed
from perf.load_runner import Made, made
from perf.management.load_arguments import add_how, add_outputs, add_what, objectives
from perf.management.load_planning import asked
from perf.management.load_progress import telling
from perf.management.subcommands import INTERRUPTED, REFUSED
from perf.report.load import documents, markdown, terminal
from perf.report.load.summary import Standing, standing
from perf.report.painting import Look

FAILED: Final = 1
INCONCLUSIVE: Final = 4
LOOKING: Final = "Looking for how much a worker can send at most."
EXIT_CODES: Final = {
    Standing.PASS: 0,
    Standing.NO_OBJECTIVES: 0,
    Standing.FAIL: FAILED,
    Standing.INCONCLUSIVE: INCONCLUSIVE,
    Standing.PARTIAL: REFUSED,
    Standing.RIG_LIMITED: REFUSED,
    Standing.INVALID: REFUSED,
}

SAYS: Final = "run a load test, show what came out, and keep it"
DESCRIPTION: Final = """\
Uses a service as its users would, and reports latency and failures.

In the open model sessions begin when the schedule says, however slow the
answers are. Latency counts from the moment when a request was due, so that a
server that stands still is seen. In the closed model so many users each wait
for their answer before they go on.

--get URL needs nothing but the URL. Scenarios are what users do, in the
`scenarios` modules of the apps: see `loadtest list`. --serve starts the service
with production settings on a copy of the lab's data. --target is a service that
is running, on the database that the settings name; its rate limits apply.

exit codes:
  0 done, and no objective failed or was left open; 1 an objective failed, or
  without objectives no request got a good answer; 2 wrong arguments;
  3 refused, or the run is invalid or rig-limited; 4 an objective is
  inconclusive; 130 interrupted, and what was measured by then is kept"""
EXAMPLES: Final = """\
  manage.py loadtest run --get http://127.0.0.1:8000/livez
  manage.py loadtest run --get URL --users 20 --duration 30s --html load.html
  manage.py loadtest run tasks.mixed --serve --rate 20/s
  manage.py loadtest run tasks.mixed --serve --slo 'p99<300ms,fail<0.1%'
  manage.py loadtest run tasks.reading --target http://127.0.0.1:8000
  manage.py loadtest run tasks.mixed --serve --stages 30s:10,2m:50,30s:0
  manage.py loadtest run tasks.mixed --serve --soak --rate 10/s"""


def add_arguments(parser: ArgumentParser) -> None:
    """What to call, how, what it is to hold, and where to put what was found."""
    add_what(parser)
    add_how(parser)
    add_objectives(parser)
    add_outputs(parser)


def add_objectives(parser: ArgumentParser) -> None:
    """What it is to hold."""
    held = parser.add_argument_group("objectives")
    held.add_argument(
        "--slo",
        type=objectives,
        metavar="OBJECTIVES",
        help="what must hold, such as 'p99<300ms,fail<0.1%%,rate>=50/s,p95[list]<200ms'",
    )
    held.add_argument(
        "--abort-on-fail", action="store_true", help="end the run as soon as one has failed"
    )


def run(options: dict[str, Any], stdout: Any) -> int:
    """Make a load test, show it and keep it; the exit code."""
    wanted = asked(options)
    found: Made | None = None
    try:
        with alone(), telling(quiet=options["quiet"]) as teller, wanted.place(teller.step) as place:
            teller.step(LOOKING)
            found = made(wanted.load, place, surroundings(), teller, ceiling_rate())
    except NotServed as error:
        if found is None:
            raise
        found = _ended_amid(found, error)
    keep(found.run, options, stdout)
    return exit_code(found)


def _ended_amid(found: Made, error: NotServed) -> Made:
    """What was found of a server that did not live until the end: no figure of it is believed."""
    run = dataclasses.replace(found.run, invalid=(*found.run.invalid, error.reason))
    return dataclasses.replace(found, run=run)


@contextmanager
def alone() -> Iterator[None]:
    """Hold the right to measure. Raises `CommandError` while another run is being made."""
    try:
        with history.alone():
            yield
    except history.Busy as error:
        raise CommandError(str(error), returncode=REFUSED) from error


def surroundings() -> dict[str, str]:
    """What it is made on, with the database where there is one."""
    try:
        return environment()
    except (DatabaseError, ImproperlyConfigured):
        return machine()


def keep(found: LoadRun, options: dict[str, Any], stdout: Any) -> None:
    """Keep it, show it, and write the reports that were asked for."""
    path = None
    try:
        path = load_history.save(found)
        enlist(found)
    finally:
        # A folder that is full must not cost what was measured.
        stdout.write(terminal.render(found, Look.of(sys.stdout)), ending="")
        if path:
            stdout.write(f"Kept as {path}")
        write(found, options)


def enlist(found: LoadRun) -> None:
    """Have the admin list it, where there is a database for that."""
    with suppress(ImproperlyConfigured):
        listed.LOADS.enlist(found)


def write(found: LoadRun, options: dict[str, Any]) -> None:
    """Write the reports that were asked for."""
    if options["json"]:
        options["json"].write_bytes(documents.encode(found))
    if options["markdown"]:
        options["markdown"].write_text(markdown.render(found), encoding="utf-8")
    if options["html"]:
        from perf.report.load import html

        options["html"].write_text(html.render(found), encoding="utf-8")


def exit_code(found: Made) -> int:
    """What a run says to a script."""
    return INTERRUPTED if found.is_interrupted else EXIT_CODES[standing(found.run)]
