"""Requests of the REST API without a web server: through all of Django, from WSGI to the answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar, Final

from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import RequestFactory, override_settings

from perf import NotHere
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Membership, Role
from taskproject.tenancy.services import token_issue
from tasks.benchmarks.datasets import SeededTenant
from tasks.benchmarks.traces import WritingPair

API: Final = "/api/v1/tenants/{}/tasks/"
STOCK: Final = "/stock/v1/tenants/{}/tasks/"
NO_CACHE: Final = {"cache-control": "no-cache"}


@dataclass(frozen=True, slots=True)
class Caller:
    """An owner of a tenant, with a token."""

    tenant: SeededTenant
    user_id: int
    token: str

    def at(self, address: str, rest: str = "") -> str:
        """An address in the tenant."""
        return address.format(self.tenant.slug) + rest


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is ready to be sent, as often as one likes."""

    environ: dict[str, Any]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to it."""

    status: int
    headers: dict[str, str]
    body: bytes


def asked(
    caller: Caller, method: str, path: str, *, sends: Any = None, headers: Mapping[str, str] = {}
) -> Asked:
    """A request by a caller, with a body of JSON if it sends anything."""
    body = b"" if sends is None else json.dumps(sends).encode()
    every = {"authorization": f"Bearer {caller.token}", **headers}
    request = RequestFactory(headers=every).generic(
        method, path, body, content_type="application/json" if body else ""
    )
    return Asked(request.environ, body)


class RestPair(WritingPair):
    """A pair of requests. They are not limited, logged or monitored, and keep their connection,
    which Django gives back otherwise: some stand in a transaction that is rolled back.

    Not measured without Redis, where each request asks the database whom its token speaks for.
    """

    tables: ClassVar[tuple[str, ...]] = ()

    def __init__(self, size: int, data: Any) -> None:
        super().__init__(size, data)
        self._callers: dict[int, Caller] = {}
        self._left = ExitStack()

    def set_up(self) -> None:
        if not hasattr(cache, "client"):
            raise NotHere("There is no Redis here.")
        self._left.enter_context(
            override_settings(
                ROOT_URLCONF="tasks.reference.urls",
                ALLOWED_HOSTS=["testserver"],
                SECURE_SSL_REDIRECT=False,
                RATE_LIMIT_TOKEN_PER_MINUTE=1_000_000,
                RATE_LIMIT_TENANT_PER_MINUTE=1_000_000,
                PERF_MONITOR={"ENABLED": False},
            )
        )
        for signal in (request_started, request_finished):
            signal.disconnect(close_old_connections)
            self._left.callback(signal.connect, close_old_connections)
        logging.disable(logging.INFO)
        self._left.callback(logging.disable, logging.NOTSET)
        self._handler = WSGIHandler()

    def tear_down(self) -> None:
        self._left.close()
        super().tear_down()

    def caller(self, tenant: SeededTenant) -> Caller:
        """The owner of a tenant, known to the cache for the next 24 s."""
        if tenant.id not in self._callers:
            self._callers[tenant.id] = _caller(tenant)
        found = self._callers[tenant.id]
        self.answer(asked(found, "GET", found.at(API, "?limit=1"), headers=NO_CACHE))
        return found

    def answer(self, request: Asked, *, status: int = 200) -> Answered:
        """What a request is answered. Raises `RuntimeError` for another status."""
        told: dict[str, Any] = {}

        def start_response(line: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            told.update(status=int(line[:3]), headers=dict(headers))

        environ = {**request.environ, "wsgi.input": BytesIO(request.body)}
        response: Any = self._handler(environ, start_response)
        try:
            body = b"".join(response)
        finally:
            response.close()
        if told["status"] != status:
            raise RuntimeError(f"{environ['PATH_INFO']} answers {told['status']}: {body!r}")
        return Answered(**told, body=body)


def _caller(tenant: SeededTenant) -> Caller:
    owners = Membership.objects.filter(tenant_id=tenant.id, role=Role.OWNER, active=True)
    user_id = owners.earliest("id").user_id
    with tenant_context(tenant.id):
        token = token_issue(user_id=user_id, name="benchmark", scopes=["read", "write"])
    return Caller(tenant, user_id, token.text)
