"""Each wall of the web admin is broken once, and a probe must notice: else they prove nothing.

It also shows which walls still hold while one of them is down.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client

from taskproject.tenancy import selectors
from taskproject.tenancy.admin.people import MemberAdmin, OwnTenantAdmin, PersonAdmin
from taskproject.tenancy.models import Membership, Tenant, User
from taskproject.tenancy.tests.test_canaries import break_manager, open_table
from taskproject.tenancy.webadmin import gate, options
from taskproject.tenancy.webadmin.tests.pages import address, body, enter, furnish, page_of
from taskproject.tenancy.webadmin.tests.walls import (
    Rows,
    answers_differ,
    foreign_rows_differ,
    offers,
    row_requests,
    visits,
)
from taskproject.tests.cast import Cast, make_cast
from tasks.models import Label, Task

TABLES = ("task", "project", "label", "comment", "dependency", "task_label")
PAGES = ("label/", "dependency/", "task/?", "task/add/", "task/{}/change/")


@pytest.fixture
def rows(cast: Cast) -> Rows:
    """A row of each model in alpha, of Bob's; one in beta too, of Carol's."""
    furnish(cast.beta, cast.carol)
    return furnish(cast.alpha, cast.bob)


def found_by(user: User, cast: Cast, rows: Rows) -> list[str]:
    """What somebody can tell from an absent page, of alpha's index and its pages about tasks."""
    asked = [each for each in visits(rows) if each[1] == "" or "tasks/task" in each[1]]
    return answers_differ(enter(user), cast.alpha, asked)


def differ(client: Client, cast: Cast, rows: Rows, *words: str) -> list[str]:
    """What can be told inside beta of alpha's rows, by pages with one of `words` in the address."""
    asked = [each for each in row_requests(rows) if any(word in each[2] for word in words)]
    assert asked
    return foreign_rows_differ(client, cast.beta, asked)


def labels_listed(client: Client, tenant: Tenant) -> int:
    """How many labels the list of a tenant shows."""
    return body(client.get(address(tenant, page_of(Label)))).count('class="swatch"')


def furnished() -> tuple[Cast, Rows, Client]:
    """The cast for good, a row of each model in alpha, and Carol's browser."""
    cast = make_cast()
    furnish(cast.beta, cast.carol)
    return cast, furnish(cast.alpha, cast.bob), enter(cast.carol)


@contextmanager
def open_tables() -> Iterator[None]:
    """Row-level security taken away from all that is about tasks."""
    with ExitStack() as stack:
        for table in TABLES:
            stack.enter_context(open_table(table))
        yield


# --- The gate -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_gate_that_takes_anothers_membership_opens_everything(
    cast: Cast, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = selectors.membership_of

    def anybodys(*, slug: str, user_id: int) -> Membership:
        return real(slug=slug, user_id=cast.alice.pk)

    monkeypatch.setattr(selectors, "membership_of", anybodys)

    found = found_by(cast.carol, cast, rows)

    # Nothing stands behind the gate: who is let in is in.
    assert {"GET ", "GET tasks/task/", f"GET tasks/task/{rows[Task]}/change/"} <= set(found)


@pytest.mark.django_db
def test_a_gate_that_forgets_to_ask_who_is_active_lets_former_members_in(
    cast: Cast, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    Membership.objects.filter(tenant=cast.alpha, user=cast.bob).update(active=False)

    def active_or_not(*, slug: str, user_id: int) -> Membership:
        return Membership.objects.get(tenant__slug=slug, user_id=user_id)

    monkeypatch.setattr(selectors, "membership_of", active_or_not)

    assert "GET tasks/task/" in found_by(cast.bob, cast, rows)


@pytest.mark.django_db
def test_a_gate_that_refuses_by_403_is_noticed(
    cast: Cast, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "Http404", PermissionDenied)

    assert len(found_by(cast.carol, cast, rows)) > 5


@pytest.mark.django_db
def test_a_gate_that_opens_no_tenant_shows_nothing_at_all(
    cast: Cast, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = enter(cast.carol, raise_request_exception=False)
    monkeypatch.setattr(gate, "tenant_context", nullcontext)

    assert client.get(address(cast.beta, "tasks/label/")).status_code == 500


# --- The rows -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_row_level_security_holds_when_the_manager_filters_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cast, foreign, carol = furnished()
    break_manager(monkeypatch)

    assert differ(carol, cast, foreign, *PAGES) == []
    assert labels_listed(carol, cast.beta) == 2


@pytest.mark.django_db(transaction=True)
def test_the_manager_holds_when_row_level_security_is_off() -> None:
    cast, foreign, carol = furnished()

    with open_tables():
        assert differ(carol, cast, foreign, *PAGES) == []
        assert labels_listed(carol, cast.beta) == 2


@pytest.mark.django_db(transaction=True)
def test_with_both_down_the_probes_find_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    cast, foreign, carol = furnished()
    break_manager(monkeypatch)

    with open_tables():
        assert labels_listed(carol, cast.beta) == 4
        found = differ(carol, cast, foreign, *PAGES)  # which even deletes one of them

    assert {f"GET tasks/{name}/{{}}/change/" for name in ("task", "label")} <= set(found)
    assert {"GET tasks/task/?project={}", "GET tasks/dependency/?blocker={}"} <= set(found)
    assert {"GET tasks/task/add/?parent={}", "POST tasks/dependency/{}/delete/"} <= set(found)


# --- What stands outside of row-level security ----------------------------------------------------


@pytest.mark.django_db
def test_memberships_have_one_wall_only_and_the_probes_watch_it(
    cast: Cast, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemberAdmin, "get_queryset", lambda *_: Membership.objects.all())

    found = differ(enter(cast.carol), cast, rows, "tenancy/membership/{}/change/")

    assert "GET tenancy/membership/{}/change/" in found


@pytest.mark.django_db
def test_a_tenant_has_one_wall_only_and_the_probes_watch_it(
    cast: Cast, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OwnTenantAdmin, "get_queryset", lambda *_: Tenant.objects.all())

    found = differ(enter(cast.carol), cast, rows, "tenancy/tenant/{}/change/")

    assert "GET tenancy/tenant/{}/change/" in found


@pytest.mark.django_db
def test_people_have_one_wall_only_and_the_probes_watch_it(
    cast: Cast, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = enter(cast.carol)
    monkeypatch.setattr(PersonAdmin, "get_queryset", lambda *_: User.objects.order_by("pk"))

    assert "GET tasks/task/?assignee={}" in differ(carol, cast, rows, "assignee")
    assert f"user {cast.bob.pk}" not in offers(carol, cast.beta)
    monkeypatch.setattr(PersonAdmin, "offered", lambda _, found: found)
    assert f"user {cast.bob.pk}" in offers(carol, cast.beta)


@pytest.mark.django_db
def test_a_form_that_takes_anybody_is_stopped_by_the_service(
    cast: Cast, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "members", User.objects.all)
    sent = {"key": "NEW", "name": "New", "description": "", "lead": cast.bob.pk}

    page = enter(cast.carol).post(address(cast.beta, "projects/project/add/"), sent)

    assert page.status_code == 200
    assert list(page.context["adminform"].form.errors) == ["lead"]
