"""`pgstat health`: what is amiss, and what mends it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Final

from perf.management.looking import add_look, looked, shown
from perf.pgstat.results import Confidence, Document, Severity, Status
from perf.report.database import text

OK: Final = 0
FOUND: Final = 1
NOT_CHECKED: Final = 3
NEVER: Final = "never"

SAYS: Final = "what is amiss, with evidence and what mends it"
DESCRIPTION: Final = """\
Runs the checks of all sections. Each says ok, what it found, or why it can't
say: skipped (with the GRANT or setting that helps), insufficient data, error.
PERF_IGNORE in the settings keeps known findings from being told, for a time.

exit codes, in every format:
  0 nothing as bad as --fail-on; 1 something is; 2 wrong arguments, or no
  snapshot for the window; 3 a check failed, or none could answer"""
EXAMPLES: Final = """\
  manage.py pgstat health
  manage.py pgstat health indexes --fail-on critical
  manage.py pgstat health --format json --output health.json"""


def add_arguments(parser: ArgumentParser) -> None:
    """What to check, and what ends with 1."""
    add_look(parser, shows_rows=False)
    parser.add_argument(
        "--fail-on",
        choices=[*(each.value for each in Severity), NEVER],
        default=Severity.WARNING.value,
        help="the least severity that ends with 1 (default: warning)",
    )
    parser.add_argument(
        "--min-confidence",
        choices=[each.value for each in Confidence],
        default=Confidence.LOW.value,
        help="the least confidence that ends with 1 (default: low)",
    )


def run(options: dict[str, Any], stdout: Any) -> int:
    """Show it; the exit code."""
    found = looked(options)
    shown(found, options, stdout, text.health)
    return exit_code(found, options["fail_on"], options["min_confidence"])


def exit_code(document: Document, fail_on: str, min_confidence: str) -> int:
    """What a look ends with."""
    severities, confidences = list(Severity), list(Confidence)
    counted = () if fail_on == NEVER else severities[: severities.index(Severity(fail_on)) + 1]
    sure = confidences[: confidences.index(Confidence(min_confidence)) + 1]
    if any(each.severity in counted and each.confidence in sure for each in document.findings):
        return FOUND
    statuses = [check.status for check in document.checks]
    answered = [each for each in statuses if each in (Status.OK, Status.FINDING)]
    return NOT_CHECKED if Status.ERROR in statuses or not answered else OK
