"""`loadtest capacity`: the highest rate whose objectives hold."""

from __future__ import annotations

import dataclasses
import sys
import time
from argparse import ArgumentParser
from typing import Any, Final

from perf import load_history
from perf.load.capacity import RESOLUTION, search
from perf.load.ceiling import ceiling_rate
from perf.load.results import CapacityPoint, CapacityResult, LoadRun, Stage
from perf.load.serving import NotServed
from perf.load_places import Place
from perf.load_runner import Load, Telling, made, new_id, now
from perf.management.arguments import between
from perf.management.load_arguments import (
    add_how_of_search,
    add_outputs,
    add_what,
    objectives,
    rate_per_s,
    write_as,
)
from perf.management.load_planning import asked, lasting_s
from perf.management.load_progress import telling
from perf.management.load_running import (
    FAILED,
    INCONCLUSIVE,
    LOOKING,
    alone,
    enlist,
    surroundings,
)
from perf.management.subcommands import INTERRUPTED, REFUSED
from perf.report import figures
from perf.report.load import knee
from perf.report.load import search as words
from perf.report.painting import Look

USUAL_RUNS: Final = 10  # of a search that begins at 20/s: 6 to 12 where 20/s to 500/s hold
RUNS_AT_MOST: Final = 40  # of a search: from 1 a second to 1,000,000, each twice

SAYS: Final = "the highest rate whose objectives hold"
DESCRIPTION: Final = """\
Makes one load test after the other, at twice the rate as long as the objectives
hold, then in between, until the highest rate that holds is known to 10 %. A
rate that does not pass is tried once more, unless the loader was at its limit.
The search is kept, and each of its runs: `loadtest history`.

--rate is where it begins: sessions begun a second, with --get requests. The
longer --duration, the surer each answer. Some 10 runs are usual, each as long
as --duration and --warmup: 11 minutes with the defaults.

exit codes:
  0 found; 1 the objectives did not hold at any rate that was tried; 2 wrong
  arguments; 3 refused, or the server ended amid; 4 no rate is known that fails;
  130 interrupted"""
EXAMPLES: Final = """\
  manage.py loadtest capacity tasks.browse --serve --slo 'p95<200ms,fail<1%'
  manage.py loadtest capacity --get URL --slo 'p99<50ms' --rate 100/s
  manage.py loadtest capacity --get URL --slo 'p95<50ms,fail<1%' --duration 20s
  manage.py loadtest history --show last --html knee.html"""


def add_arguments(parser: ArgumentParser) -> None:
    """What to call, how, and what is to hold."""
    add_what(parser)
    add_how_of_search(parser)
    held = parser.add_argument_group("search")
    held.add_argument(
        "--slo", required=True, type=objectives, metavar="OBJECTIVES", help="such as 'p99<300ms'"
    )
    held.add_argument(
        "--most", type=rate_per_s, metavar="RATE", help="try none above (default: no limit)"
    )
    held.add_argument(
        "--resolution",
        type=between(0.01, 1, float),
        default=RESOLUTION,
        metavar="SHARE",
        help="how close the rates that hold and that fail are to come (default: 0.1)",
    )
    add_outputs(parser, "the search")


def run(options: dict[str, Any], stdout: Any) -> int:
    """Search, and tell what was found; the exit code."""
    wanted = dataclasses.replace(asked({**options, "abort_on_fail": True}), runs=RUNS_AT_MOST)
    found: CapacityResult | None = None
    try:
        with alone(), telling(quiet=options["quiet"]) as teller, wanted.place(teller.step) as place:
            searcher = _Searcher(wanted.load, place, teller)
            found = searcher.found(options)
    except NotServed as error:
        if found is None:
            raise
        found = _minding(found, error.reason)
    for each in searcher.kept:  # now that the connection is on the application's database again
        enlist(each)
    _keep(found, options, stdout)
    return (
        REFUSED if searcher.is_gone else _exit_code(found, is_interrupted=searcher.is_interrupted)
    )


def _keep(found: CapacityResult, options: dict[str, Any], stdout: Any) -> None:
    """Keep it, show it, and write the reports that were asked for."""
    try:
        path = load_history.SEARCHES.save(found)
    finally:
        # A folder that is full must not cost what was found.
        stdout.write(knee.render(found, Look.of(sys.stdout)), ending="")
        write_as(found, options, knee)
    stdout.write(f"Kept as {path}")


class _Searcher:
    """Makes a load test at each rate that the search asks for, and keeps it."""

    def __init__(self, load: Load, place: Place, teller: Telling) -> None:
        self._load = load
        self._place = place
        self._teller = teller
        self._environment = surroundings()
        teller.step(LOOKING)
        self._ceiling_rate = ceiling_rate()
        self.is_interrupted = False
        self.is_gone = False
        self.kept: list[LoadRun] = []
        self._points: list[CapacityPoint] = []

    def found(self, options: dict[str, Any]) -> CapacityResult:
        """What the search finds, until it is over or the server is gone."""
        run_s = lasting_s(self._load.method)
        self._teller.step(
            f"Some {USUAL_RUNS} runs are usual, each of {figures.span(run_s)}: about "
            f"{figures.span(USUAL_RUNS * run_s)}."
        )
        found = search(
            self._measure,
            begins=self._load.method.stages[0].ends,
            most=options["most"] or float("inf"),
            resolution=options["resolution"],
            told=self._told,
            rest=self._rest,
        )
        found = dataclasses.replace(
            found,
            id=new_id(),
            command=self._load.command,
            ended_at=now(),
            target=self._place.url,
            scenarios=self._load.weights,
            of="requests" if self._load.gets else "sessions",
        )
        return _minding(found, self._gone()) if self.is_gone else found

    def _gone(self) -> str:
        return f"Nobody answers at {self._place.url} any more."

    def _measure(self, rate: float) -> LoadRun:
        self._begin(rate)
        duration_s = self._load.method.stages[0].duration_s
        stages = (Stage(duration_s, rate, rate),)
        method = dataclasses.replace(self._load.method, stages=stages)
        load = dataclasses.replace(self._load, method=method)
        found = made(load, self._place, self._environment, self._teller, self._ceiling_rate)
        self.is_interrupted = found.is_interrupted
        self.is_gone = self._place.is_gone()
        run = _broken_off(found.run, self._gone()) if self.is_gone else found.run
        load_history.save(run)
        self.kept.append(run)
        return run

    def _begin(self, rate: float) -> None:
        again = " once more" if self._points and self._points[-1].rate == rate else ""
        known = f"; so far {words.so_far(self._points)}" if self._points else ""
        self._teller.step(f"Run {len(self._points) + 1}: at {rate:g}/s{again}{known}.")

    def _told(self, point: CapacityPoint) -> None:
        self._points.append(point)
        self._teller.step(f"  {words.outcome(point)}")

    def _rest(self, seconds: float) -> None:
        if seconds >= 1:
            self._teller.step(f"  The service is left to rest for {figures.span(seconds)}.")
        time.sleep(seconds)


def _broken_off(run: LoadRun, why: str) -> LoadRun:
    """A run that ends the search."""
    return dataclasses.replace(run, ended_at=None, note="", invalid=(*run.invalid, why))


def _minding(found: CapacityResult, complaint: str) -> CapacityResult:
    return dataclasses.replace(found, complaints=(*found.complaints, complaint))


def _exit_code(found: CapacityResult, *, is_interrupted: bool) -> int:
    if is_interrupted:
        return INTERRUPTED
    if not found.holds:
        return FAILED if found.fails else INCONCLUSIVE
    return 0 if found.fails else INCONCLUSIVE
