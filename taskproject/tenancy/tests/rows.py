"""One row of each tenant model, and the parameters for tests that walk all of them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import (
    ApiToken,
    Event,
    EventKind,
    IdempotencyKey,
    Tenant,
    User,
)
from taskproject.tenancy.scoping import TenantModel, tenant_models
from taskproject.tenancy.services import token_issue
from tasks.models import Comment, Dependency, Label, Task, TaskLabel

every_tenant_model = pytest.mark.parametrize(
    "model", tenant_models(), ids=lambda model: model._meta.db_table
)

_numbers = count(1)


def make_row(model: type[TenantModel], tenant: Tenant, user: User) -> Any:
    """A row of that model, with whatever it needs to stand on.

    Raises `KeyError` for a model without a maker: a new tenant model needs one here.
    """
    with tenant_context(tenant):
        return _MAKERS[model](user)


def project(user: User) -> Project:
    number = next(_numbers)
    return Project.objects.create(key=f"P{number}", name=f"Project {number}")


def task(user: User, **values: Any) -> Task:
    values.setdefault("project", None)
    values["project"] = values["project"] or project(user)
    return Task.objects.create(creator=user, number=next(_numbers), title="A task", **values)


def label(user: User) -> Label:
    return Label.objects.create(name=f"label {next(_numbers)}")


def _token(user: User) -> ApiToken:
    return token_issue(user_id=user.pk, name="test").token


def _idempotency_key(user: User) -> IdempotencyKey:
    return IdempotencyKey.objects.create(user=user, key=f"{next(_numbers)}", fingerprint=b"x" * 32)


def _dependency(user: User) -> Dependency:
    return Dependency.objects.create(blocker=task(user), blocked=task(user))


def _task_label(user: User) -> TaskLabel:
    on = task(user)
    return TaskLabel.objects.create(task=on, task_created_at=on.created_at, label=label(user))


_MAKERS: dict[type[TenantModel], Callable[[User], TenantModel]] = {
    ApiToken: _token,
    Event: lambda user: Event.objects.create(kind=EventKind.TASK_CREATED, actor=user),
    IdempotencyKey: _idempotency_key,
    Project: project,
    Task: task,
    Label: label,
    TaskLabel: _task_label,
    Comment: lambda user: Comment.objects.create(task=task(user), author=user, body="A word"),
    Dependency: _dependency,
}
