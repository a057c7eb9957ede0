"""One line of an import file: what is taken, and how each mistake is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.dataset.records import RecordError, decode
from tasks.tests.import_lines import record

WITHOUT_TITLE = {name: value for name, value in record().items() if name != "title"}
MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("a NUL", {"title": "a\0b"}, "title: has a NUL as character 2"),
    ("an empty title", {"title": ""}, "title: is empty"),
    ("a long title", {"title": "x" * 301}, "title: has 301 characters; shorten it to 300"),
    ("70 KB", {"description": "x" * 70_000}, "description: has 70,000 bytes in UTF-8; shorten"),
    ("bytes count", {"description": "é" * 32_769}, "description: has 65,538 bytes in UTF-8"),
    ("a NUL below", {"description": "\0"}, "description: has a NUL as character 1"),
    ("an unknown status", {"status": "dne"}, "status: 'dne' is unknown; use one of pending, act"),
    ("an unknown priority", {"priority": "top"}, "priority: 'top' is unknown; use one of low"),
    ("an unknown field", {"colour": "red"}, "'colour': is an unknown field; remove it"),
    ("a number", {"title": 7}, "title: 7 is a number; write a text in quotes"),
    ("a null", {"creator": None}, "creator: None is null; write a text in quotes"),
    ("a list for a name", {"assignee": []}, "assignee: [] is a list; write a text in quotes or n"),
    ("a text for labels", {"labels": "bug"}, "labels: 'bug' is no list of texts"),
    ("numbers as labels", {"labels": [1]}, "labels: [1] is no list of texts"),
    ("a lone surrogate", {"title": "\ud800"}, "title: has half a character"),
    ("a bad slug", {"tenant": "Acme Inc"}, "tenant: 'Acme Inc' does not fit; use lower-case"),
    ("a slug with a newline", {"tenant": "acme\n"}, "tenant: 'acme\\n' does not fit"),
    ("a bad key", {"project": "web"}, "project: 'web' does not fit; use a capital"),
    ("a long key", {"project": "ABCDEFGHIJK"}, "project: 'ABCDEFGHIJK' does not fit"),
    ("an odd user name", {"creator": "ann lee"}, "creator: 'ann lee' is no user name"),
    ("an empty user name", {"assignee": ""}, "assignee: is empty"),
    ("a long user name", {"assignee": "a" * 151}, "assignee: has 151 characters; shorten it to 1"),
    ("a long label", {"labels": ["x" * 51]}, "labels[0]: has 51 characters; shorten it to 50"),
    ("an empty label", {"labels": ["a", ""]}, "labels[1]: is empty"),
    ("a NUL in a label", {"labels": ["a\0"]}, "labels[0]: has a NUL"),
    ("many labels", {"labels": [str(n) for n in range(21)]}, "labels: are 21; a task carries 20"),
    ("a label twice", {"labels": ["Bug", "bug"]}, "labels[1]: 'bug' stands there already"),
    (
        "no zone",
        {"created_at": "2024-05-31T12:00:00"},
        "created_at: '2024-05-31T12:00:00' has no t",
    ),
    ("no date", {"updated_at": "soon"}, "updated_at: 'soon' is no date of the years 1 to 9999"),
    ("the year 10000", {"created_at": "10000-01-01T00:00:00Z"}, "created_at: '10000-01-01T00:00:"),
    ("the year 0", {"created_at": "0000-01-01T00:00:00Z"}, "created_at: '0000-01-01T00:00:00Z' is"),
    ("before year 1", {"created_at": "0001-01-01T00:00:00+09:00"}, "created_at: in UTC lies outsi"),
    ("after 9999", {"updated_at": "9999-12-31T23:59:59-09:00"}, "updated_at: in UTC lies outside"),
    ("a number as date", {"created_at": 1717149600}, "created_at: 1717149600 is no date"),
    ("done without a date", {"status": "done"}, "completed_at: is null and the status is done"),
    (
        "a date, not done",
        {"completed_at": "2024-06-01T00:00:00Z"},
        "completed_at: is set and the s",
    ),
    ("a long external key", {"external_key": "k" * 201}, "external_key: has 201 characters"),
    ("an empty external key", {"external_key": ""}, "external_key: is empty"),
]
BROKEN: list[tuple[str, bytes, str]] = [
    ("a missing field", json.dumps(WITHOUT_TITLE).encode(), "title: is missing; add it"),
    ("a broken line", b'{"tenant": "acme"', "is no JSON: "),
    ("a list", b"[1]", "is a list; write one JSON object on a line"),
    ("nothing but a word", b"nope", "is no JSON: "),
    ("deep nesting", b'{"x":' + b"[" * 100_000, "is nested too deeply"),
    ("a huge number", b'{"x":' + b"9" * 5000 + b"}", "is no JSON: "),
    ("Latin-1", json.dumps(record()).encode().replace(b"Do it", b"\xe9"), "description: has half"),
    ("UTF-16", json.dumps(record()).encode("utf-16"), "is no JSON: "),
    ("two records", json.dumps(record()).encode() * 2, "is no JSON: Extra data"),
]


def problems(line: bytes) -> list[str]:
    with pytest.raises(RecordError) as caught:
        decode(line)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("changes", "told"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_each_mistake_is_told_with_its_field_its_value_and_the_cure(changes, told):
    (problem,) = problems(json.dumps(record(**changes)).encode())

    assert problem.startswith(told)


@pytest.mark.parametrize(("line", "told"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_a_line_that_is_no_record_is_told_without_a_traceback(line, told):
    assert any(problem.startswith(told) for problem in problems(line))


def test_all_wrong_fields_of_a_line_are_told_at_once():
    line = json.dumps(record(status="dne", priority="top", title="")).encode()

    assert [problem.split(":")[0] for problem in problems(line)] == ["title", "status", "priority"]


def test_dates_are_kept_as_instants():
    found = decode(json.dumps(record()).encode())

    assert found.created_at == datetime(2024, 5, 31, 10, tzinfo=UTC)
    assert found.created_at.tzinfo is UTC


def test_texts_are_kept_as_they_are():
    found = decode(json.dumps(record(title=" two  blanks\t", description="é\n")).encode())

    assert (found.title, found.description) == (" two  blanks\t", "é\n")


def test_a_completion_before_the_creation_is_taken():
    line = record(status="done", completed_at="2001-01-01T00:00:00Z")

    assert decode(json.dumps(line).encode()).completed_at == datetime(2001, 1, 1, tzinfo=UTC)


def test_limits_themselves_are_taken():
    line = record(
        title="é" * 300,
        description="x" * 65_536,
        labels=["l" * 50, *(str(n) for n in range(19))],
        creator="u" * 150,
        project="ABCDEFGHIJ",
        tenant="a_" + "b" * 61,
    )

    assert len(decode(json.dumps(line).encode()).labels) == 20


def test_user_names_take_the_form_in_which_django_stores_them():
    found = decode(json.dumps(record(creator="ﬁona", assignee="A\u030angstro\u0308m")).encode())

    assert (found.creator, found.assignee) == ("fiona", "Ångström")
