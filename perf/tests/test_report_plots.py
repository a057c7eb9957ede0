from __future__ import annotations

import dataclasses
import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.engine.results import Growth, Interval, VariantResult
from perf.report import plots_growth, plots_ratio, plots_samples, svg
from perf.report.scales import drawable, linear_scale, log_scale
from perf.tests.sample_run import CONTROLS, deep_page, partial_index, skipped, unquiet

NUMBER = r"-?\d+(?:\.\d+)?"
COMMAND = re.compile(rf"([MLA])((?:\s*{NUMBER})+)|(h0|Z)")
ODD = st.one_of(st.floats(1.0, 1e10), st.floats(), st.integers(0, 3).map(float))


def places(drawn):
    """All points that a picture draws at, of its elements' attributes and paths."""
    for each in re.findall(r"<(?:text|line|rect|circle)\b[^>]*>", drawn):
        found = dict(re.findall(rf' (\w+)="({NUMBER})"', each))
        for x, y in (("x", "y"), ("x1", "y1"), ("x2", "y2")):
            if x in found:
                yield float(found[x]), float(found[y])
        if "width" in found:
            yield (
                float(found["x"]) + float(found["width"]),
                float(found["y"]) + float(found["height"]),
            )
    for path in re.findall(r' d="([^"]*)"', drawn):
        yield from on_path(path)


def on_path(path):
    assert COMMAND.sub("", path) == "", "there are commands or numbers that are none"
    for command, numbers, _ in COMMAND.findall(path):
        values = [float(each) for each in numbers.split()]
        if command:
            yield tuple(values[-2:])


def assert_inside(drawn):
    found = list(places(drawn))

    assert len(found) > 5
    assert all(0 <= x <= svg.WIDTH and 0 <= y <= svg.HEIGHT for x, y in found)
    assert "nan" not in drawn
    assert "inf" not in drawn


def pictures(pair, controls=CONTROLS):
    yield plots_growth.growth_of_time("a", pair)
    yield plots_growth.growth_of_blocks("b", pair)
    yield plots_ratio.ratio_over_sizes("c", pair, controls)
    for size in pair.sizes:
        yield plots_samples.samples_in_order("d", pair, size)
        yield plots_samples.distribution("e", pair, size)


@pytest.mark.parametrize("make", [deep_page, partial_index, unquiet])
def test_all_is_drawn_inside(make):
    drawn = [each for each in pictures(make()) if each]

    assert len(drawn) >= 5
    for each in drawn:
        assert_inside(each)


def test_of_a_skipped_pair_nothing_is_drawn():
    assert list(pictures(skipped())) == [None, None, None]


@given(st.lists(st.lists(ODD, min_size=3, max_size=3), min_size=4, max_size=4), ODD, ODD, ODD)
def test_whatever_was_measured_is_drawn_inside_or_not_at_all(values, low, high, exponent):
    pair = deep_page()
    sizes = [_altered(size, row, low, high) for size, row in zip(pair.sizes, values, strict=True)]
    fit = Growth(
        "offset", "time", (1, 9), Interval(9, 8, 10), False, Interval(exponent, 0, 1), low, high
    )
    pair = dataclasses.replace(pair, sizes=tuple(sizes), growth=(fit,))

    for each in pictures(pair, dataclasses.replace(CONTROLS, noise_floor=exponent)):
        if each is not None:
            assert_inside(each)


def _altered(size, medians, low, high):
    variants = tuple(
        VariantResult(
            each.name,
            each.counters,
            1,
            ((median, low), (), (high,)),
            dataclasses.replace(each.summary, median_ns=median),
            0.0,
        )
        for each, median in zip(size.variants, medians, strict=True)
    )
    ratio = Interval(medians[0], low, high)
    comparisons = tuple(dataclasses.replace(each, ratio=ratio) for each in size.comparisons)
    return dataclasses.replace(size, variants=variants, comparisons=comparisons)


def test_growth_has_a_line_a_marker_and_a_name_for_each_way():
    drawn = str(plots_growth.growth_of_time("key", deep_page()))

    for at, name in enumerate(("keyset", "offset", "offset_and_co…")):
        assert f'class="curve way{at}"' in drawn
        assert f'class="marker way{at}"' in drawn
        assert f">{name}</text>" in drawn
    assert drawn.count('class="fit way') == 2  # keyset is flat: there is nothing to fit


