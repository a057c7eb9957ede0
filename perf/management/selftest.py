"""`benchmark self-test`: whether verdicts of this machine can be believed today."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any, Final

from django.db import connection

from perf.engine.results import Controls, Verdict
from perf.engine.verdicts import verdict
from perf.management.arguments import between
from perf.management.planning import MARGIN, QUICK, made, planned
from perf.report import figures

SAYS: Final = "whether this machine's verdicts can be believed"
DESCRIPTION: Final = """\
Compares a statement with itself, and with itself and a delay of twice the
margin, many times over. The first should never be told apart, but for one in
twenty, and the second always.

exit codes:
  0 it can be believed; 3 it cannot: a delay was missed, or more than one in
  twenty was told apart"""
EXAMPLES: Final = """\
  manage.py benchmark self-test
  manage.py benchmark self-test --pairs 100"""

TOLERATED_RATIO: Final = 0.05
_WINS: Final = (Verdict.EFFICIENT, Verdict.NAIVE)


def add_arguments(parser: ArgumentParser) -> None:
    """How often."""
    parser.add_argument(
        "--pairs", type=between(2, 1000), default=20, metavar="N", help="2 to 1,000 (default: 20)"
    )
    parser.add_argument("--quiet", action="store_true", help="tell no progress")


def run(options: dict[str, Any], stdout: Any) -> int:
    """Test it and say what came out; 3 if it can't be believed."""
    # One more than asked for: the first one is the control of the others, as in any run.
    plan = planned((), mode=QUICK, controls=options["pairs"] + 1)
    connection.get_connection_params()  # without a database it ends here, not in a worker
    runner, ended = made(plan, timed=True, quiet=options["quiet"])
    if ended:
        return ended
    control, *others = runner.controls()
    wrong, missed = false_verdicts(control, others), missed_delays(control, others)
    stdout.write(
        f"{len(others)} times a statement beside itself: {wrong} told apart.\n"
        f"{len(others)} times beside itself with {2 * MARGIN:.0%} more: {missed} missed.\n"
        f"Noise floor {figures.excess(control.noise_floor)}, resolves "
        f"{figures.excess(control.resolves)}."
    )
    if missed or wrong > TOLERATED_RATIO * len(others):
        stdout.write("Verdicts can't be believed now: try again when the machine is quiet.")
        return 3
    stdout.write("Verdicts can be believed.")
    return 0


def false_verdicts(control: Controls, others: Sequence[Controls]) -> int:
    """How many comparisons of a call with itself end in a win, by the noise floor of `control`."""
    found = (
        verdict(each.same, noise_floor=control.noise_floor, margin=MARGIN)[0] for each in others
    )
    return sum(each in _WINS for each in found)


def missed_delays(control: Controls, others: Sequence[Controls]) -> int:
    """How many injected delays are not found, by the noise floor of `control`."""
    found = (
        verdict(each.delayed, noise_floor=control.noise_floor, margin=MARGIN)[0] for each in others
    )
    return sum(each is not Verdict.EFFICIENT for each in found)
