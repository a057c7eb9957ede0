"""Comments, dependencies and events of tasks over REST as their clients see them."""

from __future__ import annotations

from typing import Any

import pytest

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tests.api.calls import Api, api_of, errors, good, instant, problem, told, updates
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Comment, Label, Task
from tasks.services.tasks import task_delete

ABSENT = 999_999_999_999


@pytest.fixture
def alice(cast: Cast) -> Api:
    """Alpha's API as Alice, its owner, sees it."""
    return api_of(cast.alpha, cast.alice)


@pytest.fixture
def bob(cast: Cast) -> Api:
    """Alpha's API as Bob, a member, sees it."""
    return api_of(cast.alpha, cast.bob)


@pytest.fixture
def web(cast: Cast) -> Project:
    """Alpha's project WEB."""
    return make_project(cast.alpha, cast.alice)


@pytest.fixture
def task(web: Project, cast: Cast) -> Task:
    """WEB-1 of Alice's."""
    return make_task(web, cast.alice, "Paint the fence")


@pytest.fixture
def label(cast: Cast) -> Label:
    """Alpha's label Bug."""
    with tenant_context(cast.alpha):
        return Label.objects.create(name="Bug", colour="#c2410c")


def delete(cast: Cast, task: Task) -> None:
    with tenant_context(cast.alpha):
        task_delete(task_id=task.pk, actor_id=cast.alice.pk)


# --- Comments -------------------------------------------------------------------------------------


@pytest.fixture
def comment(bob: Api, task: Task) -> dict[str, Any]:
    """What Bob said about the task."""
    made: dict[str, Any] = good(bob.post(f"tasks/{task.pk}/comments/", {"body": "Green?"}), 201)
    return made


def test_a_comment_is_made_and_shown(cast: Cast, bob: Api, task: Task) -> None:
    response = bob.post("tasks/WEB-1/comments/", {"body": "  Green?\n"})

    made = good(response, 201)
    with tenant_context(cast.alpha):
        stored = Comment.objects.get()
    assert made == {
        "id": stored.pk,
        "author": "bob",
        "body": "  Green?\n",
        "version": 1,
        "created_at": instant(stored.created_at),
        "edited_at": None,
    }
    assert response["Location"] == bob.at(f"tasks/{task.pk}/comments/{stored.pk}/")
    assert good(bob.get(response["Location"])) == made
    assert good(bob.get("tasks/WEB-1/comments/"))["results"] == [made]
    assert told(cast.alpha)[-1] == ("comment added", {"comment": stored.pk})


def test_comments_come_in_the_order_of_their_making(alice: Api, bob: Api, task: Task) -> None:
    for who, words in ((alice, "one"), (bob, "two"), (alice, "three")):
        who.post(f"tasks/{task.pk}/comments/", {"body": words})

    found = good(bob.get(f"tasks/{task.pk}/comments/"))["results"]

    assert [(each["author"], each["body"]) for each in found] == [
        ("alice", "one"),
        ("bob", "two"),
        ("alice", "three"),
    ]


WRONG_COMMENTS: list[tuple[dict[str, Any], str, str]] = [
    ({"body": ""}, "/body", "blank"),
    ({"body": None}, "/body", "null"),
    ({"body": 1}, "/body", "invalid"),
    ({"body": " \n\t "}, "/body", "blank"),
    ({"body": "x" * 16_385}, "/body", "invalid"),
    ({"body": "é" * 8_193}, "/body", "invalid"),
    ({"author": "alice"}, "/author", "read-only"),
    ({"edited_at": None}, "/edited_at", "read-only"),
    ({"id": 1}, "/id", "read-only"),
    ({"task": 1}, "/task", "unknown"),
]


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"), WRONG_COMMENTS, ids=lambda each: str(each)[:40]
)
def test_a_wrong_value_of_a_comment_is_pointed_at(
    bob: Api, task: Task, comment: dict[str, Any], wrong: dict[str, Any], pointer: str, code: str
) -> None:
    at = f"tasks/{task.pk}/comments/"

    assert errors(bob.post(at, {"body": "Blue?", **wrong})) == {pointer: code}
    assert errors(bob.patch(f"{at}{comment['id']}/", wrong)) == {pointer: code}

    assert good(bob.get(at))["results"] == [comment]


def test_16_kib_are_a_comment(bob: Api, task: Task) -> None:
    for body in ("x" * 16_384, "é" * 8_192):
        made = good(bob.post(f"tasks/{task.pk}/comments/", {"body": body}), 201)

        assert made["body"] == body


