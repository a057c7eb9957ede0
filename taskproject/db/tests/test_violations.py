"""A violated constraint is told on the field that broke it. Each is broken as a race would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Model

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.db.violations import as_validation_error, constraint_of
from taskproject.tenancy.models import Event, Membership, Tenant
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Comment, Dependency, Label, Task


@pytest.fixture
def project(cast: Cast) -> Iterator[Project]:
    """Alpha's project WEB, with alpha active."""
    with tenant_context(cast.alpha):
        yield make_project(cast.alpha, cast.alice)


def violation(write: Callable[[], Any]) -> IntegrityError:
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        write()
    return caught.value


def told(model: type[Model], write: Callable[[], Any]) -> dict[str, list[tuple[Any, Any]]]:
    """What a person is told, with its code, by field."""
    error = as_validation_error(violation(write), model)
    assert error is not None
    return {
        field: [(each.message, each.code) for each in errors]
        for field, errors in error.error_dict.items()
    }


def test_a_taken_value_is_told_on_its_field(project: Project, cast: Cast) -> None:
    make_task(project, cast.alice, external_key="X-1")
    Label.objects.create(name="Bug")

    assert told(Label, lambda: Label.objects.create(name="BUG")) == {
        "name": [("This name is taken already.", "unique")]
    }
    assert told(Project, lambda: Project.objects.create(key="WEB", name="x")) == {
        "key": [("This key is taken already.", "unique")]
    }
    assert told(Task, lambda: make_task(project, cast.alice, external_key="X-1")) == {
        "external_key": [("This external key is taken already.", "unique")]
    }


def test_a_value_that_is_taken_across_tenants_is_told_too(cast: Cast) -> None:
    assert told(Tenant, lambda: Tenant.objects.create(slug="beta", name="x")) == {
        "slug": [("This slug is taken already.", "unique")]
    }


def test_a_taken_pair_is_told_of_the_row(project: Project, cast: Cast) -> None:
    pair = {"blocker": make_task(project, cast.alice), "blocked": make_task(project, cast.alice)}
    Dependency.objects.create(**pair)

    assert told(Dependency, lambda: Dependency.objects.create(**pair)) == {
        "__all__": [("This dependency exists already.", "unique")]
    }
    alice = {"tenant": cast.alpha, "user": cast.alice}
    assert told(Membership, lambda: Membership.objects.create(**alice)) == {
        "user": [("This member exists already.", "unique")]
    }


def test_a_row_that_is_not_there_is_told_on_the_field_that_points_to_it(
    project: Project, cast: Cast
) -> None:
    foreign = make_task(make_project(cast.beta, cast.carol), cast.carol)
    values = {"project": project, "number": 7, "title": "x", "creator": cast.alice}

    for absent in (foreign.pk, 2**40):
        part = partial(Task.objects.create, parent_id=absent, **values)
        word = partial(Comment.objects.create, task_id=absent, author=cast.alice, body="x")
        assert told(Task, part) == {"parent": [("This parent does not exist.", "reference")]}
        assert told(Comment, word) == {"task": [("This task does not exist.", "reference")]}


def test_a_stranger_is_told_on_the_field_that_names_one(project: Project, cast: Cast) -> None:
    stranger = {"key": "APP", "name": "x", "lead": cast.carol}

    assert told(Project, lambda: Project.objects.create(**stranger)) == {
        "lead": [("This person is no member of the tenant.", "reference")]
    }


def test_what_can_not_be_told_is_none(project: Project, cast: Cast) -> None:
    check = violation(lambda: Label.objects.create(name=""))
    assert constraint_of(check) == "label_name_chk"
    assert as_validation_error(check, Label) is None

    elsewhere = violation(lambda: make_task(project, cast.carol))
    assert constraint_of(elsewhere) == "task_creator_fk"
    assert as_validation_error(elsewhere, Event) is None

    unnamed = IntegrityError("made by hand")
    assert constraint_of(unnamed) is None
    assert as_validation_error(unnamed, Task) is None
