"""What the lab's commands read from their arguments, and how their help is laid out."""

from __future__ import annotations

import difflib
import re
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import Any, Final

from django.core.management.base import CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

_SIZE: Final = re.compile(r"(\d{1,9})([kM]?)")
_UNITS: Final = {"": 1, "k": 1_000, "M": 1_000_000}
_DURATION: Final = re.compile(r"(\d{1,6})(s|m|h)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600}


def sizes(text: str) -> list[int]:
    """Sizes such as 1k,10k,1M, ascending, each once."""
    return sorted({size(each) for each in text.split(",")})


def size(text: str) -> int:
    """A number of rows such as 10k, 1 to 100M."""
    found = _SIZE.fullmatch(text.strip())
    rows = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= rows <= 100_000_000:
        raise ArgumentTypeError(f"{text!r} must be a number of rows such as 500, 10k or 1M")
    return rows


def duration_s(text: str) -> float:
    """A duration such as 90s, 10m or 1h, in seconds."""
    found = _DURATION.fullmatch(text.strip())
    if not found or int(found[1]) == 0:
        raise ArgumentTypeError(f"{text!r} must be a duration such as 90s, 10m or 1h")
    return float(int(found[1]) * _SECONDS[found[2]])


def between(least: float, most: float, kind: Callable[[str], Any] = int) -> Callable[[str], Any]:
    """What reads a number from `least` to `most`."""

    def read(text: str) -> Any:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not least <= number <= most:
            raise ArgumentTypeError(f"{text!r} must be a number from {least:,} to {most:,}")
        return number

    return read


def add_database(parser: Any) -> None:
    """The option for which database of the project."""
    parser.add_argument(
        "--database",
        type=_alias,
        default=DEFAULT_DB_ALIAS,
        metavar="ALIAS",
        help="of DATABASES in the settings",
    )


def _alias(text: str) -> str:
    if text not in connections:
        raise ArgumentTypeError(f"{text!r} is none of DATABASES: {', '.join(connections)}")
    return text


def add_module(parser: Any) -> None:
    """The option for pairs that stand in no installed app."""
    parser.add_argument(
        "--module",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module with more pairs, such as drafts.benchmarks",
    )


class SubcommandParser(CommandParser):
    """Refuses what it does not know itself, with its own usage: argparse leaves that to the parser
    above it, which knows nothing of the options of a subcommand."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            named = unknown[0].partition("=")[0]
            known = difflib.get_close_matches(named, self._option_string_actions, 1)
            meant = f"; did you mean {known[0]}?" if known else ""
            self.error(f"unknown arguments: {' '.join(unknown)}{meant}")
        return found, unknown


def add_subcommand(
    commands: Any, name: str, *, says: str, description: str, examples: str
) -> ArgumentParser:
    """A subcommand whose help ends with examples, all with their line breaks as written."""
    parser: ArgumentParser = commands.add_parser(
        name,
        help=says,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    return parser
