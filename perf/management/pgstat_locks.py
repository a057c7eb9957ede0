"""`pgstat locks`: who waits for whom, as a tree."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from perf.management.arguments import add_database, duration_s
from perf.pgstat.results import Row
from perf.pgstat.server import Server, connected
from perf.pgstat.waiting import tree

SAYS: Final = "who waits for a lock, and for whom"
DESCRIPTION: Final = """\
Shows the sessions that wait for a lock as a tree: below each stands who waits
for it. A statement that waits itself, such as an ALTER TABLE, keeps waiting who
comes after it, and stands in between.

exit codes:
  0 shown, also where nobody waits; 2 wrong arguments; 3 it can't be read"""
EXAMPLES: Final = """\
  manage.py pgstat locks
  manage.py pgstat locks --watch --interval 5s       until Ctrl-C"""

_CLEAR: Final = "\x1b[H\x1b[2J"


def add_arguments(parser: ArgumentParser) -> None:
    """Once, or again and again."""
    parser.add_argument("--watch", action="store_true", help="draw it anew until Ctrl-C")
    parser.add_argument(
        "--interval",
        type=duration_s,
        default=2.0,
        metavar="TIME",
        help="between two drawings (default: 2s)",
    )
    add_database(parser)


def run(options: dict[str, Any], stdout: Any) -> int:
    """Show it; 0."""
    with connected(alias=options["database"]) as server:
        if not options["watch"]:
            _write(lines(tree(server)), stdout)
            return 0
        try:
            _watch(server, options["interval"], stdout)
        except KeyboardInterrupt:
            stdout.write("")
        return 0


def _watch(server: Server, interval_s: float, stdout: Any) -> None:
    while True:
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, every {interval_s:g} s"
        drawn = [now, *lines(tree(server))]
        if sys.stdout.isatty():
            drawn[0] = _CLEAR + drawn[0]
        _write(drawn, stdout)
        sys.stdout.flush()
        time.sleep(interval_s)


def _write(found: Sequence[str] | Iterator[str], stdout: Any) -> None:
    for line in found:
        stdout.write(line)


def lines(rows: Sequence[Row]) -> list[str]:
    """The tree as text: two lines for each session, or one that says that nobody waits."""
    if not rows:
        return ["Nobody waits for a lock."]
    return [line for row in rows for line in _lines(row)]


def _lines(row: Any) -> Iterator[str]:
    margin = "   " * (row["depth"] - 1) + "└─ " if row["depth"] else ""
    who = " ".join(str(each) for each in (row["role"], row["application"]) if each)
    parts = [f"{row['pid']}", who, row["state"] or "not to be seen", *_waits(row)]
    yield margin + "  ".join(each for each in parts if each)
    if row["query"]:
        yield " " * len(margin) + f"      {row['query']}"


def _waits(row: Any) -> Iterator[str]:
    if row["transaction_s"] is not None:
        yield f"transaction {row['transaction_s']:,.0f} s"
    if row["lock"]:
        relation = f" on {row['schema']}.{row['relation']}" if row["relation"] else ""
        waited = "" if row["wait_s"] is None else f" for {row['wait_s']:,.0f} s"
        yield f"waits{waited} for {row['lock']}{relation}"
    if len(row["blocked_by"]) > 1:
        yield f"behind {', '.join(row['blocked_by'])}"
    if row["victims"]:
        yield f"{row['victims']} wait for it"
