"""`manage.py services`: the embedded PostgreSQL and Valkey at the shell."""

from __future__ import annotations

import json
import os
import signal
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from taskproject import embedded

_HELP = """\
Runs PostgreSQL and Valkey for this project, out of installed Python wheels.

They keep everything in one folder (.local, or LOCAL_DIR), listen on Unix sockets
that only their own account can open, and never on a port. The first start creates
the database, its two roles and random passwords; later starts keep the data.
"""
_EPILOG = """\
examples:
  manage.py services start              make both run; does nothing when they do
  manage.py services status --json      the state of both, for programs
  export $(manage.py services url)      hand their URLs to the programs of this shell
  manage.py services stop               end both; the data stays

variables:
  LOCAL_DIR           the folder, .local by default
  EMBEDDED_POSTGRES   the major version of PostgreSQL, 18 by default
  EMBEDDED_FSYNC      false trades durability for speed, for tests only
  DATABASE_URL        when set, nothing embedded is used and `start` refuses
"""


class Command(BaseCommand):
    """Start, stop and describe the embedded services; never touches Django's connections."""

    help = _HELP
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return the parser, with the line breaks of its texts kept."""
        parser = super().create_parser(prog_name, subcommand, epilog=_EPILOG, **kwargs)
        formatter = parser.formatter_class

        class KeepLines(formatter):  # type: ignore[misc, valid-type]
            def _fill_text(self, text: str, width: int, indent: str) -> str:
                return "".join(indent + line for line in text.splitlines(keepends=True))

        parser.formatter_class = KeepLines
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the four actions and their options."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        start = actions.add_parser("start", help="make both services run, creating them if needed")
        start.add_argument(
            "--timeout",
            dest="timeout_s",
            type=_positive_seconds,
            default=60.0,
            metavar="SECONDS",
            help="how long each service may take to come up (default: 60)",
        )
        actions.add_parser("stop", help="end both services; their data stays")
        status = actions.add_parser("status", help="show the state of both services")
        status.add_argument("--json", action="store_true", help="print JSON, for programs")
        actions.add_parser(
            "url", help="print DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL, with passwords"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Carry out one action; every expected failure is a CommandError."""
        with _expected_failures():
            instance = embedded.default_instance(base=settings.BASE_DIR)
            actions: dict[str, Callable[[], None]] = {
                "start": lambda: self._start(instance, timeout_s=options["timeout_s"]),
                "stop": lambda: self._stop(instance),
                "status": lambda: self._status(instance, as_json=options["json"]),
                "url": lambda: self._url(instance),
            }
            actions[options["action"]]()

    def _tell(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _start(self, instance: embedded.Instance, *, timeout_s: float) -> None:
        if os.environ.get("DATABASE_URL", "").strip():
            raise CommandError(
                "DATABASE_URL is set, so nothing embedded is used: the project works with that "
                "database. Unset DATABASE_URL to use the embedded services."
            )
        found = embedded.start(instance, progress=self._tell, timeout_s=timeout_s)
        if found.started:
            self._tell(f"Started: {', '.join(found.started)}.")
        else:
            self._tell("Both services run already.")

    def _stop(self, instance: embedded.Instance) -> None:
        stopped = embedded.stop(instance, progress=self._tell)
        self._tell(f"Stopped: {', '.join(stopped)}." if stopped else "No service was running.")

    def _status(self, instance: embedded.Instance, *, as_json: bool) -> None:
        services = embedded.status(instance)
        if as_json:
            self._tell(json.dumps([_as_dict(service) for service in services], indent=2))
            return
        for service in services:
            process = f"process {service.pid}" if service.pid else ""
            version = service.version or ""
            self._tell(f"{service.name:<9} {service.state:<8} {version:<7} {process}".rstrip())
            self._tell(f"          socket {service.socket}\n          data   {service.data}")

    def _url(self, instance: embedded.Instance) -> None:
        urls = embedded.urls(instance)
        if urls is None:
            raise CommandError("There is no database yet. Run: manage.py services start")
        self._tell(f"DATABASE_URL={urls.app}")
        self._tell(f"DATABASE_OWNER_URL={urls.owner}")
        self._tell(f"REDIS_URL={urls.redis}")


@contextmanager
def _expected_failures() -> Iterator[None]:
    try:
        yield
    except embedded.EmbeddedError as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt as interrupt:
        raise CommandError(
            "Interrupted; nothing half-made was left.", returncode=128 + signal.SIGINT
        ) from interrupt


def _positive_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from above 0 to 3600")
    return seconds


def _as_dict(service: embedded.ServiceStatus) -> dict[str, str | int | None]:
    return {
        "name": service.name,
        "state": service.state,
        "pid": service.pid,
        "version": service.version,
        "socket": str(service.socket),
        "data": str(service.data),
    }
