"""The statement by which the REST API shows a page of tasks, for pairs that run it by itself."""

from __future__ import annotations

from typing import Final

from django.http import QueryDict

from taskproject.api.pagination import Place, page_statement_of
from taskproject.api.projection import projection_of
from taskproject.db.statements import Statement
from tasks.api.listings import TASKS
from tasks.api.serializers import TaskSerializer

PAGE: Final = 50


def page_statement(members: tuple[str, ...] | None = None) -> Statement:
    """The newest fifty tasks, with those members or the usual ones. It is compiled once."""
    choice = TASKS.choose(QueryDict(), actor_id=0)
    projection = projection_of(TaskSerializer, members)
    if projection is None:
        raise TypeError("A task has a field that PostgreSQL can't write.")
    return page_statement_of(choice, Place(), limit=PAGE, projection=projection).statement
