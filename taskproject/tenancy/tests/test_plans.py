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
from taskproject.tenancy import credentials, identities, selectors, services
from taskproject.tenancy.models import ApiToken, Event, Membership
from taskproject.tests import crowd as crowds
from taskproject.tests.crowd import Crowd

pytestmark = pytest.mark.django_db

LIMIT: Final = 51
# An event: a page of the table, and three to find the name of its actor. And the way to the first.
FEED_PAGES: Final = 4 * LIMIT + 10
# Two tenants import at the same time; later, one event a transaction, there are a few of each.
_IMPORT: Final = """
    INSERT INTO event (tenant_id, xid, task_id, actor_id, kind, changes)
    SELECT tenant, xid::text::xid8, n, first.user_id, 24, '{}'
      FROM (SELECT tenant, CASE WHEN k <= 30000 THEN 300 ELSE k - 29700 END AS xid, k AS n
              FROM generate_series(1, 30100) AS k, unnest(ARRAY[%(tenant)s, %(other)s]) AS tenant
           ) AS wanted,
           LATERAL (SELECT user_id FROM membership WHERE tenant_id = tenant LIMIT 1) AS first
     ORDER BY n
"""


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
    assert identities.token_authenticate(text=text) is None


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
    "member_list": LookUp(
        "membership_joined_idx",
        ("tenant_id",),
        "membership",
        lambda place: list(selectors.MEMBER_ORDER.page(selectors.member_list(), limit=LIMIT)),
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


@pytest.fixture(params=["fresh", "stale"])
def statistics(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["giant", "tiny"])
def imported(request: pytest.FixtureRequest, crowd: Crowd, statistics: str) -> Iterator[int]:
    """A tenant that imported 30,000 events in one transaction, at the same time as another one."""
    tenant: int = getattr(crowd, request.param)
    with crowds.owner_session() as owner:
        owner.execute(_IMPORT, {"tenant": tenant, "other": crowd.middling})
        if statistics == "fresh":
            owner.execute("ANALYZE event")
        yield tenant
        owner.execute("DELETE FROM event WHERE xid >= '300'")
        owner.execute("VACUUM (ANALYZE, TRUNCATE FALSE) event")


def positions(everything: list[tuple[int, int]]) -> dict[str, int]:
    """Where a page may begin: before, in and after the import, and at both ends."""
    xids = [xid for xid, _ in everything]
    first, beyond = xids.index(300), xids.index(301)
    return {
        "the first page": 0,
        "the last one before the import": first - LIMIT,
        "over the edge of the import": first - 5,
        "its first page": first,
        "its middle": (first + beyond) // 2,
        "its last page": beyond - LIMIT,
        "over its end": beyond - 5,
        "after it": beyond,
        "the deepest page": len(everything) - LIMIT,
        "the end": len(everything),
    }


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


def test_a_page_of_the_feed_costs_the_same_everywhere(imported: int) -> None:
    with tenant_context(imported):
        everything = list(Event.objects.order_by("xid", "id").values_list("xid", "id"))
        for name, start in positions(everything).items():
            after = everything[start - 1] if start else (0, 0)
            page = selectors.event_feed(after=after, limit=LIMIT)
            plan = explain(page, analyze=True)

            assert [(each.xid, each.pk) for each in page] == everything[start : start + LIMIT], name
            bounds = ["tenant_id", "xid", "id"]
            assert plan.complaints(index="event_feed_idx", table="event", bounds=bounds) == [], name
            assert plan.buffers <= FEED_PAGES, f"{name}: {plan}"


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
