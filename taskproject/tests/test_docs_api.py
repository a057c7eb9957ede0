"""docs/api.md and the code say the same: who may ask what, what is answered, and what it costs.

So do docs/problems.md and the catalogue of problems.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from django.conf import settings
from django.http import QueryDict
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from projects.api.serializers import ProjectSerializer
from projects.models import DESCRIPTION_BYTES
from taskproject.api import pagination, parsing
from taskproject.api.failures import _UNAVAILABLE
from taskproject.api.problems import CATALOGUE, body
from taskproject.api.registry import Access, Listing
from taskproject.buckets import WINDOW_S
from taskproject.db.context import tenant_context
from taskproject.tenancy.api.fields import USERNAME_LENGTH
from taskproject.tenancy.api.serializers import TenantSerializer, TokenSerializer
from taskproject.tenancy.models import Event, EventKind, Tenant
from taskproject.tenancy.services import event_append
from taskproject.tenancy.tests.sql import session
from taskproject.tests.cast import make_cast, make_client
from taskproject.tests.test_openapi import complaints, component, document
from tasks import search, selectors
from tasks.api.serializers import COUNT_LIMIT, LabelSerializer, TaskSerializer
from tasks.models import COMMENT_BYTES
from tasks.services.cycles import CYCLE_DEPTH
from tasks.services.relations import LABELS_PER_TASK, LABELS_PER_TENANT
from tasks.tests.test_api_statements import CASES, FEW, Case, furnish_alpha

DOCS: Final = Path(settings.BASE_DIR) / "docs"
PAGE: Final = (DOCS / "api.md").read_text(encoding="utf-8")
PROBLEMS: Final = (DOCS / "problems.md").read_text(encoding="utf-8")
SETTINGS: Final = (Path(settings.BASE_DIR) / "taskproject" / "settings.py").read_text()
API: Final = "/api/v1/"
BELOW: Final = "/api/v1/tenants/{tenant}/"
SAFE: Final = "GET"
NUMBER: Final = re.compile(r"\d+")
IN_CODE: Final = re.compile(r"`(\w+)`")
PATIENCE_S: Final = 240

REQUESTS_HEAD: Final = ["Request", "Does", "Who", "Answers", "Statements"]
ACCESS_HEAD: Final = ["Filters", "Also", "Sorts", "Index", "Statements", "Buffers", "Note"]
FILTERS_HEAD: Final = ["Parameter", "Must be", "Gives"]
BODIES_HEAD: Final = ["Body of", "Must have", "May have"]
PLACES_HEAD: Final = ["In addresses", "Must be", "Names"]
STATUSES_HEAD: Final = ["Status", "Codes", "Answered to"]
SIZES_HEAD: Final = ["What", "At most"]
MEMBERS_HEAD: Final = ["Takes `fields`", "`include`"]
KINDS_HEAD: Final = ["Kind", "About", "`changes`"]


# --- What the code says ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """A method of an address below /api/v1/: `view` is about to answer it, None for what is no
    view set; `said` is what the OpenAPI document has of it."""

    method: str
    address: str
    view: Any

    @property
    def name(self) -> str:
        """As tables name it: addresses below a tenant without what they all begin with."""
        short = self.address.removeprefix(BELOW) if self.address != BELOW else BELOW
        return f"{self.method} {short}"

    @property
    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = document()["paths"][self.address][self.method.lower()]
        return found

    @property
    def statuses(self) -> set[int]:
        return {int(status) for status in self.said["responses"]}

    @property
    def listing(self) -> Listing | None:
        found: Listing | None = self.view.listings.get(self.view.action)
        return found


def walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, Any]]:
    for each in patterns:
        path = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from walk(each.url_patterns, path)
        else:
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path), each.callback


@cache
def asked() -> dict[str, Asked]:
    """Each method that an address below /api/v1/ takes, by its name. HEAD goes without saying."""
    found = []
    for address, callback in walk(get_resolver().url_patterns, "/"):
        if not address.startswith(API):
            continue
        for method, action in getattr(callback, "actions", {"get": ""}).items():
            view = callback.cls(**callback.initkwargs) if action else None
            if view is not None:
                view.action = action
            if method != "head":
                found.append(Asked(method.upper(), address, view))
    assert len({each.name for each in found}) == len(found) > 40
    return {each.name: each for each in found}


def of_tenants() -> list[Asked]:
    return [each for each in asked().values() if each.address.startswith(BELOW)]


def lists() -> list[Asked]:
    return [
        each for each in of_tenants() if each.listing is not None and each.view.action == "list"
    ]


# --- What the page says ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page with the line of text above it."""

    above: str
    head: list[str]
    rows: list[list[str]]


