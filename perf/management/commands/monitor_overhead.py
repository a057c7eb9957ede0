"""`manage.py monitor_overhead`: what the query monitor costs here, printed."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from perf.monitor.overhead import (
    REQUEST_LIMIT_PERCENT,
    STATEMENT_LIMIT_US,
    Overhead,
    of_requests,
    of_statements,
)


class Command(BaseCommand):
    """Prints the monitor's overhead on a statement and on GET requests. Ends with 1 if it is beyond
    its limits."""

    help = (
        "CPU that the query monitor takes, of a statement and of requests, with it and without in"
        f" turns. Ends with 1 beyond {STATEMENT_LIMIT_US:g} µs a statement or"
        f" {REQUEST_LIMIT_PERCENT:g} % of a request."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="*", help="addresses to GET, such as /api/v1/tasks/")
        parser.add_argument(
            "--header", action="append", default=[], metavar="'NAME: VALUE'", help="of each request"
        )
        parser.add_argument("--rounds", type=int, default=200, help="default: 200")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rounds"] < 2:
            raise CommandError("--rounds must be 2 or more.")
        headers = dict(_header(each) for each in options["header"])
        logging.disable(logging.INFO)
        try:
            beyond = self._statements(options["rounds"])
            for path in options["paths"]:
                beyond |= self._requests(path, headers, options["rounds"])
        except ValueError as error:
            raise CommandError(str(error)) from error
        finally:
            logging.disable(logging.NOTSET)
        if beyond:
            sys.exit(1)

    def _statements(self, rounds: int) -> bool:
        found = of_statements(rounds=rounds)
        self.stdout.write(f"A statement: {_said(found)}; {STATEMENT_LIMIT_US:g} µs allowed")
        return found.more_us > STATEMENT_LIMIT_US

    def _requests(self, path: str, headers: dict[str, str], rounds: int) -> bool:
        found = of_requests(path, headers, rounds=rounds)
        share = f"{found.percent:.1f} %, {REQUEST_LIMIT_PERCENT:g} % allowed"
        self.stdout.write(f"GET {path}: {_said(found)}; {share}")
        return found.percent > REQUEST_LIMIT_PERCENT


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise CommandError(f"{text!r} is no header: write 'Name: value'.")
    return name.strip(), value.strip()


def _said(found: Overhead) -> str:
    low, high = found.quartiles_us
    return (
        f"{found.without_us:.1f} µs of CPU without the monitor, {found.more_us:.1f} µs more with it"
        f" (quartiles {low:.1f} to {high:.1f}, {found.rounds} rounds)"
    )