def test_its_author_says_it_in_other_words(
    cast: Cast, bob: Api, task: Task, comment: dict[str, Any]
) -> None:
    at = f"tasks/{task.pk}/comments/{comment['id']}/"

    with updates() as columns:
        changed = good(bob.patch(at, {"body": "Blue?"}))

    assert columns == [{"body", "edited_at", "version"}]
    assert changed["edited_at"] is not None
    assert changed == {**comment, "body": "Blue?", "version": 2, "edited_at": changed["edited_at"]}
    assert good(bob.get(at)) == changed
    assert told(cast.alpha)[-1] == ("comment edited", {"comment": comment["id"]})


def test_the_same_words_again_change_nothing(
    cast: Cast, bob: Api, task: Task, comment: dict[str, Any]
) -> None:
    events = told(cast.alpha)

    for same in ({}, {"body": "Green?"}):
        assert good(bob.patch(f"tasks/{task.pk}/comments/{comment['id']}/", same)) == comment
    assert told(cast.alpha) == events


def test_nobody_else_may_change_it_not_even_the_owner(
    alice: Api, bob: Api, task: Task, comment: dict[str, Any]
) -> None:
    at = f"tasks/{task.pk}/comments/{comment['id']}/"

    assert problem(alice.patch(at, {"body": "Mine"})) == (403, "permission-denied")
    assert good(bob.get(at)) == comment


def test_its_author_deletes_it(cast: Cast, bob: Api, task: Task, comment: dict[str, Any]) -> None:
    at = f"tasks/{task.pk}/comments/{comment['id']}/"

    deleted = bob.delete(at)

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert problem(bob.get(at)) == (404, "not-found")
    assert problem(bob.delete(at)) == (404, "not-found")
    assert told(cast.alpha)[-1] == ("comment deleted", {"comment": comment["id"]})


def test_an_admin_deletes_it_and_another_member_does_not(
    cast: Cast, alice: Api, bob: Api, task: Task
) -> None:
    said = [
        good(who.post(f"tasks/{task.pk}/comments/", {"body": "Green?"}), 201)
        for who in (alice, bob)
    ]
    by_alice, by_bob = (f"tasks/{task.pk}/comments/{each['id']}/" for each in said)

    assert problem(bob.delete(by_alice)) == (403, "permission-denied")
    assert alice.delete(by_bob).status_code == 204
    assert good(bob.get(f"tasks/{task.pk}/comments/"))["results"] == [said[0]]


def test_a_comment_is_found_below_its_own_task_only(
    cast: Cast, bob: Api, web: Project, task: Task, comment: dict[str, Any]
) -> None:
    other = make_task(web, cast.alice)

    for name in (other.pk, "WEB-2", ABSENT):
        at = f"tasks/{name}/comments/{comment['id']}/"
        for response in (bob.get(at), bob.patch(at, {"body": "x"}), bob.delete(at)):
            assert problem(response) == (404, "not-found")


def test_a_deleted_task_has_no_comments(
    cast: Cast, bob: Api, task: Task, comment: dict[str, Any]
) -> None:
    delete(cast, task)

    at = f"tasks/{task.pk}/comments/"
    one = f"{at}{comment['id']}/"
    for response in (
        *(bob.get(at), bob.post(at, {"body": "x"}), bob.get("tasks/WEB-1/comments/")),
        *(bob.get(one), bob.patch(one, {"body": "x"}), bob.delete(one)),
    ):
        assert problem(response) == (404, "not-found")


# --- Dependencies ---------------------------------------------------------------------------------


@pytest.fixture
def tasks(web: Project, cast: Cast, task: Task) -> list[Task]:
    """WEB-1, WEB-2 and WEB-3."""
    return [task, *(make_task(web, cast.alice, f"Task {n}") for n in (2, 3))]


def edges(api: Api, task: Task, query: str = "") -> list[tuple[str, str]]:
    """What waits for what, as the API lists it."""
    found = good(api.get(f"tasks/{task.pk}/dependencies/{query}"))["results"]
    return [(each["blocker_key"], each["blocked_key"]) for each in found]


