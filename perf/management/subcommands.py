"""A command that hands over to a module for each of its subcommands.

Such a module has `SAYS`, `DESCRIPTION`, `EXAMPLES`, `add_arguments(parser)`, and
`run(options, stdout)`, which returns the exit code.
"""

from __future__ import annotations

import io
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from perf.management.arguments import SubcommandParser, add_subcommand

USAGE: Final = 2
REFUSED: Final = 3
INTERRUPTED: Final = 130
UNREAD: Final = 141  # as the shell has it for SIGPIPE


class SubcommandCommand(BaseCommand):
    """Hands over to the module of `perf.management` that has the subcommand."""

    requires_system_checks = ()
    subcommands: ClassVar[Mapping[str, str]]
    requirements: ClassVar[tuple[str, ...]] = ()  # packages, of requirements-perf.txt

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
        if missing := [name for name in self.requirements if find_spec(name) is None]:
            raise CommandError(
                f"The lab needs {', '.join(missing)}: pip install -r requirements-perf.txt",
                returncode=REFUSED,
            )
        commands = parser.add_subparsers(
            dest="subcommand",
            required=True,
            metavar="SUBCOMMAND",
            title="subcommands",
            parser_class=SubcommandParser,
        )
        for name in self.subcommands:
            module = self.module(name)
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
        self.refuse(options["subcommand"])
        if isinstance(sys.stdout, io.TextIOWrapper):
            # What a terminal has no sign for must cost no report: "×" is none of ASCII.
            sys.stdout.reconfigure(errors="replace")
        if code := self._done(options["subcommand"], options):
            sys.exit(code)

    def refuse(self, subcommand: str) -> None:
        """Raise `CommandError` where this subcommand would be worth nothing."""

    def hindrances(self) -> tuple[type[Exception], ...]:
        """Errors that keep it from answering at all: 1 is for what was found."""
        return (OSError, DatabaseError)

    def refusals(self) -> tuple[type[Exception], ...]:
        """Those of them whose message says all there is to say."""
        return (ImproperlyConfigured,)

    def module(self, subcommand: str) -> Any:
        """The module of a subcommand."""
        return import_module(f"perf.management.{self.subcommands[subcommand]}")

    def _done(self, name: str, options: dict[str, Any]) -> int:
        try:
            with ended_as_by_ctrl_c():
                code = int(self.module(name).run(options, self.stdout))
                self.stdout.flush()
                return code
        except self.refusals() as error:
            raise CommandError(str(error), returncode=REFUSED) from error
        except self.hindrances() as error:
            if isinstance(error, BrokenPipeError) and _is_unread():
                return UNREAD
            told = f"{type(error).__name__}: {str(error).strip()}"
            raise CommandError(told, returncode=REFUSED) from error
        except KeyboardInterrupt:
            return INTERRUPTED


def _is_unread() -> bool:
    """Whether nobody reads standard output any more, as behind `| head -1`: no fault of ours, and
    nothing to tell. What is left to be written goes nowhere then."""
    try:
        written = select.poll()
        written.register(sys.stdout, 0)
        if not any(event & select.POLLERR for _, event in written.poll(0)):
            return False
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # io.UnsupportedOperation: it is no file, as in a test
        return False
    return True


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Have SIGTERM, which CI and `timeout` send, and SIGHUP of a terminal that is closed end the
    block as Ctrl-C does: nothing is lost. What is ignored, as by `nohup`, stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles no signals here
        return
    before = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    except Exception as error:
        if _follows_ctrl_c(error):
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _follows_ctrl_c(error: BaseException) -> bool:
    """Whether it was raised as what Ctrl-C broke off was put away, such as a connection amid a
    statement."""
    before = None if error.__suppress_context__ else error.__context__
    return before is not None and (isinstance(before, KeyboardInterrupt) or _follows_ctrl_c(before))
