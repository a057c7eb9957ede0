"""The connection wrapper: Django's own, bound to the active tenant, with a way to be the owner.

It reads two keys of its own from `DATABASES`: `OWNER` (USER and PASSWORD of the schema's owner;
absent in the web process), `TENANT_BINDING` ("session", or "transaction" behind a transaction
pooler), and it puts `check_out` into the pool's options as the check at each checkout.
"""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from taskproject.db import changes
from taskproject.db.backend.creation import DatabaseCreation
from taskproject.db.backend.cursors import (
    SessionBoundCursor,
    TenantRows,
    TransactionBoundCursor,
    check_out,
    note_binding,
)
from taskproject.db.backend.features import DatabaseFeatures
from taskproject.db.backend.operations import DatabaseOperations
from taskproject.db.backend.schema import DatabaseSchemaEditor
from taskproject.db.backend.verification import verify_session

# What is prepared has one plan on a connection from its first run on, for every tenant and value
# alike: the plan that tests look at. What Django's cursors send is never prepared, and stays as it
# is. See docs/decisions/0013.
_PLANS_OF_PREPARED: Final = "-c plan_cache_mode=force_generic_plan"


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection of one thread, as the app role unless inside `as_owner`."""

    SchemaEditorClass = DatabaseSchemaEditor
    creation_class = DatabaseCreation
    features_class = DatabaseFeatures
    ops_class = DatabaseOperations

    _connection_pools: dict[str, Any]  # Django's own
    # Which roles this process has already checked: a new connection is not a new risk.
    _verified: set[tuple[str, ...]] = set()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._app_settings: dict[str, Any] | None = None
        self._params: tuple[Any, dict[str, Any]] = None, {}
        self.execute_wrappers.append(changes.watch)
        self.changed_by_hand: set[Any] = set()

    @property
    def app_role(self) -> str:
        """The name of the role that the web connects as, also while acting as the owner."""
        return str((self._app_settings or self.settings_dict)["USER"])

    @property
    def acts_as_owner(self) -> bool:
        """Whether the connection is inside `as_owner`."""
        return self._app_settings is not None

    @property
    def binds_by_transaction(self) -> bool:
        """Whether the tenant is set by SET LOCAL in each transaction instead of at checkout."""
        return self.settings_dict.get("TENANT_BINDING") == "transaction"

    @property
    def pool(self) -> Any:
        options = self.settings_dict["OPTIONS"].get("pool")
        if not options:
            return None
        found = self._connection_pools.get(self.alias)  # asked for several times a request
        if found is None:
            if isinstance(options, dict):
                options.setdefault("check", check_out)
            found = super().pool
        return found

    def get_connection_params(self) -> dict[str, Any]:
        if self.settings_dict["NAME"] == "":
            raise ImproperlyConfigured(
                "There is no database yet: run `manage.py services start`, or set DATABASE_URL."
            )
        pooled = self.settings_dict["OPTIONS"].get("pool")
        pool = self._connection_pools.get(self.alias) if pooled else None
        if pool is not None and self._params[0] is pool:
            return dict(self._params[1])  # asked for at each checkout, where the pool has them
        params = self._connection_params()
        self._params = pool, params
        return dict(params)

    def _connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        if not self.acts_as_owner:
            # The owner needs no tenant, and some of its statements must travel alone.
            params["cursor_factory"] = (
                TransactionBoundCursor if self.binds_by_transaction else SessionBoundCursor
            )
            if not self.binds_by_transaction:
                options = f"{params.get('options', '')} {_PLANS_OF_PREPARED}"
                params["options"] = options.strip()
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        try:
            if not self.pool:
                # A new session: it knows no tenant, and psycopg begins without autocommit.
                connection.autocommit = True
                note_binding(connection, "" if not self.binds_by_transaction else None)
            self._verify(connection)
        except BaseException:
            self._discard(connection)
            raise
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        if not name or self.acts_as_owner:
            return super().create_cursor(name)
        with self.connection.cursor() as cursor:
            cursor.bind()
        return TenantRows(super().create_cursor(name))

    def run_and_clear_commit_hooks(self) -> None:
        changes.tell_first(self)
        super().run_and_clear_commit_hooks()

    def _commit(self) -> Any:
        done = super()._commit()  # type: ignore[misc]
        changes.tell_by_hand(self)
        return done

    def _rollback(self) -> None:
        self.changed_by_hand.clear()
        self._forget_binding()
        super()._rollback()  # type: ignore[misc]

    def _savepoint_rollback(self, sid: str) -> None:
        super()._savepoint_rollback(sid)  # type: ignore[misc]
        self._forget_binding()

    def _forget_binding(self) -> None:
        # A rollback restores the setting of before; the next statement brings the right one.
        if self.connection is not None:
            note_binding(self.connection, None)

    @contextmanager
    def as_owner(self) -> Iterator[None]:
        """Run the block as the role that owns the schema, on a connection of its own.

        The pool of the app role is closed first: its connections would keep a database from being
        dropped or copied. Raises `ImproperlyConfigured` in a process that was given no owner, and
        `RuntimeError` inside a transaction, whose work would be lost with its connection.
        """
        if self.acts_as_owner:
            yield
            return
        owner = self.settings_dict.get("OWNER")
        if not owner:
            raise ImproperlyConfigured(
                "This needs the schema's owner: set DATABASE_OWNER_URL. The web process does "
                "without it on purpose."
            )
        if self.in_atomic_block:
            raise RuntimeError("as_owner() opens another connection: leave the transaction first.")
        self.close()
        self.close_pool()
        app_settings = self.settings_dict
        options = {key: value for key, value in app_settings["OPTIONS"].items() if key != "pool"}
        self._app_settings = app_settings
        self.settings_dict = {**app_settings, **owner, "OPTIONS": options}
        try:
            yield
        finally:
            self.close()
            # The test runner renames the database while it acts as the owner.
            app_settings["NAME"] = self.settings_dict["NAME"]
            self.settings_dict = app_settings
            self._app_settings = None

    def _verify(self, connection: Any) -> None:
        settings = self.settings_dict
        key = tuple(str(settings[name]) for name in ("HOST", "PORT", "NAME", "USER"))
        if self.acts_as_owner or self.alias == NO_DB_ALIAS or key in self._verified:
            return
        verify_session(connection, by_transaction=self.binds_by_transaction)
        self._verified.add(key)

    def _discard(self, connection: Any) -> None:
        if self.pool:
            self.pool.putconn(connection)
        else:
            connection.close()


@atexit.register
def _close_pools() -> None:
    """Close the pools while their threads still run; each one that is left to the interpreter's
    own end is waited for in vain, 5 s a thread: a command took 15 s to return."""
    wrapper: Any = DatabaseWrapper
    for pool in wrapper._connection_pools.values():
        pool.close()
