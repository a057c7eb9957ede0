"""A page of tasks by a WSGI function without a framework: what the rest of the path costs.

The token check, the rate limit, the binding to the tenant and the statement are those of the REST
API. There are no cursors, no parameters, no middleware and no log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

import psycopg
from django.db import connection
from django.http import QueryDict

from taskproject import caching
from taskproject.api.pagination import Place, page_statement_of
from taskproject.api.projection import projection_of
from taskproject.db.isolation import TENANT_SETTING
from taskproject.db.statements import Statement
from taskproject.tenancy import credentials, identities
from tasks.api.listings import TASKS
from tasks.api.serializers import TaskSerializer

BARE: Final = "/bare/v1/tenants/"
_local: Final = threading.local()


def page_of_tasks(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The first fifty tasks of the tenant that the address names."""
    text = environ["HTTP_AUTHORIZATION"].partition(" ")[2]
    tenant_id = credentials.named_tenant(text)
    if tenant_id is None:
        raise ValueError(text)
    digest = credentials.digest(text)
    identity, _, verdict, _ = credentials.recall_caller(tenant_id, digest, None)
    if identity is None:  # every 30 s
        identity = identities.token_authenticate(text=text)
        label = credentials.token_label(digest)
        verdict = caching.take(credentials.buckets_of(tenant_id, label))
        connection.close()
    slug = environ["PATH_INFO"].removeprefix(BARE).partition("/")[0]
    if identity is None or verdict is None or not verdict.granted or identity.tenant_slug != slug:
        start_response("401 Unauthorized", [("Content-Length", "0")])
        return [b""]
    body = b'{"results":[' + _rows(tenant_id) + b"]}"
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


def _rows(tenant_id: int) -> bytes:
    statement = _statement()
    if getattr(_local, "libpq", None) is None:
        _local.connection = psycopg.connect(**_place(), autocommit=True)
        _local.libpq = _local.connection.pgconn
        _local.libpq.prepare(statement.name, statement.text.encode())
    bound = f"SELECT set_config('{TENANT_SETTING}', '{tenant_id}', false)"
    call = f"EXECUTE {statement.name.decode()}('{tenant_id}')"
    found: bytes = _local.libpq.exec_(f"{bound};{call}".encode()).get_value(0, 0) or b""
    return found


@cache
def _statement() -> Statement:
    choice = TASKS.choose(QueryDict(), actor_id=0)
    projection = projection_of(TaskSerializer)
    if projection is None:
        raise TypeError("A task has a field that PostgreSQL can't write.")
    return page_statement_of(choice, Place(), limit=50, projection=projection).statement


def _place() -> dict[str, Any]:
    params = connection.get_connection_params()
    wanted = ("dbname", "user", "password", "host", "port", "options")
    return {name: params[name] for name in wanted if name in params}
