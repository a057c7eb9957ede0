"""Each index of the tenancy app serves what it says: by PostgreSQL's plans, as the app role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import Index, UniqueConstraint
from pytest_django import DjangoDbBlocker

from perf.pg.plans import Plan, explain, plans_of
from taskproject.db.context import tenant_context
from taskproject.tenancy import credentials, selectors, services
from taskproject.tenancy.models import ApiToken, Membership
from taskproject.tests import crowd as crowds
from taskproject.tests.crowd import Crowd

pytestmark = pytest.mark.django_db

LIMIT: Final = 51


@pytest.fixture(scope="module")
def crowd(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Crowd]:
    with crowds.visiting(django_db_blocker, tasks=False) as visitors:
        yield visitors


@dataclass(frozen=True, slots=True)
class Place:
    """The giant of the crowd and one of its people."""

    tenant: int
    person: int
    prefix: str


@pytest.fixture
def giant(crowd: Crowd, db: None) -> Iterator[Place]:
    with tenant_context(crowd.giant):
        people = Membership.objects.filter(tenant_id=crowd.giant).order_by("user_id")
        person = people.values_list("user_id", flat=True)[1]
        yield Place(crowd.giant, person, ApiToken.objects.filter(user_id=person)[0].prefix)


@dataclass(frozen=True, slots=True)
class LookUp:
    """What finds a few rows, and the index it finds them by."""

    index: str
    bounds: tuple[str, ...]
    table: str
    run: Callable[[Place], Any]
    may_sort: bool = False


def authenticate(place: Place) -> None:
    """Check an unknown token that names the giant: no cache has it, so the database is asked."""
    text, _ = credentials.new_token(tenant_id=place.tenant)
    assert services.token_authenticate(text=text) is None


LOOK_UPS: Final[dict[str, LookUp]] = {
    "membership_get": LookUp(
        "membership_user_uniq",
        ("tenant_id", "user_id"),
        "membership",
        lambda place: selectors.membership_get(tenant_id=place.tenant, user_id=place.person),
    ),
    "membership_of": LookUp(
        "membership_user_uniq",
        ("tenant_id", "user_id"),
        "membership",
        lambda place: selectors.membership_of(slug="giant", user_id=place.person),
    ),
    "member_is_active": LookUp(
        "membership_user_uniq",
        ("tenant_id", "user_id"),
        "membership",
        lambda place: selectors.member_is_active(user_id=place.person),
    ),
    "memberships_of": LookUp(
        "membership_user_idx",
        ("user_id",),
        "membership",
        lambda place: list(selectors.memberships_of(user_id=place.person)),
        may_sort=True,
    ),
    "token_authenticate": LookUp(
        "api_token_digest_uniq", ("tenant_id", "digest"), "api_token", authenticate
    ),
    "token_revoke": LookUp(
        "api_token_prefix_uniq",
        ("tenant_id", "prefix"),
        "api_token",
        lambda place: services.token_revoke(prefix=place.prefix),
    ),
    "task_events": LookUp(
        "event_task_idx",
        ("tenant_id", "task_id"),
        "event",
        lambda _: list(selectors.task_events(task_id=3)),
        may_sort=True,
    ),
    "project_events": LookUp(
        "event_project_idx",
        ("tenant_id", "project_id"),
        "event",
        lambda _: list(selectors.project_events(project_id=3)),
        may_sort=True,
    ),
    "events_newest": LookUp(
        "event_tpk",
        ("tenant_id",),
        "event",
        lambda _: list(selectors.events_newest()[:LIMIT]),
    ),
    "event_feed": LookUp(
        "event_feed_idx",
        ("tenant_id", "xid", "id"),
        "event",
        lambda _: list(selectors.event_feed(limit=LIMIT)),
    ),
}
each_look_up = pytest.mark.parametrize("name", LOOK_UPS)


def plan_of(look_up: LookUp, place: Place) -> Plan:
    """The plan of the first statement that reads the table."""
    with plans_of(connection, analyze=True) as plans:
        look_up.run(place)
    return next(plan for plan in plans if look_up.table in plan.statement)


@each_look_up
def test_its_index_finds_the_rows(giant: Place, name: str) -> None:
    look_up = LOOK_UPS[name]
    plan = plan_of(look_up, giant)

    complaints = plan.complaints(
        index=look_up.index, table=look_up.table, bounds=look_up.bounds, may_sort=look_up.may_sort
    )
    assert complaints == [], plan
    assert plan.nodes("Seq Scan") == (), plan


def test_a_token_is_checked_in_one_statement_by_its_index_alone(giant: Place) -> None:
    with plans_of(connection) as plans:
        authenticate(giant)

    (plan,) = plans
    scans = plan.scans("api_token_digest_uniq")
    assert len(scans) == 2, plan  # to note the use, and to read
    assert all(scan.bounds("tenant_id") and scan.bounds("digest") for scan in scans)


def test_the_feed_costs_the_same_deep_inside(giant: Place) -> None:
    first = explain(selectors.event_feed(limit=LIMIT), analyze=True)
    deep = explain(selectors.event_feed(after=(128, 1), limit=LIMIT), analyze=True)

    for plan in (first, deep):
        bounds = ["tenant_id", "xid", "id"]
        assert plan.complaints(index="event_feed_idx", table="event", bounds=bounds) == [], plan
        (scan,) = plan.scans("event_feed_idx")
        assert (scan.rows, scan.removed) == (LIMIT, None), plan
        assert plan.buffers <= LIMIT + 10, plan


def test_a_tenant_is_found_by_its_slug(giant: Place) -> None:
    with plans_of(connection, analyze=True) as plans:
        selectors.tenant_get(slug="giant")

    (plan,) = plans
    assert list(plan.indexes) == ["tenant_slug_uniq"], plan
    assert plan.buffers <= 4


def test_every_index_of_the_tenancy_app_is_held_by_a_plan() -> None:
    declared = {
        each.name
        for model in apps.get_app_config("tenancy").get_models()
        for each in (*model._meta.indexes, *model._meta.constraints)
        if isinstance(each, Index | UniqueConstraint)
    }

    # Nothing reads idempotency keys yet; the slug has a test above.
    held = {each.index for each in LOOK_UPS.values()} - {"event_tpk"}
    assert declared - {"idempotency_key_key_uniq", "tenant_slug_uniq"} == held
