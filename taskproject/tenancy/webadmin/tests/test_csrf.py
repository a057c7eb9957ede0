"""Each kind of write asks for the token that its page carries."""

from __future__ import annotations

import re
from typing import Any

import pytest

from taskproject.tenancy.models import ApiToken, Membership, User
from taskproject.tenancy.webadmin.tests.pages import address, contents, enter, furnish, page_of
from taskproject.tenancy.webadmin.tests.walls import (
    CONFIRMED,
    Rows,
    entries,
    on_page,
    selection,
)
from taskproject.tests.cast import Cast
from tasks.models import Comment, Label, Task

pytestmark = pytest.mark.django_db

KINDS = {
    "add": lambda rows: (page_of(Task, "add/"), entries(Task, rows)),
    "add a token": lambda rows: (page_of(ApiToken, "add/"), entries(ApiToken, rows)),
    "change": lambda rows: (page_of(Label, f"{rows[Label]}/change/"), entries(Label, rows)),
    "delete": lambda rows: (page_of(Comment, f"{rows[Comment]}/delete/"), CONFIRMED),
    "action": lambda rows: (page_of(Task), selection("delete_selected", rows[Task])),
    "action of a page": lambda rows: (
        page_of(ApiToken, f"{rows[ApiToken]}/change/"),
        on_page("revoke", rows[ApiToken]),
    ),
    "selection": lambda rows: (
        page_of(Task),
        selection("change_selected", rows[Task], apply="1", status="3"),
    ),
    "member": lambda rows: (page_of(Membership, "add/"), entries(Membership, rows)),
}


@pytest.fixture
def rows(cast: Cast) -> Rows:
    """A row of each model in alpha, of Alice's."""
    return furnish(cast.alpha, cast.alice)


@pytest.mark.parametrize("kind", KINDS)
def test_a_write_needs_the_token_of_its_page(cast: Cast, rows: Rows, kind: str) -> None:
    path, sent = KINDS[kind](rows)
    there = address(cast.alpha, path)
    client = enter(cast.alice, enforce_csrf_checks=True)
    before = contents(cast.alpha)

    assert client.post(there, sent).status_code == 403
    assert contents(cast.alpha) == before

    token = token_in(client.get(there))
    assert client.post(there, {**sent, "csrfmiddlewaretoken": token}).status_code in (200, 302)
    assert contents(cast.alpha) != before


@pytest.mark.parametrize("path", ["logout/", "password_change/"])
def test_the_session_is_guarded_in_the_same_way(cast: Cast, path: str) -> None:
    client = enter(cast.alice, enforce_csrf_checks=True)

    for prefix in ("/admin/", address(cast.alpha)):
        assert client.post(prefix + path).status_code == 403
    assert client.get(address(cast.alpha)).status_code == 200


def test_logging_in_is_guarded_too(cast: Cast) -> None:
    cast.alice.set_password("correct horse battery")
    cast.alice.save()
    client = enter(User.objects.create(username="nobody"), enforce_csrf_checks=True)
    client.logout()
    sent = {"username": "alice", "password": "correct horse battery", "next": "/admin/"}

    assert client.post("/admin/login/", sent).status_code == 403

    token = token_in(client.get("/admin/login/"))
    assert (
        client.post("/admin/login/", {**sent, "csrfmiddlewaretoken": token})["Location"]
        == "/admin/"
    )


def token_in(page: Any) -> str:
    """The token that the forms of a page carry."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
    assert found is not None
    return found[1]
