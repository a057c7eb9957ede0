"""Look-ups by what people type, shared by the commands of this app."""

from __future__ import annotations

from django.core.management.base import CommandError

from taskproject.tenancy.models import Membership, Tenant, User
from taskproject.tenancy.selectors import membership_get, tenant_get


def find_tenant(slug: str) -> Tenant:
    """The tenant of that slug. Raises `CommandError`."""
    try:
        return tenant_get(slug=slug)
    except Tenant.DoesNotExist:
        raise CommandError(f"There is no tenant {slug!r}.") from None


def find_user(username: str) -> User:
    """The user of that name. Raises `CommandError`."""
    try:
        return User.objects.get(username=username)
    except User.DoesNotExist:
        raise CommandError(
            f"There is no user {username!r}. `add_member --create` makes one."
        ) from None


def find_member(tenant: Tenant, username: str) -> Membership:
    """The active membership of a user in a tenant. Raises `CommandError`."""
    user = find_user(username)
    try:
        membership = membership_get(tenant_id=tenant.pk, user_id=user.pk)
    except Membership.DoesNotExist:
        membership = None
    if membership is None or not membership.active:
        raise CommandError(f"{username} is no active member of {tenant.slug}.")
    return membership
