"""Inside one's own tenant a row of another one is answered as one that does not exist."""

from __future__ import annotations

import pytest
from django.db.models import Model
from django.test import Client

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import ApiToken, Membership, Role, User
from taskproject.tenancy.services import member_add
from taskproject.tenancy.webadmin.sites import tenant_site
from taskproject.tenancy.webadmin.tests.pages import (
    ABSENT,
    actions,
    address,
    answer,
    body,
    choices,
    contents,
    enter,
    errors,
    furnish,
    lists,
    page_of,
)
from taskproject.tenancy.webadmin.tests.walls import (
    ENTRIES,
    Rows,
    entries,
    filled,
    foreign_rows_differ,
    foreign_selections_differ,
    offers,
    relations,
    row_requests,
    selection,
)
from taskproject.tests.cast import Cast, make_project, make_task
from taskproject.tests.rows import rolled_back
from tasks.models import Comment, Dependency, Label, Task

pytestmark = pytest.mark.django_db

FORMS = pytest.mark.parametrize("model", ENTRIES, ids=lambda model: model._meta.model_name)


@pytest.fixture
def foreign(cast: Cast) -> Rows:
    """A row of each model in alpha, of Bob's."""
    return furnish(cast.alpha, cast.bob)


@pytest.fixture
def own(cast: Cast) -> Rows:
    """A row of each model in beta, of Carol's."""
    return furnish(cast.beta, cast.carol)


@pytest.fixture
def carol(cast: Cast) -> Client:
    """Carol's browser; she owns beta."""
    return enter(cast.carol)


def test_each_page_answers_for_a_foreign_row_as_for_an_absent_one(
    cast: Cast, carol: Client, own: Rows, foreign: Rows
) -> None:
    before = contents(cast.alpha), contents(cast.beta)

    assert foreign_rows_differ(carol, cast.beta, row_requests(foreign)) == []

    assert (contents(cast.alpha), contents(cast.beta)) == before


def test_the_same_pages_open_for_rows_of_ones_own(cast: Cast, carol: Client, own: Rows) -> None:
    asked = [each for each in row_requests(own) if each[1] == "GET"]

    answers = {path: carol.get(address(cast.beta, path.format(pk))) for pk, _, path, _ in asked}

    assert len(answers) > 50
    opened = [path for path, each in answers.items() if each.status_code == 200]
    assert {page_of(model, "{}/change/") for model in lists(tenant_site)} <= set(opened)
    assert {page_of(Task, "?assignee={}"), page_of(Task, "?label={}")} <= set(opened)
    assert {page_of(Dependency, "?blocker={}"), page_of(Comment, "?task={}")} <= set(opened)


def test_an_action_treats_a_foreign_row_as_an_absent_one(
    cast: Cast, carol: Client, own: Rows, foreign: Rows
) -> None:
    before = contents(cast.alpha), contents(cast.beta)

    assert foreign_selections_differ(carol, cast.beta, own, foreign) == []

    assert (contents(cast.alpha), contents(cast.beta)) == before


@pytest.mark.parametrize(("model", "action"), actions(), ids=lambda each: str(each)[-20:])
def test_an_action_on_a_foreign_row_changes_nothing(
    cast: Cast, carol: Client, foreign: Rows, model: type[Model], action: str
) -> None:
    before = contents(cast.alpha), contents(cast.beta)
    sent = selection(action, foreign[model], apply="1", status="3")

    for query in ("", "?show=deleted"):
        carol.post(address(cast.beta, page_of(model, query)), sent)

    assert (contents(cast.alpha), contents(cast.beta)) == before


@FORMS
def test_a_new_row_can_refer_to_rows_of_the_tenant_only(
    cast: Cast, carol: Client, own: Rows, foreign: Rows, model: type[Model]
) -> None:
    add = address(cast.beta, page_of(model, "add/"))
    good = entries(model, own)
    for name in relations(carol.get(add)):
        related = related_model(model, name)
        before = contents(cast.alpha), contents(cast.beta)

        theirs, nowhere = (
            carol.post(add, good | {name: each}) for each in (foreign[related], ABSENT)
        )

        assert theirs.status_code == 200
        assert list(errors(theirs)) == [name]
        assert answer(theirs, foreign[related], ABSENT) == answer(nowhere, foreign[related], ABSENT)
        assert (contents(cast.alpha), contents(cast.beta)) == before


@FORMS
def test_a_new_row_with_rows_of_ones_own_is_made(
    cast: Cast, carol: Client, own: Rows, model: type[Model]
) -> None:
    before = contents(cast.beta)

    made = carol.post(address(cast.beta, page_of(model, "add/")), entries(model, own))

    assert made.status_code == (200 if model is ApiToken else 302)
    table = model._meta.db_table
    assert len(contents(cast.beta)[table]) == len(before[table]) + 1