def test_axes_have_units_decades_and_the_sizes_that_were_measured():
    drawn = str(plots_growth.growth_of_time("key", deep_page()))
    ticks = re.findall(r'class="tick"[^>]*>([^<]*)<', drawn)

    assert ticks == ["500 µs", "1 ms", "2 ms", "5 ms", "10 ms", "20 ms", "1k", "10k", "100k", "1M"]
    assert ">rows (log)<" in drawn
    assert ">median of a call (log)<" in drawn


def test_a_line_stands_where_the_value_is():
    pair = deep_page()
    drawn = str(plots_growth.growth_of_blocks("key", pair))
    (found,) = re.findall(r'd="M([\d. L]+)" class="curve way1"', drawn)
    points = [tuple(map(float, each.split())) for each in found.split("L")]
    steps = [(after[0] - before[0]) for before, after in itertools.pairwise(points)]

    assert len(points) == 4
    assert max(steps) - min(steps) <= 0.2  # a decade each
    assert points == sorted(points, key=lambda each: -each[1])  # more blocks are further up


def test_the_ratio_has_noise_payoff_and_refusals():
    drawn = str(plots_ratio.ratio_over_sizes("key", deep_page(), CONTROLS))

    assert drawn.count('class="noise"') == 1
    assert ">pays from 10k</text>" in drawn
    assert drawn.count('class="bar way1"') == 4 * 3  # an interval and both of its ends
    refused = str(plots_ratio.ratio_over_sizes("key", partial_index(), None))
    assert ">✕ refused</text>" in refused
    assert 'class="noise"' not in refused


def test_samples_stand_in_the_order_of_executions():
    pair = deep_page()
    drawn = str(plots_samples.samples_in_order("key", pair, pair.sizes[-1]))

    assert drawn.count('class="curve faint way0"') == 10
    assert drawn.count('class="stripe"') == 5
    assert "keyset: 30 samples from 291 µs to 413 µs" in drawn


def test_a_single_execution_is_drawn_too():
    pair = deep_page()
    size = pair.sizes[0]
    few = tuple(dataclasses.replace(each, samples=each.samples[:1]) for each in size.variants)
    pair = dataclasses.replace(pair, sizes=(dataclasses.replace(size, variants=few),))

    for each in pictures(pair):
        assert_inside(each)


def test_the_yardstick_is_drawn_where_there_is_one():
    assert_inside(plots_samples.yardstick("key", CONTROLS))
    assert plots_samples.yardstick("key", None) is None
    assert plots_samples.yardstick("key", dataclasses.replace(CONTROLS, yardstick=())) is None


# Scales


def test_a_decade_is_as_long_as_another():
    scale = log_scale([1.0, 100.0], 0.0, 200.0, room=0.0)

    assert [scale.at(each) for each in (1, 10, 100)] == pytest.approx([0, 100, 200])
    assert (scale.at(0.1), scale.at(1e9)) == (0, 200)
    assert scale.ticks() == (1, 10, 100)


def test_noise_does_not_fill_the_height():
    scale = log_scale([100.0, 101.0], 0.0, 100.0, room=0.0)

    assert scale.at(101.0) - scale.at(100.0) < 3


@given(st.lists(st.floats(1e-9, 1e20), min_size=1, max_size=5))
def test_there_are_ticks_enough_and_inside(values):
    scale = log_scale(values, 300.0, 20.0)
    ticks = scale.ticks()

    assert 3 <= len(ticks) <= 12
    assert all(20 <= scale.at(each) <= 300 for each in ticks)
    assert list(ticks) == sorted(ticks)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_linear_scale_goes_from_end_to_end(low, high):
    scale = linear_scale(low, high, 10.0, 20.0)

    assert scale.at(low) >= 10
    assert scale.at(max(low, high)) <= 20
    assert all(math.isfinite(each) for each in scale.ticks())


def test_zero_and_what_is_no_number_have_no_place():
    found = (0.0, -1.0, math.nan, math.inf, None, 1e-20)

    assert [each for each in found if drawable(each)] == []


@given(st.lists(st.floats(-50, 400), max_size=9))
def test_labels_do_not_overlap(wanted):
    found = svg.apart(sorted(wanted), 30.0, 240.0, 14.0)

    assert len(found) == len(wanted)
    assert all(29.9 <= each <= 240.1 for each in found)
    assert all(after - before > 13.9 for before, after in itertools.pairwise(found))


def test_names_too_long_for_their_place_are_cut():
    assert svg.shortened("offset_and_count", 9) == "offset_a…"
    assert svg.shortened("offset", 9) == "offset"
    assert svg.right_margin([]) == svg.RIGHT_LEAST
    assert svg.right_margin(["x" * 99]) == svg.RIGHT_MOST
