"""What was said in one tenant is shown there, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Role
from taskproject.tenancy.services import member_add
from taskproject.tenancy.webadmin.tests.pages import address, enter, messages
from taskproject.tests.cast import Cast
from tasks.models import Label

pytestmark = pytest.mark.django_db

SAID = "was added successfully."


@pytest.fixture
def alice(cast: Cast) -> Client:
    """The browser of Alice, who is an admin of beta too."""
    member_add(tenant=cast.beta, user=cast.alice, role=Role.ADMIN)
    return enter(cast.alice)


def say(client: Client, cast: Cast, name: str = "urgent") -> Any:
    """Make a label in alpha, without looking at the page that comes after it."""
    return client.post(address(cast.alpha, "tasks/label/add/"), {"name": name, "colour": "#aabbcc"})


def test_the_cookie_has_the_name_and_the_path_of_its_tenant(alice: Client, cast: Cast) -> None:
    response = say(alice, cast)

    assert [name for name in response.cookies if "messages" in name] == ["messages-alpha"]
    cookie = response.cookies["messages-alpha"]
    assert cookie["path"] == "/admin/tenants/alpha/"
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_a_message_is_shown_once_in_its_tenant(alice: Client, cast: Cast) -> None:
    shown = [messages(alice.get(say(alice, cast)["Location"]))]
    shown.append(messages(alice.get(address(cast.alpha))))

    assert [len(each) for each in shown] == [1, 0]
    assert SAID in shown[0][0]


def test_the_cookie_is_taken_away_by_its_own_path(alice: Client, cast: Cast) -> None:
    page = alice.get(say(alice, cast)["Location"])

    gone = page.cookies["messages-alpha"]
    assert (gone.value, gone["path"], gone["max-age"]) == ("", "/admin/tenants/alpha/", 0)


@pytest.mark.parametrize("where", ["/admin/tenants/beta/", "/admin/", "/admin/tenants/nowhere/"])
def test_another_page_neither_shows_nor_loses_it(alice: Client, cast: Cast, where: str) -> None:
    say(alice, cast)

    # The test client sends each cookie everywhere: the name alone must keep it apart.
    page = alice.get(where)

    assert SAID not in page.content.decode()
    assert "messages-alpha" not in page.cookies
    assert SAID in messages(alice.get(address(cast.alpha)))[0]


def test_what_the_chooser_is_told_is_not_shown_in_a_tenant(cast: Cast) -> None:
    cast.alice.is_superuser = True
    cast.alice.save()
    client = enter(cast.alice)
    made = client.post("/admin/tenancy/tenant/add/", {"slug": "new", "name": "N", "owner": "alice"})

    assert made.cookies["messages"]["path"] == "/"
    assert messages(client.get(address(cast.alpha))) == []
    assert SAID in messages(client.get(made["Location"]))[0]


def test_a_slug_that_begins_like_another_has_a_cookie_of_its_own(cast: Cast) -> None:
    say(client := enter(cast.alice), cast)

    assert client.cookies["messages-alpha"]["path"].endswith("/alpha/")
    assert messages(client.get("/admin/tenants/alpha-2/")) == []


def test_a_message_says_names_as_text(alice: Client, cast: Cast) -> None:
    shown = alice.get(say(alice, cast, name="<b>bold</b>")["Location"]).content.decode()

    assert "<b>bold</b>" not in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown
    with tenant_context(cast.alpha):
        assert Label.objects.get().name == "<b>bold</b>"
