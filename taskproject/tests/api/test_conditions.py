"""Entity tags of all objects that have one, and the conditions that clients put on them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import User
from taskproject.tests.api.calls import Api, api_of, good, problem, told
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Label
from tasks.services.relations import comment_add


@dataclass(frozen=True, slots=True)
class Thing:
    """An object with a version: where it is, a change of it, and whether it can be deleted."""

    name: str
    address: str
    first: dict[str, Any]
    second: dict[str, Any]
    deletable: bool = False


THINGS: Final = (
    Thing("tenant", "", {"name": "One"}, {"name": "Two"}),
    Thing("member", "members/bob/", {"role": "admin"}, {"role": "viewer"}),
    Thing("project", "projects/WEB/", {"name": "One"}, {"name": "Two"}),
    Thing("task", "tasks/WEB-1/", {"title": "One"}, {"title": "Two"}, deletable=True),
    Thing("label", "labels/{label}/", {"name": "One"}, {"name": "Two"}, deletable=True),
    Thing(
        "comment",
        "tasks/WEB-1/comments/{comment}/",
        {"body": "One"},
        {"body": "Two"},
        deletable=True,
    ),
)
every_thing = pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.name)
every_deletable = pytest.mark.parametrize(
    "thing", [each for each in THINGS if each.deletable], ids=lambda thing: thing.name
)


@pytest.fixture
def api(cast: Cast) -> Api:
    """Alpha's API as Alice, its owner, sees it."""
    return api_of(cast.alpha, cast.alice)


@pytest.fixture
def at(cast: Cast) -> Callable[[Thing], str]:
    """The address of a thing of alpha's. All of them are there."""
    task = make_task(make_project(cast.alpha, cast.alice), cast.alice)
    with tenant_context(cast.alpha):
        label = Label.objects.create(name="Bug")
        comment = comment_add(task_id=task.pk, body="Green?", actor_id=cast.alice.pk)
    return lambda thing: thing.address.format(label=label.pk, comment=comment.pk)


# If-Match


@every_thing
def test_the_tag_that_was_read_lets_a_change_through_once(
    api: Api, at: Callable[[Thing], str], thing: Thing
) -> None:
    tag = api.get(at(thing))["ETag"]

    accepted = api.patch(at(thing), thing.first, if_match=tag)
    refused = api.patch(at(thing), thing.second, if_match=tag)

    assert good(accepted)["version"] == 2
    assert problem(refused) == (412, "version-conflict")
    now = api.get(at(thing))
    assert (now.json(), now["ETag"]) == (accepted.json(), accepted["ETag"])
    assert good(api.patch(at(thing), thing.second, if_match=now["ETag"]))["version"] == 3


@every_thing
def test_a_refused_change_leaves_no_trace(
    cast: Cast, api: Api, at: Callable[[Thing], str], thing: Thing
) -> None:
    api.patch(at(thing), thing.first)
    before, events = api.get(at(thing)), told(cast.alpha)
    stale = '"1-0123456789abcdef"'

    # One that would change nothing is judged as well.
    for sent in (thing.second, thing.first, {}):
        assert problem(api.patch(at(thing), sent, if_match=stale)) == (412, "version-conflict")

    after = api.get(at(thing))
    assert (after.json(), after["ETag"]) == (before.json(), before["ETag"])
    assert told(cast.alpha) == events


@every_thing
def test_a_star_or_no_header_matches_whatever_is_there(
    api: Api, at: Callable[[Thing], str], thing: Thing
) -> None:
    assert good(api.patch(at(thing), thing.first, if_match="*"))["version"] == 2
    assert good(api.patch(at(thing), thing.second))["version"] == 3


@every_thing
def test_a_weak_tag_or_one_of_something_else_never_matches(
    api: Api, at: Callable[[Thing], str], thing: Thing
) -> None:
    tag = api.get(at(thing))["ETag"]

    for other in (f"W/{tag}", '""', '"1"', '"x"', '"0-0123456789abcdef"', '"-1-0123456789abcdef"'):
        refused = api.patch(at(thing), thing.first, if_match=other)
        assert problem(refused) == (412, "version-conflict"), other
    huge = f'"{"9" * 5_000}-0123456789abcdef"'
    assert problem(api.patch(at(thing), thing.first, if_match=huge)) == (412, "version-conflict")
    assert good(api.get(at(thing)))["version"] == 1


@every_thing
@pytest.mark.parametrize(
    "header",
    ["1", "x", '"', '"a', 'a"', '"a" "b"', '"a", "b"', "*, *", "W/", 'w/"a"', "'a'", '"a"b"', " "],
)
def test_what_is_no_tag_is_a_400(
    api: Api, at: Callable[[Thing], str], thing: Thing, header: str
) -> None:
    refused = api.patch(at(thing), thing.first, if_match=header)

    assert problem(refused) == (400, "invalid-header")
    assert good(api.get(at(thing)))["version"] == 1


