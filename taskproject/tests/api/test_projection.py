"""What PostgreSQL writes is what the serializers show: each field, whatever it holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.http import QueryDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework import serializers

from projects.api.serializers import ProjectSerializer
from projects.models import Project
from taskproject.api.fields import included_in, only
from taskproject.api.included import IncludedRows
from taskproject.api.pagination import PageRequest, paginate, paginate_json
from taskproject.api.projection import Links, projection_of, row_statement
from taskproject.api.registry import Choice
from taskproject.api.sparse import members_asked
from taskproject.db.context import tenant_context
from taskproject.db.slots import Slot, tenant_of_slots
from taskproject.db.statements import run
from taskproject.tenancy.api.serializers import (
    EventSerializer,
    MemberSerializer,
    TenantSerializer,
    TokenSerializer,
)
from taskproject.tenancy.models import Membership, Role, Scope
from taskproject.tenancy.services import token_issue
from taskproject.tests.cast import Cast, make_project, make_task
from taskproject.tests.rows import add_tasks, rolled_back
from tasks.api.listings import TASKS
from tasks.api.serializers import (
    CommentSerializer,
    DependencySerializer,
    LabelSerializer,
    TaskSerializer,
)
from tasks.models import Label, Priority, Status, TaskLabel
from tasks.selectors import dependencies_of, task_labels
from tasks.services.relations import comment_add, dependency_add, label_create, task_label_add

pytestmark = pytest.mark.django_db

on_real_rows = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# What JSON escapes, what separates the rows of a page, and what programs take for line breaks.
ODD = [
    '"',
    "\\",
    "/",
    "\b\f\n\r\t",
    "\x01\x1f\x7f",
    ",\n",
    "\u2028\u2029",
    "\ufeff",
    "é😀",
    "%s %",
    "{}",
]
texts = st.one_of(
    st.sampled_from(ODD),
    st.text(
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40
    ),
)
instants = st.datetimes(datetime(1, 1, 1), datetime(9998, 12, 31, 23, 59, 59, 999999)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)
maybe_instants = st.none() | instants


@pytest.fixture
def project(cast: Cast) -> Project:
    return make_project(cast.alpha, cast.alice)


def written(
    serializer: type[serializers.Serializer[Any]],
    row: Any,
    rows: Callable[[Any], Any] | None = None,
    names: tuple[str, ...] | None = None,
) -> Any:
    """The object as PostgreSQL writes it, by the statement that details are read with."""
    projection = projection_of(serializer, names)
    assert projection is not None, "the serializer has a field that is not compiled"
    model: Any = type(row)
    find = rows or (lambda pk: model._base_manager.filter(pk=pk))
    with tenant_of_slots():
        statement = row_statement(projection, find(Slot("id")))
    ((body,),) = run(statement, {"id": row.pk})
    assert body is not None
    return json.loads(body)


def shown(
    serializer: type[serializers.Serializer[Any]], row: Any, names: tuple[str, ...] | None = None
) -> Any:
    """The same as the serializer shows it, through JSON."""
    return json.loads(json.dumps(dict(serializer(row, **only(names)).data)))


def changed(row: Model, **values: Any) -> Any:
    """The row with other values, past all services, as it stands in the database."""
    type(row)._base_manager.filter(pk=row.pk).update(**values)
    row.refresh_from_db()
    return row


@on_real_rows
@given(data=st.data())
def test_a_task(cast: Cast, project: Project, data: st.DataObject) -> None:
    done = data.draw(st.booleans())
    values = {
        "title": data.draw(texts),
        "description": data.draw(st.just("") | texts),
        "status": Status.DONE
        if done
        else data.draw(st.sampled_from([s for s in Status if s != 3])),
        "priority": data.draw(st.sampled_from(Priority)),
        "assignee": data.draw(st.sampled_from([None, cast.bob, cast.vera])),
        "creator": data.draw(st.sampled_from([cast.alice, cast.bob])),
        "due_at": data.draw(maybe_instants),
        "completed_at": data.draw(instants) if done else None,
        "external_key": data.draw(st.none() | texts),
        "version": data.draw(st.integers(1, 2**31 - 1)),
        "created_at": data.draw(instants),
        "updated_at": data.draw(instants),
        "deleted_at": data.draw(maybe_instants),
    }
    with rolled_back_in(cast):
        parent = make_task(project, cast.alice)
        task = changed(
            make_task(project, cast.alice),
            **values,
            parent=data.draw(st.sampled_from([None, parent])),
            number=data.draw(st.integers(10, 2**31 - 1)),
        )

        assert written(TaskSerializer, task) == shown(TaskSerializer, task)


@on_real_rows
@given(name=texts, description=texts, lead=st.booleans(), archived_at=maybe_instants)
def test_a_project(
    cast: Cast, project: Project, name: str, description: str, lead: bool, archived_at: Any
) -> None:
    with rolled_back_in(cast):
        row = changed(
            project,
            name=name,
            description=description,
            lead=cast.bob if lead else None,
            archived_at=archived_at,
        )

        assert written(ProjectSerializer, row) == shown(ProjectSerializer, row)


@on_real_rows
@given(name=texts, body=texts, edited_at=maybe_instants)
def test_a_label_and_a_comment(
    cast: Cast, project: Project, name: str, body: str, edited_at: Any
) -> None:
    with rolled_back_in(cast):
        task = make_task(project, cast.alice)
        label = changed(label_create(name="Odd", actor_id=cast.alice.pk), name=name)
        comment = comment_add(task_id=task.pk, body="Hm", actor_id=cast.bob.pk)
        comment = changed(comment, body=body, edited_at=edited_at)

        assert written(LabelSerializer, label) == shown(LabelSerializer, label)
        assert written(CommentSerializer, comment) == shown(CommentSerializer, comment)


@on_real_rows
@given(
    name=texts,
    scopes=st.lists(st.sampled_from(Scope.values), unique=True, min_size=1),
    times=st.tuples(maybe_instants, maybe_instants, maybe_instants),
)
def test_a_token(cast: Cast, name: str, scopes: list[str], times: Any) -> None:
    expires_at, last_used_at, revoked_at = times
    with rolled_back_in(cast):
        token = changed(
            token_issue(user_id=cast.bob.pk, name="Odd").token,
            name=name,
            scopes=scopes,
            expires_at=expires_at,
            last_used_at=last_used_at,
            revoked_at=revoked_at,
        )

        assert written(TokenSerializer, token) == shown(TokenSerializer, token)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("active", [True, False])
def test_a_member(cast: Cast, role: Role, active: bool) -> None:
    with tenant_context(cast.alpha):
        member = changed(Membership.objects.get(user=cast.vera), role=role, active=active)

        assert written(MemberSerializer, member) == shown(MemberSerializer, member)


def test_a_tenant_and_a_dependency(cast: Cast, project: Project) -> None:
    with tenant_context(cast.alpha):
        one, other = make_task(project, cast.alice), make_task(project, cast.alice)
        dependency_add(blocker_id=one.pk, blocked_id=other.pk, actor_id=cast.alice.pk)
        dependency = dependencies_of(blocked_id=other.pk).get()

        def named(pk: Any) -> Any:
            return dependencies_of(blocked_id=other.pk).filter(pk=pk)

        assert written(TenantSerializer, cast.alpha) == shown(TenantSerializer, cast.alpha)
        assert written(DependencySerializer, dependency, named) == shown(
            DependencySerializer, dependency
        )


@on_real_rows
@given(names=st.lists(texts.filter(lambda text: len(text) <= 50), max_size=4, unique_by=str.lower))
def test_the_labels_that_are_included_in_a_task(
    cast: Cast, project: Project, names: list[str]
) -> None:
    with rolled_back_in(cast):
        task = make_task(project, cast.alice)
        other = make_task(project, cast.alice)
        for number in range(len(names)):
            label = label_create(name=f"L{number}", actor_id=cast.alice.pk)
            task_label_add(task_id=task.pk, label_id=label.pk, actor_id=cast.alice.pk)
            task_label_add(task_id=other.pk, label_id=label.pk, actor_id=cast.alice.pk)
        unused = label_create(name="unused", actor_id=cast.alice.pk)
        for number, name in enumerate(names):
            Label.objects.filter(name=f"L{number}").update(name=name)

        found = written(TaskSerializer, task, names=("labels",))

        assert found == shown(TaskSerializer, task, ("labels",))
        assert {each["name"] for each in found["labels"]} == set(names) - {unused.name}


@on_real_rows
@given(data=st.data())
def test_any_choice_of_members(cast: Cast, project: Project, data: st.DataObject) -> None:
    with rolled_back_in(cast):
        task = make_task(project, cast.alice)
        label = label_create(name="Odd", actor_id=cast.alice.pk)
        task_label_add(task_id=task.pk, label_id=label.pk, actor_id=cast.alice.pk)
        comment = comment_add(task_id=task.pk, body="Hm", actor_id=cast.bob.pk)
        comment.refresh_from_db()
        blocker = make_task(project, cast.alice)
        dependency_add(blocker_id=blocker.pk, blocked_id=task.pk, actor_id=cast.alice.pk)
        token = token_issue(user_id=cast.bob.pk, name="Odd").token
        token.refresh_from_db()
        rows: dict[Any, Any] = {
            TaskSerializer: task,
            ProjectSerializer: Project.objects.get(pk=project.pk),
            LabelSerializer: label,
            CommentSerializer: comment,
            DependencySerializer: dependencies_of(blocked_id=task.pk).get(),
            MemberSerializer: Membership.objects.get(user=cast.vera),
            TokenSerializer: token,
        }
        for serializer, row in rows.items():
            own = list(serializer().fields)
            query = QueryDict(mutable=True)
            chosen = data.draw(st.lists(st.sampled_from(own), unique=True, min_size=1))
            query["fields"] = ",".join(chosen)
            if more := included_in(serializer):
                query["include"] = ",".join(more)
            names = members_asked(query, serializer)
            find = None
            if serializer is DependencySerializer:
                find = lambda pk: dependencies_of(blocked_id=task.pk).filter(pk=pk)  # noqa: E731

            found = written(serializer, row, find, names)

            assert found == shown(serializer, row, names)
            assert list(found) == [name for name in (*own, *more) if name in {*chosen, *more}]


def test_rows_are_included_only_where_postgresql_can_write_them() -> None:
    with pytest.raises(ImproperlyConfigured, match="EventSerializer has no projection"):
        IncludedRows(
            EventSerializer,
            lambda pk: task_labels(task_id=pk),
            Links(TaskLabel.objects.filter, "label_id", Label.objects.filter, "id"),
            max_length=1,
        )


def test_a_serializer_with_a_field_that_is_not_known_has_no_projection() -> None:
    class Shouted(serializers.CharField):
        def to_representation(self, value: str) -> str:
            return value.upper()

    class Loud(LabelSerializer):
        name = Shouted()  # type: ignore[assignment]

    assert projection_of(EventSerializer) is None
    assert projection_of(Loud) is None
    assert projection_of(LabelSerializer) is not None


# Pages


sorts = st.sampled_from(["-created", "created", "-priority", "due"])


@on_real_rows
@given(
    seconds=st.lists(st.integers(0, 2), max_size=9),
    sort=sorts,
    limit=st.integers(1, 4),
)
def test_pages_and_their_cursors_are_the_same_both_ways(
    cast: Cast, project: Project, seconds: list[int], sort: str, limit: int
) -> None:
    with rolled_back_in(cast):
        add_tasks(project, cast.alice, seconds, due_at=datetime(2030, 1, 1, tzinfo=UTC))
        choice = chosen(sort=sort)
        walked = walk(choice, PageRequest(limit), "next")
        back = walk(choice, PageRequest(limit, walked[-1][2]), "previous") if walked[-1][2] else []

    assert sum(len(objects) for objects, *_ in walked) == len(seconds)
    assert [objects for objects, *_ in reversed(back)] == [objects for objects, *_ in walked[:-1]]


def walk(choice: Choice, request: PageRequest, direction: str) -> list[Any]:
    """The pages from one on, each of which is the same by either way."""
    pages = []
    while True:
        as_rows, as_json = both(choice, request)
        assert as_json == as_rows
        pages.append(as_json)
        cursor = as_json[1 if direction == "next" else 2]
        if cursor is None:
            return pages
        request = PageRequest(request.limit, cursor)


def chosen(**query: str) -> Choice:
    asked = QueryDict(mutable=True)
    asked.update(query)
    return TASKS.choose(asked, actor_id=1)


def both(choice: Choice, request: PageRequest) -> tuple[Any, Any]:
    """A page by either way: its objects, and the cursors beside it."""
    binding = {"tenant": 1, "sort": choice.sort}
    projection = projection_of(TaskSerializer)
    assert projection is not None
    page = paginate(
        choice.rows(),
        choice.keyset,
        request,
        binding=binding,
        within=choice.range,
        names=choice.access.names,
    )
    objects = [shown(TaskSerializer, row) for row in page.rows]
    other = paginate_json(choice, request, binding=binding, projection=projection)
    return (
        (objects, page.next, page.previous),
        (json.loads(b"[" + other.rows + b"]"), other.next, other.previous),
    )


@contextmanager
def rolled_back_in(cast: Cast) -> Iterator[None]:
    """Alpha active, and nothing of the block left behind."""
    with rolled_back(), tenant_context(cast.alpha):
        yield
