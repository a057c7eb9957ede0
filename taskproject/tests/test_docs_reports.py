"""docs/reports.md and the code name the same sections, checks, figures and subcommands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from perf.management.commands.pgstat import SUBCOMMANDS
from perf.management.pgstat_docs import renewed
from perf.pgstat.results import Column, Status
from perf.pgstat.sections import SECTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
UNITS = re.findall(r"[\w/%]+", (Column.__doc__ or "").partition("one of ")[2].partition(".")[0])


def test_the_reference_is_that_of_the_code():
    assert renewed(PAGE) == PAGE


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_each_subcommand_is_told(subcommand):
    assert f"pgstat {subcommand}" in PAGE


@pytest.mark.parametrize("status", Status)
def test_each_status_is_told(status):
    assert f"| {status} |" in PAGE


@pytest.mark.parametrize("section", SECTIONS, ids=lambda each: each.name)
def test_each_figure_has_a_unit_that_is_known(section):
    assert {each.unit for each in section.columns} <= {*UNITS, "1", "%"}


def test_each_check_has_an_id_and_a_name_of_its_own():
    checks = [check for section in SECTIONS for check in section.checks]

    assert len({each.id for each in checks}) == len({each.name for each in checks}) == len(checks)
