"""Pages with signed cursors, as a view makes them: `paginate` and `page_request`."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.models import Project
from taskproject.api.pagination import Page, PageRequest, page_request, paginate
from taskproject.api.problems import InvalidParameter
from taskproject.db.context import tenant_context
from taskproject.tests.cast import Cast, make_project
from taskproject.tests.rows import add_tasks, names_of, rolled_back
from tasks.models import Task
from tasks.selectors import TASK_SORTS, task_list

BINDING: dict[str, Any] = {"tenant": 1, "sort": "-created", "status": None}

on_real_rows = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
many_ties = st.lists(st.integers(0, 2), max_size=12)
# Those whose columns are never null in a list of all live tasks.
sorts = st.sampled_from(["created", "-created", "-priority", "number"])
limits = st.integers(1, 5)


@pytest.fixture
def project(cast: Cast) -> Iterator[Project]:
    """A project of alpha, with alpha active."""
    with tenant_context(cast.alpha):
        yield make_project(cast.alpha, cast.alice)


@pytest.fixture
def cursor(project: Project, cast: Cast) -> str:
    """A cursor that is good for BINDING; ten rows of one moment stand in the list."""
    add_tasks(project, cast.alice, [0] * 10)
    following = turn(limit=3).next
    assert following is not None
    return following


def turn(
    cursor: str | None = None,
    *,
    limit: int = 3,
    sort: str = "-created",
    binding: dict[str, Any] | None = None,
) -> Page[list[Task]]:
    bound = binding or {**BINDING, "sort": sort}
    return paginate(task_list(), TASK_SORTS[sort], PageRequest(limit, cursor), binding=bound)


def forward(limit: int, sort: str) -> Iterator[Page[list[Task]]]:
    page = turn(limit=limit, sort=sort)
    yield page
    while page.next:
        page = turn(page.next, limit=limit, sort=sort)
        yield page


def assert_refused(cursor: str, **options: Any) -> None:
    with pytest.raises(InvalidParameter) as refusal:
        turn(cursor, **options)
    assert refusal.value.get_codes() == "invalid-cursor"
    assert refusal.value.status_code == 400


def test_the_first_page_has_only_a_next_and_the_last_only_a_previous(
    project: Project, cast: Cast
) -> None:
    tasks = add_tasks(project, cast.alice, [0] * 5)[::-1]

    first, second = forward(3, "-created")

    assert (first.rows, first.previous) == (tasks[:3], None)
    assert (second.rows, second.next) == (tasks[3:], None)
    assert second.previous is not None


def test_rows_that_fill_a_page_exactly_make_one_page(project: Project, cast: Cast) -> None:
    add_tasks(project, cast.alice, [0] * 3)

    page = turn(limit=3)

    assert (len(page.rows), page.next, page.previous) == (3, None, None)


def test_without_rows_there_is_one_empty_page(project: Project) -> None:
    assert turn() == Page([], None, None)


@on_real_rows
@given(created_after_s=many_ties, sort=sorts, limit=limits)
def test_following_next_sees_each_row_once_in_order(
    project: Project, cast: Cast, created_after_s: list[int], sort: str, limit: int
) -> None:
    with rolled_back():
        add_tasks(project, cast.alice, created_after_s)

        seen = [task.pk for page in forward(limit, sort) for task in page.rows]

        rows = sorted(Task.objects.all(), key=TASK_SORTS[sort].key, reverse=sort.startswith("-"))
        assert seen == [row.pk for row in rows]


@on_real_rows
@given(created_after_s=many_ties, sort=sorts, limit=limits)
def test_following_previous_from_the_end_shows_the_same_pages(
    project: Project, cast: Cast, created_after_s: list[int], sort: str, limit: int
) -> None:
    with rolled_back():
        add_tasks(project, cast.alice, created_after_s)
        pages = list(forward(limit, sort))
        page, back = pages[-1], [pages[-1].rows]
        while page.previous:
            page = turn(page.previous, limit=limit, sort=sort)
            back.append(page.rows)

        assert back[::-1] == [page.rows for page in pages]


@on_real_rows
@given(
    created_after_s=st.lists(st.integers(0, 2), min_size=4, max_size=12),
    sort=sorts,
    limit=limits,
    gone=st.sets(st.integers(0, 11)),
    come=many_ties,
)
def test_rows_that_come_and_go_after_a_page_neither_repeat_nor_hide_one_that_stays(
    project: Project,
    cast: Cast,
    created_after_s: list[int],
    sort: str,
    limit: int,
    gone: set[int],
    come: list[int],
) -> None:
    with rolled_back():
        tasks = add_tasks(project, cast.alice, created_after_s)
        pages = forward(limit, sort)
        seen = [task.pk for task in next(pages).rows]
        removed = {tasks[index].pk for index in gone if index < len(tasks)}
        Task.objects.filter(pk__in=removed).delete()
        add_tasks(project, cast.alice, come)
        seen += [task.pk for page in pages for task in page.rows]

        assert len(seen) == len(set(seen))
        assert {task.pk for task in tasks} - removed <= set(seen)


@pytest.mark.parametrize("rows", [3, 30])
def test_a_page_is_one_statement_whatever_the_number_of_rows(
    rows: int, project: Project, cast: Cast
) -> None:
    add_tasks(project, cast.alice, [0] * rows)

    with CaptureQueriesContext(connection) as first:
        page = turn(limit=rows - 1)
    with CaptureQueriesContext(connection) as second:
        turn(page.next, limit=rows - 1)

    assert names_of(first) == ["list tasks"]
    assert names_of(second) == ["list tasks"]


def test_a_cursor_with_any_character_changed_is_refused(cursor: str) -> None:
    for place, letter in enumerate(cursor):
        for other in {"A", "B", "_", chr(ord(letter) ^ 1)} - {letter}:
            assert_refused(cursor[:place] + other + cursor[place + 1 :])


def test_a_cursor_with_any_byte_changed_is_refused(cursor: str) -> None:
    sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for place in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[place] ^= 1 << bit
            assert_refused(base64.urlsafe_b64encode(changed).rstrip(b"=").decode())


def test_a_cursor_cut_short_anywhere_is_refused(cursor: str) -> None:
    for length in range(len(cursor)):
        assert_refused(cursor[:length])


@pytest.mark.parametrize("tail", ["=", "==", "A", "AAAA", " ", "\n", "%3D"])
def test_a_cursor_with_something_after_it_is_refused(tail: str, cursor: str) -> None:
    assert_refused(cursor + tail)


@pytest.mark.parametrize(
    "text",
    ["", "A", "AA==", "????", "2", "null", "ä", "日本語", "\0", "🙂" * 5, "A" * 100_000, "-" * 99],
    ids=ascii,
)
def test_garbage_is_refused(text: str, project: Project) -> None:
    assert_refused(text)


@settings(max_examples=50)
@given(text=st.text())
def test_any_text_that_is_no_cursor_is_refused(text: str) -> None:
    assert_refused(text)


@pytest.mark.parametrize(
    "other", [{"tenant": 2}, {"status": 0}, {"status": 1}, {"sort": "created"}, {"project": 7}]
)
def test_a_cursor_of_another_list_is_refused(other: dict[str, Any], cursor: str) -> None:
    assert_refused(cursor, binding=BINDING | other)


def test_a_cursor_of_another_secret_key_is_refused(cursor: str, settings: Any) -> None:
    settings.SECRET_KEY = "another" * 10

    assert_refused(cursor)


def test_limit_is_50_unless_it_is_said(project: Project) -> None:
    assert page_request(QueryDict("")) == PageRequest(limit=50, cursor=None)


@pytest.mark.parametrize("limit", [1, 2, 199, 200])
def test_limit_goes_from_1_to_200(limit: int) -> None:
    assert page_request(QueryDict(f"limit={limit}")).limit == limit


@pytest.mark.parametrize(
    "text",
    [
        *("0", "00", "201", "0201", "0199999", "1999999999999", "9" * 5000),
        *("-1", "+1", "1.0", "1e2", "0x10", "1_0", "", "%20", "1%20", "ten", "%C2%B2", "%D9%A1"),
    ],
    ids=lambda text: text[:15],
)
def test_any_other_limit_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="from 1 to 200"):
        page_request(QueryDict(f"limit={text}"))


@pytest.mark.parametrize("limit", [1, 200])
def test_a_page_has_as_many_rows_as_its_limit(limit: int, project: Project, cast: Cast) -> None:
    add_tasks(project, cast.alice, [0] * (limit + 1))

    assert [len(page.rows) for page in forward(limit, "created")] == [limit, 1]
