"""`pgstat docs`: what each section and check is, in a page of documentation."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError

from perf.management.subcommands import USAGE
from perf.pgstat.sections import SECTIONS
from perf.report.database.reference import reference

HEAD: Final = "<!-- sections -->\n"
END: Final = "<!-- end -->"

SAYS: Final = "renew the reference of sections and checks in a Markdown page"
DESCRIPTION: Final = """\
Writes a heading for each section and check, with units, sources and thresholds,
between the lines

  <!-- sections -->
  <!-- end -->

exit codes:
  0 done, or nothing to do; 1 the page is out of step (with --check); 2 it can't
  be read, or has no place for it"""
EXAMPLES: Final = """\
  manage.py pgstat docs docs/reports.md
  manage.py pgstat docs docs/reports.md --check"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which page."""
    parser.add_argument("page", type=Path, metavar="FILE", help="a Markdown page")
    parser.add_argument("--check", action="store_true", help="write nothing, tell what would")


def run(options: dict[str, Any], stdout: Any) -> int:
    """Write the page; 1 if it is out of step and was only to be looked at."""
    path: Path = options["page"]
    try:
        before = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} can't be read: {error}", returncode=USAGE) from error
    after = renewed(before)
    if after == before:
        return 0
    stdout.write(f"{path} is out of step." if options["check"] else f"Wrote {path}.")
    if not options["check"]:
        path.write_text(after, encoding="utf-8")
    return int(options["check"])


def renewed(page: str) -> str:
    """The page with the reference as it is now. Raises `CommandError` where it has no place."""
    head, found, rest = page.partition(HEAD)
    _, end, tail = rest.partition(END)
    if not found or not end:
        raise CommandError(f"The page lacks {HEAD.strip()} or {END}.", returncode=USAGE)
    return f"{head}{HEAD}\n{reference((*SECTIONS,))}\n{END}{tail}"