def test_a_dependency_is_made_and_shown(cast: Cast, bob: Api, tasks: list[Task]) -> None:
    first, second, _ = tasks

    made = good(bob.post("tasks/WEB-2/dependencies/", {"blocker": first.pk}), 201)

    assert made == {
        "blocker": first.pk,
        "blocker_key": "WEB-1",
        "blocked": second.pk,
        "blocked_key": "WEB-2",
    }
    assert good(bob.get("tasks/WEB-2/dependencies/"))["results"] == [made]
    assert told(cast.alpha)[-1] == ("dependency added", {"blocker": first.pk})


def test_both_directions_are_listed(bob: Api, tasks: list[Task]) -> None:
    first, second, third = tasks
    for blocker, blocked in ((third, first), (second, first), (first, tasks[1])):
        bob.post(f"tasks/{blocked.pk}/dependencies/", {"blocker": blocker.pk})

    assert edges(bob, first) == [("WEB-2", "WEB-1"), ("WEB-3", "WEB-1")]
    assert edges(bob, first, "?direction=blocks") == []
    assert edges(bob, third, "?direction=blocks") == [("WEB-3", "WEB-1")]
    assert edges(bob, third) == []


def test_a_dependency_between_two_projects_tells_both_keys(
    cast: Cast, bob: Api, task: Task
) -> None:
    other = make_task(make_project(cast.alpha, cast.alice, "OPS"), cast.alice)

    bob.post(f"tasks/{task.pk}/dependencies/", {"blocker": other.pk})

    assert edges(bob, task) == [("OPS-1", "WEB-1")]


def test_a_cycle_is_a_409(bob: Api, tasks: list[Task]) -> None:
    first, second, third = tasks
    bob.post(f"tasks/{second.pk}/dependencies/", {"blocker": first.pk})
    bob.post(f"tasks/{third.pk}/dependencies/", {"blocker": second.pk})

    for blocker, blocked in ((second, first), (third, first), (first, first)):
        closing = bob.post(f"tasks/{blocked.pk}/dependencies/", {"blocker": blocker.pk})
        assert problem(closing) == (409, "state-conflict")
    assert edges(bob, first) == []


def test_the_same_dependency_again_is_a_409(bob: Api, tasks: list[Task]) -> None:
    at, sent = f"tasks/{tasks[0].pk}/dependencies/", {"blocker": tasks[1].pk}
    bob.post(at, sent)

    assert problem(bob.post(at, sent)) == (409, "state-conflict")
    assert edges(bob, tasks[0]) == [("WEB-2", "WEB-1")]


@pytest.mark.parametrize(
    ("blocker", "code"),
    [
        (ABSENT, "invalid"),
        (10**15, "invalid"),
        (0, "invalid"),
        (-1, "invalid"),
        (True, "invalid"),
        ("1", "invalid"),
        ("WEB-1", "invalid"),
        (1.0, "invalid"),
        ([], "invalid"),
        (None, "null"),
    ],
)
def test_a_wrong_blocker_is_pointed_at(bob: Api, task: Task, blocker: Any, code: str) -> None:
    refused = bob.post(f"tasks/{task.pk}/dependencies/", {"blocker": blocker})

    assert errors(refused) == {"/blocker": code}


def test_other_fields_of_a_dependency_are_pointed_at(bob: Api, tasks: list[Task]) -> None:
    sent = {"blocker": tasks[1].pk, "blocked": tasks[0].pk, "kind": "hard", "blocker_key": "X"}

    assert errors(bob.post(f"tasks/{tasks[0].pk}/dependencies/", sent)) == {
        "/blocked": "read-only",
        "/blocker_key": "read-only",
        "/kind": "unknown",
    }
    assert errors(bob.post(f"tasks/{tasks[0].pk}/dependencies/", {})) == {"/blocker": "required"}


def test_a_dependency_is_taken_back(cast: Cast, bob: Api, tasks: list[Task]) -> None:
    first, second, third = tasks
    for blocker in (second, third):
        bob.post(f"tasks/{first.pk}/dependencies/", {"blocker": blocker.pk})

    gone = bob.delete(f"tasks/WEB-1/dependencies/{second.pk}/")

    assert (gone.status_code, gone.content) == (204, b"")
    assert edges(bob, first) == [("WEB-3", "WEB-1")]
    assert told(cast.alpha)[-1] == ("dependency removed", {"blocker": second.pk})


