"""Why the pages are our own: DRF's CursorPagination on rows that share a moment.

It seeks by the sort column alone and steps over ties with an OFFSET that it caps at 1,000, so that
one batch insert of more rows than that makes a list without an end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from taskproject.api.pagination import PageRequest, paginate
from taskproject.db.context import tenant_context
from taskproject.tests.cast import Cast, make_project
from taskproject.tests.rows import add_tasks
from tasks.models import Task
from tasks.selectors import TASK_SORTS, task_list

ROWS = 1_200
PAGE = 100
PATIENCE = 3 * ROWS // PAGE  # pages: three times as many as the rows fill


class Newest(CursorPagination):
    page_size = PAGE
    ordering = ("-created_at", "-id")


@pytest.fixture
def tied(cast: Cast) -> Iterator[list[int]]:
    """The ids of 1,200 tasks of one moment, newest first, with their tenant active."""
    project = make_project(cast.alpha, cast.alice)
    tasks = add_tasks(project, cast.alice, [0] * ROWS)
    with tenant_context(cast.alpha):
        yield [task.pk for task in tasks][::-1]


def drf_pages() -> Iterator[list[int]]:
    url: str | None = "/"
    while url:
        paginator = Newest()
        request = Request(APIRequestFactory().get(f"/?{urlsplit(url).query}"))
        page: Any = paginator.paginate_queryset(Task.objects.all(), request)
        yield [task.pk for task in page]
        url = paginator.get_next_link()


def our_pages() -> Iterator[list[int]]:
    cursor = None
    while True:
        page = paginate(
            task_list(), TASK_SORTS["-created"], PageRequest(PAGE, cursor), binding={"tenant": 1}
        )
        yield [task.pk for task in page.rows]
        cursor = page.next
        if cursor is None:
            return


def test_drf_never_comes_to_the_end_of_1200_rows_of_one_moment(tied: list[int]) -> None:
    pages = drf_pages()
    seen = [next(pages) for _ in range(PATIENCE)]

    assert next(pages), "there is still another page"
    assert seen[11:] == [seen[11]] * (PATIENCE - 11), "the same page again and again"
    assert set(tied) - {pk for page in seen for pk in page} == set(tied[ROWS - PAGE :])


def test_our_pages_show_the_same_rows_once_and_end(tied: list[int]) -> None:
    pages = list(our_pages())

    assert len(pages) == ROWS // PAGE
    assert [pk for page in pages for pk in page] == tied