@cache
def tables() -> list[Table]:
    found, above = [], ""
    for block in re.split(r"\n\n+", PAGE):
        lines = block.splitlines()
        if lines[0].startswith("|"):
            head, _, *rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
            found.append(Table(above, head, rows))
        else:
            above = " ".join(lines)
    return found


def rows_of(head: list[str]) -> list[list[str]]:
    """The rows of all tables with that head."""
    found = [row for table in tables() if table.head == head for row in table.rows]
    assert found, head
    return found


def bare(cell: str) -> str:
    return cell.strip("`")


def in_code(names: Any, separator: str = ", ") -> str:
    """Names as a cell has them."""
    return separator.join(f"`{name}`" for name in names) or "–"


def documented() -> dict[str, list[str]]:
    """The row about each request."""
    return {bare(row[0]): row for row in rows_of(REQUESTS_HEAD)}


# --- Requests -------------------------------------------------------------------------------------


class TestRequests:
    def test_each_that_the_router_takes_stands_in_one_table_and_nothing_else(self) -> None:
        told = [bare(row[0]) for row in rows_of(REQUESTS_HEAD)]

        assert sorted(told) == sorted(asked())

    def test_what_it_does_is_said_as_the_openapi_document_says_it(self) -> None:
        expected = {each.name: each.said["summary"] for each in of_tenants()}

        told = {name: row[1].replace("`", "") for name, row in documented().items()}
        assert {name: told[name] for name in expected} == expected

    def test_scope_and_role_are_those_that_the_view_requires(self) -> None:
        expected = {}
        for each in of_tenants():
            (permission,) = each.view.get_permissions()
            required = permission.requirement(each.view, each.method)
            expected[each.name] = f"`{required.scope}`, {required.role.label}"

        told = {name: row[2] for name, row in documented().items()}
        assert {name: told[name] for name in expected} == expected
        assert {told[name] for name in set(told) - set(expected)} == {"anybody"}

    def test_its_answers_are_those_of_the_openapi_document(self) -> None:
        """But for those that the table of statuses says of all its kind."""
        general = statuses_of_kinds()

        for each in of_tenants():
            told = {int(status) for status in NUMBER.findall(documented()[each.name][3])}
            of_its_kind = set().union(*(general[kind] for kind in kinds_of(each))) - OF_NO_OPERATION
            assert told == each.statuses - of_its_kind, each.name
            assert of_its_kind <= each.statuses, each.name

    def test_it_costs_the_statements_that_its_cases_say(self) -> None:
        expected = {name: sorted(numbers) for name, numbers in statements().items()}

        told = {
            name: sorted({int(number) for number in NUMBER.findall(documented()[name][4])})
            for name in (each.name for each in of_tenants())
        }
        assert told == expected

    def test_to_name_a_task_by_its_key_costs_one_statement_more_but_for_itself(
        self,
    ) -> None:
        more = {
            name_of(case): len(case.says) - min(statements()[name_of(case)])
            for case in CASES
            if by_key(case)
        }

        itself = {"GET tasks/{task}/", "PATCH tasks/{task}/"}
        assert {name for name, number in more.items() if number == 0} == itself
        assert {number for name, number in more.items() if name not in itself} == {1}
        assert len(more) == 3

    @pytest.mark.parametrize("name", ["schema/", "docs/", "redoc/"])
    def test_those_outside_of_tenants_take_no_other_method_and_ask_no_database(
        self, name: str
    ) -> None:
        """Outside of a test that may use it, the database refuses."""
        assert Client().get(API + name).status_code == 200
        assert Client().post(API + name).status_code == 405
        assert documented()[f"GET {API}{name}"][4] == "0"


def by_key(case: Case) -> bool:
    """Whether it names a task by its key."""
    return "tasks/WEB-" in case.path


def name_of(case: Case) -> str:
    """The request that a case is one of."""
    path = re.sub(r"\{\w+\}", "1", case.path.partition("?")[0])
    route = resolve("/api/v1/tenants/alpha/" + path).route
    address = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)
    return Asked(case.method.upper(), address, None).name


