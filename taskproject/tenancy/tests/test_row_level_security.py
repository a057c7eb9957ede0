"""PostgreSQL keeps the tenants apart by itself, whatever the code above it asks for."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction

from projects.models import Project
from taskproject.db.context import all_tenants, tenant_context
from taskproject.tenancy.models import Tenant
from taskproject.tenancy.scoping import TenantModel, tenant_models
from taskproject.tenancy.tests.rows import every_tenant_model, make_row
from taskproject.tenancy.tests.sql import (
    RLS_VIOLATION,
    execute,
    fetch,
    refusal,
    refusal_of,
    session,
    told_tenant,
    touched,
)
from taskproject.tests.cast import Cast, make_cast
from tasks.models import Comment, Task


@pytest.fixture
def rows(cast: Cast, model: type[TenantModel]) -> tuple[Any, Any]:
    """A row of alpha's and one of beta's."""
    return make_row(model, cast.alpha, cast.alice), make_row(model, cast.beta, cast.carol)


@every_tenant_model
@pytest.mark.usefixtures("rows")
def test_without_a_tenant_no_row_is_seen(model: type[TenantModel]) -> None:
    assert fetch(f"SELECT count(*) FROM {model._meta.db_table}") == [0]
    assert fetch(f"SELECT id FROM {model._meta.db_table}") == []
    assert model.unscoped.count() == 0


@every_tenant_model
@pytest.mark.usefixtures("rows")
def test_without_a_tenant_nothing_is_joined_to_a_shared_table(model: type[TenantModel]) -> None:
    table = model._meta.db_table
    assert fetch(f"SELECT t.id FROM tenant AS t JOIN {table} AS r ON r.tenant_id = t.id") == []


@every_tenant_model
@pytest.mark.usefixtures("rows")
def test_without_a_tenant_nothing_is_copied_out(model: type[TenantModel]) -> None:
    told_tenant()  # the binding can't travel with the COPY of psycopg's own cursor
    with session("app") as raw, raw.cursor().copy(f"COPY {model._meta.db_table} TO STDOUT") as out:
        assert list(out) == []


@every_tenant_model
def test_without_a_tenant_no_row_is_changed(
    model: type[TenantModel], rows: tuple[Any, Any], cast: Cast
) -> None:
    table = model._meta.db_table
    assert touched(f"UPDATE {table} SET tenant_id = tenant_id") == 0
    assert touched(f"DELETE FROM {table}") == 0
    with tenant_context(cast.alpha):
        assert model.objects.contains(rows[0])


@every_tenant_model
def test_without_a_tenant_no_row_is_made(model: type[TenantModel], cast: Cast) -> None:
    insert = f"INSERT INTO {model._meta.db_table} (tenant_id) VALUES (%s)"
    assert refusal_of(insert, [cast.alpha.pk]) == RLS_VIOLATION
    assert refusal_of(insert, [None]) == RLS_VIOLATION


@every_tenant_model
def test_no_row_is_made_for_another_tenant(model: type[TenantModel], cast: Cast) -> None:
    insert = f"INSERT INTO {model._meta.db_table} (tenant_id) VALUES (%s)"
    with tenant_context(cast.alpha):
        assert refusal_of(insert, [cast.beta.pk]) == RLS_VIOLATION
        foreign = model(tenant_id=cast.beta.pk)
        assert refusal(lambda: model.unscoped.bulk_create([foreign])) == RLS_VIOLATION


@every_tenant_model
def test_a_tenant_sees_its_own_rows_only(
    model: type[TenantModel], rows: tuple[Any, Any], cast: Cast
) -> None:
    table = model._meta.db_table
    for tenant, mine in ((cast.alpha, rows[0]), (cast.beta, rows[1])):
        with tenant_context(tenant):
            assert mine.pk in fetch(f"SELECT id FROM {table}")
            assert set(fetch(f"SELECT tenant_id FROM {table}")) == {tenant.pk}
            assert {row.tenant_id for row in model.objects.all()} == {tenant.pk}
            assert {row.tenant_id for row in model.unscoped.all()} == {tenant.pk}


@every_tenant_model
def test_asking_for_another_tenants_row_by_key_finds_nothing(
    model: type[TenantModel], rows: tuple[Any, Any], cast: Cast
) -> None:
    table, foreign = model._meta.db_table, rows[1]
    by_key = (cast.beta.pk, foreign.pk)
    with tenant_context(cast.alpha):
        assert not model.unscoped.filter(tenant_id=cast.beta.pk, pk=foreign.pk).exists()
        assert fetch(f"SELECT id FROM {table} WHERE tenant_id = %s AND id = %s", by_key) == []
        assert touched(f"DELETE FROM {table} WHERE tenant_id = %s AND id = %s", by_key) == 0


@every_tenant_model
def test_a_row_can_not_move_to_another_tenant(
    model: type[TenantModel], rows: tuple[Any, Any], cast: Cast
) -> None:
    mine = rows[0]
    move = f"UPDATE {model._meta.db_table} SET tenant_id = %s WHERE id = %s"
    with tenant_context(cast.alpha):
        assert refusal_of(move, [cast.beta.pk, mine.pk]) == RLS_VIOLATION
        mine.tenant = cast.beta
        with pytest.raises(ValidationError, match="move to another tenant"):
            mine.save()
        assert model.objects.get(pk=mine.pk).tenant_id == cast.alpha.pk


@every_tenant_model
def test_a_fetched_row_can_not_move_either(
    model: type[TenantModel], rows: tuple[Any, Any], cast: Cast
) -> None:
    with tenant_context(cast.alpha):
        mine = model.objects.get(pk=rows[0].pk)
        mine.tenant_id = cast.beta.pk
        with pytest.raises(ValidationError, match="move to another tenant"):
            mine.save()


@every_tenant_model
def test_a_row_is_not_saved_from_within_another_tenant(
    model: type[TenantModel], rows: tuple[Any, Any], cast: Cast
) -> None:
    with tenant_context(cast.alpha):
        assert refusal(rows[1].save) == RLS_VIOLATION
        assert touched(f"DELETE FROM {model._meta.db_table} WHERE id = %s", [rows[1].pk]) == 0
    with tenant_context(cast.beta):
        assert model.objects.contains(rows[1])


@every_tenant_model
@pytest.mark.usefixtures("rows")
def test_all_tenants_shows_the_app_role_nothing(model: type[TenantModel]) -> None:
    with all_tenants():
        assert model.objects.count() == 0
        assert list(model.unscoped.all()) == []
        assert fetch(f"SELECT count(*) FROM {model._meta.db_table}") == [0]


@every_tenant_model
@pytest.mark.django_db
def test_the_app_role_may_not_use_what_rls_does_not_filter(model: type[TenantModel]) -> None:
    table = model._meta.db_table
    for sql in (
        f"TRUNCATE {table} CASCADE",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        f"DROP POLICY tenant_isolation ON {table}",
        f"CREATE TABLE public.spy (tenant_id bigint, id bigint REFERENCES {table})",
    ):
        assert refusal_of(sql) == RLS_VIOLATION


@pytest.mark.django_db(transaction=True)
def test_the_tenants_shares_make_up_what_the_owner_sees() -> None:
    cast = make_cast()
    for model in tenant_models():
        for _ in range(2):
            make_row(model, cast.alpha, cast.alice)
        make_row(model, cast.beta, cast.carol)
    with session("owner") as owner:
        for model in tenant_models():
            table = model._meta.db_table
            counts = owner.execute(
                f"SELECT tenant_id, count(*) FROM {table} GROUP BY tenant_id"
            ).fetchall()
            assert dict(counts) == {t.pk: _seen(t, model) for t in (cast.alpha, cast.beta)}


def _seen(tenant: Tenant, model: type[TenantModel]) -> int:
    with tenant_context(tenant):
        by_sql = fetch(f"SELECT count(*) FROM {model._meta.db_table}")
        assert by_sql == [model.objects.count()] == [model.unscoped.count()]
    return int(by_sql[0])


def test_a_tenant_can_not_be_deleted_by_the_app_role(cast: Cast) -> None:
    with tenant_context(cast.alpha):
        assert refusal(cast.alpha.delete) == RLS_VIOLATION
        assert refusal_of("DELETE FROM tenant WHERE id = %s", [cast.beta.pk]) == RLS_VIOLATION
    assert Tenant.objects.count() == 2


def test_a_delete_does_not_cascade_into_another_tenant(cast: Cast) -> None:
    """Two rows with the same id in two tenants, of which one is deleted."""
    mine, other = (
        make_row(Comment, cast.alpha, cast.alice),
        make_row(Comment, cast.beta, cast.carol),
    )
    with tenant_context(cast.beta):
        execute("UPDATE comment SET id = id + 1000")
        execute(
            "INSERT INTO task (tenant_id, id, project_id, number, title, description, status,"
            " priority, creator_id, version) OVERRIDING SYSTEM VALUE"
            " SELECT tenant_id, %s, project_id, 99, title, '', 0, 1, creator_id, 1 FROM task",
            [mine.task_id],
        )
        execute("UPDATE comment SET task_id = %s", [mine.task_id])
    with tenant_context(cast.alpha), transaction.atomic():
        Task.objects.filter(pk=mine.task_id).delete()
        assert Comment.objects.count() == 0
    with tenant_context(cast.beta):
        assert Comment.objects.get().task_id == mine.task_id
        assert Task.objects.count() == 2
        assert Project.objects.contains(other.task.project)


def test_the_planner_sees_the_tenant_of_the_policy(cast: Cast) -> None:
    make_row(Task, cast.alpha, cast.alice)
    with tenant_context(cast.alpha):
        plan = "\n".join(fetch("EXPLAIN SELECT count(*) FROM task WHERE tenant_id = 1"))
    assert "SubPlan" not in plan
    assert "InitPlan" not in plan
