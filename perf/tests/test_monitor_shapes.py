from __future__ import annotations

import sys
from typing import Any

import pytest
from psycopg import sql

from perf.monitor.callsites import call_site, shown
from perf.monitor.shapes import folded, redacted, text_of


@pytest.mark.parametrize(
    ("statement", "shape"),
    [
        ("SELECT * FROM t WHERE a = %s", "SELECT * FROM t WHERE a = ?"),
        ("SELECT * FROM t WHERE a = $1 AND b = $12", "SELECT * FROM t WHERE a = ? AND b = ?"),
        ("SELECT a FROM t WHERE a IN (%s, %s, %s)", "SELECT a FROM t WHERE a IN (?)"),
        ("SELECT a FROM t WHERE a IN ($1, $2)", "SELECT a FROM t WHERE a IN (?)"),
        (
            "SELECT a FROM t WHERE (a, b) IN ((%s, %s), (%s, %s))",
            "SELECT a FROM t WHERE (a, b) IN ((?, ?))",
        ),
        (
            "INSERT INTO t (a) VALUES (%s, now()), (%s, now())",
            "INSERT INTO t (a) VALUES (?, now())",
        ),
        ("SELECT 'it''s' || 7 || 1.5e3", "SELECT ? || ? || ?"),
        (r"SELECT E'it\'s', 'b'", "SELECT ?, ?"),
        ("SELECT $$it's$$, 1", "SELECT ?, ?"),
        ('SELECT "it\'s 1" FROM "t1"', 'SELECT "it\'s 1" FROM "t1"'),
        ("SELECT a FROM t WHERE a LIKE '%%x'", "SELECT a FROM t WHERE a LIKE ?"),
        ("SELECT a %% 2 FROM t1", "SELECT a % ? FROM t1"),
        ("SELECT /* route='a' */ a\n  FROM t -- end", "SELECT a FROM t"),
        ('SAVEPOINT "s140_x1"', "SAVEPOINT"),
        ('RELEASE SAVEPOINT "s140_x1"', "RELEASE SAVEPOINT"),
        ('ROLLBACK TO SAVEPOINT "s140_x1"', "ROLLBACK TO SAVEPOINT"),
        ('FETCH FORWARD 9 FROM "_django_curs_1_sync_2"', 'FETCH FORWARD ? FROM "cursor"'),
        ("SELECT f(%s, %s)", "SELECT f(?, ?)"),
    ],
)
def test_a_shape_has_neither_values_nor_names_that_are_made_anew(
    statement: str, shape: str
) -> None:
    assert folded(statement) == shape


def test_a_shape_is_known_by_its_digest_verb_and_table() -> None:
    one, other = (
        text_of("SELECT a FROM task WHERE a = 1").shape,
        text_of("SELECT a FROM task WHERE a=1").shape,
    )

    assert (one.verb, one.says, len(one.digest)) == ("select", "SELECT task", 16)
    assert one.digest == text_of("SELECT a  FROM task WHERE a = 2").shape.digest
    assert one.digest != other.digest  # the spaces are its author's


def test_a_text_that_came_before_is_found_again() -> None:
    assert text_of("SELECT 1 FROM again") is text_of("SELECT 1 FROM again")


def test_a_text_of_any_length_has_a_shape_and_long_ones_are_not_kept() -> None:
    statement = f"SELECT a FROM t WHERE a IN ({', '.join(['%s'] * 5_000)})"

    assert text_of(statement) is not text_of(statement)
    assert (
        text_of(statement).shape.digest == text_of("SELECT a FROM t WHERE a IN (%s)").shape.digest
    )


def test_what_psycopg_composed_has_a_shape_too() -> None:
    composed = sql.SQL("SELECT {} FROM t").format(sql.Identifier("a"))

    assert text_of(composed).shape.text == 'SELECT "a" FROM t'
    assert text_of(b"SELECT 1").shape.text == "SELECT ?"


def test_values_are_told_by_their_kinds() -> None:
    class Shy:
        def __str__(self) -> str:
            raise AssertionError("shown")

        __repr__ = __str__

    assert redacted(("secret", 7, None, Shy())) == ["str", "int", "NoneType", "Shy"]
    assert redacted({"a": 1.5}) == ["float"]
    assert redacted(None) == []
    assert redacted(range(3)) == ["range"]
    assert redacted([1] * 30)[-1] == "10 more"


def here() -> Any:
    return call_site(sys._getframe(1))


def test_a_call_site_is_the_innermost_frame_of_the_application() -> None:
    place = next(map(lambda _: here(), [0]))  # noqa: C417  a frame of a lambda

    assert place[0] == __file__
    assert shown(place).startswith("perf/tests/test_monitor_shapes.py:")
    assert shown(place).endswith(
        " test_a_call_site_is_the_innermost_frame_of_the_application.<lambda>"
    )


def test_frames_of_libraries_and_of_what_is_skipped_are_passed_by(settings: Any) -> None:
    assert here()[0] == __file__
    settings.PERF_MONITOR = {"SKIP": (__name__.rpartition(".")[0],)}

    assert here() is None or here()[0] != __file__


def test_no_frame_of_the_application_is_an_unknown_place() -> None:
    assert call_site(None) is None
    assert shown(None) == "unknown"
