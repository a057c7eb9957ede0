"""Labels, and those of a task, over REST as their clients see them."""

from __future__ import annotations

from typing import Any

import pytest

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tests.api.calls import Api, api_of, errors, good, problem, told, updates
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.models import Label, Task, TaskLabel
from tasks.services.relations import LABELS_PER_TASK
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


# --- Labels ---------------------------------------------------------------------------------------


def test_a_label_is_made_and_shown(cast: Cast, alice: Api) -> None:
    response = alice.post("labels/", {"name": "Bug", "colour": "#c2410c"})

    made = good(response, 201)
    with tenant_context(cast.alpha):
        assert made["id"] == Label.objects.get(name="Bug").pk
    assert made == {"id": made["id"], "name": "Bug", "colour": "#c2410c", "version": 1}
    assert response["Location"] == alice.at(f"labels/{made['id']}/")
    assert good(alice.get(response["Location"])) == made
    assert told(cast.alpha)[-1] == ("label created", {"name": "Bug"})


def test_a_label_has_a_colour_unless_one_is_given(alice: Api) -> None:
    assert good(alice.post("labels/", {"name": "Bug"}), 201)["colour"] == "#8a8f98"


@pytest.mark.parametrize("name", ["Bug", "bug", "BUG", "bUg"])
def test_two_names_that_differ_in_case_only_are_one(alice: Api, label: Label, name: str) -> None:
    taken = alice.post("labels/", {"name": name})

    assert problem(taken) == (409, "duplicate")
    assert errors(taken) == {"/name": "unique"}


def test_a_label_may_change_its_case_and_not_take_anothers_name(alice: Api, label: Label) -> None:
    other = good(alice.post("labels/", {"name": "Feature"}), 201)

    assert good(alice.patch(f"labels/{label.pk}/", {"name": "BUG"}))["name"] == "BUG"
    taken = alice.patch(f"labels/{other['id']}/", {"name": "bug", "colour": "#000000"})
    assert errors(taken) == {"/name": "unique"}
    assert good(alice.get(f"labels/{other['id']}/")) == other


WRONG_LABELS: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "/name", "blank"),
    ({"name": None}, "/name", "null"),
    ({"name": 1}, "/name", "invalid"),
    ({"name": "n" * 51}, "/name", "max_length"),
    ({"colour": "red"}, "/colour", "invalid"),
    ({"colour": "#ABCDEF"}, "/colour", "invalid"),
    ({"colour": "#12345"}, "/colour", "invalid"),
    ({"colour": "#123456\n"}, "/colour", "invalid"),
    ({"colour": "#１２３４５６"}, "/colour", "invalid"),
    ({"colour": None}, "/colour", "null"),
    ({"colour": 123456}, "/colour", "invalid"),
    ({"id": 1}, "/id", "read-only"),
    ({"version": 1}, "/version", "read-only"),
    ({"tenant": 1}, "/tenant", "unknown"),
]


@pytest.mark.parametrize(("wrong", "pointer", "code"), WRONG_LABELS, ids=str)
def test_a_wrong_value_of_a_label_is_pointed_at(
    alice: Api, label: Label, wrong: dict[str, Any], pointer: str, code: str
) -> None:
    before = good(alice.get("labels/"))

    assert errors(alice.post("labels/", {"name": "Feature", **wrong})) == {pointer: code}
    assert errors(alice.patch(f"labels/{label.pk}/", wrong)) == {pointer: code}

    assert good(alice.get("labels/")) == before


@pytest.mark.parametrize(
    ("sent", "column"), [({"name": "Defect"}, "name"), ({"colour": "#000000"}, "colour")]
)
def test_a_change_of_a_label_touches_what_was_sent_and_nothing_else(
    cast: Cast, alice: Api, label: Label, sent: dict[str, Any], column: str
) -> None:
    before = good(alice.get(f"labels/{label.pk}/"))

    with updates() as columns:
        changed = good(alice.patch(f"labels/{label.pk}/", sent))

    assert columns == [{column, "version"}]
    assert changed == {**before, **sent, "version": 2}
    assert good(alice.get(f"labels/{label.pk}/")) == changed
    kind, changes = told(cast.alpha)[-1]
    assert (kind, changes) == (
        "label updated",
        {"label": changed["name"], column: [before[column], sent[column]]},
    )


def test_the_same_label_again_changes_nothing(cast: Cast, alice: Api, label: Label) -> None:
    before, events = alice.get(f"labels/{label.pk}/"), told(cast.alpha)

    for same in ({}, {"name": "Bug"}, {"name": "Bug", "colour": "#c2410c"}):
        response = alice.patch(f"labels/{label.pk}/", same)

        assert (response.json(), response["ETag"]) == (before.json(), before["ETag"])
    assert told(cast.alpha) == events


