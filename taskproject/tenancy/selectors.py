"""Reads of tenants, members, tokens and events."""

from __future__ import annotations

from django.db.models import QuerySet

from taskproject.db.fields import SnapshotHorizon
from taskproject.db.keyset import Keyset
from taskproject.tenancy.models import ApiToken, Event, Membership, Tenant


def tenant_get(*, slug: str) -> Tenant:
    """The tenant of that slug. One statement. Raises `Tenant.DoesNotExist`."""
    return Tenant.objects.get(slug=slug)  # index: tenant_slug_uniq


def tenants_of(*, user_id: int) -> QuerySet[Tenant]:
    """The tenants in which a user is an active member, by slug."""
    return Tenant.objects.filter(  # index: membership_user_idx
        membership__user_id=user_id, membership__active=True
    ).order_by("slug")


def membership_get(*, tenant_id: int, user_id: int) -> Membership:
    """A user's place in a tenant, active or not. Raises `Membership.DoesNotExist`."""
    return Membership.objects.get(  # index: membership_user_uniq
        tenant_id=tenant_id, user_id=user_id
    )


def tokens_of(*, user_id: int) -> QuerySet[ApiToken]:
    """A member's tokens in the active tenant, newest first. A tenant has few, so no index finds
    those of one member: the key finds the tenant's."""
    return ApiToken.objects.filter(user_id=user_id).order_by("-id")  # index: api_token_tpk


def task_events(*, task_id: int) -> QuerySet[Event]:
    """What happened to a task of the active tenant, oldest first."""
    return Event.objects.filter(task_id=task_id).order_by("id")  # index: event_task_idx


def event_feed(*, after: tuple[int, int] = (0, 0), limit: int) -> QuerySet[Event]:
    """At most `limit` events of the active tenant beyond `after`, a pair (xid, id), in that order.

    Only events below the snapshot's horizon come: each transaction that could still commit an
    event with a smaller xid has ended, so that a reader who goes on from the last pair it saw
    never misses one. A transaction that stays open delays the feed.
    """
    settled = Event.objects.filter(xid__lt=SnapshotHorizon())  # index: event_feed_idx
    return Keyset(("xid", "id")).page(settled, key=after, limit=limit)
