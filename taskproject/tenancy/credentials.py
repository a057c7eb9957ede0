"""Tokens as text, who a token speaks for, and the short memory of tokens that were checked.

A token reads `tp_<tenant>_<prefix><secret>`: it names its tenant, so that it can be looked up
behind that tenant's walls; 8 characters that lists may show; and 256 random bits.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import time
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.db import transaction

from taskproject import caching

REMEMBERED_S: Final = 30
PREFIX_LENGTH: Final = 8
_SECRET_BYTES: Final = 32
_ALPHABET: Final = string.ascii_lowercase + string.digits
_MAX_LENGTH: Final = 100
_MAX_TENANT_ID: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token speaks for, and how far."""

    tenant_id: int
    tenant_slug: str
    user_id: int
    username: str
    role: int
    scopes: tuple[str, ...]
    expires_at: float | None  # seconds since 1970

    @property
    def expired(self) -> bool:
        """Whether the token's time has passed since it was checked."""
        return self.expires_at is not None and self.expires_at <= time.time()


def new_token(*, tenant_id: int) -> tuple[str, str]:
    """The text of a new token and its prefix."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(PREFIX_LENGTH))
    return f"tp_{tenant_id}_{prefix}{secrets.token_urlsafe(_SECRET_BYTES)}", prefix


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


def recall(token_digest: bytes) -> Identity | None:
    """The identity that was checked within the last 30 s. One Redis round trip, no SQL."""
    kept: dict[str, Any] | None = caching.get(_key(token_digest))
    if kept is None:
        return None
    try:
        return Identity(**{**kept, "scopes": tuple(kept["scopes"])})
    except (TypeError, KeyError):
        return None  # kept by another version of this code


def remember(token_digest: bytes, identity: Identity) -> None:
    """Keep a checked identity for at most 30 s."""
    caching.add(_key(token_digest), asdict(identity), lifetime_s=REMEMBERED_S)


def forget_on_commit(digests: list[bytes]) -> None:
    """Forget identities once the transaction has committed, and refuse late-comers' old ones."""
    keys = [_key(each) for each in digests]
    transaction.on_commit(lambda: caching.remove(keys, lifetime_s=2 * REMEMBERED_S))


def _key(token_digest: bytes) -> str:
    return f"token:{token_digest.hex()}"
