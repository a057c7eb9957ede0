"""Commands that teach by examples, and what reads their arguments."""

from __future__ import annotations

from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter


class _KeepLines(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """The help with its line breaks as they are written."""


class TaughtCommand(BaseCommand):
    """A command whose help keeps its lines, and ends with `examples`."""

    examples: ClassVar[str]

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs |= {"epilog": self.examples, "formatter_class": _KeepLines}
        return super().create_parser(prog_name, subcommand, **kwargs)


def add_numbers(parser: CommandParser, rows: Iterable[tuple[str, int, int, str]]) -> None:
    """Options that take a whole number: of each its name, default, least value and help."""
    for name, default, least, says in rows:
        parser.add_argument(
            f"--{name}",
            type=at_least(least),
            default=default,
            metavar="N",
            help=f"{says}, {least:,} or more (default: {default:,})",
        )


def at_least(least: int) -> Callable[[str], int]:
    """What reads a whole number from `least` on."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
        if number < least:
            raise ArgumentTypeError(f"{text!r} must be {least:,} or more")
        return number

    return read


def new_file(text: str) -> Path:
    """A file that can be written: known before anything else is done."""
    path = Path(text)
    try:
        path.open("a").close()
    except OSError as error:
        raise ArgumentTypeError(f"{text!r} can't be written: {error.strerror}") from error
    return path
