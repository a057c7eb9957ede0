from __future__ import annotations

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.engine.results import Growth, Interval
from perf.report import figures, markdown, markup, statements, svg, texts


@pytest.mark.parametrize("module", [figures, markdown, markup, statements, svg, texts])
def test_examples_in_docstrings_are_true(module):
    found = doctest.testmod(module)

    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "–"),
        (0, "0 ns"),
        (0.25, "0.25 ns"),
        (312_000, "312 µs"),
        (999_400, "999 µs"),
        (999_600, "1 ms"),
        (4_213_000, "4.21 ms"),
        (1.3e9, "1.3 s"),
        (1_234e9, "1,230 s"),
        (-28_700, "-28.7 µs"),
        (math.inf, "∞ s"),
        (math.nan, "–"),
    ],
)
def test_times(value, told):
    assert figures.ns(value) == told


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (None, "–"),
        (Interval(7.9, 7.2, 8.6), "7.9× [7.2, 8.6]"),
        (Interval(1.064, 1.021, 1.098), "1.06× [1.02, 1.10]"),
        (Interval(97.06, 90.2, 104.12), "97.1× [90.2, 104.1]"),
        (Interval(1431, 1358, 1503), "1,430× [1,360, 1,500]"),
        (Interval(1.2, 0.774, 1.87), "1.20× [0.77, 1.87]"),
        (Interval(0, 0, 0), "0× [0, 0]"),
        (Interval(1, 1, 1), "1× [1, 1]"),
    ],
)
def test_ratios_have_as_many_decimals_as_their_bounds(found, told):
    assert figures.ratio_interval(found) == told


def test_a_time_and_its_bounds_are_in_one_unit():
    assert figures.ns_interval(Interval(960_000, 850_000, 1_070_000)) == "960 µs [850, 1,070]"
    assert figures.ns_interval(Interval(8_720, -27_800, 46_700)) == "8.7 µs [-27.8, 46.7]"
    assert figures.ns_interval(None) == "–"


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "0"), (50, "50"), (1_000, "1k"), (1_500, "1.5k"), (1_234, "1,234"), (10**6, "1M")],
)
def test_sizes_are_short_where_nothing_is_lost(value, told):
    assert figures.size(value) == told


@pytest.mark.parametrize(
    ("value", "told"), [(None, "–"), (0, "0 B"), (1_023, "1,020 B"), (1_536, "1.5 KiB")]
)
def test_bytes(value, told):
    assert figures.size_bytes(value) == told


def test_shares_and_counts():
    assert figures.percent(0.123) == "12.3%"
    assert figures.percent(0) == "0%"
    assert figures.excess(1.04) == "4%"
    assert figures.count(1_234_567) == "1,234,567"
    assert [figures.percent(None), figures.excess(None), figures.count(None)] == ["–"] * 3


@pytest.mark.parametrize(
    ("growth", "told"),
    [
        (Growth("a", "time", (1, 9), Interval(1.02, 0.98, 1.06), True, None), "flat"),
        (Growth("a", "time", (1, 9), Interval(1.4, 1.3, 1.5), False, None), "1.4×"),
        (
            Growth("a", "time", (1, 9), Interval(9, 8, 10), False, Interval(0.984, 0.9, 1)),
            "N^0.984",
        ),
    ],
)
def test_growth_in_a_word(growth, told):
    assert figures.growth(growth) == told


def test_moments_and_what_is_none():
    assert figures.moment("2026-11-26T14:05:31+02:00") == "2026-11-26 12:05 UTC"
    assert figures.moment("yesterday") == "yesterday"
    assert figures.moment(None) == "–"
    assert figures.duration("2026-11-26T14:05:31Z", None) == "–"
    assert figures.duration("2026-11-26T10:00:00Z", "2026-11-26T12:00:05Z") == "2 h 5 s"


@given(st.floats())
def test_any_number_has_few_digits(value):
    told = figures.number(value)

    assert len(told) <= len("-999,000,000,000,000")
    if abs(value) < 1e300:
        assert math.isclose(float(told.replace(",", "")), value, rel_tol=0.006, abs_tol=0)


@given(st.floats(), st.floats(), st.floats())
def test_any_interval_can_be_told(estimate, low, high):
    found = Interval(estimate, low, high)

    for told in (figures.ratio_interval(found), figures.ns_interval(found)):
        assert told.count("[") == 1
        assert "nan" not in told
