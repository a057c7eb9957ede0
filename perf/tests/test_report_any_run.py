"""Reports of runs that hypothesis makes up: any verdict with any figure, odd texts, many gaps."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perf.engine.results import (
    ClaimResult,
    Comparison,
    Controls,
    Counters,
    Finding,
    Growth,
    Interval,
    Method,
    PairResult,
    Payoff,
    Run,
    SizeResult,
    Statement,
    Summary,
    VariantInfo,
    VariantResult,
    Verdict,
)
from perf.report import html, html_pair, markdown, terminal
from perf.report.details import details
from perf.report.documents import DocumentError, decode, encode
from perf.report.painting import Look
from perf.tests.test_report_html import Page
from perf.tests.test_report_markdown import tables

NAMES = ("swift", "plain", "slow_and_long_winded_way", "<i>", "a|b")
TEXTS = st.one_of(
    st.sampled_from(
        ["", "short", "<script>alert(1)</script>", "a\x1b[31mred", "`|*_[x](y) @me #1"]
    ),
    st.text(max_size=40),
    st.just("word " * 60),
    st.just("x" * 300),
)
FLOATS = st.one_of(st.floats(1.0, 1e10), st.sampled_from([0.0, 1.0, -3.0]), st.floats())
COUNTS = st.integers(0, 10**9)
SIZES = st.sampled_from([0, 1, 1_000, 1_234, 10_000, 1_000_000, 10**12])
intervals = st.builds(Interval, FLOATS, FLOATS, FLOATS)
names = st.sampled_from(NAMES)
statements = st.builds(
    Statement,
    sql=TEXTS,
    times=st.integers(1, 500),
    plan=st.none() | TEXTS,
    fingerprint=TEXTS,
    indexes=st.tuples(TEXTS),
    rows=COUNTS,
    blocks_hit=COUNTS,
)
counters = st.builds(
    Counters,
    st.lists(statements, max_size=3).map(tuple),
    st.lists(COUNTS, max_size=3).map(tuple),
    COUNTS,
)
summaries = st.builds(
    Summary, COUNTS, FLOATS, FLOATS, st.none() | FLOATS, FLOATS, FLOATS, st.none() | FLOATS
)
samples = st.lists(st.lists(FLOATS, max_size=3).map(tuple), max_size=4).map(tuple)
results = st.builds(
    VariantResult,
    names,
    st.none() | counters,
    COUNTS,
    samples,
    st.none() | summaries,
    FLOATS,
    TEXTS,
)
comparisons = st.builds(
    Comparison,
    names,
    names,
    st.sampled_from(Verdict),
    st.none() | intervals,
    st.none() | intervals,
    TEXTS,
    TEXTS,
)
sizes = st.builds(
    SizeResult,
    SIZES,
    COUNTS,
    TEXTS,
    st.lists(results, max_size=3).map(tuple),
    st.lists(comparisons, max_size=2).map(tuple),
    st.just("") | TEXTS,
)
growths = st.builds(
    Growth,
    names,
    st.sampled_from(["time", "blocks"]),
    st.lists(SIZES, max_size=3).map(tuple),
    intervals,
    st.booleans(),
    st.none() | intervals,
    st.none() | FLOATS,
    st.none() | FLOATS,
)
payoffs = st.builds(Payoff, names, st.none() | SIZES, st.none() | SIZES, TEXTS)
claims = st.builds(ClaimResult, TEXTS, st.sampled_from(Finding), TEXTS, st.booleans())


@st.composite
def ways(draw: st.DrawFn) -> tuple[VariantInfo, ...]:
    """None, or some of which one is efficient."""
    found = draw(st.lists(names, unique=True, max_size=len(NAMES)))
    efficient = draw(st.sampled_from(found)) if found else ""
    return tuple(VariantInfo(each, each == efficient, draw(TEXTS)) for each in found)


pairs = st.builds(
    PairResult,
    TEXTS,
    TEXTS,
    TEXTS,
    TEXTS,
    ways(),
    st.lists(sizes, max_size=3, unique_by=lambda each: each.size).map(tuple),
    st.lists(growths, max_size=3).map(tuple),
    st.lists(payoffs, max_size=2).map(tuple),
    st.lists(claims, max_size=2).map(tuple),
    st.just("") | TEXTS,
)
controls = st.builds(
    Controls,
    intervals,
    st.sampled_from(Verdict),
    intervals,
    st.sampled_from(Verdict),
    FLOATS,
    FLOATS,
    FLOATS,
    FLOATS,
    st.lists(FLOATS, max_size=3).map(tuple),
    st.lists(TEXTS, max_size=2).map(tuple),
)
methods = st.builds(
    Method,
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(0, 20),
    FLOATS,
    FLOATS,
    FLOATS,
    st.sampled_from(["warm", "cold"]),
    st.integers(0, 9),
)
runs = st.builds(
    Run,
    st.just(1),
    TEXTS,
    TEXTS,
    st.just("2026-11-26T14:05:31+00:00") | TEXTS,
    st.none() | st.just("2026-11-26T14:21:07+00:00") | TEXTS,
    methods,
    st.dictionaries(st.sampled_from(["PostgreSQL", "CPUs"]) | TEXTS, TEXTS, max_size=3),
    st.none() | controls,
    st.lists(pairs, max_size=2, unique_by=html_pair.anchor).map(tuple),
    TEXTS,
)


ESCAPES = re.compile("\x1b\\[[0-9;]*m")
any_run = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@any_run
@given(runs)
def test_a_log_is_plain_and_narrow(run):
    text = "".join([terminal.render(run), *map(details, run.pairs)])

    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 160


@any_run
@given(runs, st.sampled_from([40, 100, 160]))
def test_only_colours_reach_a_terminal(run, width):
    look = Look(width, terminal=True, color=True)
    text = "".join([terminal.render(run, look), *(details(each, look) for each in run.pairs)])

    assert "\x1b" not in ESCAPES.sub("", text)


@any_run
@given(runs)
def test_tables_of_markdown_keep_their_columns(run):
    for text in (markdown.render(run), *(markdown.pattern_table(each, run) for each in run.pairs)):
        for found in tables(text):
            assert len({len(row) for row in found}) == 1


@any_run
@given(runs)
def test_a_page_is_well_formed_and_runs_no_script(run):
    page = Page(html.render(run))

    assert "script" not in {name for name, _ in page.tags}


@any_run
@given(runs)
def test_a_document_is_read_as_it_was_written_or_not_written(run):
    try:
        document = encode(run)
    except DocumentError:
        assert re.search(r"\b(nan|inf)\b", repr(run))
    else:
        assert decode(document) == run
