"""The OpenAPI document: that it is whole, true, valid, and the one in docs/."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.urls import URLResolver, get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.validation import validate_schema
from jsonschema_rs import Draft202012Validator, meta

from projects.api.listings import LISTINGS as OF_PROJECTS
from taskproject.api.documentation import generate
from taskproject.api.problems import CATALOGUE
from taskproject.db.context import tenant_context
from taskproject.tenancy.api.listings import LISTINGS as OF_TENANCY
from taskproject.tests.api.homes import furnish, new_word
from taskproject.tests.cast import make_client
from tasks.api.listings import LISTINGS as OF_TASKS
from tasks.services.relations import comment_add

COMMITTED = Path(settings.BASE_DIR) / "docs" / "openapi.json"
BELOW = "/api/v1/tenants/"
LISTINGS = {**OF_TENANCY, **OF_PROJECTS, **OF_TASKS}
# What belongs to no operation that stands in the document, or to any.
OF_NO_OPERATION = {"parse-error", "method-not-allowed", "throttled", "internal-error"}


@cache
def document() -> dict[str, Any]:
    """The document with its warnings in `GENERATOR_STATS`, as a reader of JSON has it."""
    found: dict[str, Any] = json.loads(json.dumps(generate()))
    return found


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each address, method and operation."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def operation(name: str) -> dict[str, Any]:
    return next(each for _, _, each in operations() if each["operationId"] == name)


def parameters(name: str, place: str) -> dict[str, dict[str, Any]]:
    """The parameters of an operation that are given in a place, by name."""
    return {each["name"]: each for each in operation(name)["parameters"] if each["in"] == place}


def component(ref: str) -> dict[str, Any]:
    """What a reference leads to."""
    found: Any = document()
    for step in ref.removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


def body(name: str) -> dict[str, Any]:
    """The schema of an operation's request body."""
    content = operation(name)["requestBody"]["content"]["application/json"]
    return component(content["schema"]["$ref"])


def complaints(schema: dict[str, Any], value: Any) -> list[str]:
    """What is not valid about a value."""
    rooted = {**schema, "components": document()["components"]}
    validator = Draft202012Validator(rooted, validate_formats=True)
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(value)]


