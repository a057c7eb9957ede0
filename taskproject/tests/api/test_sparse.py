"""`fields` and `include`: an answer shows the members that were asked for, whoever shows it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from taskproject.api import sparse
from taskproject.db.context import tenant_context
from taskproject.tests.api.calls import Api, api_of, good, problem
from taskproject.tests.cast import Cast, make_project, make_task
from tasks.api.serializers import TaskSerializer
from tasks.models import Task
from tasks.services.relations import comment_add, label_create, task_label_add

LISTS = ["tasks/", "projects/WEB/tasks/", "projects/", "labels/", "members/", "tokens/"]


@pytest.fixture
def api(cast: Cast) -> Api:
    return api_of(cast.alpha, cast.alice)


@pytest.fixture
def tasks(cast: Cast) -> list[Task]:
    """WEB-1 with the labels Bug and apple, WEB-2 with Bug and a comment, WEB-3 with none."""
    project = make_project(cast.alpha, cast.alice)
    made = [make_task(project, cast.alice, title) for title in ("One", "Two", "Three")]
    with tenant_context(cast.alpha):
        bug, apple = (label_create(name=name, actor_id=cast.alice.pk) for name in ("Bug", "apple"))
        for task, label in ((made[0], bug), (made[0], apple), (made[1], bug)):
            task_label_add(task_id=task.pk, label_id=label.pk, actor_id=cast.alice.pk)
        comment_add(task_id=made[1].pk, body="Hm", actor_id=cast.bob.pk)
    return made


def names_of(task: dict[str, Any]) -> list[str]:
    return [label["name"] for label in task["labels"]]


def test_a_list_shows_the_members_that_fields_names(api: Api, tasks: list[Task]) -> None:
    page = good(api.get("tasks/?fields=title,key"))

    assert page["results"] == [
        {"key": "WEB-3", "title": "Three"},
        {"key": "WEB-2", "title": "Two"},
        {"key": "WEB-1", "title": "One"},
    ]


@pytest.mark.parametrize("address", [*LISTS, "tasks/WEB-2/comments/"])
def test_each_member_of_each_list_can_be_asked_for_by_itself(
    api: Api, tasks: list[Task], address: str
) -> None:
    whole = good(api.get(address))["results"]

    assert whole
    for name in whole[0]:
        assert good(api.get(f"{address}?fields={name}"))["results"] == [
            {name: each[name]} for each in whole
        ]
    everything = ",".join(reversed(list(whole[0])))
    assert good(api.get(f"{address}?fields={everything}"))["results"] == whole


@pytest.mark.parametrize(
    ("address", "name"),
    [("tasks/WEB-1/", "title"), ("projects/WEB/", "name"), ("members/bob/", "role")],
)
def test_so_does_one_object(api: Api, tasks: list[Task], address: str, name: str) -> None:
    assert good(api.get(f"{address}?fields={name}")) == {name: good(api.get(address))[name]}


def test_labels_stand_in_a_task_where_include_names_them(api: Api, tasks: list[Task]) -> None:
    whole = good(api.get("tasks/?include=labels"))["results"]

    assert [names_of(each) for each in whole] == [[], ["Bug"], ["apple", "Bug"]]
    assert list(whole[0]) == [*TaskSerializer().fields, "labels"]
    assert whole[1]["labels"] == good(api.get("tasks/WEB-2/labels/"))["results"]
    assert names_of(good(api.get("tasks/WEB-1/?include=labels"))) == ["apple", "Bug"]
    assert "labels" not in good(api.get("tasks/WEB-1/"))


def test_both_together_show_what_either_names(api: Api, tasks: list[Task]) -> None:
    first = good(api.get("tasks/?fields=id&include=labels&sort=created&limit=1"))["results"][0]

    assert list(first) == ["id", "labels"]
    assert first["id"] == tasks[0].pk


@pytest.mark.parametrize("query", ["q=Two", "label={label}&status=pending", "project=WEB"])
def test_a_list_that_is_searched_or_narrowed_can_be_sparse_too(
    api: Api, tasks: list[Task], query: str
) -> None:
    bug = next(each for each in good(api.get("labels/"))["results"] if each["name"] == "Bug")
    asked = query.format(label=bug["id"])

    found = good(api.get(f"tasks/?{asked}&fields=title&include=labels"))["results"]

    whole = good(api.get(f"tasks/?{asked}"))["results"]
    assert [each["title"] for each in found] == [each["title"] for each in whole]
    assert ["Bug"] in [names_of(each) for each in found]


def test_the_pages_beside_a_sparse_one_are_sparse(api: Api, tasks: list[Task]) -> None:
    page = good(api.get("tasks/?fields=title&include=labels&limit=2"))

    following = good(api.get(page["next"]))
    assert following["results"] == [
        {"title": "One", "labels": good(api.get("tasks/WEB-1/labels/"))["results"]}
    ]
    assert good(api.get(following["previous"]))["results"] == page["results"]


def test_a_page_may_show_other_members_than_the_one_before(api: Api, tasks: list[Task]) -> None:
    following = good(api.get("tasks/?fields=title&limit=2"))["next"]

    assert good(api.get(following.replace("fields=title", "fields=key")))["results"] == [
        {"key": "WEB-1"}
    ]


def test_the_entity_tag_of_a_part_names_the_version_and_goes_with_the_part(
    api: Api, tasks: list[Task]
) -> None:
    whole, part = api.get("tasks/WEB-1/"), api.get("tasks/WEB-1/?fields=title")

    assert part["ETag"] != whole["ETag"]
    unchanged = api.get("tasks/WEB-1/?fields=title", if_none_match=part["ETag"])
    assert unchanged.status_code == 304
    assert api.get("tasks/WEB-1/", if_none_match=part["ETag"]).status_code == 200
    assert good(api.patch("tasks/WEB-1/", {"title": "New"}, if_match=part["ETag"]))["version"] == 2
    late = api.patch("tasks/WEB-1/", {"title": "Late"}, if_match=part["ETag"])
    assert problem(late) == (412, "version-conflict")


def test_a_label_that_comes_or_goes_gives_another_tag_to_what_shows_it(
    api: Api, tasks: list[Task]
) -> None:
    before = api.get("tasks/WEB-3/?include=labels")["ETag"]
    bug = good(api.get("labels/"))["results"][1]["id"]

    api.put(f"tasks/WEB-3/labels/{bug}/")

    assert good(api.get("tasks/WEB-3/?include=labels", if_none_match=before))["labels"]


@pytest.mark.parametrize(
    "query",
    [
        *("fields=", "fields=,", "fields=id,", "fields=id,,title", "fields=id,id", "fields=ID"),
        *("fields=id title", "fields=id%00", "fields=*", "fields=password", "fields=tenant_id"),
        *("fields=creator.username", "fields=creator__password", "fields=labels", "fields[]=id"),
        *("include=", "include=title", "include=labels,labels", "include=comments"),
        *("fields=id&fields=title", "fields=" + "id," * 20_000, "fields=id%22%2C1;--"),
    ],
)
@pytest.mark.parametrize("address", ["tasks/", "tasks/WEB-1/"])
def test_what_is_no_choice_of_members_is_refused(
    api: Api, tasks: list[Task], address: str, query: str
) -> None:
    refused = api.get(f"{address}?{query}")

    assert problem(refused) == (400, "invalid-parameter")


def test_a_refusal_names_what_can_be_asked_for(api: Api, tasks: list[Task]) -> None:
    refused = api.get("labels/?fields=size").json()

    assert refused["detail"] == (
        "fields must be one or more of id, name, colour, version, with commas between them; "
        "'size' is none of them."
    )
    assert api.get("labels/?fields=id,id").json()["detail"].endswith("; id stands there twice.")
    assert "fields, include, label" in api.get("tasks/?feilds=id").json()["detail"]


@pytest.mark.parametrize(
    "address",
    ["", "tasks/WEB-1/events/", "tasks/WEB-1/labels/", "events/", "tasks/count/", "tasks/summary/"],
)
def test_what_shows_no_rows_of_its_own_takes_no_choice(
    api: Api, tasks: list[Task], address: str
) -> None:
    assert problem(api.get(f"{address}?fields=id")) == (400, "invalid-parameter")


@pytest.mark.parametrize("address", ["labels/", "projects/", "members/", "tasks/WEB-1/comments/"])
def test_include_is_known_only_where_there_is_something_to_add(
    api: Api, tasks: list[Task], address: str
) -> None:
    assert problem(api.get(f"{address}?include=labels")) == (400, "invalid-parameter")


def test_a_change_shows_the_whole_and_takes_no_choice(api: Api, tasks: list[Task]) -> None:
    assert problem(api.patch("tasks/WEB-1/?fields=id", {"title": "New"})) == (
        400,
        "invalid-parameter",
    )
    assert problem(api.post("tasks/?fields=id", {"project": "WEB", "title": "New"})) == (
        400,
        "invalid-parameter",
    )
    assert len(good(api.get("tasks/"))["results"]) == 3


def test_what_is_not_asked_for_is_not_read(api: Api, tasks: list[Task]) -> None:
    api.get("tasks/")
    with CaptureQueriesContext(connection) as queries:
        api.get("tasks/?fields=title")

    (statement,) = (each["sql"] for each in queries if "FROM" in each["sql"])
    assert "user_account" not in statement
    assert "description" not in statement
    assert "task_label" not in statement


def test_a_serializer_shows_the_same_where_it_has_no_projection(
    api: Api, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "?fields=key,assignee&include=labels"
    by_postgresql = good(api.get(f"tasks/{query}")), good(api.get(f"tasks/WEB-1/{query}"))
    monkeypatch.setattr("taskproject.tenancy.api.viewsets.projection_of", lambda *_: None)

    assert (good(api.get(f"tasks/{query}")), good(api.get(f"tasks/WEB-1/{query}"))) == by_postgresql


def test_labels_of_another_tenant_stay_there(cast: Cast, api: Api, tasks: list[Task]) -> None:
    other = make_task(make_project(cast.beta, cast.carol), cast.carol, "Theirs")
    with tenant_context(cast.beta):
        secret = label_create(name="Secret", actor_id=cast.carol.pk)
        task_label_add(task_id=other.pk, label_id=secret.pk, actor_id=cast.carol.pk)

    page = api.get("tasks/?include=labels&limit=200")

    assert len(good(page)["results"]) == 3
    assert b"Secret" not in page.content
    assert problem(api.get(f"tasks/{other.pk}/?include=labels")) == (404, "not-found")


def test_the_choices_are_in_the_serializers_order_and_each_is_compiled_once() -> None:
    either = {
        sparse.members_asked(QueryDict(f"fields={names}"), TaskSerializer)
        for names in ("id,title,key", "key,title,id")
    }
    assert either == {("id", "key", "title")}
