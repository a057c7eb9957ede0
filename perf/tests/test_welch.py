from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.engine.results import Interval
from perf.engine.welch import difference

stats = pytest.importorskip("scipy.stats")

# None is near to another: what scipy loses of nearly equal values is no matter here.
samples = st.lists(st.integers(-999, 999).map(float), min_size=2, max_size=12, unique=True)


@given(samples, samples, st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_is_that_of_scipy(one, other, confidence):
    found = difference(one, other, confidence)

    assert found is not None
    theirs = stats.ttest_ind(other, one, equal_var=False).confidence_interval(confidence)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), rel=1e-6, abs=1e-6)


def test_a_known_difference():
    found = difference([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])

    # s² = 1 in both, so df = 4, t = 2.776 and the error is the root of 2/3.
    assert found is not None
    assert found.estimate == 3.0
    assert (found.low, found.high) == pytest.approx((3 - 2.267, 3 + 2.267), abs=1e-3)


@pytest.mark.parametrize(
    ("one", "other"), [([], [1.0, 2.0]), ([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0])]
)
def test_one_value_has_no_variance(one, other):
    assert difference(one, other) is None


def test_values_without_any_variance_differ_by_a_point():
    assert difference([1.0, 1.0], [3.0, 3.0]) == Interval(2.0, 2.0, 2.0)
