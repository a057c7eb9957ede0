"""An index that is led by the tenant can serve each tenant table, however few rows it has."""

from __future__ import annotations

from typing import Any

import pytest

from perf.testing import assert_index_served
from taskproject.db.context import tenant_context
from taskproject.tenancy.scoping import tenant_models
from taskproject.tests.cast import Cast

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", tenant_models(), ids=lambda model: model.__name__)
def test_a_tenants_rows_are_found_by_an_index_led_by_it(cast: Cast, model: Any) -> None:
    with tenant_context(cast.alpha):
        assert_index_served(model.objects.order_by())
        assert_index_served(model.objects.filter(pk=1).order_by())
