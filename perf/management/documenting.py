"""`benchmark docs`: the measured tables in pages of documentation, made from a kept run."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError

from perf import history
from perf.engine.results import PairResult, Run
from perf.report import documents, markdown

SAYS: Final = "renew the measured tables in Markdown pages"
DESCRIPTION: Final = """\
In each page of a folder, writes what a run measured between the lines

  <!-- measured: tasks.deep_page -->
  <!-- end -->

so that a page never says what was not measured. Of several runs the last one
that has a pair is taken; each table names its run.

exit codes:
  0 done, or nothing to do; 1 pages are out of step (with --check); 2 no such
  run, or a page asks for a pair that none of them has"""
EXAMPLES: Final = """\
  manage.py benchmark docs docs/patterns --run last
  manage.py benchmark docs docs/patterns --run all.json.gz --run more.json.gz --check"""

_SECTION: Final = re.compile(
    r"(?P<head><!-- measured: (?P<pair>[\w.]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL
)


class NotMeasured(LookupError):
    """A page asks for a pair that no run has."""


def add_arguments(parser: ArgumentParser) -> None:
    """Which pages, from which runs."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder with *.md")
    parser.add_argument(
        "--run",
        action="append",
        metavar="RUN",
        help="an id, a file, or last (the default); may be given several times",
    )
    parser.add_argument("--check", action="store_true", help="write nothing, tell what would")


def run(options: dict[str, Any], stdout: Any) -> int:
    """Write the pages; 1 if some are out of step and were only to be looked at."""
    try:
        runs = [history.load(each) for each in options["run"] or [history.LAST]]
        changed = list(renewed(options["folder"], runs))
    except (history.NoSuchRun, documents.DocumentError, NotMeasured) as error:
        raise CommandError(str(error), returncode=2) from error
    for path, text in changed:
        stdout.write(f"{path} is out of step." if options["check"] else f"Wrote {path}.")
        if not options["check"]:
            path.write_text(text, encoding="utf-8")
    return int(bool(changed) and options["check"])


def renewed(folder: Path, runs: Sequence[Run]) -> Iterator[tuple[Path, str]]:
    """The pages whose text is not what the runs make of it, with that text.

    Raises `NotMeasured` for a pair that none of them has.
    """
    measured = {pair.name: (pair, run) for run in runs for pair in run.pairs}
    for path in sorted(folder.glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = _SECTION.sub(partial(_filled, measured, path), before)
        if after != before:
            yield path, after


def asked_for(text: str) -> list[str]:
    """The pairs whose tables a page has a place for."""
    return [found["pair"] for found in _SECTION.finditer(text)]


def _filled(
    measured: Mapping[str, tuple[PairResult, Run]], path: Path, match: re.Match[str]
) -> str:
    if match["pair"] not in measured:
        raise NotMeasured(f"{path} asks for {match['pair']}, which no run has.")
    table = markdown.pattern_table(*measured[match["pair"]])
    return f"{match['head']}\n{table}\n{match['end']}"
