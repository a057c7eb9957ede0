"""Every statement of the API on a tenant's table names the tenant, or PostgreSQL does."""

from __future__ import annotations

import pytest
from django.db import connection

from perf.testing import assert_no_tenant_free_statement
from taskproject.db.context import tenant_context
from taskproject.tenancy.scoping import tenant_models
from taskproject.tests.cast import Cast, make_cast
from tasks.models import Task
from tasks.tests.test_api_statements import CASES, FEW, furnish_alpha

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = [model._meta.db_table for model in tenant_models()]


@pytest.mark.parametrize("by_policy", [True, False])
def test_each_request_keeps_to_its_tenant(by_policy: bool) -> None:
    stage = furnish_alpha(make_cast(), rows=FEW)
    with assert_no_tenant_free_statement(tables=TABLES, by_policy=by_policy):
        for case in CASES:
            stage.client.get("/api/v1/tenants/alpha/")
            assert case.sent(stage.client, stage.ids).status_code == case.status


def test_a_planted_statement_without_a_tenant_is_found(cast: Cast) -> None:
    with (
        pytest.raises(AssertionError, match="task without tenant_id at tasks/tests/"),
        assert_no_tenant_free_statement(tables=TABLES, by_policy=False),
        tenant_context(cast.alpha),
    ):
        list(Task.unscoped.filter(title="x"))


def test_row_level_security_keeps_it_to_the_tenant_all_the_same(cast: Cast) -> None:
    with assert_no_tenant_free_statement(tables=TABLES), tenant_context(cast.alpha):
        list(Task.unscoped.filter(title="x"))
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM task")