def media_types() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each body of a request or an answer that is described, with where it stands."""
    for _, _, each in operations():
        name = each["operationId"]
        if "requestBody" in each:
            yield f"{name} takes", each["requestBody"]["content"]["application/json"]
        for status, response in each["responses"].items():
            whole = component(response["$ref"]) if "$ref" in response else response
            for content in whole.get("content", {}).values():
                yield f"{name} answers {status}", content


# --- The document as a whole ----------------------------------------------------------------------


def test_the_committed_document_is_the_one_that_is_generated():
    rendered = OpenApiJsonRenderer().render(generate(), renderer_context={})

    assert COMMITTED.read_bytes() == rendered, "Renew docs/openapi.json: make openapi"


def test_it_is_made_without_a_warning():
    generate()

    assert not GENERATOR_STATS, (GENERATOR_STATS._warn_cache, GENERATOR_STATS._error_cache)


def test_it_is_openapi_3_1():
    assert document()["openapi"].startswith("3.1.")
    validate_schema(document())
    for schema in document()["components"]["schemas"].values():
        meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_each_reference_leads_somewhere():
    refs = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document())))

    assert len(refs) > 40
    for ref in refs:
        component(ref)


def test_it_has_each_method_of_each_address_of_a_tenant_and_nothing_else():
    routed = {
        (re.sub(r"<\w+:(\w+)>", r"{\1}", address), method)
        for address, pattern in addresses(get_resolver().url_patterns)
        if address.startswith(BELOW)
        for method in set(pattern.callback.actions) - {"head"}
    }

    assert {(path, method) for path, method, _ in operations()} == routed
    assert len(routed) > 40


def addresses(patterns: Iterable[Any], before: str = "/") -> Iterator[tuple[str, Any]]:
    """The addresses of all patterns, and of those below them."""
    for each in patterns:
        address = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, address)
        else:
            yield address, each


def test_each_operation_has_a_name_of_its_own_and_says_what_it_does():
    names = [each["operationId"] for _, _, each in operations()]

    assert len(set(names)) == len(names)
    assert {"task_list", "task_create", "task_partial_update", "project_archive"} <= set(names)
    for _, _, each in operations():
        assert each["summary"], each["operationId"]
        assert not each["summary"].endswith(".")
    assert operation("task_create")["summary"] == "Make a task"
    assert operation("task_create")["description"].startswith("It gets the next number")


# --- Problems -------------------------------------------------------------------------------------


def problem_codes() -> set[str]:
    """The codes of all problems that operations answer with."""
    narrowed = [content["schema"].get("allOf", [{}, {}])[1] for _, content in media_types()]
    return {
        code
        for each in narrowed
        for code in each.get("properties", {}).get("code", {}).get("enum", [])
    }


def test_each_problem_is_one_of_the_catalogue_and_each_of_the_catalogue_can_occur():
    assert problem_codes() | OF_NO_OPERATION == set(CATALOGUE)


def test_a_problem_stands_with_its_own_status():
    for name, response in document()["components"]["responses"].items():
        (content,) = response["content"].values()
        narrowed = content["schema"]["allOf"][1]["properties"]
        assert {CATALOGUE[code].status for code in narrowed["code"]["enum"]} == {
            narrowed["status"]["const"]
        }, name
        assert set(response["content"]) == {"application/problem+json"}


def test_only_what_reads_a_body_can_meet_a_bad_one():
    assert {"413", "415"} & set(operation("task_list")["responses"]) == set()
    assert {"413", "415"} & set(operation("task_restore")["responses"]) == set()
    assert {"413", "415"} <= set(operation("task_create")["responses"])


# --- Examples -------------------------------------------------------------------------------------


def test_each_body_has_an_example_and_each_example_is_valid():
    for where, content in media_types():
        problems = content.get("examples", {}).values()
        examples = [each["value"] for each in problems] or [content["example"]]
        for example in examples:
            assert example, where
            assert complaints(content["schema"], example) == [], where


def test_examples_of_parameters_and_headers_are_valid():
    for _, _, each in operations():
        for parameter in each["parameters"]:
            examples = parameter["schema"].get("examples", [])
            examples = [parameter["example"]] if "example" in parameter else examples
            for example in examples:
                assert complaints(parameter["schema"], example) == [], parameter
            headers = {"If-Match", "If-None-Match", "Idempotency-Key"}
            assert examples or parameter["name"] in {"cursor", *headers}
    for header in document()["components"]["headers"].values():
        assert complaints(header["schema"], header["example"]) == []


# --- What is taken and shown ----------------------------------------------------------------------


def test_a_request_has_no_field_that_can_not_be_set_and_none_that_is_not_known():
    for _, _, each in operations():
        if "requestBody" in each:
            schema = body(each["operationId"])
            assert schema["additionalProperties"] is False
            assert not any(field.get("readOnly") for field in schema["properties"].values())
    assert " ".join(body("task_create")["properties"]) == (
        "project title description status priority assignee parent due_at external_key"
    )


def test_a_change_requires_nothing():
    assert body("task_create")["required"] == ["project", "title"]
    assert "required" not in body("task_partial_update")
    assert "project" not in body("task_partial_update")["properties"]


def test_an_answer_has_all_its_fields():
    task = component("#/components/schemas/Task")

    assert task["required"] == [name for name in task["properties"] if name != "labels"]
    assert task["properties"]["completed_at"]["type"] == ["string", "null"]
    assert task["properties"]["created_at"]["type"] == "string"
    assert task["properties"]["key"]["pattern"] == "^[A-Z][A-Z0-9]{0,9}-[1-9][0-9]*$"
    assert task["properties"]["status"] == {"$ref": "#/components/schemas/Status"}
    assert component("#/components/schemas/Status")["enum"][:2] == ["pending", "active"]


def test_a_list_is_a_page():
    page = component("#/components/schemas/TaskPage")

    assert page["required"] == ["results", "next", "previous"]
    assert page["properties"]["results"]["items"] == {
        "anyOf": [{"$ref": "#/components/schemas/Task"}, {"$ref": "#/components/schemas/TaskPart"}]
    }


def test_what_may_be_a_part_has_the_same_members_and_requires_none():
    whole, part = (component(f"#/components/schemas/{name}") for name in ("Task", "TaskPart"))

    assert part["properties"] == whole["properties"]
    assert "required" not in part
    shown = operation("task_retrieve")["responses"]["200"]["content"]["application/json"]["schema"]
    assert len(shown["anyOf"]) == 2
    for name in ("task_create", "tenant_retrieve", "task_label_list", "task_event_list"):
        assert "Part" not in json.dumps(operation(name))


def test_fields_and_include_stand_with_the_lists_and_details_that_take_them():
    fields = parameters("task_list", "query")["fields"]

    assert (fields["style"], fields["explode"]) == ("form", False)
    whole = component("#/components/schemas/Task")
    assert fields["schema"]["items"]["enum"] == whole["required"]
    assert parameters("task_retrieve", "query")["include"]["schema"]["items"]["enum"] == ["labels"]
    assert set(parameters("label_retrieve", "query")) == {"fields"}
    assert set(parameters("tenant_retrieve", "query")) == set()


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("task_list", {"200", "304"}),
        ("task_create", {"201"}),
        ("task_retrieve", {"200", "304"}),
        ("task_partial_update", {"200"}),
        ("task_destroy", {"204"}),
        ("task_label_update", {"204"}),
        ("project_archive", {"200"}),
        ("token_retrieve", {"200"}),
    ],
)
def test_what_goes_well_has_the_status_of_its_kind(name, statuses):
    assert {each for each in operation(name)["responses"] if each < "400"} == statuses


@pytest.mark.parametrize(
    ("name", "status", "headers"),
    [
        ("task_list", "200", {"Link", "ETag", "Cache-Status"}),
        ("task_create", "201", {"ETag", "Location", "Idempotency-Replayed"}),
        ("dependency_create", "201", {"Idempotency-Replayed"}),
        ("task_retrieve", "304", {"ETag"}),
        ("token_retrieve", "200", set()),
        ("task_destroy", "204", set()),
    ],
)
def test_headers_stand_with_the_answers_that_have_them(name, status, headers):
    always = {"X-Request-Id", "RateLimit", "RateLimit-Policy"}

    assert set(operation(name)["responses"][status]["headers"]) - always == headers


# --- Lists ----------------------------------------------------------------------------------------


def test_each_way_to_read_a_list_stands_there_with_its_costs():
    shown = [each["x-access"] for _, _, each in operations() if "x-access" in each]
    told = {
        (access["index"], access["kind"], access["statements"], access.get("buffers"))
        for accesses in shown
        for access in accesses
    }

    for listing in LISTINGS.values():
        for access in listing.accesses:
            kind = "matches" if access.matches else "range"
            assert (access.index, kind, access.statements, access.buffers) in told
    assert operation("task_list")["x-access"][0] == {
        "filters": [],
        "optional": [],
        "ranges": ["created_after", "created_before"],
        "sorts": ["-created", "created"],
        "kind": "range",
        "index": "task_created_idx",
        "statements": LISTINGS["tasks"].accesses[0].statements,
        "buffers": LISTINGS["tasks"].accesses[0].buffers,
    }


def test_a_list_takes_its_filters_and_pages_and_a_count_only_the_filters():
    filters = set(LISTINGS["tasks"].filters)

    paging, sparse = {"limit", "cursor", "sort"}, {"fields", "include"}
    assert set(parameters("task_list", "query")) == filters | paging | sparse
    assert set(parameters("task_count", "query")) == filters
    assert set(parameters("task_summary", "query")) == set()
    sort = parameters("task_list", "query")["sort"]
    assert sort["schema"]["enum"] == list(LISTINGS["tasks"].sorts)


# --- Who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "scope", "role"),
    [
        ("task_list", "read", "viewer"),
        ("task_create", "write", "member"),
        ("project_create", "admin", "admin"),
        ("token_list", "admin", "admin"),
        ("tenant_partial_update", "admin", "owner"),
    ],
)
def test_the_scope_and_the_role_stand_there(name, scope, role):
    found = operation(name)

    assert found["x-requires"] == {"scope": scope, "role": role}
    assert f"the scope `{scope}` and at least the role `{role}`" in found["description"]


def test_one_comes_in_with_a_token_or_a_session_and_writes_with_a_csrf_token():
    assert operation("task_list")["security"] == [{"token": []}, {"session": []}]
    assert operation("task_create")["security"] == [{"token": []}, {"session": [], "csrf": []}]
    assert set(document()["components"]["securitySchemes"]) == {"token", "session", "csrf"}


# --- Conditions -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_says_that_it_honours_if_match_does_and_nothing_else_takes_it():
    home = furnish("home", new_word())
    owner = home.people["owner"]
    client = make_client(home.tenant, owner, scopes=["read", "write", "admin"])
    with tenant_context(home.tenant):  # only its author may edit a comment
        own = comment_add(task_id=home.places["task"], body="Mine", actor_id=owner.pk)
    places = {**home.places, "comment_id": own.pk}
    never = '"999-0123456789abcdef"'

    for path, method, each in operations():
        if method == "get":
            continue
        address = path.format(tenant=home.slug, **places)
        response = client.generic(
            method, address, b"{}", "application/json", headers={"if-match": never}
        )
        honours = "If-Match" in parameters(each["operationId"], "header")
        told = "is at version" if honours else "has no entity tag"
        assert response.status_code == 412, (method, path, response.content)
        assert told in response.json()["detail"], (method, path)


# --- What it forbids ------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "address", "sent"),
    [
        ("post", "projects/", {"key": "WEB\n", "name": "Web"}),
        ("post", "labels/", {"name": "ui", "colour": "#aabbcc\n"}),
        ("post", "labels/", {"name": "ui", "colour": " #aabbcc"}),
        ("patch", "members/bob/", {"active": "false"}),
        ("patch", "members/bob/", {"active": 0}),
    ],
)
def test_what_is_almost_valid_is_refused(cast, method, address, sent):
    client = make_client(cast.alpha, cast.alice, scopes=["read", "write", "admin"])

    response = client.generic(
        method, f"{BELOW}alpha/{address}", json.dumps(sent), "application/json"
    )

    assert response.status_code == 422, response.content
    (error,) = response.json()["errors"]
    assert error["pointer"] in {"/key", "/colour", "/active"}
