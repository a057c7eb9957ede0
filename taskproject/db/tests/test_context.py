"""The active tenant in Python and in PostgreSQL: always the same one, whatever happens between."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from taskproject.db.context import (
    TenantChanged,
    TenantNotSet,
    adopt_tenant,
    all_tenants,
    current_tenant_id,
    in_all_tenants,
    no_tenant,
    require_tenant_id,
    tenant_context,
)
from taskproject.tenancy.models import Tenant
from taskproject.tenancy.tests.sql import connection, database, execute, fetch, told_tenant
from taskproject.tests.cast import Cast, make_cast
from tasks.models import Label

EXAMPLES = 40 * int(os.environ.get("PROVE_SCALE", "1"))


@pytest.fixture
def labelled(cast: Cast) -> Cast:
    """The cast, each tenant with a label of its own name."""
    return label_each(cast)


def label_each(cast: Cast) -> Cast:
    for tenant in (cast.alpha, cast.beta):
        with tenant_context(tenant):
            Label.objects.create(name=tenant.slug)
    return cast


def names() -> list[str]:
    """The labels that raw SQL sees, which only row-level security filters."""
    return sorted(fetch("SELECT name FROM label"))


class TestInPython:
    """Without a database."""

    def test_outside_there_is_no_tenant(self) -> None:
        assert current_tenant_id() is None
        with pytest.raises(TenantNotSet):
            require_tenant_id()

    def test_contexts_nest(self) -> None:
        with tenant_context(1):
            with tenant_context(2), tenant_context(3):
                assert require_tenant_id() == 3
            assert require_tenant_id() == 1
        assert current_tenant_id() is None

    def test_an_instance_or_its_id_will_do(self) -> None:
        with tenant_context(Tenant(pk=7)):
            assert require_tenant_id() == 7

    @pytest.mark.parametrize("nobody", [Tenant(), 0, -1, Tenant(pk="7")])
    def test_what_is_no_saved_tenant_is_refused(self, nobody: Any) -> None:
        with pytest.raises(ValueError, match="no saved tenant"), tenant_context(nobody):
            pass

    def test_an_exception_restores_the_tenant_of_before(self) -> None:
        with tenant_context(1):
            with pytest.raises(KeyError), tenant_context(2):
                raise KeyError
            assert require_tenant_id() == 1

    def test_no_tenant_hides_the_tenant_for_a_while(self) -> None:
        with tenant_context(1):
            with no_tenant():
                assert current_tenant_id() is None
            assert require_tenant_id() == 1

    def test_all_tenants_is_no_single_tenant(self) -> None:
        with tenant_context(1):
            with all_tenants():
                assert in_all_tenants()
                with pytest.raises(TenantNotSet):
                    require_tenant_id()
            assert not in_all_tenants()

    def test_an_adopted_tenant_ends_with_the_context_around_it(self) -> None:
        with no_tenant():
            adopt_tenant(5)
            assert require_tenant_id() == 5
        assert current_tenant_id() is None

    def test_another_thread_has_no_tenant(self) -> None:
        with tenant_context(1), ThreadPoolExecutor(1) as threads:
            assert threads.submit(current_tenant_id).result() is None

    def test_a_thread_keeps_its_own_tenant(self) -> None:
        entered, seen = threading.Barrier(2, timeout=5), []

        def visit(tenant_id: int) -> None:
            with tenant_context(tenant_id):
                entered.wait()
                seen.append((tenant_id, current_tenant_id()))

        threads = [threading.Thread(target=visit, args=(each,)) for each in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(seen) == [(1, 1), (2, 2)]

    def test_coroutines_do_not_meet(self) -> None:
        async def visit(tenant_id: int) -> int:
            with tenant_context(tenant_id):
                await asyncio.sleep(0)
                return require_tenant_id()

        async def main() -> list[int]:
            return await asyncio.gather(*(visit(each) for each in range(1, 20)))

        assert asyncio.run(main()) == list(range(1, 20))


class TestInTheSession:
    """PostgreSQL is told of the tenant that is active when a statement runs."""

    def test_each_statement_sees_the_tenant_of_its_moment(self, labelled: Cast) -> None:
        assert names() == []
        with tenant_context(labelled.alpha):
            assert names() == ["alpha"]
            with tenant_context(labelled.beta):
                assert names() == ["beta"]
            assert names() == ["alpha"]
        assert names() == []

    def test_a_cursor_belongs_to_no_tenant(self, labelled: Cast) -> None:
        with tenant_context(labelled.alpha), connection.cursor() as cursor:
            cursor.execute("SELECT name FROM label")
            assert cursor.fetchall() == [("alpha",)]
            with tenant_context(labelled.beta):
                cursor.execute("SELECT name FROM label")
                assert cursor.fetchall() == [("beta",)]

    def test_a_generator_sees_the_tenant_of_whoever_runs_it(self, labelled: Cast) -> None:
        with tenant_context(labelled.alpha):
            lazily = (label.name for label in Label.objects.all().iterator())
            queryset = Label.objects.values_list("name", flat=True)
        with tenant_context(labelled.beta):
            assert list(queryset) == ["beta"]
        with tenant_context(labelled.alpha):
            assert list(lazily) == ["alpha"]

    def test_an_error_amid_a_transaction_is_not_hidden(self, labelled: Cast) -> None:
        with tenant_context(labelled.alpha):
            assert names() == ["alpha"]
            with (
                pytest.raises(IntegrityError, match="label_name_uniq"),
                transaction.atomic(),
                tenant_context(labelled.beta),
            ):
                Label.objects.create(name="beta")
            assert names() == ["alpha"]

    def test_a_savepoint_can_be_rolled_back_after_its_tenant_was_left(self, labelled: Cast) -> None:
        def clash() -> None:
            with transaction.atomic(), tenant_context(labelled.beta):
                assert names() == ["beta"]
                Label.objects.create(name="beta")

        with tenant_context(labelled.alpha):
            assert names() == ["alpha"]
            with pytest.raises(IntegrityError, match="label_name_uniq"):
                clash()
            assert names() == ["alpha"]

    def test_a_broken_transaction_stays_broken_in_any_tenant(self, labelled: Cast) -> None:
        with transaction.atomic():
            with tenant_context(labelled.alpha), pytest.raises(DatabaseError):
                execute("SELECT 1 / 0")
            with tenant_context(labelled.beta), pytest.raises(DatabaseError):
                names()
            transaction.set_rollback(True)
        with tenant_context(labelled.beta):
            assert names() == ["beta"]

    def test_a_savepoint_rolled_back_brings_no_tenant_back(self, labelled: Cast) -> None:
        with tenant_context(labelled.alpha):
            assert names() == ["alpha"]
            savepoint = transaction.savepoint_create()
            with tenant_context(labelled.beta):
                assert names() == ["beta"]
                transaction.savepoint_rollback(savepoint)
                assert names() == ["beta"]
            assert names() == ["alpha"]

    def test_a_savepoint_released_keeps_the_right_tenant(self, labelled: Cast) -> None:
        with tenant_context(labelled.alpha):
            with transaction.atomic(), tenant_context(labelled.beta):
                assert names() == ["beta"]
            assert names() == ["alpha"]

    def test_a_tenant_entered_after_the_savepoint_is_told(self, labelled: Cast) -> None:
        with tenant_context(labelled.alpha):
            names()
            with transaction.atomic():
                with tenant_context(labelled.beta):
                    names()
                transaction.set_rollback(True)
            assert names() == ["alpha"]
            assert told_tenant() == str(labelled.alpha.pk)

    def test_executemany_carries_the_tenant(self, labelled: Cast) -> None:
        insert = "INSERT INTO label (tenant_id, name, colour) VALUES (%s, %s, '#000000')"
        with tenant_context(labelled.beta), connection.cursor() as cursor:
            cursor.executemany(insert, [(labelled.beta.pk, "one"), (labelled.beta.pk, "two")])
            assert names() == ["beta", "one", "two"]
        with tenant_context(labelled.alpha):
            assert names() == ["alpha"]

    def test_copy_carries_the_tenant(self, labelled: Cast) -> None:
        for tenant in (labelled.alpha, labelled.beta):
            with (
                tenant_context(tenant),
                connection.cursor() as cursor,
                cursor.copy("COPY (SELECT name FROM label) TO STDOUT") as copy,
            ):
                assert [row for (row,) in copy.rows()] == [tenant.slug]

    def test_stream_carries_the_tenant(self, labelled: Cast) -> None:
        with tenant_context(labelled.beta), connection.cursor() as cursor:
            assert list(cursor.stream("SELECT name FROM label")) == [("beta",)]

    def test_statements_may_be_bytes_or_composed(self, labelled: Cast) -> None:
        composed = sql.SQL("SELECT name FROM {}").format(sql.Identifier("label"))
        for tenant, statement in ((labelled.alpha, composed), (labelled.beta, b"TABLE label")):
            with tenant_context(tenant), connection.cursor() as cursor:
                cursor.execute(statement)
                assert tenant.slug in cursor.fetchone()

    def test_a_percent_sign_in_a_statement_survives_the_binding(self, labelled: Cast) -> None:
        with tenant_context(labelled.alpha):
            assert fetch("SELECT name FROM label WHERE name LIKE %s", ["al%"]) == ["alpha"]
        with tenant_context(labelled.beta):
            assert fetch("SELECT name FROM label WHERE name LIKE 'b%'") == ["beta"]

    def test_several_statements_at_once_keep_their_results(self, labelled: Cast) -> None:
        with tenant_context(labelled.alpha), connection.cursor() as cursor:
            cursor.execute("SELECT 1; SELECT name FROM label")
            assert cursor.fetchall() == [(1,)]
            assert cursor.nextset()
            assert cursor.fetchall() == [("alpha",)]
            assert not cursor.nextset()

    def test_the_row_count_is_the_statements_own(self, labelled: Cast) -> None:
        with tenant_context(labelled.alpha):
            assert execute("UPDATE label SET colour = '#ffffff'") == 1
        with tenant_context(labelled.beta):
            assert execute("UPDATE label SET colour = '#ffffff' WHERE name = 'alpha'") == 0


@pytest.mark.django_db(transaction=True)
class TestServerSideCursors:
    """`iterator()` reads through a cursor of the server's."""

    @pytest.fixture
    def many(self) -> Cast:
        cast = make_cast()
        for tenant in (cast.alpha, cast.beta):
            with tenant_context(tenant):
                Label.objects.bulk_create(Label(name=f"{tenant.slug}{n}") for n in range(10))
        return cast

    def test_the_cursor_is_opened_in_the_tenant(self, many: Cast) -> None:
        for tenant in (many.beta, many.alpha):
            with tenant_context(tenant):
                rows = [label.name for label in Label.unscoped.iterator(chunk_size=3)]
            assert sorted(rows) == [f"{tenant.slug}{n}" for n in range(10)]

    @pytest.mark.parametrize("in_transaction", [False, True])
    def test_its_rows_go_on_where_others_ran_between(
        self, many: Cast, in_transaction: bool
    ) -> None:
        with self.scanning(in_transaction), tenant_context(many.alpha):
            rows = Label.unscoped.iterator(chunk_size=2)
            seen = [next(rows).name]
            with tenant_context(many.beta):
                assert Label.objects.count() == 10
            seen += [label.name for label in rows]
        assert sorted(seen) == [f"alpha{n}" for n in range(10)]

    @pytest.mark.parametrize("in_transaction", [False, True])
    def test_its_rows_are_refused_in_another_tenant(self, many: Cast, in_transaction: bool) -> None:
        with self.scanning(in_transaction), tenant_context(many.alpha):
            rows = Label.unscoped.iterator(chunk_size=2)
            assert next(rows).name == "alpha0"
            with tenant_context(many.beta), pytest.raises(TenantChanged, match="to the end there"):
                list(rows)

    @staticmethod
    @contextmanager
    def scanning(in_transaction: bool) -> Iterator[None]:
        """With the plan that reads the policies' setting again at each FETCH: a scan of the table
        in a transaction. In autocommit the rows are kept when the cursor is opened."""
        with ExitStack() as stack:
            if in_transaction:
                stack.enter_context(transaction.atomic())
                for scan in ("indexscan", "bitmapscan", "indexonlyscan"):
                    execute(f"SET LOCAL enable_{scan} = off")
            yield


