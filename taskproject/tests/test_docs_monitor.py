"""docs/monitor.md and the code name the same settings, findings and assertions."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Final

import perf.testing
from perf.monitor import findings, middleware, totals
from perf.monitor.options import Options
from perf.monitor.overhead import REQUEST_LIMIT_PERCENT, STATEMENT_LIMIT_US

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "monitor.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    text = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line] for line in lines[1:]]


def test_each_setting_has_a_row_with_its_default() -> None:
    told = {name: default for name, default, _ in rows("Settings")}

    assert told == {each.name.upper(): repr(each.default) for each in fields(Options)}


def test_each_kind_of_finding_has_a_row() -> None:
    sources = Path(findings.__file__).read_text() + Path(middleware.__file__).read_text()
    kinds = set(re.findall(r'Finding\(\s*"(\w+)"', sources))

    assert {name.strip("`") for name, _ in rows("Requests")} == kinds


def test_each_assertion_is_described() -> None:
    text = PAGE.split("\n## In tests\n")[1]

    assert [name for name in perf.testing.__all__ if f"`{name}`" not in text] == []


def test_limits_are_those_in_the_code() -> None:
    assert f"({STATEMENT_LIMIT_US:g} allowed)" in PAGE
    assert f"({REQUEST_LIMIT_PERCENT:g} allowed)" in PAGE
    assert f"At most {totals.KEYS_MAX:,} keys" in PAGE
    assert f"files of {totals.FILE_DAYS} days or beyond the {totals.FILES_MAX}th" in PAGE


def test_what_it_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", PAGE):
        assert (ROOT / "docs" / target).is_file(), target