@pytest.mark.parametrize("model", [m for m in lists(tenant_site) if m in ENTRIES], ids=page_of)
def test_a_changed_row_can_refer_to_rows_of_the_tenant_only(
    cast: Cast, carol: Client, own: Rows, foreign: Rows, model: type[Model]
) -> None:
    change = address(cast.beta, page_of(model, f"{own[model]}/change/"))
    page = carol.get(change)
    for name in relations(page):
        related = related_model(model, name)
        before = contents(cast.alpha), contents(cast.beta)

        theirs, nowhere = (
            carol.post(change, filled(page) | {name: each}) for each in (foreign[related], ABSENT)
        )

        assert theirs.status_code == 200
        assert list(errors(theirs)) == [name]
        assert answer(theirs, foreign[related], ABSENT) == answer(nowhere, foreign[related], ABSENT)
        assert (contents(cast.alpha), contents(cast.beta)) == before


@pytest.mark.parametrize("name", ["assignee", "add_label", "remove_label"])
def test_a_selection_can_be_given_to_rows_of_the_tenant_only(
    cast: Cast, carol: Client, own: Rows, foreign: Rows, name: str
) -> None:
    related = User if name == "assignee" else Label
    there = address(cast.beta, page_of(Task))
    before = contents(cast.beta)

    theirs, nowhere = (
        carol.post(there, selection("change_selected", own[Task], apply="1", **{name: each}))
        for each in (foreign[related], ABSENT)
    )

    assert list(theirs.context["form"].errors) == [name]
    assert answer(theirs, foreign[related], ABSENT) == answer(nowhere, foreign[related], ABSENT)
    assert contents(cast.beta) == before


def test_no_list_shows_what_is_another_tenants(
    cast: Cast, carol: Client, own: Rows, foreign: Rows
) -> None:
    with tenant_context(cast.alpha):
        secrets = set(ApiToken.objects.values_list("prefix", flat=True))
        secrets |= set(Label.objects.values_list("name", flat=True)) | {"Alpha", "alpha", "bob"}
    for model in lists(tenant_site):
        shown = body(carol.get(address(cast.beta, page_of(model))))

        assert f"{own[model]}/change/" in shown or model is User
        assert [each for each in secrets if each in shown] == []
        assert f"/{foreign[model]}/change/" not in shown


def test_no_field_offers_what_is_another_tenants(
    cast: Cast, carol: Client, own: Rows, foreign: Rows
) -> None:
    for term in ("", "b", "bob", "P", "label", "JIRA-1"):
        found = offers(carol, cast.beta, term)

        assert [m for m in foreign if f"{m._meta.model_name} {foreign[m]}" in found] == []
    assert offers(carol, cast.beta) >= {f"user {cast.carol.pk}", f"task {own[Task]}"}


def test_a_search_for_another_tenants_task_finds_nothing(cast: Cast, carol: Client) -> None:
    theirs = make_task(
        make_project(cast.alpha, cast.alice, "SECRET"), cast.alice, external_key="JIRA-1"
    )
    for term in ("SECRET-1", "JIRA-1"):
        found = carol.get(address(cast.beta, page_of(Task, f"?q={term}")))

        assert found.context["cl"].result_list == []
    path = next(path for path, model in choices() if model is Task)
    assert not carol.get(address(cast.beta, f"{path}&term=JIRA-1")).json()["results"]
    assert enter(cast.bob).get(address(cast.alpha, page_of(Task, "?q=JIRA-1"))).context[
        "cl"
    ].result_list == [theirs]


# --- People ---------------------------------------------------------------------------------------


def test_who_left_one_tenant_is_offered_in_the_other_only(cast: Cast, carol: Client) -> None:
    member_add(tenant=cast.beta, user=cast.bob, role=Role.MEMBER)
    assert f"user {cast.bob.pk}" in offers(carol, cast.beta)

    Membership.objects.filter(tenant=cast.beta, user=cast.bob).update(active=False)

    assert f"user {cast.bob.pk}" not in offers(carol, cast.beta)
    assert f"user {cast.bob.pk}" in offers(enter(cast.alice), cast.alpha)


def test_who_is_switched_off_is_offered_nowhere(cast: Cast) -> None:
    User.objects.filter(pk=cast.bob.pk).update(is_active=False)

    assert f"user {cast.bob.pk}" not in offers(enter(cast.alice), cast.alpha)


def test_a_stranger_can_be_no_assignee_even_with_the_same_name(cast: Cast, carol: Client) -> None:
    path = next(path for path, model in choices() if model is User)
    for term in ("alice", "ALICE", "a", "alice bob"):
        assert carol.get(address(cast.beta, f"{path}&term={term}")).json()["results"] == []


def test_a_name_that_is_taken_elsewhere_is_invited_without_a_word(
    cast: Cast, carol: Client
) -> None:
    add = address(cast.beta, page_of(Membership, "add/"))
    answers = []
    for name in ("alice", "newcomer"):
        with rolled_back():
            said = carol.post(add, {"username": name, "role": 1}, follow=True)
            answers.append((said.status_code, said.redirect_chain, body(said).count("<tr>")))

    assert answers[0] == answers[1]


def related_model(model: type[Model], name: str) -> type[Model]:
    """The model that a field of a model's form refers to."""
    found = Label if name == "labels" else model._meta.get_field(name).related_model
    assert isinstance(found, type)
    return found
