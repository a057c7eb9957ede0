"""The header Idempotency-Key: a POST or PATCH that is sent again is answered as the first time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

from django.db import transaction
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from taskproject.api.parsing import Body
from taskproject.api.problems import Conflict, InFlight, InvalidHeader, KeyTaken
from taskproject.api.rendering import WrittenJSON, WrittenResponse
from taskproject.tenancy.idempotency import (
    KeptAnswer,
    KeyInFlight,
    KeyReused,
    key_claim,
    key_keep,
)

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
METHODS: Final = frozenset({"POST", "PATCH"})
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS: Final = ("Location", "ETag")


def key_of(request: Request) -> str | None:
    """The key of a request; None if it has none, or is of a method that needs none. Raises
    `InvalidHeader` for what is no key."""
    key: str | None = request.headers.get(HEADER)
    if key is None or request.method not in METHODS:
        return None
    if not _KEY.fullmatch(key):
        raise InvalidHeader(f"{HEADER} must be 1 to 255 visible characters of ASCII.")
    return key


def done_once(work: Callable[[], Any], request: Request, *, key: str, user_id: int) -> Any:
    """What the work answers to the request, done and kept in one transaction; or what it answered
    before.

    Only what is done is kept: an error undoes the transaction, and the key is free again. Two
    statements besides BEGIN and COMMIT and those of the work. Raises `InFlight`, `KeyTaken`, and
    `Conflict` for an answer that was not kept because it holds a secret.
    """
    given: Any = {"user_id": user_id, "key": key, "fingerprint": _fingerprint(request)}
    try:
        with transaction.atomic():
            kept = key_claim(**given)
            if kept is not None:
                return _replayed(kept)
            response = work()
            key_keep(**given, answer=_answer(response))
            return response
    except KeyInFlight as error:
        raise InFlight from error
    except KeyReused as error:
        raise KeyTaken from error


def _fingerprint(request: Request) -> bytes:
    body = request.data.raw if isinstance(request.data, Body) else b""
    asked = f"{request.method} {request._request.get_full_path()}\n".encode()
    return hashlib.sha256(asked + body).digest()


def _answer(response: Any) -> KeptAnswer:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    if response.headers.get("Cache-Control") == "no-store":
        return KeptAnswer(response.status_code, headers, None)
    if isinstance(response, WrittenResponse):
        return KeptAnswer(response.status_code, headers, response.content)
    return KeptAnswer(response.status_code, headers, _rendered(response))


def _rendered(response: Response) -> bytes:
    """As it will be rendered when the view has returned."""
    return b"" if response.data is None else JSONRenderer().render(response.data)


def _replayed(kept: KeptAnswer) -> Any:
    if kept.body is None:
        raise Conflict("It was done. Its answer is not kept, since it holds a secret.")
    headers = {**kept.headers, REPLAYED: "true"}
    if not kept.body:
        return Response(status=kept.status, headers=headers)
    return WrittenResponse(WrittenJSON(kept.body), status=kept.status, headers=headers)