type Script = list[Any]

_step: st.SearchStrategy[Any] = st.sampled_from(["look", "look", "fail", "write", "reconnect"])
_block = st.sampled_from(["alpha", "beta", "nobody", "commit", "roll back", "raise"])
_scripts: st.SearchStrategy[Script] = st.recursive(
    st.lists(_step, min_size=1, max_size=3),
    lambda inner: st.lists(st.tuples(_block, inner) | _step, min_size=1, max_size=4),
    max_leaves=12,
)


class Deliberate(Exception):
    """Raised to leave a block by an exception."""


@contextmanager
def _block_of(kind: str, cast: Cast) -> Iterator[None]:
    if kind in ("alpha", "beta"):
        with tenant_context(getattr(cast, kind)):
            yield
    elif kind == "nobody":
        with no_tenant():
            yield
    else:
        with suppress(Deliberate), transaction.atomic():
            yield
            if kind == "raise":
                raise Deliberate
            transaction.set_rollback(kind == "roll back")


def _play(script: Script, cast: Cast, active: Tenant | None) -> None:
    """Run a script beside a model of it: the tenant whose block is the innermost."""
    for step in script:
        if isinstance(step, tuple):
            kind, inner = step
            inside = {"alpha": cast.alpha, "beta": cast.beta, "nobody": None}.get(kind, active)
            with _block_of(kind, cast):
                _play(inner, cast, inside)
        elif step == "fail":
            with pytest.raises(DatabaseError), transaction.atomic():
                execute("SELECT 1 / 0")
        elif step == "write" and active:
            assert Label.objects.update(colour="#ffffff") == 1
        elif step == "reconnect" and not connection.in_atomic_block:
            connection.close()
        _look(active)


