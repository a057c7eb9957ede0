from __future__ import annotations

import datetime
import json
import uuid
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.equality import difference, digest, plain, rows

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@dataclass
class Book:
    title: str
    pages: int


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (SimpleNamespace(pk=7, title="Emma"), 7),
        (Book("Emma", 474), {"title": "Emma", "pages": 474}),
        (b'{"a": [1]}', {"a": [1]}),
        (b"\xff", "\\xff"),
        (memoryview(b"12"), 12),
        ({3, 1, 2}, [1, 2, 3]),
        ((1, (2,)), [1, [2]]),
        ({1: "a"}, {"1": "a"}),
        (Decimal("1.50"), "1.50"),
        (datetime.date(2026, 11, 26), "2026-11-26"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_results_become_plain(value, found):
    assert plain(value) == found


@pytest.mark.parametrize("value", [iter([1]), (each for each in [1]), map(str, [1]), range(3)])
def test_what_is_not_fetched_is_refused(value):
    with pytest.raises(TypeError, match=f"A way returned a {type(value).__name__}: it must fetch"):
        plain([value])


@given(values)
def test_plain_values_stay_as_they_are_and_equal_ones_have_equal_digests(value):
    assert plain(value) == value
    assert digest(value) == digest(json.loads(json.dumps(value)))


@given(st.lists(st.integers(), min_size=2, unique=True))
def test_order_counts(value):
    assert digest(value) != digest(value[::-1])


@given(st.dictionaries(st.text(), values, min_size=2, max_size=4))
def test_the_order_of_keys_does_not(value):
    assert digest(value) == digest(dict(reversed(value.items())))


@given(values, values)
def test_digests_are_equal_only_where_the_text_is(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)

    assert (digest(one) == digest(other)) == same


@pytest.mark.parametrize(("value", "number"), [([], 0), ([1, 2], 2), (7, 1), ({"a": 1}, 1)])
def test_rows_are_counted(value, number):
    assert rows(value) == number


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ([1, 2], [1, 3], "row 2: 2 and 3"),
        ([1, 2], [1], "2 and 1 rows"),
        ([1], [1.0], "row 1: 1 and 1.0"),
        ([1], [True], "row 1: 1 and true"),
        (7, None, "7 and null"),
        ([{"a": "ü"}], [{"a": "o"}], 'row 1: {"a": "ü"} and {"a": "o"}'),
    ],
)
def test_the_first_difference_is_told(one: Any, other: Any, told):
    assert digest(one) != digest(other)
    assert difference(one, other) == told


@pytest.mark.parametrize("wrap", [lambda text: [text], lambda text: {"a": text}, lambda text: text])
def test_long_rows_are_shown_where_they_differ(wrap):
    same = "x" * 500
    told = difference(wrap(f"{same}1{same}"), wrap(f"{same}2{same}"))

    one, _, other = told.removeprefix("row 1: ").partition(" and ")
    assert one.replace("1", "2") == other
    assert f"{'x' * 40}1{'x' * 79}…" in one


def test_the_end_of_the_longer_row_is_shown():
    assert difference(["x" * 500], ["x" * 500 + "!"]) == (f'row 1: …{"x" * 40}" and …{"x" * 40}!"')


def test_a_long_row_is_cut():
    assert difference(["x" * 500], [1]) == f'row 1: "{"x" * 119}… and 1'
