"""TENANT_BINDING=transaction: the tenant is told in each transaction and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, connections, transaction

from taskproject.db.backend import base
from taskproject.db.context import tenant_context
from taskproject.db.tests.pooler import TransactionPooler
from taskproject.tenancy.tests.sql import connection, database, fetch, told_tenant
from taskproject.tests.cast import Cast, make_cast
from tasks.models import Label

pytestmark = pytest.mark.django_db(transaction=True)

BY_TRANSACTION: dict[str, Any] = {
    "TENANT_BINDING": "transaction",
    "DISABLE_SERVER_SIDE_CURSORS": True,
}


@pytest.fixture
def cast() -> Cast:
    """The cast, each tenant with a label of its own name."""
    cast = make_cast()
    for tenant in (cast.alpha, cast.beta):
        with tenant_context(tenant):
            Label.objects.create(name=tenant.slug)
    return cast


@pytest.fixture
def bound(cast: Cast) -> Iterator[Cast]:
    """The cast, on a connection that binds by transaction."""
    with database(**BY_TRANSACTION, pool={"max_size": 1, "check": None}):
        yield cast


def names() -> list[str]:
    return sorted(fetch("SELECT name FROM label"))


def left_in_session() -> str:
    """What the session itself holds, asked past our cursors."""
    connection.ensure_connection()
    found = psycopg.Cursor(connection.connection).execute(
        "SELECT coalesce(current_setting('app.tenant_id', true), '')"
    )
    (value,) = found.fetchone() or ("",)
    return str(value)


class TestOneClient:
    def test_in_autocommit_each_statement_carries_its_tenant(self, bound: Cast) -> None:
        for tenant in (bound.alpha, bound.beta, bound.alpha):
            with tenant_context(tenant):
                assert names() == [tenant.slug]
                assert told_tenant() == str(tenant.pk)
        assert names() == []

    def test_nothing_is_left_after_a_statement(self, bound: Cast) -> None:
        with tenant_context(bound.alpha):
            assert names() == ["alpha"]
            assert left_in_session() == ""

    def test_nothing_is_left_after_a_transaction(self, bound: Cast) -> None:
        with tenant_context(bound.alpha):
            with transaction.atomic():
                assert names() == ["alpha"]
                assert left_in_session() == str(bound.alpha.pk)
            assert left_in_session() == ""
            assert names() == ["alpha"]

    def test_a_change_of_tenant_within_a_transaction_is_told(self, bound: Cast) -> None:
        with transaction.atomic():
            for tenant in (bound.alpha, bound.beta):
                with tenant_context(tenant):
                    assert names() == [tenant.slug]
            assert names() == []

    def test_a_rollback_to_a_savepoint_brings_no_tenant_back(self, bound: Cast) -> None:
        with transaction.atomic(), tenant_context(bound.alpha):
            assert names() == ["alpha"]
            with transaction.atomic(), tenant_context(bound.beta):
                assert names() == ["beta"]
                transaction.set_rollback(True)
            assert names() == ["alpha"]

    def test_the_orm_writes_and_reads(self, bound: Cast) -> None:
        with tenant_context(bound.beta):
            Label.objects.create(name="new")
            Label.objects.bulk_create([Label(name="newer"), Label(name="newest")])
            assert Label.objects.count() == 4
            with pytest.raises(IntegrityError):
                Label.objects.create(name="NEW")
            assert Label.objects.filter(name__startswith="new").delete()[0] == 3
        with tenant_context(bound.alpha):
            assert list(Label.objects.values_list("name", flat=True).iterator()) == ["alpha"]

    def test_executemany_needs_a_transaction(self, bound: Cast) -> None:
        insert = "INSERT INTO label (tenant_id, name, colour) VALUES (%s, %s, '#000000')"
        rows = [(bound.beta.pk, "one"), (bound.beta.pk, "two")]
        with tenant_context(bound.beta), connection.cursor() as cursor:
            with pytest.raises(RuntimeError, match=r"transaction\.atomic"):
                cursor.executemany(insert, rows)
            with transaction.atomic():
                cursor.executemany(insert, rows)
            assert names() == ["beta", "one", "two"]

    def test_copy_needs_a_transaction(self, bound: Cast) -> None:
        copy = "COPY (SELECT name FROM label) TO STDOUT"
        with tenant_context(bound.beta), connection.cursor() as cursor:
            with pytest.raises(RuntimeError), cursor.copy(copy):
                pass
            with transaction.atomic(), cursor.copy(copy) as out:
                assert list(out.rows()) == [("beta",)]

    def test_without_a_tenant_executemany_needs_none(self, bound: Cast) -> None:
        with connection.cursor() as cursor:
            cursor.executemany("SELECT %s", [(1,), (2,)])

    def test_a_server_side_cursor_needs_a_transaction(self, bound: Cast) -> None:
        connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = False
        with tenant_context(bound.beta):
            with pytest.raises(RuntimeError, match=r"transaction\.atomic"):
                list(Label.objects.iterator())
            with transaction.atomic():
                assert [label.name for label in Label.objects.iterator()] == ["beta"]


class TestBehindAPooler:
    @pytest.fixture
    def pooler(self, cast: Cast) -> Iterator[TransactionPooler]:
        place = connection.settings_dict
        with TransactionPooler(place["HOST"], place["PORT"]) as pooler:
            yield pooler

    @pytest.fixture
    def other(self) -> Iterator[Callable[..., Any]]:
        """Runs a function in another thread, which has a connection of its own."""
        with ThreadPoolExecutor(1) as threads:
            yield lambda function, *args: threads.submit(function, *args).result(timeout=10)
            threads.submit(connections.close_all).result(timeout=10)

    def through(self, pooler: TransactionPooler, **changes: Any) -> dict[str, Any]:
        # Two connections of the pool's, as two web processes would have.
        pool = {"min_size": 0, "max_size": 2, **changes.pop("pool", {})}
        return {"HOST": pooler.host, "PORT": pooler.port, "pool": pool, **changes}

    def test_binding_by_session_is_refused(self, pooler: TransactionPooler) -> None:
        with (
            database(**self.through(pooler)),
            pytest.raises(ImproperlyConfigured, match="TENANT_BINDING=transaction"),
        ):
            fetch("SELECT 1")

    def test_binding_by_session_would_leak(
        self,
        pooler: TransactionPooler,
        cast: Cast,
        other: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Were it not refused: the other client's tenant is what this one then sees."""
        monkeypatch.setattr(base, "verify_session", lambda *args, **kwargs: None)
        with database(**self.through(pooler)), tenant_context(cast.alpha):
            assert names() == ["alpha"]
            assert other(in_tenant, cast.beta) == ["beta"]
            assert names() == ["beta"]
            other(connections.close_all)

    def test_binding_by_transaction_keeps_two_clients_apart(
        self, pooler: TransactionPooler, cast: Cast, other: Callable[..., Any]
    ) -> None:
        changes = {**BY_TRANSACTION, "pool": {"check": None}}
        with database(**self.through(pooler, **changes)):
            for _ in range(3):
                with tenant_context(cast.alpha):
                    assert names() == ["alpha"]
                    assert other(in_tenant, cast.beta) == ["beta"]
                    assert names() == ["alpha"]
                    with transaction.atomic():
                        assert names() == ["alpha"]
                assert other(names) == []
                assert names() == []
            backend = "SELECT pg_backend_pid()"
            assert fetch(backend) == other(fetch, backend)  # they did share the session
            other(connections.close_all)


def in_tenant(tenant: Any) -> list[str]:
    with tenant_context(tenant):
        return names()
