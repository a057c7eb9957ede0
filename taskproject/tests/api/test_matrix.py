"""Every address below a tenant × every method × every kind of caller, against the declaration.

`routes.DECLARED` says what each asks for. A new address without a line there fails here, and so
does one that was never called.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from django.db.models import CharField, JSONField, Model, TextField
from django.test import Client

from projects.api.fields import ProjectField
from taskproject.api.fields import IdField
from taskproject.db.context import tenant_context
from taskproject.tenancy.api.fields import MemberField
from taskproject.tenancy.models import Tenant, User
from taskproject.tenancy.scoping import tenant_models
from taskproject.tests.api.routes import DECLARED, METHODS, Route, act_of, other_addresses, routes
from taskproject.tests.api.walls import (
    PLACES,
    RECORD,
    World,
    foreign_addresses,
    make_world,
    matrix,
    smuggled,
    told,
)

pytestmark = pytest.mark.django_db

ROUTES = routes()
REFERRING = [
    each
    for each in ROUTES
    if any(a.refers or a.filters for a in DECLARED.get(each.name, {}).values())
]


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def beta_owner(world: World) -> Client:
    return world.client("token of another tenant")


# What is asked for


def test_each_address_is_declared_and_no_other() -> None:
    assert sorted(each.name for each in ROUTES) == sorted(DECLARED)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_way_to_name_another_row_is_declared(route: Route) -> None:
    for method in ("GET", "POST", "PUT", "PATCH"):
        act, view = act_of(route, method), route.view(method)
        if act is None:
            continue
        assert sorted(act.filters) == sorted(row_filters(view))
        assert sorted(act.refers) == ([] if act.body is None else sorted(references(view)))


def references(view: Any) -> list[str]:
    """The fields of a body that name another row, as the view's serializer has them."""
    fields = view.get_serializer_class()().fields.items()
    kinds = (MemberField, ProjectField, IdField)
    return [name for name, each in fields if isinstance(each, kinds) and not each.read_only]


def row_filters(view: Any) -> list[str]:
    """The query parameters of a list that name another row."""
    listing = view.listings.get(view.action)
    return [name for name in listing.filters if name in PLACES] if listing else []


def test_every_text_of_alpha_holds_its_word(world: World) -> None:
    models: list[type[Model]] = [*tenant_models(), Tenant, User]
    with tenant_context(world.alpha.tenant):
        bare = [
            f"{model._meta.db_table}.{field.attname}"
            for model in models
            for field in model._meta.get_fields()
            if isinstance(field, CharField | TextField | JSONField)
            and not any(world.alpha.word in str(each) for each in values(model, field))
        ]

    # None of these can hold it, or would be shown: they have a form of their own.
    assert bare == ["api_token.prefix", "label.colour", "tenant.slug", "user_account.password"]


def values(model: type[Model], field: Any) -> Any:
    return model._default_manager.values_list(field.attname, flat=True)


# What is answered


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_method_answers_each_caller_as_declared(world: World, route: Route) -> None:
    assert list(matrix(world, route)) == []


@pytest.mark.parametrize(
    "route", [each for each in ROUTES if each.arguments], ids=lambda route: route.name
)
def test_another_tenants_row_in_an_address_is_answered_as_an_absent_one(
    world: World, route: Route
) -> None:
    assert list(foreign_addresses(world, route, beta_owner(world))) == []


@pytest.mark.parametrize("route", REFERRING, ids=lambda route: route.name)
def test_another_tenants_row_in_a_request_is_answered_as_an_absent_one(
    world: World, route: Route
) -> None:
    assert list(smuggled(world, route, beta_owner(world))) == []


def test_the_owner_is_shown_what_others_must_not_see(world: World) -> None:
    owner = world.callers[0].client
    shown = set()
    for route in ROUTES:
        path = route.address("alpha", world.alpha.places)
        if world.alpha.word in told(owner.get(path)):
            shown.add(route.name)

    # Two give numbers, and the feed waits for the end of the transaction that the test runs in.
    without = {"task-count", "task-summary", "event-feed"}
    assert shown == {name for name, acts in DECLARED.items() if "GET" in acts} - without


def test_what_lies_outside_of_tenants_tells_of_none(world: World) -> None:
    assert other_addresses() == ["api/v1/schema/", "api/v1/docs/", "api/v1/redoc/"]

    for path in other_addresses():
        response = world.client("owner").get(f"/{path}")
        assert response.status_code == 200
        assert world.alpha.word not in told(response)


def test_everybody_has_called_every_method_of_every_address(
    world: World, request: pytest.FixtureRequest
) -> None:
    wanted = test_each_method_answers_each_caller_as_declared.__name__
    chosen = [each for each in request.session.items if each.originalname == wanted]  # type: ignore[attr-defined]
    if len(chosen) < len(ROUTES):
        pytest.skip("Only a part of the matrix was chosen.")

    names = [each.name for each in ROUTES], METHODS, [each.name for each in world.callers]
    assert set(product(*names)) - RECORD.sent == set()
    assert RECORD.count > 2_000