def _look(active: Tenant | None) -> None:
    assert names() == ([active.slug] if active else [])
    assert told_tenant() == (str(active.pk) if active else "")
    assert [label.name for label in Label.unscoped.all()] == names()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("binding", ["session", "transaction"])
def test_whatever_is_done_the_session_knows_the_active_tenant(binding: str) -> None:
    cast = label_each(make_cast())

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(_scripts)
    def check(script: Script) -> None:
        _play(script, cast, None)

    pool = {"max_size": 1} if binding == "session" else {"max_size": 1, "check": None}
    with database(TENANT_BINDING=binding, pool=pool):
        check()


@pytest.mark.django_db(transaction=True)
class TestRollbacksThatDjangoDoesNotSee:
    """What the session knows may be rolled back behind the wrapper's back."""

    @pytest.fixture
    def bound(self) -> Cast:
        cast = make_cast()
        for tenant in (cast.alpha, cast.beta):
            with tenant_context(tenant):
                Label.objects.create(name=tenant.slug)
        connection.close()
        with tenant_context(cast.alpha):
            assert Label.objects.get().name == "alpha"
        return cast

    def names(self, tenant: Tenant) -> list[str]:
        with tenant_context(tenant):
            return [str(name) for name in fetch("SELECT name FROM label")]

    def test_the_commit_of_a_failed_transaction(self, bound: Cast) -> None:
        with transaction.atomic(), tenant_context(bound.beta):
            assert self.names(bound.beta) == ["beta"]
            with suppress(DatabaseError):
                list(Label.objects.filter(name__regex="("))
        assert self.names(bound.beta) == ["beta"]

    def test_a_rollback_sent_as_text(self, bound: Cast) -> None:
        execute("BEGIN")
        assert self.names(bound.beta) == ["beta"]
        execute("ROLLBACK")
        assert self.names(bound.beta) == ["beta"]

    def test_a_rollback_to_a_savepoint_sent_as_text(self, bound: Cast) -> None:
        with transaction.atomic():
            execute("SAVEPOINT here")
            assert self.names(bound.beta) == ["beta"]
            execute("ROLLBACK TO SAVEPOINT here")
            assert self.names(bound.beta) == ["beta"]

    def test_a_rollback_of_the_driver(self, bound: Cast) -> None:
        with transaction.atomic():
            assert self.names(bound.beta) == ["beta"]
            connection.connection.rollback()
            assert self.names(bound.beta) == ["beta"]


@pytest.mark.django_db
def test_a_queryset_evaluated_in_one_tenant_asks_again_in_another(cast: Cast) -> None:
    labels = Label.objects.prefetch_related("task_labels")
    for tenant in (cast.alpha, cast.beta):
        with tenant_context(tenant):
            Label.objects.create(name=tenant.slug)
    with tenant_context(cast.alpha):
        assert [label.name for label in labels] == ["alpha"]

    with tenant_context(cast.beta):
        assert [label.name for label in labels] == ["beta"]
        assert (labels[0].name, labels.count(), bool(labels)) == ("beta", 1, True)
    with pytest.raises(TenantNotSet):
        len(labels)
