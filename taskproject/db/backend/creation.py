"""Test databases: made, copied and dropped by the owner, used by the app role."""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import creation

from taskproject.db.context import all_tenants


class DatabaseCreation(creation.DatabaseCreation):
    """Django's own, each step as the owner: the app role may not create a database."""

    connection: Any

    def create_test_db(self, *args: Any, **kwargs: Any) -> str:
        with self.connection.as_owner():
            return str(super().create_test_db(*args, **kwargs))

    def destroy_test_db(self, *args: Any, **kwargs: Any) -> None:
        with self.connection.as_owner():
            super().destroy_test_db(*args, **kwargs)

    def clone_test_db(self, *args: Any, **kwargs: Any) -> None:
        with self.connection.as_owner():
            super().clone_test_db(*args, **kwargs)

    def serialize_db_to_string(self) -> str:
        with self.connection.as_owner(), all_tenants():
            return super().serialize_db_to_string()

    def deserialize_db_from_string(self, data: str) -> None:
        with self.connection.as_owner(), all_tenants():
            super().deserialize_db_from_string(data)
