"""`benchmark docs`: tables in pages, from one run or from several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from perf.engine.results import Run
from perf.management.documenting import NotMeasured, renewed
from perf.report import documents
from perf.tests.built import pair, run

ONE = "20261126-140531-0a1b"
OTHER = "20261127-091500-2c3d"
PAGE = """# A page

<!-- measured: app.pair -->
<!-- end -->

<!-- measured: app.other -->
What stood here.
<!-- end -->
"""


def made(name: str, *pairs: str) -> Run:
    return run(*(pair(name=each) for each in pairs), id=name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.md").write_text(PAGE)
    return tmp_path


def tables(folder: Path, *runs: Run) -> dict[str, str]:
    """The id of the run that is told under each pair."""
    ((_, text),) = renewed(folder, runs)
    parts = text.split("<!-- measured: ")[1:]
    return {each.partition(" ")[0]: name for each in parts for name in (ONE, OTHER) if name in each}


def test_a_pair_is_taken_from_the_last_run_that_has_it(folder):
    both, more = made(ONE, "app.pair", "app.other"), made(OTHER, "app.other")

    assert tables(folder, both) == {"app.pair": ONE, "app.other": ONE}
    assert tables(folder, both, more) == {"app.pair": ONE, "app.other": OTHER}
    assert tables(folder, more, both) == {"app.pair": ONE, "app.other": ONE}


def test_what_stood_in_a_place_is_gone_and_all_else_stays(folder):
    ((_, text),) = renewed(folder, [made(ONE, "app.pair", "app.other")])

    assert text.startswith("# A page\n\n<!-- measured: app.pair -->\n\n| rows |")
    assert "What stood here." not in text
    assert text.count("<!-- end -->") == 2


def test_a_pair_that_no_run_has_is_named(folder):
    with pytest.raises(NotMeasured, match=r"page\.md asks for app\.other, which no run has\."):
        list(renewed(folder, [made(ONE, "app.pair"), made(OTHER, "app.pair")]))


def docs(folder: Path, *arguments: str) -> Any:
    return call_command("benchmark", "docs", str(folder), *arguments)


def test_the_command_takes_several_runs_and_checks_what_it_wrote(folder):
    options = []
    for each in (made(ONE, "app.pair"), made(OTHER, "app.other")):
        path = folder / f"{each.id}.json"
        path.write_bytes(documents.encode(each))
        options += ["--run", str(path)]

    docs(folder, *options)

    docs(folder, *options, "--check")
    assert [name in (folder / "page.md").read_text() for name in (ONE, OTHER)] == [True, True]
    with pytest.raises(CommandError, match=r"asks for app\.other"):
        docs(folder, *options[:2])
