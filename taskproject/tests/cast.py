"""The cast of the tests, and makers of what they need.

Alpha and beta are two tenants. Alice owns alpha, Bob is its member, Vera may only look. Carol owns
beta and must never see anything of alpha's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.test import Client

from projects.models import Project
from projects.services import project_create
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Role, Tenant, User
from taskproject.tenancy.services import member_add, tenant_create, token_issue
from tasks.models import Task
from tasks.services.tasks import task_create


@dataclass(frozen=True, slots=True)
class Cast:
    """Two tenants and the people in them."""

    alpha: Tenant
    beta: Tenant
    alice: User
    bob: User
    vera: User
    carol: User


def make_cast() -> Cast:
    """Alpha with Alice, Bob and Vera; beta with Carol."""
    alpha = tenant_create(slug="alpha", name="Alpha")
    beta = tenant_create(slug="beta", name="Beta")
    people = {
        name: User.objects.create(username=name) for name in ("alice", "bob", "vera", "carol")
    }
    member_add(tenant=alpha, user=people["alice"], role=Role.OWNER)
    member_add(tenant=alpha, user=people["bob"], role=Role.MEMBER)
    member_add(tenant=alpha, user=people["vera"], role=Role.VIEWER)
    member_add(tenant=beta, user=people["carol"], role=Role.OWNER)
    return Cast(alpha=alpha, beta=beta, **people)


def make_project(tenant: Tenant, actor: User, key: str = "WEB") -> Project:
    """A project of a tenant."""
    with tenant_context(tenant):
        return project_create(key=key, name=key.title(), actor_id=actor.pk)


def make_task(project: Project, actor: User, title: str = "A task", **values: Any) -> Task:
    """A task of a project."""
    with tenant_context(project.tenant):
        return task_create(project_id=project.pk, title=title, actor_id=actor.pk, **values)


def make_client(tenant: Tenant, user: User, **options: Any) -> Client:
    """A client that sends a new token of that user in that tenant."""
    with tenant_context(tenant):
        text = token_issue(user_id=user.pk, name="test", **options).text
    return Client(headers={"authorization": f"Bearer {text}"})