def statements() -> dict[str, set[int]]:
    """How many statements each request says in its cases, tasks being named by their ids."""
    found: dict[str, set[int]] = {}
    for case in CASES:
        if not by_key(case):
            found.setdefault(name_of(case), set()).add(len(case.says))
    return found


# --- Statuses -------------------------------------------------------------------------------------

KINDS: Final = {
    "any request": lambda each: True,
    "any change": lambda each: each.method != SAFE,
    "any with a body": lambda each: "requestBody" in each.said,
}
ELSEWHERE: Final = "those whose table says so"
# A view set knows of neither: they are no answers of its own.
OF_NO_OPERATION: Final = {405, 500}


def kinds_of(each: Asked) -> list[str]:
    return [kind for kind, is_of_it in KINDS.items() if is_of_it(each)]


def statuses_of_kinds() -> dict[str, set[int]]:
    """The statuses of problems that all requests of a kind may get, as the page says."""
    found: dict[str, set[int]] = {kind: set() for kind in (*KINDS, ELSEWHERE)}
    for status, _, kind in rows_of(STATUSES_HEAD):
        found[kind].add(int(status))
    return found


class TestStatuses:
    def test_each_status_of_a_problem_stands_there_with_its_codes(self) -> None:
        expected: dict[int, list[str]] = {}
        for code, kind in CATALOGUE.items():
            expected.setdefault(kind.status, []).append(f"[{code}](problems.md#{code})")

        told = {int(status): codes.split(", ") for status, codes, _ in rows_of(STATUSES_HEAD)}
        assert told == expected

    def test_each_is_answered_to_that_kind_of_request(self) -> None:
        for kind, statuses in statuses_of_kinds().items():
            for status in statuses - OF_NO_OPERATION:
                answered = {each.name for each in of_tenants() if status in each.statuses}
                of_kind = {each.name for each in of_tenants() if kind in kinds_of(each)}
                assert answered == of_kind or kind == ELSEWHERE, (status, answered ^ of_kind)


# --- Members --------------------------------------------------------------------------------------


def test_what_takes_fields_and_include_stands_in_the_table_of_members() -> None:
    expected = {
        each.name: {parameter["name"]: parameter for parameter in each.said["parameters"]}
        for each in of_tenants()
    }

    told = {bare(name): included for name, included in rows_of(MEMBERS_HEAD)}
    assert sorted(told) == sorted(name for name, taken in expected.items() if "fields" in taken)
    for name, included in told.items():
        more = expected[name].get("include", {"schema": {"items": {"enum": []}}})
        assert included == in_code(more["schema"]["items"]["enum"]), name


# --- Lists ----------------------------------------------------------------------------------------


def access_row(access: Access) -> list[str]:
    return [
        in_code(sorted(access.filters), " + "),
        in_code(sorted([*access.optional, *access.ranges])),
        in_code(access.sorts),
        f"`{access.index}`",
        str(access.statements),
        f"{access.buffers:,}",
        access.note,
    ]


def table_about(head: list[str], name: str) -> Table:
    """The table with that head below a text that begins with the request."""
    found = [t for t in tables() if t.head == head and t.above.startswith(f"`{name}`")]
    assert len(found) == 1, (name, head)
    return found[0]


LISTS: Final = lists()


class TestLists:
    @pytest.mark.parametrize("each", LISTS, ids=lambda each: each.name)
    def test_the_ways_to_read_it_are_those_of_the_registry(self, each: Asked) -> None:
        listing = each.listing
        assert listing is not None

        table = table_about(ACCESS_HEAD, each.name)
        assert table.rows == [access_row(access) for access in listing.accesses]
        assert f"`{listing.default_sort}`" in table.above

    def test_there_is_no_other_table_of_ways(self) -> None:
        assert len([table for table in tables() if table.head == ACCESS_HEAD]) == len(LISTS)

    @pytest.mark.parametrize(
        "each",
        [each for each in of_tenants() if (each.listing or each.view.parameters)],
        ids=lambda each: each.name,
    )
    def test_its_parameters_are_those_that_the_view_takes(self, each: Asked) -> None:
        """A list that takes none but those of paging has no such table."""
        listing = each.listing
        taken = listing.filters if listing else each.view.parameters[each.view.action]
        if not taken or each.name == "GET tasks/count/":
            assert not [t for t in tables() if t.above.startswith(f"`{each.name}` takes")]
            return

        expected = [[f"`{name}`", p.must, p.description] for name, p in taken.items()]
        assert table_about(FILTERS_HEAD, each.name).rows == expected

    def test_a_count_takes_the_filters_of_the_list(self) -> None:
        assert asked()["GET tasks/count/"].listing is asked()["GET tasks/"].listing
        assert "`GET tasks/count/` takes the filters of `GET tasks/`" in PAGE


