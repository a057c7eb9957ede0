"""docs/patterns, the catalogue of pairs and the stored run tell the same story."""

from __future__ import annotations

import gzip
import re
import shlex
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from django.conf import settings

from perf.catalogue import PairSpec, discover
from perf.engine.results import Run
from perf.management.arguments import sizes
from perf.management.documenting import asked_for, renewed
from perf.report import documents

FOLDER: Final = Path(settings.BASE_DIR) / "docs" / "patterns"
INDEX: Final = FOLDER / "README.md"
# A pair is taken from the last one that has it: first all of them, then those with more.
RUNS: Final = (FOLDER / "run.json.gz", *sorted(FOLDER.glob("*-run.json.gz")))
RENEW: Final = " ".join(
    ("manage.py benchmark docs docs/patterns", *(f"--run docs/patterns/{e.name}" for e in RUNS))
)
LINES_MAX: Final = 65  # of a page, besides its pairs and their tables


@cache
def pairs() -> tuple[PairSpec, ...]:
    """The project's own: another test of the same process may have declared more."""
    found = discover()
    return tuple(each for each in found if each.cls.__module__.startswith("tasks.benchmarks."))


def pages() -> list[Path]:
    return sorted((each for each in FOLDER.glob("*.md") if each != INDEX), key=lambda e: e.stem)


def of_page(page: Path) -> set[str]:
    return {each.name for each in pairs() if each.page == page.stem}


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def written_by_hand(page: Path) -> str:
    """A page without what `benchmark docs` has filled in."""
    return re.sub(
        r"(<!-- measured: .+? -->\n).*?(?=<!-- end -->)", r"\1", text_of(page), flags=re.S
    )


@cache
def stored_runs() -> list[Run]:
    return [documents.decode(gzip.decompress(path.read_bytes())) for path in RUNS]


class TestPages:
    def test_there_is_one_for_each_page_of_the_catalogue_and_no_other(self) -> None:
        assert len(pairs()) > 40
        assert [each.stem for each in pages()] == sorted({each.page for each in pairs()})

    def test_each_pair_has_one_place_for_its_table_and_that_on_its_page(self) -> None:
        asked = [(page.stem, name) for page in pages() for name in asked_for(text_of(page))]

        assert Counter(asked) == Counter((each.page, each.name) for each in pairs())
        assert asked_for(text_of(INDEX)) == []

    @pytest.mark.parametrize("page", [*pages(), INDEX], ids=lambda page: page.stem)
    def test_no_marker_is_spoilt(self, page: Path) -> None:
        lines = text_of(page).splitlines()
        marks = [line for line in lines if "<!--" in line]
        names = asked_for(text_of(page))

        # Else one place would reach to the end of the next one, and be filled over it.
        expected = [
            line for each in names for line in (f"<!-- measured: {each} -->", "<!-- end -->")
        ]
        assert marks == expected

    def test_a_heading_with_name_and_title_stands_above_each_place(self) -> None:
        for each in pairs():
            heading = f"### {each.name}: {each.title}\n"
            found = written_by_hand(FOLDER / f"{each.page}.md")
            assert re.search(
                rf"^{re.escape(heading)}\n?<!-- measured: {each.name} -->$", found, re.M
            )

    @pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
    def test_it_says_when_it_does_not_pay_and_is_short(self, page: Path) -> None:
        text = written_by_hand(page)
        headings = re.findall(r"^## (.+)$", text, re.M)

        assert {"Why", "When it does not pay", "Measured"} <= set(headings)
        assert len(text[: text.index("\n### ")].splitlines()) <= LINES_MAX


class TestCommands:
    @pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
    def test_one_repeats_all_of_its_pairs(self, page: Path) -> None:
        ((*what, option, rows),) = commands(page, "run")

        assert of_page(page) <= (tagged(what[1]) if what[0] == "--tag" else set(what))
        assert option == "--sizes"
        assert set(sizes(rows)) <= {
            n for each in pairs() if each.page == page.stem for n in each.sizes
        }

    @pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
    def test_one_explains_one_of_its_pairs(self, page: Path) -> None:
        ((name, option, rows),) = commands(page, "explain")

        (spec,) = (each for each in pairs() if each.name == name)
        assert spec.page == page.stem
        assert option == "--size"
        assert set(sizes(rows)) <= set(spec.sizes)


def commands(page: Path, action: str) -> list[list[str]]:
    """The arguments of each `manage.py benchmark …` that a page says."""
    text = " ".join(written_by_hand(page).split())
    return [
        shlex.split(found) for found in re.findall(rf"`manage.py benchmark {action} ([^`]+)`", text)
    ]


def tagged(tag: str) -> set[str]:
    return {each.name for each in pairs() if tag in each.tags}


class TestIndex:
    def test_it_has_a_row_for_each_page_with_its_pairs(self) -> None:
        rows = re.findall(r"^\| \[([\w-]+)\]\(\1\.md\) \|(.+)\|$", text_of(INDEX), re.M)

        told = {page: set(re.findall(r"`(tasks\.\w+)`", cells)) for page, cells in rows}
        assert len(rows) == len(told)
        assert told == {page.stem: of_page(page) for page in pages()}

    def test_it_names_no_pair_that_is_not_there(self) -> None:
        for page in [*pages(), INDEX]:
            named = set(re.findall(r"`(tasks\.[a-z]\w+)`", written_by_hand(page)))
            assert named <= {each.name for each in pairs()} | {"tasks.ndjson"}

    def test_it_leads_to_code_from_each_row(self) -> None:
        for line in text_of(INDEX).splitlines():
            if line.startswith("| ["):
                assert re.search(r"\]\(\.\./\.\./[\w/]+\.py\) \|$", line)


@pytest.mark.parametrize("page", [*pages(), INDEX], ids=lambda page: page.stem)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", text_of(page))

    assert targets
    assert [each for each in targets if not leads_somewhere(page, each)] == []


def leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    found = (page.parent / name).resolve() if name else page
    if not (found.is_file() and found.is_relative_to(settings.BASE_DIR)):
        return False
    return not anchor or anchor in anchors(found)


def anchors(page: Path) -> set[str]:
    """The anchors of headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings}


class TestMeasured:
    def test_the_stored_runs_have_every_pair(self) -> None:
        measured = {each.name for run in stored_runs() for each in run.pairs}

        assert {each.name for each in pairs()} <= measured

    def test_the_pages_are_what_the_stored_runs_make_of_them(self) -> None:
        behind = [path.name for path, _ in renewed(FOLDER, stored_runs())]

        assert behind == [], f"Renew them: {RENEW}"
