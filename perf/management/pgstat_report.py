"""`pgstat report`: figures by sections."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Final

from perf.management.looking import add_look, looked, shown
from perf.report.database import text

SAYS: Final = "figures by sections, each with unit, window and source"
DESCRIPTION: Final = """\
Reads PostgreSQL's statistics through a connection of its own, which waits for
no lock longer than half a second. It resets nothing.

What is not known is a dash, in JSON null. A section that this role or this
server can't answer says why, and what helps. DATABASE_STATS_URL in the settings
names a role that sees more than the application's.

exit codes:
  0 done; 2 wrong arguments, or no snapshot for the window; 3 no answer"""
EXAMPLES: Final = """\
  manage.py pgstat report                          all sections
  manage.py pgstat report cache index_usage --window 24h
  manage.py pgstat report queries --sort mean --window 24h --versus 48h..24h
  manage.py pgstat report --format html --output report.html"""


def add_arguments(parser: ArgumentParser) -> None:
    """What to look at."""
    add_look(parser, shows_rows=True)


def run(options: dict[str, Any], stdout: Any) -> int:
    """Show it; 0."""
    shown(looked(options), options, stdout, text.report)
    return 0