# --- Addresses and bodies -------------------------------------------------------------------------


def test_what_stands_in_addresses_is_what_the_views_say() -> None:
    expected = {
        (f"`{{{name}}}`", place.must, place.description)
        for each in of_tenants()
        for name, place in each.view.places.items()
        if f"{{{name}}}" in each.address
    }

    told = [tuple(row) for row in rows_of(PLACES_HEAD)]
    assert sorted(told) == sorted(expected)


def test_each_body_has_the_members_that_its_serializer_takes() -> None:
    expected = {}
    for each in of_tenants():
        if "requestBody" in each.said:
            schema = request_schema(each)
            needed = schema.get("required", [])
            others = [name for name in schema["properties"] if name not in needed]
            expected[each.name] = [in_code(needed), in_code(others)]

    assert {bare(row[0]): row[1:] for row in rows_of(BODIES_HEAD)} == expected
    assert len(rows_of(BODIES_HEAD)) == len(expected) > 10


def request_schema(each: Asked) -> dict[str, Any]:
    return component(each.said["requestBody"]["content"]["application/json"]["schema"]["$ref"])


@pytest.mark.parametrize(("header", "status"), [("If-Match", 412), ("If-None-Match", 304)])
def test_a_condition_is_honoured_where_the_table_has_its_status(header: str, status: int) -> None:
    honouring = {
        each.name
        for each in of_tenants()
        if header in {parameter["name"] for parameter in each.said["parameters"]}
    }

    told = {name for name, row in documented().items() if str(status) in row[3]}
    assert told - {"GET /api/v1/schema/"} == honouring
    assert f"whose table says {status} honours `{header}`" in PAGE.replace("\n", " ")


# --- Limits ---------------------------------------------------------------------------------------


def max_length(serializer: Any, name: str) -> str:
    return f"{serializer().fields[name].max_length} characters"


def sizes() -> dict[str, str]:
    """What the table of limits has to say."""
    return {
        "`limit`": f"{pagination.MAX_LIMIT}; {pagination.DEFAULT_LIMIT} if nothing is said",
        "a body": f"{settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes",
        "arrays and objects in each other": f"{parsing.MAX_DEPTH} levels",
        "an integer, up or down": f"{parsing.MAX_INTEGER:,}",
        "name of a tenant": max_length(TenantSerializer, "name"),
        "user name": f"{USERNAME_LENGTH} characters",
        "name of a token": max_length(TokenSerializer, "name"),
        "key of a project": max_length(ProjectSerializer, "key"),
        "name of a project": max_length(ProjectSerializer, "name"),
        "description of a project or task": f"{DESCRIPTION_BYTES:,} bytes",
        "title of a task": max_length(TaskSerializer, "title"),
        "external key of a task": max_length(TaskSerializer, "external_key"),
        "labels on a task": str(LABELS_PER_TASK),
        "labels of a tenant": f"{LABELS_PER_TENANT:,}",
        "name of a label": max_length(LabelSerializer, "name"),
        "comment": f"{COMMENT_BYTES:,} bytes",
        "tasks in a chain of dependencies or parents": str(CYCLE_DEPTH),
        "a count": f"{COUNT_LIMIT:,}; `capped` says that there are more",
        "text of `q`": f"{search.TEXT_LENGTH} characters, {search.WORDS} words",
        "beginnings of words in `q`": f"{search.PREFIXES}, of {search.PREFIX_LENGTH} "
        "characters or more each",
        "tasks that `q`, or `label` with another filter, may match": f"{selectors.MATCHES_CAP:,}",
    }


def test_limits_are_those_of_the_code() -> None:
    assert dict(rows_of(SIZES_HEAD)) == sizes()