@every_deletable
def test_a_stale_tag_does_not_delete(
    cast: Cast, api: Api, at: Callable[[Thing], str], thing: Thing
) -> None:
    stale = api.get(at(thing))["ETag"]
    fresh = api.patch(at(thing), thing.first)["ETag"]
    events = told(cast.alpha)

    assert problem(api.delete(at(thing), if_match=stale)) == (412, "version-conflict")
    assert problem(api.delete(at(thing), if_match="stale")) == (400, "invalid-header")
    assert problem(api.delete(at(thing), if_match=f"W/{fresh}")) == (412, "version-conflict")
    assert api.get(at(thing))["ETag"] == fresh
    assert told(cast.alpha) == events
    assert api.delete(at(thing), if_match=fresh).status_code == 204
    assert problem(api.delete(at(thing), if_match=fresh)) == (404, "not-found")


@pytest.mark.parametrize("action", ["archive", "unarchive"])
def test_archiving_takes_the_condition_too(
    cast: Cast, api: Api, at: Callable[[Thing], str], action: str
) -> None:
    if action == "unarchive":
        api.post("projects/WEB/archive/")
    stale = api.get("projects/WEB/")["ETag"]
    fresh = api.patch("projects/WEB/", {"name": "Website"})["ETag"]

    refused = api.post(f"projects/WEB/{action}/", if_match=stale)

    assert problem(refused) == (412, "version-conflict")
    assert api.get("projects/WEB/")["ETag"] == fresh
    assert api.post(f"projects/WEB/{action}/", if_match=fresh).status_code == 200


def test_both_halves_of_a_change_of_a_member_are_judged_by_one_tag(
    api: Api, at: Callable[[Thing], str]
) -> None:
    tag = api.get("members/bob/")["ETag"]
    sent = {"role": "viewer", "active": False}

    assert good(api.patch("members/bob/", sent, if_match=tag))["version"] == 3
    back = {"role": "member", "active": True}
    assert problem(api.patch("members/bob/", back, if_match=tag)) == (412, "version-conflict")


# ETag and If-None-Match


@every_thing
def test_a_tag_is_strong_and_changes_with_each_change(
    api: Api, at: Callable[[Thing], str], thing: Thing
) -> None:
    tags = [api.get(at(thing))["ETag"]]
    for sent in (thing.first, thing.second, thing.first):
        tags.append(api.patch(at(thing), sent)["ETag"])
        assert api.get(at(thing))["ETag"] == tags[-1]

    assert len(set(tags)) == 4
    for version, tag in enumerate(tags, start=1):
        assert re.fullmatch(rf'"{version}-[0-9a-f]{{16}}"', tag)


@every_thing
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_client_has_already_is_a_304_without_a_body(
    api: Api, at: Callable[[Thing], str], thing: Thing, method: str
) -> None:
    first = api.get(at(thing))
    tag = first["ETag"]

    for header in (tag, f"W/{tag}", f'"x", {tag}', f'{tag}, W/"y"', "*"):
        response = api.send(method, at(thing), b"", if_none_match=header)
        assert (response.status_code, response.content) == (304, b""), header
        assert response["ETag"] == tag
        assert response["Cache-Control"] == first["Cache-Control"]
        assert response["Vary"] == first["Vary"]


@every_thing
def test_what_has_changed_is_sent(api: Api, at: Callable[[Thing], str], thing: Thing) -> None:
    old = api.get(at(thing))["ETag"]
    api.patch(at(thing), thing.first)

    for header in (old, f"W/{old}", '"x"', "", "x", old.strip('"')):
        response = api.get(at(thing), if_none_match=header)
        assert good(response)["version"] == 2, header


def test_a_name_from_another_row_that_changes_makes_a_copy_stale(
    cast: Cast, api: Api, at: Callable[[Thing], str]
) -> None:
    api.patch("tasks/WEB-1/", {"assignee": "bob"})
    before = api.get("tasks/WEB-1/")
    User.objects.filter(pk=cast.bob.pk).update(username="robert")

    after = api.get("tasks/WEB-1/", if_none_match=before["ETag"])

    assert good(after)["assignee"] == "robert"
    assert good(after)["version"] == before.json()["version"]
    # The row is the same: a change of it is not refused.
    changed = api.patch("tasks/WEB-1/", {"title": "One"}, if_match=before["ETag"])
    assert changed.status_code == 200


def test_no_reader_shares_an_answer_with_another(api: Api, at: Callable[[Thing], str]) -> None:
    for address in ("tasks/", "tasks/WEB-1/", "tasks/WEB-99/", ""):
        response = api.get(address)

        assert response["Cache-Control"] == "private, no-cache"
        assert set(response["Vary"].split(", ")) == {"Authorization", "Cookie"}


def test_tokens_and_dependencies_have_no_version_and_no_tag(cast: Cast, api: Api) -> None:
    made = api.post("tokens/", {"name": "CI"})

    assert "ETag" not in made
    assert "ETag" not in api.get(f"tokens/{made.json()['prefix']}/")
