"""The active tenant: one context variable, which everything that keeps tenants apart reads.

The manager's filter reads it when SQL is compiled, a new row takes its tenant from it, and the
connection's cursors (`taskproject.db.backend.cursors`) mirror it into the PostgreSQL setting that
the row-level security policies read. Entering a context costs no round trip.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Protocol


class TenantNotSet(RuntimeError):
    """A query on tenant data was about to run outside `tenant_context`."""


class TenantChanged(RuntimeError):
    """Rows of one tenant were about to be read while another one is active."""


class HasPrimaryKey(Protocol):
    """Anything with a primary key, such as a Tenant."""

    @property
    def pk(self) -> Any: ...


class _AllTenants:
    def __repr__(self) -> str:
        return "all tenants"


_ALL: Final = _AllTenants()
_active: ContextVar[int | _AllTenants | None] = ContextVar("active_tenant", default=None)


def current_tenant_id() -> int | None:
    """The id of the active tenant; None outside a tenant and inside `all_tenants`."""
    active = _active.get()
    return active if isinstance(active, int) else None


def require_tenant_id() -> int:
    """The id of the active tenant. Raises `TenantNotSet` where there is none."""
    tenant_id = current_tenant_id()
    if tenant_id is None:
        raise TenantNotSet(
            "This query reads or writes tenant data, and no tenant is active. Run it inside "
            "`with tenant_context(tenant):`, or use `Model.unscoped` if it really spans tenants."
        )
    return tenant_id


def in_all_tenants() -> bool:
    """Whether the code runs inside `all_tenants`."""
    return isinstance(_active.get(), _AllTenants)


@contextmanager
def tenant_context(tenant: int | HasPrimaryKey) -> Iterator[None]:
    """Make `tenant` (an instance or its id) the active one; contexts nest.

    Raises `ValueError` for a tenant that is not saved.
    """
    tenant_id = tenant if isinstance(tenant, int) else tenant.pk
    if not isinstance(tenant_id, int) or tenant_id < 1:
        raise ValueError(f"{tenant!r} is no saved tenant.")
    with _activated(tenant_id):
        yield


@contextmanager
def no_tenant() -> Iterator[None]:
    """Leave the active tenant for a while: queries on tenant data raise `TenantNotSet`."""
    with _activated(None):
        yield


@contextmanager
def all_tenants() -> Iterator[None]:
    """Drop the manager's filter, for the owner's commands (dump, load, data migrations).

    Row-level security still hides every row from the app role; only the owner sees them.
    """
    with _activated(_ALL):
        yield


def adopt_tenant(tenant_id: int | None) -> None:
    """Make a tenant (None: no tenant) active until the surrounding context ends.

    For authentication, which learns the tenant in the middle of a request; the middleware's
    `no_tenant` ends it.
    """
    _active.set(tenant_id)


def tenant_setting() -> str:
    """The value of the PostgreSQL setting for the active tenant: its id, or an empty string."""
    tenant_id = current_tenant_id()
    return "" if tenant_id is None else str(tenant_id)


@contextmanager
def _activated(value: int | _AllTenants | None) -> Iterator[None]:
    token = _active.set(value)
    try:
        yield
    finally:
        _active.reset(token)
