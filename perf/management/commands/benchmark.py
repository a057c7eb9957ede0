"""`manage.py benchmark`: ways of asking the database beside their naive twins."""

from __future__ import annotations

import io
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from perf.management.arguments import add_subcommand

_REQUIREMENTS: Final = ("numpy", "rich", "msgspec")
SUBCOMMANDS: Final = {
    "list": "listing",
    "run": "running",
    "explain": "explaining",
    "compare": "comparing",
    "gate": "gating",
    "history": "telling",
    "self-test": "selftest",
    "data": "datasets",
    "docs": "documenting",
}
_MEASURES: Final = ("run", "gate", "self-test")
_REFUSED: Final = 3
_INTERRUPTED: Final = 130


class Command(BaseCommand):
    """Hands over to the module of `perf.management` that has the subcommand."""

    help = (
        "Measures ways of asking the database beside their naive twins: the same rows, proven; "
        "taken in turns; a ratio with its interval; statements, plans and blocks beside it."
    )
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """As Django's own, which lets errors of `add_arguments` through with their traceback."""
        try:
            super().run_from_argv(argv)
        except CommandError as error:
            if "--traceback" in argv:
                raise
            self.stderr.write(f"CommandError: {error}")
            sys.exit(error.returncode)

    def add_arguments(self, parser: CommandParser) -> None:
        if missing := [name for name in _REQUIREMENTS if find_spec(name) is None]:
            raise CommandError(
                f"The lab needs {', '.join(missing)}: pip install -r requirements-perf.txt",
                returncode=_REFUSED,
            )
        commands = parser.add_subparsers(
            dest="subcommand", required=True, metavar="SUBCOMMAND", title="subcommands"
        )
        for name in SUBCOMMANDS:
            module = _module(name)
            module.add_arguments(
                add_subcommand(
                    commands,
                    name,
                    says=module.SAYS,
                    description=module.DESCRIPTION,
                    examples=module.EXAMPLES,
                )
            )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["subcommand"]
        if settings.DEBUG and name in _MEASURES:
            raise CommandError(
                "DEBUG is on, and every statement would be logged in memory: what is measured so "
                "is worth nothing. Run it with DEBUG off.",
                returncode=_REFUSED,
            )
        if isinstance(sys.stdout, io.TextIOWrapper):
            # What a terminal has no sign for must cost no report: "×" is none of ASCII.
            sys.stdout.reconfigure(errors="replace")
        if code := _done(name, options, self.stdout):
            sys.exit(code)


def _done(name: str, options: dict[str, Any], stdout: Any) -> int:
    """The exit code. Whatever hinders a measurement refuses it: 1 is for what was found."""
    from perf.pg.databases import NotMade
    from perf.pg.locks import InUse
    from perf.workers import WorkerDied

    try:
        with _ended_as_by_ctrl_c():
            return int(_module(name).run(options, stdout))
    except (ImproperlyConfigured, InUse) as error:
        raise CommandError(str(error), returncode=_REFUSED) from error
    except (OSError, DatabaseError, NotMade, WorkerDied) as error:
        raise CommandError(f"{type(error).__name__}: {error}", returncode=_REFUSED) from error
    except KeyboardInterrupt:
        return _INTERRUPTED


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Have SIGTERM, which CI and `timeout` send, end the block as Ctrl-C does: nothing is lost."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles no signals here
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _module(subcommand: str) -> Any:
    return import_module(f"perf.management.{SUBCOMMANDS[subcommand]}")