def test_the_limits_on_requests_are_told_as_the_headers_tell_them() -> None:
    token, tenant = (
        re.search(rf'"RATE_LIMIT_{name}_PER_MINUTE", (\d+)', SETTINGS)
        for name in ("TOKEN", "TENANT")
    )
    assert token
    assert tenant

    policies = f'"token";q={token[1]};w={WINDOW_S}, "tenant";q={tenant[1]};w={WINDOW_S}'
    assert f"    RateLimit-Policy: {policies}\n" in PAGE


# --- Examples -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Example:
    """A request and its answer, as the page shows them."""

    asked: Asked
    sent: Any
    status: int
    headers: dict[str, str]
    answer: Any
    members: list[str]


def examples() -> list[Example]:
    return [example(block) for block in re.findall(r"^```http\n(.*?)^```", PAGE, re.M | re.S)]


def example(block: str) -> Example:
    request, _, response = block.partition("\n\nHTTP/1.1 ")
    (line, _, sent), (status, headers, answer) = message(request), message(response)
    method, target = line.split()
    route = resolve(target.partition("?")[0]).route
    address = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)
    name = Asked(method, address, None).name
    query = QueryDict(target.partition("?")[2])
    members = [*query.get("fields", "").split(","), *query.get("include", "").split(",")]
    members = [each for each in members if each]
    return Example(asked()[name], sent, int(status.split()[0]), headers, answer, members)


def message(text: str) -> tuple[str, dict[str, str], Any]:
    """First line, headers and body."""
    above, _, body = text.partition("\n\n")
    first, *headers = above.splitlines()
    pairs = (header.split(": ", 1) for header in headers)
    return first, dict(pairs), json.loads(body) if body.strip() else None


def differences(schema: dict[str, Any], value: Any, place: str = "") -> Iterator[str]:
    """Where the members of a value are not exactly those of the schema, of a whole object where a
    part could stand; what is not required may be there or not."""
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if "$ref" in schema:
        schema = component(schema["$ref"])
    if isinstance(value, dict) and "properties" in schema:
        needed = set(schema.get("required", schema["properties"]))
        if odd := (needed - set(value)) | (set(value) - set(schema["properties"])):
            yield f"{place}: {sorted(odd)}"
        for name in set(schema["properties"]) & set(value):
            inner = schema["properties"][name]
            yield from differences(inner, value[name], f"{place}/{name}")
    if isinstance(value, list) and "items" in schema:
        for each in value:
            yield from differences(schema["items"], each, f"{place}/*")


class TestExamples:
    def test_each_resource_has_one(self) -> None:
        shown = {tag for each in examples() if each.status < 300 for tag in each.asked.said["tags"]}

        assert shown == {tag["name"] for tag in document()["tags"]}
        assert {"GET tasks/count/", "GET tasks/summary/", "GET events/"} <= {
            each.asked.name for each in examples()
        }

    @pytest.mark.parametrize("each", examples(), ids=lambda each: each.asked.name)
    def test_its_answer_has_exactly_the_members_that_the_api_gives(self, each: Example) -> None:
        response = each.asked.said["responses"][str(each.status)]
        response = component(response["$ref"]) if "$ref" in response else response
        content = list(response.get("content", {}).values())

        assert (each.answer is None) == (not content)
        for media in content:
            assert complaints(media["schema"], each.answer) == []
            if each.members:
                assert [list(row) for row in each.answer["results"]] == [each.members]
            else:
                assert list(differences(media["schema"], each.answer)) == []
        assert set(each.headers) <= set(response["headers"])
        assert ("ETag" in each.headers) == ("ETag" in response["headers"])

    @pytest.mark.parametrize(
        "each", [each for each in examples() if each.sent], ids=lambda each: each.asked.name
    )
    def test_its_body_could_be_sent(self, each: Example) -> None:
        refused = complaints(request_schema(each.asked), each.sent)

        assert bool(refused) == (each.status == 422)


# --- The page of problems -------------------------------------------------------------------------


def problem_sections() -> dict[str, str]:
    """The text below each heading of docs/problems.md."""
    parts = re.split(r"^## (.+)\n", PROBLEMS, flags=re.M)
    assert len(set(parts[1::2])) == len(parts[1::2]), "a heading stands twice"
    return dict(zip(parts[1::2], parts[2::2], strict=True))


