"""Writes of tenants, members, tokens and events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from taskproject.db.context import require_tenant_id, tenant_context
from taskproject.db.values import require_instant, require_storable
from taskproject.db.versions import require_version, save_next_version
from taskproject.db.violations import StateConflict
from taskproject.tenancy import credentials
from taskproject.tenancy.models import (
    RESERVED_NAMES,
    ApiToken,
    Event,
    EventKind,
    Membership,
    Role,
    Scope,
    Tenant,
    User,
    default_scopes,
)
from taskproject.tenancy.selectors import membership_get

# In an address the first two lead elsewhere, and in a filter `me` is who asks.


class OutOfReach(ValidationError):
    """The actor's role is below the one that this would give, take or change."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token with its text, which is shown once and kept nowhere."""

    token: ApiToken
    text: str


@transaction.atomic
def tenant_create(*, slug: str, name: str) -> Tenant:
    """Make a tenant. Raises `ValidationError` for a malformed or taken slug, or an empty name."""
    require_storable(name=name)
    tenant = Tenant(slug=slug, name=name)
    tenant.full_clean()
    tenant.save()
    return tenant


@transaction.atomic
def tenant_rename(
    *,
    tenant: Tenant,
    name: str | None = None,
    actor_id: int | None = None,
    if_version: int | None = None,
) -> Tenant:
    """Give a tenant another name, or leave it as it is; its slug stays. Three statements, one if
    nothing changes.

    Raises `ValidationError` for an empty or long name, or one that can't be stored, and
    `VersionConflict` if the tenant is no longer at `if_version`.
    """
    require_storable(name=name)
    tenant = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    require_version("tenant", version=tenant.version, expected=if_version)
    old, tenant.name = tenant.name, tenant.name if name is None else name
    tenant.clean_fields()
    if tenant.name == old:
        return tenant
    save_next_version(tenant, ["name"])
    with tenant_context(tenant):
        changes = {"name": [old, tenant.name]}
        event_append(EventKind.TENANT_UPDATED, actor_id=actor_id, changes=changes)
    return tenant


@transaction.atomic
def member_add(
    *, tenant: Tenant, user: User, role: Role, actor_id: int | None = None
) -> Membership:
    """Make a user a member, or bring a deactivated member back with that role.

    Raises `ValidationError` if the user is an active member already, `OutOfReach` if the actor's
    own role does not reach the new role or the one that the former member had.
    """
    _require_reach(tenant.pk, actor_id, role)
    membership, created = Membership.objects.select_for_update(no_key=True).get_or_create(
        tenant=tenant, user=user, defaults={"role": role}
    )
    if not created:
        if membership.active:
            raise ValidationError(
                f"{user.username} is a member of {tenant.slug} already.", code="unique"
            )
        _require_reach(tenant.pk, actor_id, Role(membership.role))
        membership.role, membership.active = role, True
        save_next_version(membership, ["role", "active"])
    credentials.forget_member_on_commit(tenant.pk, user.pk)
    _record_member(tenant, user, EventKind.MEMBER_ADDED, {"role": role.label}, actor_id)
    return membership


@transaction.atomic
def member_invite(*, tenant: Tenant, username: str, role: Role, actor_id: int | None) -> Membership:
    """Make whoever has a user name a member; a deactivated member comes back with that role.

    A name that nobody has becomes a user without a password: the answer does not tell whether a
    stranger exists, which is why the name is judged before it is looked for. Raises
    `ValidationError` on `username` for a malformed name, and for an active member; `OutOfReach` as
    `member_add` does.
    """
    name = User.normalize_username(username)
    if name in RESERVED_NAMES:
        raise ValidationError({"username": ["Nobody can be called so."]})
    User(username=name, password=make_password(None)).clean_fields()
    user, _ = User.objects.get_or_create(username=name, defaults={"password": make_password(None)})
    try:
        return member_add(tenant=tenant, user=user, role=role, actor_id=actor_id)
    except ValidationError as error:
        raise type(error)({"username": error.error_list}) from error


