"""Tokens as text, who a request speaks for, and the short memory of whom was checked.

A token reads `tp_<tenant>_<prefix><secret>`: it names its tenant, so that it can be looked up
behind that tenant's walls; 8 characters that lists may show; and 256 random bits.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Final

import msgspec
from django.conf import settings

from taskproject import caching
from taskproject.buckets import Bucket, Verdict
from taskproject.caching import Found, Reading, Wanted

REMEMBERED_S: Final = 30
PREFIX_LENGTH: Final = 8
TOKEN_LIMIT: Final = "token"  # noqa: S105  the name of a policy
TENANT_LIMIT: Final = "tenant"
_SECRET_BYTES: Final = 32
_ALPHABET: Final = string.ascii_lowercase + string.digits
_MAX_LENGTH: Final = 100
_MAX_TENANT_ID: Final = 2**63 - 1
_REMEMBERED_MAX: Final = 1_000  # of what is worked out again for a token whenever it is forgotten


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token or a session speaks for in one tenant, and how far."""

    tenant_id: int
    tenant_slug: str
    user_id: int
    username: str
    role: int
    scopes: tuple[str, ...]
    expires_at: float | None  # seconds since 1970
    limited_as: str  # tells a tenant's tokens and logged-in users apart where requests are counted

    @property
    def expired(self) -> bool:
        """Whether the token's time has passed since it was checked."""
        return self.expires_at is not None and self.expires_at <= time.time()


def new_token(*, tenant_id: int) -> tuple[str, str]:
    """The text of a new token and its prefix."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(PREFIX_LENGTH))
    return f"tp_{tenant_id}_{prefix}{secrets.token_urlsafe(_SECRET_BYTES)}", prefix


def prefix_of(text: str) -> str:
    """The prefix of a token, of its whole text or given as it is."""
    return text.split("_", 2)[-1][:PREFIX_LENGTH] if text.startswith("tp_") else text


def named_tenant(text: str) -> int | None:
    """The id of the tenant that a token's text names; None when it is no token's text."""
    kind, _, rest = text.partition("_")
    number, _, secret = rest.partition("_")
    if kind != "tp" or not secret or len(text) > _MAX_LENGTH:
        return None
    if not (number.isascii() and number.isdigit()) or not 1 <= int(number) <= _MAX_TENANT_ID:
        return None
    return int(number)


def digest(text: str) -> bytes:
    """What is kept of a token: SHA-256 of its text.

    A slow password hash would add nothing, since 256 random bits can't be guessed.
    """
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def token_label(token_digest: bytes) -> str:
    """What tells a token from the tenant's others and gives nothing of its text away."""
    return f"token:{token_digest[:8].hex()}"


def recall_token(tenant_id: int, token_digest: bytes) -> tuple[Identity | None, Reading]:
    """Whom a token was found to speak for within the last 30 s. One round trip, no SQL.

    None if that is not known; `remember` then takes the reading.
    """
    reading = caching.read(_token_key(token_digest), subject=_tenant_access(tenant_id))
    return _identity(reading.kept), reading


def recall_caller(
    tenant_id: int, token_digest: bytes, wanted: Wanted | None
) -> tuple[Identity | None, Reading, Verdict | None, Found | None]:
    """The same, with whether the token may send a request now, which is counted, and with what is
    kept of the answer that it wants. One round trip for all of it, no SQL.

    Where it is not known whom the token speaks for, nothing has been counted or looked for.
    """
    key, subject = _token_key(token_digest), _tenant_access(tenant_id)
    buckets = buckets_of(tenant_id, token_label(token_digest))
    reading, verdict, found = caching.read_and_take(
        key, subject=subject, buckets=buckets, wanted=wanted
    )
    return _identity(reading.kept), reading, verdict, found


def _token_key(token_digest: bytes) -> str:
    return f"token:{token_digest.hex()}"


def recall_member(user_id: int, slug: str) -> tuple[Identity | None, Reading]:
    """The same for a logged-in user in the tenant of a slug, who is not counted yet."""
    reading = caching.read(f"member:{slug}", subject=_user_access(user_id))
    return _identity(reading.kept), reading


def buckets_of(tenant_id: int, limited_as: str) -> tuple[Bucket, ...]:
    """What a request is counted on: its token, or its person in the tenant, and its tenant."""
    quotas = settings.RATE_LIMIT_TOKEN_PER_MINUTE, settings.RATE_LIMIT_TENANT_PER_MINUTE
    return _buckets(tenant_id, limited_as, *quotas)


@lru_cache(maxsize=_REMEMBERED_MAX)
def _buckets(
    tenant_id: int, limited_as: str, token_quota: int, tenant_quota: int
) -> tuple[Bucket, ...]:
    tenant = str(tenant_id)
    quotas = (
        (TOKEN_LIMIT, f"{tenant}:{limited_as}", token_quota),
        (TENANT_LIMIT, tenant, tenant_quota),
    )
    return tuple(Bucket(name, key, quota) for name, key, quota in quotas if quota)


def remember(reading: Reading, identity: Identity) -> None:
    """Keep a checked identity for at most 30 s, unless it has changed since the reading."""
    caching.keep(reading, asdict(identity), lifetime_s=REMEMBERED_S)


def forget_tokens_on_commit(tenant_id: int) -> None:
    """Forget whom the tokens of a tenant speak for once the transaction has committed."""
    caching.bump_on_commit([_tenant_access(tenant_id)])


def forget_member_on_commit(tenant_id: int, user_id: int) -> None:
    """The same for a member, of whom tokens and sessions may speak."""
    caching.bump_on_commit([_tenant_access(tenant_id), _user_access(user_id)])


def _tenant_access(tenant_id: int) -> str:
    return f"access:{tenant_id}"


def _user_access(user_id: int) -> str:
    # By user and not by tenant: a session's tenant is known by its slug only.
    return f"member:{user_id}"


@lru_cache(maxsize=_REMEMBERED_MAX)
def _identity(kept: bytes | None) -> Identity | None:
    """The identity that was kept as JSON; None if it is anything else."""
    if kept is None:
        return None
    try:
        return msgspec.json.decode(kept, type=Identity)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None  # kept by another version of this code, or by something else