class TestProblems:
    def test_each_code_has_a_heading_in_the_order_of_the_catalogue_and_no_other(self) -> None:
        assert list(problem_sections()) == list(CATALOGUE)

    @pytest.mark.parametrize("code", CATALOGUE)
    def test_type_status_and_title_are_those_of_the_code(self, code: str) -> None:
        sent = body(CATALOGUE[code].status, code, "")
        lines = (
            f"- Type: `{sent['type']}`",
            f"- Status: {sent['status']}",
            f"- Title: {sent['title']}",
        )

        assert problem_sections()[code].startswith("\n" + "\n".join(lines) + "\n\n**When.** ")

    @pytest.mark.parametrize("code", CATALOGUE)
    def test_it_says_when_it_occurs_and_what_to_do(self, code: str) -> None:
        _, when, do = re.split(r"\*\*(?:When|Do)\.\*\* ", problem_sections()[code])

        assert len(when.split()) > 5
        assert len(do.split()) > 2

    def test_to_try_again_is_said_of_those_with_retry_after(self) -> None:
        retried = {code for code, text in problem_sections().items() if "`Retry-After`" in text}

        unavailable = {code for _, code in _UNAVAILABLE}
        assert retried == unavailable | {"database-unavailable", "rate-limited"}

    def test_its_links_lead_to_headings(self) -> None:
        for page, text in (("api.md", PAGE), ("problems.md", PROBLEMS)):
            links = re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", text)
            assert links
            for target, anchor in links:
                linked = (DOCS / (target or page)).read_text(encoding="utf-8")
                headings = re.findall(r"^#+ (.+)$", linked, re.M)
                assert not anchor or anchor in {anchor_of(each) for each in headings}, (
                    page,
                    anchor,
                )


def anchor_of(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


# --- Events ---------------------------------------------------------------------------------------

IMPORTED: Final = {"task imported"}  # which no request brings about


def about(event: dict[str, Any]) -> str:
    if event["task"] is not None:
        return "a task"
    return "the tenant" if event["project"] is None else "a project"


@pytest.mark.django_db(transaction=True)
def test_events_tell_what_the_page_says_of_their_kind() -> None:
    """Those of all requests that the statements are counted of."""
    told = {kind: (of, set(IN_CODE.findall(changes))) for kind, of, changes in rows_of(KINDS_HEAD)}
    cast = make_cast()
    stage = furnish_alpha(cast, rows=FEW)
    for case in CASES:
        assert case.sent(stage.client, stage.ids).status_code == case.status, case
    feed = Feed(stage.client)
    feed.settle(cast.alpha)

    assert list(told) == EventKind.labels
    assert {event["kind"] for event in feed.events} == set(told) - IMPORTED
    for event in feed.events:
        of, names = told[event["kind"]]
        assert about(event) == of, event
        if event["kind"].endswith(("updated", "changed")):
            assert set(event["changes"]) <= names, event
        else:
            assert set(event["changes"]) == names, event


class Feed:
    """The event feed of alpha, read to its end."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._next = "/api/v1/tenants/alpha/events/?limit=200"
        self.events: list[Any] = []

    def read(self) -> None:
        answer = self._client.get(self._next).json()
        self.events += answer["results"]
        self._next = answer["next"]

    def settle(self, tenant: Tenant) -> None:
        """Read on to the last event of the tenant. A transaction of another test process may hold
        it back for a while."""
        with tenant_context(tenant):
            number = Event.objects.count()
        deadline = time.monotonic() + PATIENCE_S
        while len(self.events) < number:
            assert time.monotonic() < deadline
            self.read()


@pytest.mark.django_db(transaction=True)
def test_the_statement_for_a_restored_dump_brings_its_events_back_into_the_feed() -> None:
    """In a new cluster transactions are counted from a lower number than the dump's."""
    (statement,) = re.findall(r"^    (UPDATE event SET .*);$", PAGE, re.M)
    cast = make_cast()
    client = make_client(cast.alpha, cast.alice)
    with tenant_context(cast.alpha):
        event_append(EventKind.LABEL_CREATED, actor_id=None, changes={"name": "kept"})
    with session("owner") as owner:
        owner.execute("UPDATE event SET xid = '9000000000000000000'")
        owner.commit()
        feed = Feed(client)
        feed.read()
        assert feed.events == []
        owner.execute(statement)
        owner.commit()

    feed.settle(cast.alpha)
    assert feed.events[-1]["changes"] == {"name": "kept"}
    assert [event["id"] for event in feed.events] == sorted(event["id"] for event in feed.events)
