"""A load test as a page, and its drawings."""

from __future__ import annotations

import dataclasses
import re
from enum import Enum
from importlib.machinery import PathFinder
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perf.load.results import (
    CapacityResult,
    LoadComparison,
    LoadRun,
    Quantile,
    Second,
    ServerSide,
    Share,
    Stage,
)
from perf.report.formats import DocumentError
from perf.report.load import comparison, html, knee, markdown, plots_seconds, spectrum, terminal
from perf.report.load.documents import decode, encode
from perf.tests import sample_load
from perf.tests.test_report_html import Page
from perf.tests.test_report_markdown import tables
from perf.tests.test_report_plots import assert_inside

RUNS = [
    sample_load.sample_load,
    sample_load.failing_load,
    sample_load.limited_load,
    sample_load.invalid_load,
    sample_load.aborted_load,
    sample_load.partial_load,
    sample_load.dead_load,
    sample_load.closed_load,
    sample_load.empty_load,
]
UNSOUND = [sample_load.limited_load, sample_load.invalid_load]


@pytest.mark.parametrize("make", RUNS)
def test_a_page_is_well_formed_fetches_nothing_and_its_links_lead_somewhere(make):
    text = html.render(make())
    page = Page(text)

    assert not re.search(r"(?:href|src)=\"(?!#)|url\(|@import", text)
    assert {name for name, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object"})
    wanted = [each["href"].removeprefix("#") for each in page.every("a")]
    wanted += [name for _, a in page.tags for name in (a.get("aria-labelledby") or "").split()]
    assert set(wanted) <= set(page.ids)


@pytest.mark.parametrize("make", RUNS)
def test_all_sections_that_stand_open_are_in_the_contents(make):
    text = html.render(make())
    shown, folded = re.sub(r"<details.*</details>", "", text, flags=re.DOTALL), "<details" in text
    links = re.findall(r'<a href="#(\w+)">', shown)

    assert links == re.findall(r'<section id="(\w+)"', shown)
    assert folded == (make in UNSOUND)


def test_the_page_begins_with_the_verdict_as_a_word_and_a_sign():
    text = Page(html.render(sample_load.failing_load())).text

    begin = "Load test ✕ Failed: 1 of 3 objectives did not hold. 119 good answers a"
    assert begin in text
    assert "Mind: Overload: requests in flight grow by 2.1 a second" in text
    assert "p99<100ms ✕ fail 146 ms [129, 160] p99.9<1s ? inconclusive needs 10,000 samp" in text


@pytest.mark.parametrize("make", UNSOUND)
def test_the_figures_of_a_run_that_is_not_sound_are_folded_away_and_not_printed(make):
    text = html.render(make())
    before, folded = text.split('<details class="screen" id="unsound">', 1)
    folded, after = folded.split("</details>")
    shown = re.sub("<[^>]+>", " ", before + after)

    assert "What was recorded all the same: do not rely on it" in folded
    assert "9.97 ms" in folded
    for figure in ("9.97 ms", "7,145", "hooli"):
        assert figure not in shown


def test_the_figures_of_the_seed_are_there_under_their_names():
    text = Page(html.render(sample_load.sample_load())).text

    assert (
        "total requests 7,145 successful requests 7,133 failure rate 0.042% what failed 2 timed "
        "out, 1 status, 9 throttled (429) good answers a second 119 average response time 19.8 ms "
        "p95 response time 51.0 ms [46.8, 54.6]"
    ) in text


def test_percentiles_have_their_interval_or_what_they_would_need():
    text = Page(html.render(sample_load.sample_load())).text

    assert "p99 146 ms [129, 160] 146 ms [128, 159] 1.57 ms [1.50, 1.68]" in text
    assert "p99.9 needs 10,000 samples needs 10,000 samples needs 10,000 samples" in text


def test_the_servers_stand_with_the_sentence_first():
    text = Page(html.render(sample_load.sample_load())).text

    assert "The servers meanwhile 71 % of the service time is the server, 24 % is Postgre" in text
    assert "server 84% 412 MiB" in text
    assert "SELECT status, count(*) FROM tasks_task … 31% 912 4.4 s board" in text
    assert "CPU 71% 430 Client: ClientRead 20% 121" in text
    assert "Not watched: pg_stat_io: PostgreSQL 15 has none." in text
    nothing = dataclasses.replace(sample_load.sample_load(), server=ServerSide())
    assert "The servers were not watched." in Page(html.render(nothing)).text


def test_each_picture_has_a_title_and_a_description_with_figures():
    page = Page(html.render(sample_load.sample_load()))
    pictures = [each for each in page.every("svg") if each.get("role") == "img"]

    assert [each["aria-labelledby"].split()[0] for each in pictures] == [
        "spectrum-title", "seconds-latency-title", "seconds-rate-title", "seconds-flight-title",
        "seconds-processors-title", "seconds-failures-title", "seconds-lag-title",
        "spectrum-steps-title",
    ]  # fmt: skip
    assert len(page.every("desc")) == len(pictures)
    assert "latency: p50 9.97 ms [9.72, 10.16], p90 30.8 ms [29.4, 32.4], p95 51.0 ms" in page.text
    assert re.search(r"max: from [\d.]+ ms to 10 s, [\d.]+ ms at last", page.text)


EVIL = "<script>alert(1)</script>\"'&\x00\u202e"


def test_what_comes_from_outside_is_text():
    run = sample_load.sample_load()
    named = dataclasses.replace(
        run,
        target=EVIL,
        command=EVIL,
        note=EVIL,
        environment={EVIL: EVIL},
        scenarios={EVIL: 1.0},
        complaints=(EVIL,),
        steps=tuple(dataclasses.replace(each, name=EVIL) for each in run.steps),
        tenants=tuple(dataclasses.replace(each, tenant=EVIL) for each in run.tenants),
        server=dataclasses.replace(run.server, sentence=EVIL, skipped=(EVIL,)),
    )
    page = Page(html.render(named))

    assert "script" not in {name for name, _ in page.tags}
    assert page.text.count("<script>alert(1)</script>\"'&��") >= 15


# Drawings


def drawings(run):
    yield spectrum.of_clocks("a", run)
    yield spectrum.of_steps("b", run)
    for at, draw in enumerate(
        (
            plots_seconds.latency, plots_seconds.rate, plots_seconds.in_flight,
            plots_seconds.failures, plots_seconds.processors, plots_seconds.lag,
        )
    ):  # fmt: skip
        yield draw(f"c{at}", run)


@pytest.mark.parametrize("make", RUNS[:-1])
def test_all_is_drawn_inside_of_its_picture(make):
    found = [each for each in drawings(make()) if each]

    assert len(found) >= 5
    for each in found:
        assert_inside(each)
    assert_inside(knee.plot("knee", sample_load.capacity()))


def test_nothing_is_drawn_of_nothing():
    assert [each for each in drawings(sample_load.empty_load()) if each] == []


def test_the_spectrum_holds_all_samples_to_the_last():
    latency = sample_load.sample_load().total.latency
    points = spectrum.points(latency)

    assert points[0][0] == 1
    assert points[-1][0] == latency.count
    assert points[-1][1] == pytest.approx(latency.max_ms, rel=1e-3)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    for found in latency.quantiles:
        if found.value_ms is not None:
            above = min(value for x, value in points if x > 1 / (1 - found.q))
            assert above == pytest.approx(found.value_ms, rel=2e-3)


@pytest.mark.parametrize("histogram", ["", "nonsense", "HISTFAAAAANhYmM=", "é"])
def test_without_a_histogram_the_known_percentiles_are_drawn(histogram):
    latency = dataclasses.replace(sample_load.sample_load().total.latency, histogram=histogram)

    assert [round(x) for x, _ in spectrum.points(latency)] == [2, 10, 20, 100]


def test_without_the_library_the_known_percentiles_are_drawn(monkeypatch):
    found = PathFinder.find_spec
    monkeypatch.setattr(spectrum, "find_spec", lambda name: None if name == "hdrh" else found(name))

    assert len(spectrum.points(sample_load.sample_load().total.latency)) == 4


def test_of_a_long_run_several_seconds_are_one_point_and_the_slowest_is_kept():
    calm = Second(0, 50, 50, 0, 1, 10.0, 20.0, 30.0, 1.0)
    seconds = [dataclasses.replace(calm, at=at) for at in range(3_600)]
    seconds[1_234] = dataclasses.replace(seconds[1_234], max_ms=9_000.0, failed=12)
    run = dataclasses.replace(sample_load.closed_load(), seconds=tuple(seconds), measured_s=3_600.0)

    drawn = plots_seconds.latency("a", run)

    assert plots_seconds.together(run) == 6
    assert drawn is not None
    curves = re.findall(r'd="([^"]+)" class="curve', drawn)
    assert [each.count("L") for each in curves] == [599] * 3
    assert "max: from 30 ms to 9 s, 30 ms at last" in drawn
    assert "minutes" in drawn
    assert "failures: from 0 to 2, 0 at last" in (plots_seconds.failures("b", run) or "")


def test_seconds_without_an_answer_are_a_gap():
    run = sample_load.sample_load()
    seconds = tuple(
        dataclasses.replace(each, lag_max_ms=None) if 20 <= each.at < 30 else each
        for each in run.seconds
    )
    whole = plots_seconds.lag("a", run) or ""
    gap = plots_seconds.lag("a", dataclasses.replace(run, seconds=seconds)) or ""

    assert whole.count('class="curve way0"') == 1
    assert gap.count('class="curve way0"') == 2


def test_seconds_after_the_measured_part_are_not_drawn():
    run = sample_load.sample_load()
    late = Second(60, 0, 3, 0, 0, None, None, None, None)
    longer = dataclasses.replace(run, seconds=(*run.seconds, late))

    assert plots_seconds.rate("a", longer) == plots_seconds.rate("a", run)


def test_of_many_statements_the_dearest_stand_open_and_all_are_folded():
    run = sample_load.sample_load()
    many = tuple(Share(f"SELECT {at}", 0.1 - at / 100, at + 1) for at in range(8))
    text = html.render(dataclasses.replace(run, server=ServerSide(statements=many)))
    shown, folded = text.split("<details>")

    assert ("SELECT 4" in shown, "SELECT 5" in shown) == (True, False)
    assert "All 8 statements" in folded
    assert "SELECT 7" in folded


def test_a_percentile_that_no_step_has_takes_no_column():
    text = Page(html.render(sample_load.closed_load())).text

    assert "step requests failed p50 p95 max p50 of service time what failed" in text


def test_a_line_stands_where_a_stage_ends_but_not_at_the_end():
    run = sample_load.sample_load()
    stages = (Stage(20, 10, 50), Stage(20, 50, 50), Stage(20, 50, 0))
    method = dataclasses.replace(run.method, stages=stages)
    drawn = plots_seconds.rate("a", dataclasses.replace(run, method=method)) or ""

    assert drawn.count('class="one"') == 2


def curve(drawn: str) -> list[float]:
    """The x of each point of the line through the tries that count."""
    (found,) = re.findall(r'd="([^"]+)" class="curve', drawn)
    return [float(each.split()[0]) for each in re.split("[ML]", found)[1:]]


def test_the_knee_has_a_mark_for_each_try_but_those_of_the_loader():
    found = sample_load.capacity()
    drawn = knee.plot("knee", found) or ""

    assert "320 ms at 200 a second, fail" in drawn
    assert "425 ms at 160 a second, fail, 170 ms at 160 a second, pass, 2nd try" in drawn
    assert "at 400 a second" not in drawn
    assert len(re.findall(r'class="marker(?: hollow)? way', drawn)) == 8 + 2  # those of the legend
    for each, way in (("pass", 2), ("fail", 1)):
        assert f'class="label way{way}"' in drawn
        assert f">{each}</text>" in drawn
    limited = tuple(dataclasses.replace(each, limited=("no",)) for each in found.points)
    assert knee.plot("knee", dataclasses.replace(found, points=limited)) is None


def test_the_line_of_the_knee_goes_through_one_try_of_each_rate():
    found = sample_load.capacity()
    xs = curve(knee.plot("knee", found) or "")

    assert len(xs) == 7
    assert len(set(xs)) == 7
    first = dataclasses.replace(found, points=found.points[:4] + found.points[5:])
    assert curve(knee.plot("knee", first) or "") == xs


def test_two_tries_of_one_rate_do_not_cover_each_other():
    found = sample_load.capacity()
    same = (found.points[4], dataclasses.replace(found.points[4], late=()))
    drawn = knee.plot("knee", dataclasses.replace(found, points=same)) or ""

    first, second = re.findall(r'd="M([\d.]+) [^"]+" class="marker(?: hollow)? way2"', drawn)[:2]
    assert float(second) - float(first) == pytest.approx(9, abs=0.2)


def test_a_try_with_a_late_loader_is_hollow():
    drawn = knee.plot("knee", sample_load.capacity()) or ""

    assert drawn.count('class="marker hollow way2"') == 1


def test_the_knee_has_the_limit_of_its_percentile_and_the_rate_that_holds():
    found = dataclasses.replace(sample_load.capacity(), drawn="p95[list]")
    drawn = knee.plot("knee", found) or ""

    assert drawn.count('class="payoff way2"') == 1
    assert drawn.count('class="payoff way1"') == 1
    assert ">limit 300 ms</text>" in drawn
    assert ">p95[list] (log)</text>" in drawn
    assert ">sessions a second</text>" in drawn
    without = knee.plot("knee", dataclasses.replace(found, limit_ms=None)) or ""
    assert 'class="payoff way1"' not in without


def test_the_page_of_a_search_has_all_that_it_found():
    text = Page(knee.to_html(sample_load.capacity())).text

    assert "hold at 160 sessions a second (800 good answers), at the second try only" in text
    assert "Not drawn: the loader was at its limit at 400/s." in text
    assert "160 ✕ fail 800 425 ms fails [382, 476] 0% [0%, 0.05%] 20261127-100160-0c1d" in text
    assert "160 ✓ pass 2nd try, loader late 800 170 ms [153, 190]" in text
    assert "400 – rig-limited 1,180 – – 20261127-100400-0c1d" in text
    assert "Search 20261127-101500-0c1d of tasks.browse at http://127.0.0.1:8000, 2026" in text


# Any run that a file may hold


TEXTS = st.sampled_from(["", "short", "<i>&", "a|b`c", "x" * 300, "word " * 60, "\x1b[31mred", "é"])
FLOATS = st.one_of(st.floats(0.0, 1e10), st.sampled_from([0.0, 1.0, -3.0]), st.floats())
COUNTS = st.integers(0, 10**9)


def made(kind: Any, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Any value of a type of results; `given` are its fields that can't be just anything."""
    if kind in PLAIN:
        return PLAIN[kind]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{name: made(each) for name, each in hints.items()} | given)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if get_origin(kind) is tuple:
        return st.lists(made(get_args(kind)[0]), max_size=3).map(tuple)
    if get_origin(kind) is dict:
        return st.dictionaries(*map(made, get_args(kind)), max_size=3)
    return st.one_of(*[made(each) for each in get_args(kind)])  # a union


PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    float: FLOATS,
    int: COUNTS,
    bool: st.booleans(),
    type(None): st.none(),
}
PLAIN[Quantile] = made(Quantile, q=st.sampled_from([0.0, 0.5, 0.99, 0.9999, 1.0]))
SECONDS = st.lists(made(Second), max_size=5).map(
    lambda found: tuple(dataclasses.replace(each, at=at - 2) for at, each in enumerate(found))
)
any_run = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
runs = made(LoadRun, version=st.just(1), seconds=SECONDS)


@any_run
@given(runs)
def test_any_run_has_a_page_a_text_and_a_comment(run):
    page = Page(html.render(run))
    text = terminal.render(run)

    assert "script" not in {name for name, _ in page.tags}
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 160
    for found in tables(markdown.render(run)):
        assert len({len(row) for row in found}) == 1


@any_run
@given(runs)
def test_any_run_is_drawn_inside_of_its_pictures(run):
    for each in drawings(run):
        if each:
            assert_inside(each)


@any_run
@given(made(CapacityResult), made(LoadComparison))
def test_any_search_and_comparison_is_told(search, beside):
    for text in (knee.render(search), comparison.render(beside)):
        assert "\x1b" not in text
    for text in (knee.to_html(search), comparison.to_html(beside)):
        Page(text)
    for text in (knee.to_markdown(search), comparison.to_markdown(beside)):
        for found in tables(text):
            assert len({len(row) for row in found}) == 1


@any_run
@given(runs)
def test_any_run_is_read_as_it_was_written_or_not_written(run):
    try:
        document = encode(run)
    except DocumentError:
        assert re.search(r"\b(nan|inf)\b", repr(run))
    else:
        assert decode(document) == run