def test_labels_are_listed_by_name_without_regard_to_case(alice: Api) -> None:
    for name in ("b", "A", "C", "a1"):
        alice.post("labels/", {"name": name})

    found = good(alice.get("labels/"))["results"]

    assert [each["name"] for each in found] == ["A", "a1", "b", "C"]


def test_a_deleted_label_leaves_its_tasks(cast: Cast, alice: Api, task: Task, label: Label) -> None:
    alice.put(f"tasks/{task.pk}/labels/{label.pk}/")
    version = good(alice.get(f"tasks/{task.pk}/"))["version"]

    deleted = alice.delete(f"labels/{label.pk}/")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert good(alice.get(f"tasks/{task.pk}/labels/"))["results"] == []
    assert problem(alice.get(f"labels/{label.pk}/")) == (404, "not-found")
    assert problem(alice.delete(f"labels/{label.pk}/")) == (404, "not-found")
    assert good(alice.get(f"tasks/{task.pk}/"))["version"] == version
    assert told(cast.alpha)[-1] == ("label deleted", {"name": "Bug"})


# --- Labels of a task -----------------------------------------------------------------------------


@pytest.mark.parametrize("by_key", [False, True], ids=["by id", "by key"])
def test_a_label_is_put_on_a_task_and_taken_off(
    cast: Cast, bob: Api, task: Task, label: Label, by_key: bool
) -> None:
    at = f"tasks/{'WEB-1' if by_key else task.pk}/labels/"

    put = bob.put(f"{at}{label.pk}/")
    carried = good(bob.get(at))
    off = bob.delete(f"{at}{label.pk}/")

    assert [put.status_code, put.content, off.status_code] == [204, b"", 204]
    assert carried == {
        "results": [{"id": label.pk, "name": "Bug", "colour": "#c2410c", "version": 1}],
        "next": None,
        "previous": None,
    }
    assert good(bob.get(at))["results"] == []
    assert told(cast.alpha)[-2:] == [
        ("task labelled", {"label": "Bug"}),
        ("task unlabelled", {"label": "Bug"}),
    ]


def test_put_again_or_taken_off_again_it_changes_nothing(
    cast: Cast, bob: Api, task: Task, label: Label
) -> None:
    at = f"tasks/{task.pk}/labels/{label.pk}/"
    for send in (bob.put, bob.delete):
        send(at)
        events = told(cast.alpha)

        assert send(at).status_code == 204
        assert told(cast.alpha) == events


def test_the_labels_of_a_task_come_by_name(bob: Api, alice: Api, task: Task) -> None:
    for name in ("b", "A", "C"):
        made = good(alice.post("labels/", {"name": name}), 201)
        bob.put(f"tasks/{task.pk}/labels/{made['id']}/")

    found = good(bob.get(f"tasks/{task.pk}/labels/"))["results"]

    assert [each["name"] for each in found] == ["A", "b", "C"]


def test_a_label_that_is_not_there_can_not_be_put(bob: Api, task: Task) -> None:
    assert problem(bob.put(f"tasks/{task.pk}/labels/{ABSENT}/")) == (404, "not-found")
    assert problem(bob.put(f"tasks/{task.pk}/labels/{10**30}/")) == (404, "not-found")


def test_a_task_that_is_not_there_carries_none(
    cast: Cast, bob: Api, task: Task, label: Label
) -> None:
    bob.put(f"tasks/{task.pk}/labels/{label.pk}/")
    delete(cast, task)

    for name in (task.pk, "WEB-1", ABSENT, "WEB-99"):
        at = f"tasks/{name}/labels/"
        assert problem(bob.get(at)) == (404, "not-found"), name
        assert problem(bob.put(f"{at}{label.pk}/")) == (404, "not-found")
        assert problem(bob.delete(f"{at}{label.pk}/")) == (404, "not-found")


def test_a_task_carries_20_labels(cast: Cast, bob: Api, task: Task) -> None:
    with tenant_context(cast.alpha):
        labels = Label.objects.bulk_create(
            Label(name=f"label {n}") for n in range(LABELS_PER_TASK + 1)
        )
    answers = [bob.put(f"tasks/{task.pk}/labels/{each.pk}/") for each in labels]

    assert [each.status_code for each in answers] == [204] * LABELS_PER_TASK + [409]
    assert problem(answers[-1]) == (409, "state-conflict")
    assert len(good(bob.get(f"tasks/{task.pk}/labels/"))["results"]) == LABELS_PER_TASK
    with tenant_context(cast.alpha):
        assert TaskLabel.objects.count() == LABELS_PER_TASK
