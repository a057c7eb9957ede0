"""Who a token or a session speaks for: asked with every request, and so remembered for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection

from taskproject.buckets import Verdict
from taskproject.caching import Found, Reading, Wanted
from taskproject.db.context import adopt_tenant
from taskproject.tenancy import credentials
from taskproject.tenancy.credentials import Identity
from taskproject.tenancy.models import Membership, Scope, User
from taskproject.tenancy.selectors import membership_of

_AUTHENTICATE = """
    WITH used AS (
        UPDATE api_token SET last_used_at = now()
         WHERE tenant_id = %(tenant_id)s AND digest = %(digest)s AND revoked_at IS NULL
           AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
    )
    SELECT t.id AS tenant_id, t.slug AS tenant_slug, u.id AS user_id, u.username, m.role,
           a.scopes, a.expires_at
      FROM api_token AS a
      JOIN membership AS m ON m.tenant_id = a.tenant_id AND m.user_id = a.user_id AND m.active
      JOIN user_account AS u ON u.id = a.user_id AND u.is_active
      JOIN tenant AS t ON t.id = a.tenant_id
     WHERE a.tenant_id = %(tenant_id)s AND a.digest = %(digest)s AND a.revoked_at IS NULL
       AND (a.expires_at IS NULL OR a.expires_at > now())
"""


def token_authenticate(*, text: str) -> Identity | None:
    """Who a token speaks for; None if it is malformed, unknown, revoked, expired, or its user is
    no active member. On success the token's tenant becomes the active one.

    index: api_token_digest_uniq

    Cost: one Redis round trip and no SQL for a token checked within 30 s; else one statement, which
    also notes the use, at most once a minute. The statement runs behind the walls of the tenant
    that the token names, and nobody else's row can be found there.
    """
    tenant_id = credentials.named_tenant(text)
    if tenant_id is None:
        return None
    token_digest = credentials.digest(text)
    identity, reading = credentials.recall_token(tenant_id, token_digest)
    return _checked(identity, reading, tenant_id, token_digest)


@dataclass(frozen=True, slots=True)
class Admission:
    """Who sends a request; whether it may be sent, if that is known yet; and what is kept of its
    answer, if that was looked for."""

    identity: Identity
    verdict: Verdict | None
    found: Found | None


def token_admit(
    *, text: str, wants: Callable[[int, bytes], Wanted | None] = lambda tenant_id, digest: None
) -> Admission | None:
    """The same, with whether the token may send a request now. That is counted in the same round
    trip if the token was checked within 30 s; else there is no verdict yet.

    `wants` names the answer that may be kept, by the id of the tenant and the token's digest.
    """
    tenant_id = credentials.named_tenant(text)
    if tenant_id is None:
        return None
    token_digest = credentials.digest(text)
    wanted = wants(tenant_id, token_digest)
    identity, reading, verdict, found = credentials.recall_caller(tenant_id, token_digest, wanted)
    checked = _checked(identity, reading, tenant_id, token_digest)
    return Admission(checked, verdict, found) if checked else None


def _checked(
    identity: Identity | None, reading: Reading, tenant_id: int, token_digest: bytes
) -> Identity | None:
    """The identity that was recalled, or what the database says; its tenant is the active one."""
    adopt_tenant(tenant_id)
    if identity is None or identity.expired:
        identity = _token_check(tenant_id, token_digest)
        if identity is None:
            adopt_tenant(None)
            return None
        credentials.remember(reading, identity)
    return identity


def _token_check(tenant_id: int, token_digest: bytes) -> Identity | None:
    with connection.cursor() as cursor:  # index: api_token_digest_uniq
        cursor.execute(_AUTHENTICATE, {"tenant_id": tenant_id, "digest": token_digest})
        row = cursor.fetchone()
        if row is None:
            return None
        found = dict(zip((column.name for column in cursor.description), row, strict=True))
    expires_at = found["expires_at"]
    found["expires_at"] = expires_at.timestamp() if expires_at else None
    found["scopes"] = tuple(found["scopes"])
    return Identity(**found, limited_as=credentials.token_label(token_digest))


def member_authenticate(*, user: User, slug: str) -> Identity | None:
    """What a logged-in user may do in the tenant of a slug: all that the member's role allows.

    None for a stranger, a former member and an absent tenant alike. On success the tenant becomes
    the active one. Cost: one Redis round trip and no SQL if it was asked within 30 s; else one
    statement.
    """
    identity, reading = credentials.recall_member(user.pk, slug)
    if identity is None:
        identity = _member_check(user, slug)
        if identity is None:
            return None
        credentials.remember(reading, identity)
    adopt_tenant(identity.tenant_id)
    return identity


def _member_check(user: User, slug: str) -> Identity | None:
    try:
        membership = membership_of(slug=slug, user_id=user.pk)
    except Membership.DoesNotExist:
        return None
    return Identity(
        tenant_id=membership.tenant_id,
        tenant_slug=slug,
        user_id=user.pk,
        username=user.username,
        role=membership.role,
        scopes=tuple(Scope.values),
        expires_at=None,
        limited_as=f"user:{user.pk}",
    )