def test_what_is_no_dependency_is_not_taken_back(bob: Api, tasks: list[Task]) -> None:
    first, second, _ = tasks
    bob.post(f"tasks/{first.pk}/dependencies/", {"blocker": second.pk})

    for rest in (
        f"{second.pk}/dependencies/{first.pk}/",
        f"{first.pk}/dependencies/{first.pk}/",
        f"{first.pk}/dependencies/{ABSENT}/",
        f"{first.pk}/dependencies/{10**30}/",
        f"{ABSENT}/dependencies/{second.pk}/",
        f"WEB-9/dependencies/{second.pk}/",
    ):
        assert problem(bob.delete(f"tasks/{rest}")) == (404, "not-found")
    assert edges(bob, first) == [("WEB-2", "WEB-1")]


def test_a_deleted_task_is_left_out_on_both_sides(cast: Cast, bob: Api, tasks: list[Task]) -> None:
    first, second, third = tasks
    for blocker, blocked in ((second, first), (third, first)):
        bob.post(f"tasks/{blocked.pk}/dependencies/", {"blocker": blocker.pk})
    delete(cast, second)

    assert edges(bob, first) == [("WEB-3", "WEB-1")]
    refused = bob.post(f"tasks/{third.pk}/dependencies/", {"blocker": second.pk})
    assert errors(refused) == {"/blocker": "invalid"}
    delete(cast, first)
    assert edges(bob, third, "?direction=blocks") == []


def test_a_deleted_task_waits_for_nothing(cast: Cast, bob: Api, tasks: list[Task]) -> None:
    first, second, _ = tasks
    bob.post(f"tasks/{first.pk}/dependencies/", {"blocker": second.pk})
    delete(cast, first)
    events = told(cast.alpha)

    for name in (first.pk, "WEB-1"):
        at = f"tasks/{name}/dependencies/"
        assert problem(bob.get(at)) == (404, "not-found"), name
        assert problem(bob.get(f"{at}?direction=blocks")) == (404, "not-found"), name
        assert problem(bob.post(at, {"blocker": second.pk})) == (404, "not-found"), name
        assert problem(bob.delete(f"{at}{second.pk}/")) == (404, "not-found"), name
    assert told(cast.alpha) == events


@pytest.mark.parametrize("direction", ["blocked", "", "BLOCKS", "1"])
def test_another_direction_is_a_400(bob: Api, task: Task, direction: str) -> None:
    response = bob.get(f"tasks/{task.pk}/dependencies/?direction={direction}")

    assert problem(response) == (400, "invalid-parameter")


# --- Events ---------------------------------------------------------------------------------------


def test_the_events_of_a_task_tell_what_happened_in_words(
    alice: Api, bob: Api, task: Task, label: Label, cast: Cast
) -> None:
    at = f"tasks/{task.pk}/"
    bob.patch(at, {"status": "done", "assignee": "vera", "due_at": "2030-05-01T12:00:00Z"})
    bob.put(f"{at}labels/{label.pk}/")
    comment = good(bob.post(f"{at}comments/", {"body": "Green"}), 201)
    bob.delete(at)
    alice.post(f"{at}restore/")

    found = good(bob.get(f"{at}events/"))["results"]

    assert [(each["kind"], each["actor"], each["changes"]) for each in found] == [
        ("task created", "alice", {"title": "Paint the fence", "status": "pending"}),
        (
            "task updated",
            "bob",
            {
                "status": ["pending", "done"],
                "assignee": [None, "vera"],
                "due_at": [None, "2030-05-01T12:00:00+00:00"],
            },
        ),
        ("task labelled", "bob", {"label": "Bug"}),
        ("comment added", "bob", {"comment": comment["id"]}),
        ("task deleted", "bob", {}),
        ("task restored", "alice", {}),
    ]
    assert {(each["task"], each["project"]) for each in found} == {(task.pk, task.project_id)}
    assert all(each["created_at"].endswith("Z") for each in found)


def test_a_deleted_task_has_its_events_still_by_its_id(cast: Cast, bob: Api, task: Task) -> None:
    delete(cast, task)

    found = good(bob.get(f"tasks/{task.pk}/events/"))["results"]

    assert [each["kind"] for each in found] == ["task created", "task deleted"]
    assert problem(bob.get("tasks/WEB-1/events/")) == (404, "not-found")
    assert problem(bob.get(f"tasks/{ABSENT}/events/")) == (404, "not-found")


def test_the_events_of_one_task_are_not_those_of_another(
    cast: Cast, bob: Api, tasks: list[Task]
) -> None:
    bob.patch(f"tasks/{tasks[1].pk}/", {"title": "Another"})

    found = good(bob.get(f"tasks/{tasks[0].pk}/events/"))["results"]

    assert [each["kind"] for each in found] == ["task created"]