@transaction.atomic
def member_set_role(
    *,
    membership: Membership,
    role: Role,
    actor_id: int | None = None,
    if_version: int | None = None,
) -> None:
    """Give a member another role, which is felt at once. The same role changes nothing.

    Raises `StateConflict` for the last active owner, who stays one, `OutOfReach` if the actor's own
    role does not reach both roles, `VersionConflict` if the member is no longer at `if_version`.
    """
    membership, is_last_owner = _member_lock(membership)
    require_version("member", version=membership.version, expected=if_version)
    _require_reach(membership.tenant_id, actor_id, Role(membership.role), role)
    if membership.role == role:
        return
    if is_last_owner:
        raise _last_owner(membership)
    membership.role = role
    save_next_version(membership, ["role"])
    credentials.forget_member_on_commit(membership.tenant_id, membership.user_id)
    changes = {"role": role.label}
    _record_member(membership.tenant, membership.user, EventKind.MEMBER_CHANGED, changes, actor_id)


@transaction.atomic
def member_deactivate(
    *, membership: Membership, actor_id: int | None = None, if_version: int | None = None
) -> None:
    """End a membership and revoke its tokens; what the member did keeps its doer.

    Done again it changes nothing. Raises `StateConflict` for the last active owner, `OutOfReach`
    for a role that the actor's own does not reach, `VersionConflict` if the member is no longer at
    `if_version`. The membership is locked first, as `token_issue` does: no token can be issued
    beside it.
    """
    membership, is_last_owner = _member_lock(membership)
    require_version("member", version=membership.version, expected=if_version)
    _require_reach(membership.tenant_id, actor_id, Role(membership.role))
    if not membership.active:
        return
    if is_last_owner:
        raise _last_owner(membership)
    _member_set_active(membership, active=False, actor_id=actor_id)
    with tenant_context(membership.tenant_id):
        tokens = ApiToken.objects.filter(user_id=membership.user_id, revoked_at=None)
        for token in tokens.order_by("id").select_for_update():
            _token_end(token, actor_id)


@transaction.atomic
def member_reactivate(
    *, membership: Membership, actor_id: int | None = None, if_version: int | None = None
) -> None:
    """Bring a deactivated member back with the role it had. Done again it changes nothing.

    Its tokens stay revoked. Raises `OutOfReach` for a role that the actor's does not reach,
    `VersionConflict` if the member is no longer at `if_version`.
    """
    membership, _ = _member_lock(membership)
    require_version("member", version=membership.version, expected=if_version)
    _require_reach(membership.tenant_id, actor_id, Role(membership.role))
    if not membership.active:
        _member_set_active(membership, active=True, actor_id=actor_id)


def _member_lock(membership: Membership) -> tuple[Membership, bool]:
    """A member as it is stored, locked, and whether it is the tenant's only active owner.

    One statement. The owners are locked too, all in the order of their ids: or two could be taken
    away at once, each while the other one was still there. Raises `Membership.DoesNotExist`.
    """
    owner = Q(role=Role.OWNER, active=True)
    rows = (  # index: membership_user_uniq
        Membership.objects.filter(Q(pk=membership.pk) | owner, tenant_id=membership.tenant_id)
        .select_related("tenant", "user")
        .select_for_update(no_key=True, of=("self",))
        .order_by("pk")
    )
    found = {row.pk: row for row in rows}
    if membership.pk not in found:
        raise Membership.DoesNotExist("The membership does not exist.")
    owners = [pk for pk, row in found.items() if row.active and row.role == Role.OWNER]
    return found[membership.pk], owners == [membership.pk]


def _require_reach(tenant_id: int, actor_id: int | None, *roles: Role) -> None:
    """Raise `OutOfReach` unless the actor is an active member whose role is at least `roles`.

    One statement, asked while the row it is about is locked, so that no other request can raise
    that member meanwhile. None, for commands and the platform's operators, reaches everybody.
    """
    if actor_id is None:
        return
    actors = Membership.objects.filter(tenant_id=tenant_id, user_id=actor_id, active=True)
    own = actors.values_list("role", flat=True).first()  # index: membership_user_uniq
    if own is None or own < max(roles):
        raise OutOfReach("Your role in this tenant does not reach this member or this role.")


