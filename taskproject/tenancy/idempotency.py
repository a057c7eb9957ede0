"""Keys that clients give to requests, so that one which is sent again is done once.

A key, its request and its answer are kept in the transaction of the work itself: either both are
there or neither is. Not in Redis, which may forget a key and then do the work twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import IntegrityError, connection
from msgspec import json

from taskproject.db.context import require_tenant_id
from taskproject.db.violations import constraint_of
from taskproject.tenancy.models import IdempotencyKey, IdempotencyState

KEPT_FOR: Final = timedelta(hours=24)
_UNIQUE: Final = "idempotency_key_key_uniq"


class KeyInFlight(Exception):
    """Another request with the key is at work right now, or has just been."""


class KeyReused(Exception):
    """The key was given to another request before."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a request was answered with; `body` is None if it holds a secret and was not kept."""

    status: int
    headers: dict[str, str]
    body: bytes | None


_CLAIM: Final = """
    SELECT pg_try_advisory_xact_lock(hashtextextended(%(lock)s, 0)), kept.id, kept.fingerprint,
           kept.status, kept.response, kept.created_at < statement_timestamp() - %(kept_for)s
      FROM (VALUES (1)) AS one
      LEFT JOIN idempotency_key AS kept
        ON kept.tenant_id = %(tenant)s AND kept.user_id = %(user)s AND kept.key = %(key)s
"""


def key_claim(*, user_id: int, key: str, fingerprint: bytes) -> KeptAnswer | None:
    """The answer that a user's request with the key got before; None if there was none, and the
    work may begin. Others with the key are kept out until the transaction ends. One statement; two
    if the key is older than 24 hours and is free again.

    Raises `KeyInFlight` and `KeyReused`. Call it in the transaction of the work.
    """
    tenant = require_tenant_id()
    values: dict[str, Any] = {
        "lock": f"idempotency {tenant} {user_id} {key}",
        "tenant": tenant,
        "user": user_id,
        "key": key,
        "kept_for": KEPT_FOR,
    }
    with connection.cursor() as cursor:  # index: idempotency_key_key_uniq
        cursor.execute(_CLAIM, values)
        got, pk, known, status, response, expired = cursor.fetchone()
    if not got:
        raise KeyInFlight
    if pk is None:
        return None
    if expired:
        IdempotencyKey.objects.filter(pk=pk).delete()
        return None
    if bytes(known) != fingerprint:
        raise KeyReused
    return _read(status, bytes(response))


def key_keep(*, user_id: int, key: str, fingerprint: bytes, answer: KeptAnswer) -> None:
    """Keep the answer of a request whose key was claimed, in the same transaction. One statement.

    Raises `KeyInFlight` if a request with the key ended between the claim's look and its lock.
    """
    try:
        IdempotencyKey.objects.create(
            user_id=user_id,
            key=key,
            fingerprint=fingerprint,
            state=IdempotencyState.DONE,
            status=answer.status,
            response=_written(answer),
        )
    except IntegrityError as error:
        if constraint_of(error) != _UNIQUE:
            raise
        raise KeyInFlight from error


def _written(answer: KeptAnswer) -> bytes:
    """Headers, and whether there is a body, on a line; behind it the body."""
    return json.encode([answer.headers, answer.body is not None]) + b"\n" + (answer.body or b"")


def _read(status: int, response: bytes) -> KeptAnswer:
    head, _, body = response.partition(b"\n")
    headers: Any
    headers, has_body = json.decode(head)
    return KeptAnswer(status, headers, body if has_body else None)
