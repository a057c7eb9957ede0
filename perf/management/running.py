"""`benchmark run`: from its arguments to a run that is shown and kept."""

from __future__ import annotations

import dataclasses
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from perf import history, listed
from perf.engine.results import Finding, Run, Verdict
from perf.management.arguments import add_module, between, duration_s, sizes
from perf.management.planning import (
    QUICK,
    RIGOROUS,
    USUAL,
    Mode,
    chosen,
    made,
    planned,
)
from perf.management.subcommands import INTERRUPTED, REFUSED
from perf.pg import cold
from perf.report import documents, markdown, terminal
from perf.report.painting import Look

OK: Final = 0
REFUTED: Final = 1
INCONCLUSIVE: Final = 4
ROWS_DIFFER: Final = 5

SAYS: Final = "measure, show and keep"
DESCRIPTION: Final = """\
Measures pairs and keeps the run as a file (`PERF_DIR` of the settings).

First each way is run on the same drawn arguments, and their rows must be equal;
what each costs in statements, blocks and WAL is counted. Then they are timed in
turns, in random order, in several fresh processes. It uses databases of its
own, which are filled once and kept; it never touches the application's.

exit codes:
  0 done; 1 a claim is refuted; 2 wrong arguments; 3 refused: DEBUG is on,
  another run is being made, or it could not go on; 4 undecided (with
  --strict); 5 rows differ, or a way raised an error or killed its process;
  130 interrupted. What was measured by then is kept with 3 and 130 too"""
EXAMPLES: Final = """\
  manage.py benchmark run --quick              all pairs, in a few minutes
  manage.py benchmark run tasks.deep_page --sizes 1k,10k,100k,1M
  manage.py benchmark run 'tasks.batch_*' --rigorous --html batches.html
  manage.py benchmark run --budget 10m --json run.json"""


def add_arguments(parser: ArgumentParser) -> None:
    """What to measure, how, and where to put what was found."""
    _add_choice(parser)
    how = parser.add_argument_group("how")
    modes = how.add_mutually_exclusive_group()
    modes.add_argument("--quick", action="store_true", help="6 executions of 2 rounds, at 10k rows")
    modes.add_argument("--rigorous", action="store_true", help="10 executions of 10 rounds")
    how.add_argument(
        "--executions",
        type=between(1, 100),
        metavar="N",
        help="fresh processes with fresh connections, 1 to 100 (default: 10)",
    )
    how.add_argument(
        "--rounds", type=between(1, 100), metavar="N", help="rounds in each, 1 to 100 (default: 3)"
    )
    how.add_argument(
        "--budget",
        type=duration_s,
        metavar="TIME",
        help="begin no further execution that would end after so long, such as 10m",
    )
    how.add_argument("--count-only", action="store_true", help="prove rows and count; time nothing")
    how.add_argument(
        "--cold", action="store_true", help="empty PostgreSQL's buffers before each call"
    )
    how.add_argument(
        "--superuser-url",
        default="",
        metavar="URL",
        help="who may do that (default: PERF_SUPERUSER_URL of the settings)",
    )
    how.add_argument(
        "--seed",
        type=between(0, 2**31 - 1),
        metavar="N",
        help="draw the same arguments as another run",
    )
    how.add_argument("--strict", action="store_true", help="exit with 4 where a claim is undecided")
    how.add_argument("--quiet", action="store_true", help="tell no progress")
    add_outputs(parser)


def add_outputs(parser: ArgumentParser) -> None:
    """Reports to write beside what is shown."""
    out = parser.add_argument_group("reports")
    out.add_argument("--json", type=Path, metavar="FILE", help="write the run as JSON too")
    out.add_argument("--markdown", type=Path, metavar="FILE", help="and as Markdown")
    out.add_argument("--html", type=Path, metavar="FILE", help="and as a page of its own")


def _add_choice(parser: ArgumentParser) -> None:
    what = parser.add_argument_group("what")
    what.add_argument("names", nargs="*", metavar="NAME", help="pairs, such as tasks.deep_page; *")
    add_module(what)
    what.add_argument("--tag", action="append", default=[], help="pairs with this tag")
    what.add_argument(
        "--sizes", type=sizes, metavar="SIZES", help="rows of the table, such as 1k,10k,100k"
    )
    what.add_argument(
        "--large",
        action="store_true",
        help="the large sizes of each pair too, mostly 1M, and pairs with the tag large",
    )


def mode_of(options: dict[str, Any]) -> Mode:
    """How thorough the arguments ask to be."""
    mode = QUICK if options["quick"] else RIGOROUS if options["rigorous"] else USUAL
    asked = {name: options[name] for name in ("executions", "rounds") if options[name]}
    return dataclasses.replace(mode, **asked)


def run(options: dict[str, Any], stdout: Any) -> int:
    """Make a run, show it and keep it; the exit code."""
    specs = chosen(options["names"], options["tag"], options["module"], large=options["large"])
    superuser_url = options["superuser_url"] or getattr(settings, "PERF_SUPERUSER_URL", "")
    if options["cold"] and superuser_url:
        cold.check(superuser_url, str(connection.settings_dict["NAME"]))
    plan = planned(
        specs,
        mode=mode_of(options),
        sizes=options["sizes"],
        large=options["large"],
        seed=options["seed"],
        budget_s=options["budget"],
        modules=options["module"],
        cold=options["cold"],
        superuser_url=superuser_url,
    )
    runner, ended = made(plan, timed=not options["count_only"], quiet=options["quiet"])
    found = runner.result()
    if ended == INTERRUPTED and not _has_anything(found):
        stdout.write("Broken off before anything was measured: nothing was kept.")
        return INTERRUPTED
    try:
        path = history.save(found)
        listed.enlist(found)
    finally:
        # A folder that is full must not cost what was measured, nor a pipe that was closed.
        stdout.write(terminal.render(found, Look.of(sys.stdout)), ending="")
        write(found, options)
    stdout.write(f"Kept as {path}")
    if ended == REFUSED:
        raise CommandError(found.note, returncode=REFUSED)
    return ended or exit_code(found, strict=options["strict"])


def write(found: Run, options: dict[str, Any]) -> None:
    """Write the reports that were asked for."""
    if options["json"]:
        options["json"].write_bytes(documents.encode(found))
    if options["markdown"]:
        options["markdown"].write_text(markdown.render(found), encoding="utf-8")
    if options["html"]:
        from perf.report import html

        options["html"].write_text(html.render(found), encoding="utf-8")


def _has_anything(found: Run) -> bool:
    sizes = [size for pair in found.pairs for size in pair.sizes]
    return any(each.refusal or any(way.counters for way in each.variants) for each in sizes)


def exit_code(found: Run, *, strict: bool) -> int:
    """What a run says to a script: the worst that it found."""
    if any(size.refusal for pair in found.pairs for size in pair.sizes):
        return ROWS_DIFFER
    findings = {claim.finding for pair in found.pairs for claim in pair.claims}
    if Finding.REFUTED in findings:
        return REFUTED
    if strict and (Finding.UNDECIDED in findings or _is_blind(found)):
        return INCONCLUSIVE
    return OK


def _is_blind(found: Run) -> bool:
    """Whether the run could not find the delay that was put there for it to find."""
    controls = found.controls
    return controls is not None and controls.delayed_verdict is not Verdict.EFFICIENT
