from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from perf.engine.results import Counters, Statement, VariantResult
from perf.report.html import render
from perf.report.markup import element, escape, join
from perf.report.page import STYLES
from perf.tests.sample_run import (
    broken_off_run,
    counted_run,
    deep_page,
    empty_run,
    sample_run,
    skipped,
)

VOID = {"meta", "br", "hr", "col"}


class Page(HTMLParser):
    """A page read with care: what is opened is closed, ids are unique, links have their ends."""

    def __init__(self, text):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def every(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


RUNS = [sample_run, broken_off_run, counted_run, empty_run]


@pytest.mark.parametrize("make", RUNS)
def test_a_page_is_well_formed_and_fetches_nothing(make):
    text = render(make())
    page = Page(text)

    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert not re.search(r"https?:|//[a-z]|url\(|@import|javascript:", text)
    assert {name for name, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


@pytest.mark.parametrize("make", RUNS)
def test_links_lead_somewhere_and_labels_exist(make):
    page = Page(render(make()))
    wanted = [each["href"].removeprefix("#") for each in page.every("a")]
    wanted += [name for _, a in page.tags for name in (a.get("aria-labelledby") or "").split()]

    assert set(wanted) <= set(page.ids)


EVIL = "<script>alert(1)</script>\"'&\x00\u202e"


def test_what_comes_from_outside_is_text():
    page = Page(render(_with_texts(EVIL)))

    assert "script" not in {name for name, _ in page.tags}
    assert page.text.count("<script>alert(1)</script>\"'&��") >= 9


def _with_texts(text):
    """A run in which all is named so: pair, statement, plan, note, environment."""
    counters = Counters((Statement(text, plan=text),), (1,), 0)
    result = VariantResult("keyset", counters, 1, ((1.0,),), None, 0.0, note=text)
    pair = deep_page()
    size = dataclasses.replace(pair.sizes[0], variants=(result,))
    pair = dataclasses.replace(pair, sizes=(size,), title=text, name=text, caveat=text)
    return dataclasses.replace(sample_run(), pairs=(pair,), environment={text: text}, note=text)


def test_the_summary_has_a_row_for_each_naive_way_and_leads_to_its_pair():
    page = Page(render(sample_run()))
    links = [each["href"] for each in page.every("a")]

    assert links.count("#pair-tasks.deep_page") == 2  # its naive ways; no claim of it is amiss
    assert "A page at half depth keyset vs offset 0.981× [0.942, 1.021] = equivalent" in page.text


def test_a_pair_is_told_in_sentences():
    text = Page(render(sample_run())).text

    assert (
        "▲ efficient wins At 1,000,000 rows keyset is at least 26.6 times as fast as offset: "
        "27.1× [26.6, 27.7]. Pays from 10,000 rows on; not at 1,000."
    ) in text
    assert (
        "▼ naive wins At 100,000 rows full is at least 1.04 times as fast as partial: "
        "0.891× [0.826, 0.961]."
    ) in text
    assert "= equivalent At 1,000,000 rows joined and prefetched take the same time, within" in text
    assert "Refused at 1,000,000 rows: the rows differ: 50 by partial, 49 by full" in text


def test_a_pair_says_when_it_does_not_pay_and_what_it_does_not_show():
    text = Page(render(dataclasses.replace(sample_run(), pairs=(deep_page(),)))).text

    assert "When it does not pay: On the first page both are the same" in text
    assert "What this does not show Fewer rows than 1,000, or more than 1,000,000." in text


def test_a_skipped_pair_has_its_reason_and_no_plots():
    page = Page(render(dataclasses.replace(sample_run(), pairs=(skipped(),), controls=None)))

    assert "Skipped: needs Redis: start one and set REDIS_URL." in page.text
    assert [each for each in page.every("svg") if each.get("role") == "img"] == []


def test_a_broken_off_run_says_so_in_its_header():
    text = Page(render(broken_off_run())).text

    assert text.index("Broken off: what is here is valid") < text.index("Summary")
    assert "Too few controls were run" in text


def test_a_run_that_only_counts_shows_blocks_and_no_times():
    page = Page(render(counted_run()))

    assert "Nothing was timed. All ways of a pair gave the same rows" in page.text
    assert "keyset vs offset 8 / 22 blocks – not timed 8 / 182 blocks – not timed" in page.text
    assert page.text.count("All ways gave the same rows. Nothing was timed.") == 6
    assert not any("-time" in each or "-order" in each for each in page.ids)


def test_a_run_of_nothing_says_so():
    assert "Summary Nothing was measured. No controls were run" in Page(render(empty_run())).text


def test_each_picture_has_a_title_and_a_description_with_the_figures():
    page = Page(render(sample_run()))
    pictures = [each for each in page.every("svg") if each.get("role") == "img"]

    assert all(len(each["aria-labelledby"].split()) == 2 for each in pictures)
    assert len(pictures) == len(page.every("desc")) > 40
    assert "offset: 307 µs at 1k, 380 µs at 10k, 1.11 ms at 100k, 8.42 ms at 1M" in page.text


def test_headings_of_tables_have_their_scope():
    scopes = {each.get("scope") for each in Page(render(sample_run())).every("th")}

    assert scopes == {"col", "row"}


def test_plans_stand_beside_their_statements():
    page = Page(render(dataclasses.replace(sample_run(), pairs=(deep_page(),))))
    kinds = [each["class"] for each in page.every("pre")]

    assert kinds == ["sql", "plan"] * 4  # offset_and_count sends two


def test_a_verdict_is_a_word_and_a_sign_and_not_only_a_colour():
    words = set(re.findall(r'<span class="badge \w+">(.*?)</span>', render(sample_run())))

    assert {
        "▲ efficient wins", "▼ naive wins", "= equivalent", "? inconclusive", "≈ too noisy",
        "✕ refused", "– not timed", "✓ holds", "✕ refuted", "? undecided", "– not measured",
    } == words  # fmt: skip


# Markup


def test_children_are_escaped_once():
    assert element("p", "a & b", element("b", "<"), None) == "<p>a &amp; b<b>&lt;</b></p>"
    assert escape(escape("<")) == "&lt;"
    assert join(["<", [None, "&"]], ", ") == "&lt;, &amp;"


def test_attributes_are_escaped_and_left_out():
    made = element("td", class_='"><script>', hidden=True, title=None, data_n=-0.01)

    assert made == '<td class="&quot;&gt;&lt;script&gt;" hidden data-n="0"></td>'


# Styles

TEXTS = ("ink", "quiet", "link", "good", "bad", "unsure", "same", *(f"way{at}" for at in range(5)))


def schemes():
    """The colours of the light scheme and of the dark one."""
    blocks = re.findall(r":root \{(.*?)\}", STYLES.read_text(encoding="utf-8"), re.DOTALL)
    return [dict(re.findall(r"--(\w+): (#\w+)", each)) for each in blocks]


def luminance(color):
    digits = color[1:] if len(color) == 7 else "".join(each * 2 for each in color[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Of WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", schemes(), ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "panel"])
def test_texts_can_be_read(scheme, ground):
    faint = {each: contrast(scheme[each], scheme[ground]) for each in TEXTS}

    assert {each: found for each, found in faint.items() if found < 4.5} == {}


def test_contrast_is_counted_rightly():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.01)
