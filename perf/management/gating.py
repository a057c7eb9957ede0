"""`benchmark gate`: red where a call costs more than it is known to."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import CommandError

from perf import against, baseline, history
from perf.against import Step
from perf.baseline import Judged
from perf.comparison import Change, Difference
from perf.engine.results import Run
from perf.management.arguments import add_module, between, sizes
from perf.management.planning import QUICK, chosen, made, planned
from perf.management.progress import watching
from perf.management.running import INCONCLUSIVE, OK, REFUTED, ROWS_DIFFER
from perf.management.subcommands import REFUSED
from perf.report import figures
from perf.report.summary import refusals
from perf.report.texts import printable

SAYS: Final = "red where a call costs more than it is known to"
DESCRIPTION: Final = """\
Counts what all ways cost in statements, plans, blocks and WAL, on the same data
with the same arguments each time, and compares it with the committed baseline
(PERF_BASELINE of the settings). Rows must be equal, and claims on counts must
hold. Nothing is timed, so it is never unlucky; all pairs take a minute or two.

With --against, the efficient ways are timed in this tree and at a commit, in
turns. What is slower by more than the margin is measured once more before it
is red.

exit codes:
  0 green; 1 red; 2 wrong arguments; 3 it can't be compared; 4 it can't be told
  (with --strict); 5 rows differ"""
EXAMPLES: Final = """\
  manage.py benchmark gate
  manage.py benchmark gate --accept 'the list of a project has its own index'
  manage.py benchmark gate --against main --margin 20"""


def add_arguments(parser: ArgumentParser) -> None:
    """What to compare, and with what."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="pairs; * stands for anything")
    add_module(parser)
    parser.add_argument(
        "--sizes", type=sizes, default=sizes("1k,10k"), metavar="SIZES", help="default: 1k,10k"
    )
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="another baseline")
    parser.add_argument(
        "--accept",
        metavar="WHY",
        help="make what is counted now the baseline; with NAMEs, only theirs",
    )
    parser.add_argument("--against", metavar="REF", help="time this tree and a commit, in turns")
    parser.add_argument(
        "--margin",
        type=between(1, 100, float),
        default=20.0,
        metavar="PERCENT",
        help="with --against: how much slower is red, 1 to 100 (default: 20)",
    )
    parser.add_argument("--strict", action="store_true", help="exit with 4 where it can't be told")
    parser.add_argument("--quiet", action="store_true", help="tell no progress")


def run(options: dict[str, Any], stdout: Any) -> int:
    """Judge, and say what came out; the exit code."""
    if options["against"]:
        return _timed(options, stdout)
    return _counted(options, stdout)


def _counted(options: dict[str, Any], stdout: Any) -> int:
    plan = planned(
        chosen(options["names"], modules=options["module"]),
        sizes=options["sizes"],
        seed=baseline.SEED,
        modules=options["module"],
    )
    runner, ended = made(plan, timed=False, quiet=options["quiet"])
    if ended:
        raise CommandError(
            runner.result().note or "Interrupted: nothing is judged.", returncode=ended
        )
    found, path = runner.result(), options["baseline"] or _baseline_path()
    try:
        if options["accept"]:
            return _accepted(path, found, options, stdout)
        known = baseline.read(path)
        known = baseline.only(known, found) if options["names"] else known
        judged = baseline.judge(known, found)
    except baseline.BaselineError as error:
        raise CommandError(str(error), returncode=REFUSED) from error
    _tell(judged, stdout)
    if judged.rows_differ:
        return ROWS_DIFFER
    return REFUTED if judged.regressions or judged.gone or judged.refuted else OK


def _accepted(path: Path, run: Run, options: dict[str, Any], stdout: Any) -> int:
    """Write the baseline, unless there is a pair whose rows differ."""
    if any(size.refusal for pair in run.pairs for size in pair.sizes):
        for pair, size, why in refusals(run):
            stdout.write(f"ROWS DIFFER  {pair.name} at {size.size:,}: {printable(why)}")
        stdout.write("Nothing was accepted.")
        return ROWS_DIFFER
    found = _to_accept(path, run, options)
    baseline.write(path, found)
    stdout.write(f"Accepted; {path} has {figures.plural(len(found.pairs), 'pair')} now.")
    return OK


def _to_accept(path: Path, found: Run, options: dict[str, Any]) -> baseline.Baseline:
    """All that was counted; where pairs were named, the others stay as they are."""
    accepted = baseline.baseline_of(found, options["accept"])
    if options["names"] and path.is_file():
        return baseline.merged(baseline.read(path), accepted)
    return accepted


def _tell(judged: Judged, stdout: Any) -> None:
    for each in judged.rows_differ:
        stdout.write(f"ROWS DIFFER  {printable(each)}")
    for difference in judged.regressions:
        stdout.write(f"RED  {_line(difference)}")
    for each in judged.gone:
        stdout.write(
            f"GONE  {printable(each)} is in the baseline, and there is no such pair or way any more"
        )
    for each in judged.refuted:
        stdout.write(f"REFUTED  {printable(each)}")
    for each in judged.notes:
        stdout.write(f"note  {printable(each)}")
    found = (judged.rows_differ, judged.regressions, judged.gone, judged.refuted)
    red = sum(map(len, found))
    stdout.write(f"The gate is red: {red} findings." if red else "The gate is green.")


def _line(found: Difference) -> str:
    text = f"{found.pair} at {found.size:,}: {found.variant}, {found.what}: {found.text}"
    return printable(text)


def _timed(options: dict[str, Any], stdout: Any) -> int:
    try:
        with history.alone(), against.checked_out(options["against"]) as other:
            found = _steps(options, options["names"], other)
            worse = [each.pair for each in found if each.change is Change.WORSE]
            if worse:
                stdout.write(f"Measuring {len(worse)} once more, as they seem slower.")
                again = {(e.pair, e.size): e for e in _steps(options, worse, other)}
                found = [again.get((each.pair, each.size), each) for each in found]
    except (against.GitError, against.NothingCompared, history.Busy) as error:
        raise CommandError(str(error), returncode=REFUSED) from error
    except against.Amiss as error:
        raise CommandError(str(error), returncode=ROWS_DIFFER) from error
    return _tell_steps(found, options, stdout)


def _steps(options: dict[str, Any], names: Sequence[str], other: Path) -> list[Step]:
    plan = planned(
        chosen(names, modules=options["module"]),
        mode=QUICK,
        sizes=options["sizes"],
        margin=options["margin"] / 100,
        modules=options["module"],
    )
    with watching(quiet=options["quiet"]) as watcher:
        return against.steps(plan, other, watcher)


def _tell_steps(found: list[Step], options: dict[str, Any], stdout: Any) -> int:
    for each in found:
        ratio = each.ratio
        stdout.write(
            f"{each.change:9}  {each.pair} at {each.size:,}: {each.variant} is "
            f"{ratio.estimate:.3g} [{ratio.low:.3g}, {ratio.high:.3g}] times as fast as at "
            f"{options['against']}"
        )
    changes = [each.change for each in found]
    stdout.write(
        f"{changes.count(Change.WORSE)} slower by more than {options['margin']:g}%, "
        f"{changes.count(Change.UNDECIDED)} undecided, of {len(found)}."
    )
    if Change.WORSE in changes:
        return REFUTED
    return INCONCLUSIVE if options["strict"] and Change.UNDECIDED in changes else OK


def _baseline_path() -> Path:
    return Path(getattr(settings, "PERF_BASELINE", "perf-baseline.json"))
