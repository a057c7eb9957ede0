"""Limits on what is worth guessing or flooding: logins, and new tokens.

They are closed: while a Redis that should be there is not, nobody logs in and no token is issued,
or each process and each restart would grant the whole quota again. Who is logged in, or has a
token, goes on. Without a configured Redis each process counts for itself.
"""

from __future__ import annotations

import hashlib
from typing import Final

from taskproject import caching
from taskproject.buckets import Bucket

LOGINS_PER_MINUTE: Final = 10  # of a user name from an address; of all behind a proxy's
TOKENS_PER_MINUTE: Final = 60  # that a person issues in a tenant


def login_wait_s(*, username: str, address: str) -> int:
    """Take one attempt to log in: 0 if it may be made, else after how many seconds to try again.
    One Redis round trip."""
    digest = hashlib.blake2b(username.strip().lower().encode(errors="surrogatepass"))
    bucket = Bucket("login", f"login:{digest.hexdigest()[:32]}:{address}", LOGINS_PER_MINUTE)
    return caching.take((bucket,), closed=True).wait_s


def token_wait_s(*, tenant_id: int, user_id: int) -> int:
    """The same for a token that somebody is about to issue."""
    bucket = Bucket("tokens", f"tokens:{tenant_id}:{user_id}", TOKENS_PER_MINUTE)
    return caching.take((bucket,), closed=True).wait_s
