"""Reads of tenants, members, tokens and events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db.models import QuerySet

from taskproject.db.context import require_tenant_id
from taskproject.db.fields import STOPS_EARLY, SnapshotHorizon, StopsEarly
from taskproject.db.keyset import Keyset
from taskproject.tenancy.models import ApiToken, Event, Membership, Tenant

MEMBER_ORDER: Final = Keyset(("id",))
TOKEN_ORDER: Final = Keyset(("id",), descending=True)


def tenant_get(*, slug: str) -> Tenant:
    """The tenant of that slug. One statement. Raises `Tenant.DoesNotExist`."""
    return Tenant.objects.get(slug=slug)  # index: tenant_slug_uniq


def membership_get(*, tenant_id: int, user_id: int) -> Membership:
    """A user's place in a tenant, active or not. Raises `Membership.DoesNotExist`."""
    return Membership.objects.get(  # index: membership_user_uniq
        tenant_id=tenant_id, user_id=user_id
    )


def membership_of(*, slug: str, user_id: int) -> Membership:
    """The active membership of a user in the tenant of that slug, with the tenant. One statement.

    Raises `Membership.DoesNotExist` for an unknown slug, a stranger and a deactivated member alike,
    so that the answer does not tell which tenants there are.
    """
    return Membership.objects.select_related("tenant").get(
        # index: tenant_slug_uniq, membership_user_uniq
        tenant__slug=slug,
        user_id=user_id,
        active=True,
    )


def memberships_of(*, user_id: int) -> QuerySet[Membership]:
    """The active memberships of a user, each with its tenant, the oldest tenant first."""
    return (  # index: membership_user_idx
        Membership.objects.select_related("tenant")
        .filter(user_id=user_id, active=True)
        .order_by("tenant_id")
    )


def member_is_active(*, user_id: int) -> bool:
    """Whether a user is an active member of the active tenant. One statement."""
    return Membership.objects.filter(  # index: membership_user_uniq
        tenant_id=require_tenant_id(), user_id=user_id, active=True
    ).exists()


def member_by_name(*, username: str) -> QuerySet[Membership]:
    """The member of the active tenant with that user name, active or not, with its user."""
    return Membership.objects.select_related("user").filter(  # index: membership_user_uniq
        tenant_id=require_tenant_id(), user__username=username
    )


def member_named(*, username: str) -> Membership:
    """The same. One statement. Raises `Membership.DoesNotExist`, also for a stranger."""
    return member_by_name(username=username).get()


def member_list() -> QuerySet[Membership]:
    """The members of the active tenant, deactivated ones too; paged by MEMBER_ORDER.

    In the order of their joining and not by user: a list by user would tell whether a new member
    was a user before, who stands among the others then, or was made, who stands at the end.
    """
    return Membership.objects.filter(  # index: membership_joined_idx
        tenant_id=require_tenant_id()
    )


def token_list() -> QuerySet[ApiToken]:
    """The tokens of the active tenant, revoked ones too; paged by TOKEN_ORDER."""
    return ApiToken.objects.all()  # index: api_token_tpk


def token_by_prefix(*, prefix: str) -> QuerySet[ApiToken]:
    """The token of that prefix, with its user."""
    return ApiToken.objects.select_related("user").filter(  # index: api_token_prefix_uniq
        prefix=prefix
    )


def task_events(*, task_id: int) -> QuerySet[Event]:
    """What happened to a task of the active tenant, oldest first."""
    return Event.objects.filter(task_id=task_id).order_by("id")  # index: event_task_idx


def project_events(*, project_id: int) -> QuerySet[Event]:
    """What happened to a project itself and not to one of its tasks, oldest first."""
    return Event.objects.filter(  # index: event_project_idx
        task_id__isnull=True, project_id=project_id
    ).order_by("id")


def event_feed(*, after: tuple[int, int] = (0, 0), limit: int) -> QuerySet[Event]:
    """At most `limit` events of the active tenant beyond `after`, a pair (xid, id), in that order,
    each with the user who acted. One statement.

    Only events below the snapshot's horizon come: each transaction that could still commit an
    event with a smaller xid has ended, so that a reader who goes on from the last pair it saw
    never misses one. A transaction that stays open delays the feed.

    The pairs are those of one cluster: in another one, such as a dump is restored into,
    transactions are counted anew.
    """
    settled = Event.objects.filter(xid__lt=SnapshotHorizon())  # index: event_feed_idx
    # An import is one transaction. PostgreSQL guesses by the xid alone how many rows follow a pair:
    # amid an import it expects few, and would fetch and sort all the rest of it.
    settled = settled.select_related("actor").annotate(**{STOPS_EARLY: StopsEarly()})
    return Keyset(("xid", "id")).page(settled, key=after, limit=limit)


def events_newest() -> QuerySet[Event]:
    """The events of the active tenant, newest first."""
    return Event.objects.order_by("-id")  # index: event_tpk


# The changes of an event that name a person, by the id of the user.
PEOPLE_IN_CHANGES: Final = ("assignee_id", "lead_id")


def people_in(events: Iterable[Event]) -> dict[int, str]:
    """The user names of the members whose ids stand in the changes of events, former ones too, by
    id. One statement, none where no id does."""
    ids = {
        each
        for event in events
        for name in PEOPLE_IN_CHANGES
        if isinstance(pair := event.changes.get(name), list)
        for each in pair
        if isinstance(each, int)
    }
    if not ids:
        return {}
    members = Membership.objects.filter(  # index: membership_user_uniq
        tenant_id=require_tenant_id(), user_id__in=ids
    )
    return dict(members.values_list("user_id", "user__username"))
