"""`pgstat queries`: what took the time, and which lines have sent it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Final

from perf.management.looking import add_look, looked, shown
from perf.report.database import text

SECTION: Final = "queries"

SAYS: Final = "statements that took the time, with the lines that send them"
DESCRIPTION: Final = """\
Each statement of pg_stat_statements over a window, with the endpoints and lines
of the application that send it. They are tied by PostgreSQL's query identifier,
which the monitor asks for once of each shape; what has no origin was sent by
something else: another program, a command, a migration.

exit codes:
  0 done; 2 wrong arguments, or no snapshot for the window; 3 no answer"""
EXAMPLES: Final = """\
  manage.py pgstat queries
  manage.py pgstat queries --sort io --window 24h --top 5
  manage.py pgstat queries --format json"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which statements."""
    add_look(parser, shows_rows=True, sections=False)


def run(options: dict[str, Any], stdout: Any) -> int:
    """Show them; 0."""
    shown(looked({**options, "sections": [SECTION]}), options, stdout, text.statements)
    return 0
