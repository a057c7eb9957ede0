"""The demo: a small seed that ends today, and logins to look at it."""

from __future__ import annotations

import secrets
from datetime import date
from decimal import Decimal
from typing import Final

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Role, Tenant, User
from taskproject.tenancy.services import member_add, token_issue
from tasks.dataset.seeding.options import SeedOptions
from tasks.dataset.seeding.texts import person_name, tenant_name

ADMIN: Final = "admin"
TENANTS: Final = 6
OWNER: Final = person_name(0)[0]
SLUGS: Final = tuple(tenant_name(rank)[0] for rank in range(TENANTS))
_ROLES: Final = (Role.OWNER, Role.OWNER, Role.VIEWER)


def demo_options(today: date) -> SeedOptions:
    """About 3,000 tasks in six tenants, whose open ones are due around today."""
    return SeedOptions(tenants=TENANTS, tasks=3_000, zipf=Decimal(1), until=today)


def demo_is_seeded() -> bool:
    """Whether the tenants are there: all of them, since they are made together."""
    return Tenant.objects.filter(slug__in=SLUGS).count() == TENANTS


def demo_logins_create() -> dict[str, str]:
    """Make a superuser, who owns the two largest tenants and may look at the third, and a token
    for the owner of the first. Returns the `password` and, by its slug, the token.

    Runs in the caller's transaction.
    """
    password = secrets.token_urlsafe(12)
    admin = User.objects.create_superuser(ADMIN, password=password)
    tenants = [Tenant.objects.get(slug=slug) for slug in SLUGS[: len(_ROLES)]]
    for tenant, role in zip(tenants, _ROLES, strict=True):
        member_add(tenant=tenant, user=admin, role=role)
    first = tenants[0]
    with tenant_context(first):
        token = token_issue(user_id=User.objects.get(username=OWNER).pk, name="demo")
    return {first.slug: token.text, "password": password}