def _member_set_active(membership: Membership, *, active: bool, actor_id: int | None) -> None:
    membership.active = active
    save_next_version(membership, ["active"])
    credentials.forget_member_on_commit(membership.tenant_id, membership.user_id)
    changes = {"active": active}
    _record_member(membership.tenant, membership.user, EventKind.MEMBER_CHANGED, changes, actor_id)


def _last_owner(membership: Membership) -> StateConflict:
    return StateConflict(
        f"{membership.user.username} is the last owner of {membership.tenant.slug}: make another"
        " member an owner first."
    )


@transaction.atomic
def token_issue(
    *,
    user_id: int,
    name: str,
    scopes: Iterable[str] | None = None,
    expires_at: datetime | None = None,
    actor_id: int | None = None,
) -> IssuedToken:
    """Issue a token for a member of the active tenant. Two statements.

    Raises `ValidationError` for an unknown scope, no scope, a time of expiry that has passed, or a
    user who is no active member; `OutOfReach` for a member whose role the actor's does not reach.
    """
    require_storable(name=name)
    require_instant(expires_at=expires_at)
    chosen = list(dict.fromkeys(scopes if scopes is not None else default_scopes()))
    if not chosen or set(chosen) - set(Scope.values):
        raise ValidationError(f"The scopes of a token are some of: {', '.join(Scope.values)}.")
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError({"expires_at": ["The token would have expired already."]})
    members = Membership.objects.select_for_update(no_key=True)
    member = members.filter(tenant_id=require_tenant_id(), user_id=user_id, active=True).first()
    if member is None:
        raise ValidationError("Only an active member of the tenant can have a token.")
    _require_reach(member.tenant_id, actor_id, Role(member.role))
    text, prefix = credentials.new_token(tenant_id=require_tenant_id())
    token = ApiToken(
        user_id=user_id,
        name=name,
        prefix=prefix,
        digest=credentials.digest(text),
        scopes=chosen,
        expires_at=expires_at,
    )
    token.clean_fields(exclude=["tenant", "user"])
    token.save()
    changes = {"prefix": prefix, "scopes": chosen}
    event_append(EventKind.TOKEN_ISSUED, actor_id=actor_id or user_id, changes=changes)
    return IssuedToken(token=token, text=text)


@transaction.atomic
def token_revoke(*, prefix: str, actor_id: int | None = None) -> ApiToken:
    """Revoke a token of the active tenant by its prefix; it stops working when this commits.

    Raises `ApiToken.DoesNotExist`, and `OutOfReach` for one of a member whose role the actor's does
    not reach. Revoking it again changes nothing.
    """
    token = ApiToken.objects.select_for_update().get(prefix=prefix)  # index: api_token_prefix_uniq
    if actor_id is not None:
        member = membership_get(tenant_id=require_tenant_id(), user_id=token.user_id)
        _require_reach(member.tenant_id, actor_id, Role(member.role))
    if token.revoked_at is None:
        _token_end(token, actor_id)
    return token


def _token_end(token: ApiToken, actor_id: int | None) -> None:
    token.revoked_at = timezone.now()
    token.save(update_fields=["revoked_at"])
    event_append(EventKind.TOKEN_REVOKED, actor_id=actor_id, changes={"prefix": token.prefix})
    credentials.forget_tokens_on_commit(require_tenant_id())


def event_append(
    kind: EventKind,
    *,
    actor_id: int | None,
    task_id: int | None = None,
    project_id: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Write one event of the active tenant, in the caller's transaction. One statement."""
    Event.objects.create(
        kind=kind,
        actor_id=actor_id,
        task_id=task_id,
        project_id=project_id,
        changes=dict(changes or {}),
    )


def _record_member(
    tenant: Tenant, user: User, kind: EventKind, changes: dict[str, Any], actor_id: int | None
) -> None:
    with tenant_context(tenant):
        event_append(kind, actor_id=actor_id, changes={"user": user.username, **changes})
