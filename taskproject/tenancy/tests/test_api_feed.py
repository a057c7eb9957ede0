"""GET /api/v1/tenants/<tenant>/events/ as its clients follow it."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.db import epochs
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import EventKind
from taskproject.tenancy.services import event_append
from taskproject.tests.cast import Cast, make_cast, make_client

pytestmark = pytest.mark.django_db(transaction=True)

FEED = "/api/v1/tenants/alpha/events/"


@pytest.fixture
def cast() -> Cast:
    """Alpha and beta, committed: the feed shows no event of a transaction that is still open."""
    return make_cast()


@pytest.fixture
def client(cast: Cast) -> Client:
    return make_client(cast.alpha, cast.alice)


def happen(cast: Cast, *words: str) -> None:
    for word in words:
        with tenant_context(cast.alpha):
            kind = EventKind.LABEL_CREATED
            event_append(kind, actor_id=cast.bob.pk, changes={"name": word})


def names(answer: Any) -> list[str]:
    return [event["changes"].get("name") for event in answer["results"]]


def answer(client: Client, address: str = FEED, **query: str) -> Any:
    response = client.get(address, query)
    assert response.status_code == 200, response.content
    assert response["Link"] == f'<{response.json()["next"]}>; rel="next"'
    return response.json()


def answer_with(client: Client, number: int, address: str = FEED, **query: str) -> Any:
    """The first answer that has so many events. A transaction of another test process, in another
    database of the same server, may hold them back for a while."""
    deadline = time.monotonic() + 120
    while len((found := answer(client, address, **query))["results"]) < number:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def test_the_feed_begins_with_the_first_event_and_leads_on(cast: Cast, client: Client) -> None:
    happen(cast, "a", "b", "c")

    answer_with(client, 7)
    first = answer(client, limit="4")
    second = answer(client, first["next"])

    assert [event["kind"] for event in first["results"]] == ["member added"] * 3 + ["token issued"]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert names(second) == ["a", "b", "c"]
    assert second["results"][0]["actor"] == "bob"


def test_after_its_end_the_same_address_shows_what_came_since(cast: Cast, client: Client) -> None:
    at_the_end = answer_with(client, 4)["next"]

    nothing = answer(client, at_the_end)
    happen(cast, "new")

    assert nothing["results"] == []
    assert names(answer_with(client, 1, nothing["next"])) == ["new"]
    assert names(answer(client, at_the_end)) == ["new"]


def test_from_now_on_shows_nothing_of_before(cast: Cast, client: Client) -> None:
    happen(cast, "old")
    answer_with(client, 5)

    now = answer(client, after="now")
    happen(cast, "new")

    assert (now["results"], now["has_more"]) == ([], False)
    assert names(answer_with(client, 1, now["next"])) == ["new"]


def test_an_address_of_another_tenant_is_refused(cast: Cast, client: Client) -> None:
    carol = make_client(cast.beta, cast.carol)
    theirs = carol.get(FEED.replace("alpha", "beta")).json()["next"]

    response = client.get(theirs.replace("beta", "alpha"))

    assert (response.status_code, response.json()["code"]) == (400, "invalid-cursor")


@pytest.mark.parametrize("after", ["", "yesterday", "x" * 501, "%00"])
def test_what_is_no_place_of_the_feed_is_refused(after: str, cast: Cast, client: Client) -> None:
    assert client.get(f"{FEED}?after={after}").status_code == 400


def test_in_another_life_of_the_database_the_reader_is_told(
    cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    (after,) = parse_qs(urlsplit(answer(client)["next"]).query)["after"]
    monkeypatch.setattr("taskproject.tenancy.api.feed.cluster_epoch", lambda: "restored")

    response = client.get(FEED, {"after": after})

    assert (response.status_code, response.json()["code"]) == (410, "feed-restarted")
    assert client.get(FEED).status_code == 200


def test_the_life_of_a_database_is_asked_for_once_a_connection() -> None:
    connection.close()
    with CaptureQueriesContext(connection) as asked:
        lives = {epochs.cluster_epoch() for _ in range(3)}

    assert len(asked) == 1
    (life,) = lives
    identifier, _, timeline = life.partition("-")
    assert (len(identifier) > 15, timeline) == (True, "1")
