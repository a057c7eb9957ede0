"""What imported tasks stand on: tenants, members, projects and labels, found or else made.

Everything is sought before it is made, because an INSERT that meets a conflict still uses up ids;
and sought again afterwards, because another program may have made one in between. Each thing made
in a tenant appends its event to `events`, which the caller writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from django.contrib.auth.hashers import make_password
from django.db import connection

from projects.models import Project
from taskproject.db.context import require_tenant_id
from taskproject.tenancy.models import Event, EventKind, Membership, Role, Tenant, User
from tasks.models import Label


def tenants_ensure(*, slugs: Collection[str]) -> tuple[dict[str, int], int]:
    """Tenant ids by slug, and how many were made. One statement, three if any was absent."""
    found, absent = _found_or_made(
        slugs,
        lambda wanted: dict(Tenant.objects.filter(slug__in=wanted).values_list("slug", "pk")),
        lambda wanted: Tenant.objects.bulk_create(
            [Tenant(slug=slug, name=slug) for slug in wanted], ignore_conflicts=True
        ),
    )
    return found, len(absent)


def members_ensure(*, names: Collection[str], events: list[Event]) -> tuple[dict[str, int], int]:
    """User ids by name, and how many became members of the active tenant. Two to five statements;
    none for no names.

    A new user has no usable password. A member keeps its role, and a former one stays deactivated.
    """
    if not names:
        return {}, 0
    users, _ = _found_or_made(names, _find_users, _make_users)
    tenant_id = require_tenant_id()
    places = Membership.objects.filter(tenant_id=tenant_id, user_id__in=users.values())
    known = set(places.values_list("user_id", flat=True))  # index: membership_user_uniq
    absent = [name for name in names if users[name] not in known]
    Membership.objects.bulk_create(
        [Membership(tenant_id=tenant_id, user_id=users[name], role=Role.MEMBER) for name in absent],
        ignore_conflicts=True,
    )
    for name in absent:
        changes = {"user": name, "role": Role.MEMBER.label}
        events.append(Event(kind=EventKind.MEMBER_ADDED, changes=changes))
    return users, len(absent)


def projects_ensure(
    *, makers: Mapping[str, int], events: list[Event]
) -> tuple[dict[str, int], int]:
    """Ids of projects by key, and how many were made, each by the user id beside its key.

    Their name is their key. Three statements if any was absent, one if none was, none for no keys.
    """
    found, absent = _found_or_made(makers, _find_projects, _make_projects)
    for key in absent:
        event = Event(kind=EventKind.PROJECT_CREATED, actor_id=makers[key], project_id=found[key])
        event.changes = {"key": key, "name": key}
        events.append(event)
    return found, len(absent)


def labels_ensure(*, makers: Mapping[str, int], events: list[Event]) -> tuple[dict[str, int], int]:
    """Label ids by name in any case, and how many were made, each by the user id beside its name.

    Of two names that differ only in case the first one is written. One statement, three if any was
    absent, none for no names.
    """
    found, absent = _found_or_made(makers, _find_labels, _make_labels)
    made = {found[name]: name for name in reversed(absent)}
    for name in reversed(made.values()):
        event = Event(kind=EventKind.LABEL_CREATED, actor_id=makers[name], changes={"name": name})
        events.append(event)
    return found, len(made)


def _found_or_made(
    names: Collection[str],
    find: Callable[[Collection[str]], dict[str, int]],
    make: Callable[[Collection[str]], object],
) -> tuple[dict[str, int], list[str]]:
    """The ids of `names`, and those that were absent. One statement if none was, else three; none
    for no names."""
    if not names:
        return {}, []
    found = find(names)
    absent = [name for name in names if name not in found]
    if absent:
        make(absent)
        found |= find(absent)
    return found, absent


def _find_users(names: Collection[str]) -> dict[str, int]:
    return dict(User.objects.filter(username__in=names).values_list("username", "pk"))


def _make_users(names: Collection[str]) -> None:
    # In order: users belong to no tenant, and others who make the same ones must not deadlock.
    User.objects.bulk_create(
        [User(username=name, password=make_password(None)) for name in sorted(names)],
        ignore_conflicts=True,
    )


def _find_projects(keys: Collection[str]) -> dict[str, int]:
    return dict(Project.objects.filter(key__in=keys).values_list("key", "pk"))


def _make_projects(keys: Collection[str]) -> None:
    Project.objects.bulk_create([Project(key=key, name=key) for key in keys], ignore_conflicts=True)


_LABELS: Final = """
    SELECT wanted.name, label.id
      FROM unnest(%s::text[]) AS wanted (name)
      JOIN label ON label.tenant_id = %s AND lower(label.name) = lower(wanted.name)
"""


def _find_labels(names: Collection[str]) -> dict[str, int]:
    # PostgreSQL folds the case on both sides: Python folds some letters in another way.
    with connection.cursor() as cursor:  # index: label_name_uniq
        cursor.execute(_LABELS, [list(names), require_tenant_id()])
        return dict(cursor.fetchall())


def _make_labels(names: Collection[str]) -> None:
    Label.objects.bulk_create([Label(name=name) for name in names], ignore_conflicts=True)
