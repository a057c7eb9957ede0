"""Requests that no client should send: each gets a problem that says why.

`Api` holds every answer to its form: never an error of the server, never HTML.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest

from taskproject.tests.api.calls import Api, api_of, errors, good, problem
from taskproject.tests.cast import Cast, make_project, make_task
from taskproject.tests.rows import rolled_back

LISTS: Final = (
    "tasks/",
    "projects/WEB/tasks/",
    "labels/",
    "tasks/WEB-1/comments/",
    "tasks/WEB-1/dependencies/",
    "tasks/WEB-1/events/",
    "projects/",
    "members/",
    "tokens/",
    "events/",
)
OTHERS: Final = (
    "",
    "members/bob/",
    "projects/WEB/",
    "tasks/WEB-1/",
    "tasks/WEB-1/labels/",
    "tasks/count/",
    "tasks/summary/",
)
every_list = pytest.mark.parametrize("address", LISTS)
every_address = pytest.mark.parametrize("address", [*LISTS, *OTHERS])


@pytest.fixture
def api(cast: Cast) -> Api:
    """Alpha's API as Alice, its owner, sees it. There is WEB-1."""
    make_task(make_project(cast.alpha, cast.alice), cast.alice)
    return api_of(cast.alpha, cast.alice)


# --- Query parameters -----------------------------------------------------------------------------

UNKNOWN: Final = (
    *("x=1", "X", "=", "=1", "%00=1", "limit%00=1", "%F0%9F=1", "🙂=1", "format=json"),
    *("page=2", "offset=1", "ordering=password", "ordering=created__x"),
    *("_connector=OR", "_negated=1", "tenant=2", "tenant_id=2", "id__gt=0", "pk=1"),
    *("tenant__slug=beta", "creator__password__startswith=a", "project__tenant=2"),
    *("status__in=done", "q[]=x", "limit[]=1", "__proto__=1", "constructor=1"),
)
LIMITS: Final = (
    *("", "0", "201", "-1", "+1", "1.0", "1e2", " 1", "1 ", "abc", "NaN", "Infinity", "0x10"),
    *("null", "true", "1,2", "1%00", "%00", "٣", "１", "²", "1" * 5_000, "9" * 10_000),
    *("1_0", "00001", "%F0%9F", "🙂", "2147483648", "99999999999999999999"),
)


@every_address
def test_a_parameter_that_is_not_known_is_refused(api: Api, address: str) -> None:
    for query in UNKNOWN:
        assert problem(api.get(f"{address}?{query}")) == (400, "invalid-parameter"), query


@every_list
def test_a_limit_is_a_number_from_1_to_200(api: Api, address: str) -> None:
    for limit in LIMITS:
        refused = api.get(f"{address}?limit={limit}")
        assert problem(refused) == (400, "invalid-parameter"), limit[:40]
    for limit in ("1", "200"):
        assert api.get(f"{address}?limit={limit}").status_code == 200


@every_address
def test_a_parameter_that_is_given_twice_is_refused(api: Api, address: str) -> None:
    name = "status" if address == "tasks/count/" else "limit"

    assert problem(api.get(f"{address}?{name}=1&{name}=1")) == (400, "invalid-parameter")


def test_each_filter_is_taken_once(api: Api) -> None:
    for name, value in FILTERS.items():
        twice = urlencode([(name, value), (name, value)])
        assert problem(api.get(f"tasks/?{twice}")) == (400, "invalid-parameter"), name
        assert api.get(f"tasks/?{urlencode({name: value})}").status_code == 200, name


FILTERS: Final = {
    "project": "WEB",
    "status": "done",
    "assignee": "bob",
    "label": "1",
    "priority": "low",
    "due_before": "2030-01-01T00:00:00Z",
    "due_after": "2030-01-01T00:00:00Z",
    "created_after": "2030-01-01T00:00:00Z",
    "created_before": "2030-01-01T00:00:00Z",
    "parent": "1",
    "deleted": "true",
    "q": "task",
}
ODD: Final = (
    "",
    "\0",
    "a\0b",
    "1\0",
    "%",
    "'",
    '"',
    "\\",
    "\ud800",
    "\u202e",
    "🙂" * 300,
    "x" * 9_000,
)
NUMBERS: Final = ("0", "-1", "1.0", "1e3", "abc", "9" * 19, "9" * 5_000, "٣", "null", "true", "[]")
TIMES: Final = (
    *("tomorrow", "2030-01-01", "2030-01-01T00:00:00", "99999-01-01T00:00:00Z", "1", "0"),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2030-02-30T00:00:00Z", "2030-13-01"),
    *("2030-01-01T00:00:00+99:99", "2030-01-01T25:00:00Z", "-2030-01-01T00:00:00Z", "now"),
)
WRONG: Final[dict[str, tuple[str, ...]]] = {
    "project": ("web", "WEB-1", "1WEB", "W" * 11, "ÄÖÜ", "WEB\n", "*"),
    "status": ("DONE", "3", "open", "done,pending"),
    "assignee": ("x" * 151,),
    "label": NUMBERS,
    "priority": ("LOW", "0", "low,high"),
    "due_before": TIMES,
    "due_after": TIMES,
    "created_after": TIMES,
    "created_before": TIMES,
    "parent": NUMBERS,
    "deleted": ("false", "1", "TRUE"),
    "q": ("*", "!", '""', '"', "&|!()", "x" * 201),
    "sort": ("title", "password", "id", "created,id", "--created", "-number", "?", "created__x"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_that_is_no_value_of_a_filter_is_refused(api: Api, name: str) -> None:
    for value in (*WRONG[name], *(() if name in ("assignee", "q") else ODD)):
        query = f"{name}={quote(value, errors='surrogatepass')}"
        for address in ("tasks/", "tasks/count/"):
            refused = api.get(f"{address}?{query}")
            assert problem(refused) == (400, "invalid-parameter"), (address, query[:80])


@pytest.mark.parametrize("name", ["assignee", "q"])
def test_free_text_is_read_as_text_whatever_it_is(api: Api, name: str) -> None:
    for value in (
        *ODD,
        "' OR 1=1 --",
        "zz & b | !c",
        "zz:*",
        "<script>",
        "a" * 150,
        "%_%",
        "é",
        "e\u0301",
    ):
        response = api.get(f"tasks/?{name}={quote(value, errors='surrogatepass')}")
        if response.status_code == 200:
            assert response.json()["results"] == [], value
        else:
            assert problem(response) == (400, "invalid-parameter"), value


def test_a_search_has_a_length(api: Api) -> None:
    words = " ".join(["word"] * 600)

    assert problem(api.get(f"tasks/?q={quote(words)}")) == (400, "invalid-parameter")


@pytest.mark.parametrize("address", ["tasks/", "labels/", "tasks/count/", ""])
def test_1500_parameters_are_refused(api: Api, address: str) -> None:
    query = "&".join(f"p{n}=1" for n in range(1_500))

    assert problem(api.get(f"{address}?{query}"))[0] == 400


@pytest.mark.parametrize(
    "query",
    [
        "status=done&priority=low",
        "label=1&sort=due",
        "project=WEB&sort=due",
        "sort=number",
        "sort=-deleted",
        "deleted=true&status=done",
        "due_after=2030-01-01T00:00:00Z&sort=created",
        "created_after=2030-01-01T00:00:00Z&sort=due",
        "q=task&sort=due",
    ],
)
def test_what_no_index_serves_is_refused_with_what_is_served(api: Api, query: str) -> None:
    response = api.get(f"tasks/?{query}")

    assert problem(response) == (400, "unserved-combination")
    assert all(set(each) == {"filters", "optional", "sort"} for each in response.json()["offered"])
    assert response.json()["offered"]


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("POST", "tasks/"),
        ("PATCH", "tasks/WEB-1/"),
        ("DELETE", "tasks/WEB-1/"),
        ("PUT", "tasks/WEB-1/labels/1/"),
        ("DELETE", "tasks/WEB-1/labels/1/"),
        ("POST", "projects/WEB/archive/"),
        ("DELETE", "tokens/x/"),
        ("PATCH", ""),
    ],
)
def test_writing_takes_no_parameters(api: Api, method: str, address: str) -> None:
    for query in ("x=1", "limit=1", "status=done", "cursor=x"):
        response = api.send(method, f"{address}?{query}", b"{}")
        assert problem(response) == (400, "invalid-parameter")
    assert api.get("tasks/WEB-1/").status_code == 200


# --- Cursors --------------------------------------------------------------------------------------


@every_list
def test_a_cursor_that_was_touched_is_refused(cast: Cast, api: Api, address: str) -> None:
    if address == "events/":
        name, cursor = "after", good(api.get(f"{address}?limit=1"))["next"].partition("after=")[2]
    else:
        fill(cast)
        name, link = "cursor", good(api.get(f"{address}?limit=1"))["next"]
        cursor = link.partition("cursor=")[2]
    assert api.get(f"{address}?limit=1&{name}={cursor}").status_code == 200
    touched = [
        *(cursor[:-1], cursor[1:], cursor[: len(cursor) // 2], cursor[:4], cursor[::-1]),
        *(f"{cursor}A", f"{cursor}=", f"{cursor}==", f"{cursor}%00", f"%20{cursor}", cursor * 2),
        *(cursor.swapcase(), f"A{cursor[1:]}" if cursor[0] != "A" else f"B{cursor[1:]}"),
    ]
    made_up = ["", "x", "=", "AAAA", "%%%", "+/+/", "äöü", "🙂", "A" * 10_000, "%00", "e30", "W10"]

    for each in touched + made_up:
        response = api.get(f"{address}?limit=1&{name}={each}")
        assert response.status_code == 400, each[:60]
        assert response.json()["code"] in ("invalid-cursor", "invalid-parameter"), each[:60]


def fill(cast: Cast) -> None:
    """At least two rows in each list of alpha."""
    web = make_project(cast.alpha, cast.alice, "OPS")
    api = api_of(cast.alpha, cast.alice)
    ids = [make_task(web, cast.alice).pk for _ in range(2)]
    for number, pk in enumerate(ids):
        api.post("labels/", {"name": f"label {number}"})
        api.post("tasks/WEB-1/comments/", {"body": "x"})
        api.post("tasks/WEB-1/dependencies/", {"blocker": pk})
        api.post("projects/WEB/tasks/", {"title": "x"})


# --- Addresses ------------------------------------------------------------------------------------

NAMES: Final = (
    *("0", "-1", "1.5", "1e3", "9" * 19, "9" * 30, "9" * 5_000, "%00", "1%00", "٣", "１", "🙂"),
    *("%F0%9F", "%FF", "null", "true", "a" * 3_000, "%27", "%22", "%3Cscript%3E", "1;2", "%0A"),
    *("%2E%2E%2F", "%5C", "*", "1,2", "%C3%28"),
)


@pytest.mark.parametrize(
    "address",
    [
        *("labels/{}/", "members/{}/", "tokens/{}/", "projects/{}/", "projects/{}/tasks/"),
        *("tasks/{}/", "tasks/{}/labels/", "tasks/{}/events/", "tasks/WEB-1/comments/{}/"),
        *("{}/", "nowhere/{}/"),
    ],
)
def test_a_name_of_nothing_is_a_404_everywhere(api: Api, address: str) -> None:
    for name in NAMES:
        assert problem(api.get(address.format(name))) == (404, "not-found"), name[:40]


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("PUT", "tasks/WEB-1/labels/{}/"),
        ("DELETE", "tasks/WEB-1/dependencies/{}/"),
        ("DELETE", "labels/{}/"),
        ("DELETE", "tokens/{}/"),
        ("POST", "tasks/{}/restore/"),
        ("POST", "projects/{}/archive/"),
        ("PATCH", "members/{}/"),
    ],
)
def test_what_is_done_to_nothing_is_a_404_everywhere(api: Api, method: str, address: str) -> None:
    for name in NAMES:
        response = api.send(method, address.format(name), b"{}")
        assert problem(response) == (404, "not-found"), name[:40]


@pytest.mark.parametrize(
    "slug", ["", "ALPHA", "alpha%00", "alpha%20", "%E2%80%8Balpha", "a" * 3_000]
)
def test_no_other_spelling_of_the_slug_opens_the_tenant(api: Api, slug: str) -> None:
    for rest in ("", "tasks/", "tasks/WEB-1/"):
        assert problem(api.get(f"/api/v1/tenants/{slug}/{rest}")) == (404, "not-found")


# --- Bodies ---------------------------------------------------------------------------------------

WRITES: Final = (
    ("POST", "tasks/"),
    ("POST", "projects/WEB/tasks/"),
    ("PATCH", "tasks/WEB-1/"),
    ("POST", "projects/"),
    ("PATCH", "projects/WEB/"),
    ("POST", "labels/"),
    ("POST", "tasks/WEB-1/comments/"),
    ("POST", "tasks/WEB-1/dependencies/"),
    ("POST", "members/"),
    ("PATCH", "members/bob/"),
    ("POST", "tokens/"),
    ("PATCH", ""),
)
every_write = pytest.mark.parametrize(
    ("method", "address"), WRITES, ids=[f"{method} {at}" for method, at in WRITES]
)


BODIES: Final[tuple[tuple[bytes, set[str]], ...]] = (
    (b"[]", {"not-an-object"}),
    (b"[{}]", {"not-an-object"}),
    (b'"x"', {"not-an-object"}),
    (b"1", {"not-an-object"}),
    (b"null", {"not-an-object"}),
    (b"true", {"not-an-object"}),
    (b" ", {"malformed-json"}),
    (b"{", {"malformed-json"}),
    (b"{}x", {"malformed-json"}),
    (b"{'a': 1}", {"malformed-json"}),
    (b'{"a": 1,}', {"malformed-json"}),
    (b'{"a": NaN}', {"malformed-json", "invalid-number"}),
    (b'{"a": 1e400}', {"invalid-number"}),
    (b'{"a": ' + b"9" * 5_000 + b"}", {"invalid-number"}),
    (b'{"a": 9007199254740993}', {"invalid-number"}),
    (b'{"name": 1, "name": 2}', {"duplicate-key"}),
    (b'{"name": "a\\u0000b"}', {"invalid-text"}),
    (b'{"name": "a\\ud800b"}', {"invalid-text"}),
    (b'{"a\\u0000b": 1}', {"invalid-text"}),
    (b'{"name": "\xff"}', {"malformed-json"}),
    (b"\xef\xbb\xbf{}", {"malformed-json"}),
    ('{"name": "x"}'.encode("utf-16"), {"malformed-json"}),
    (b'{"a":' * 21 + b"1" + b"}" * 21, {"json-too-deep"}),
    (b"[" * 100_000, {"json-too-deep"}),
    (b'{"a":' * 100_000, {"json-too-deep"}),
    (b"title=x&project=WEB", {"malformed-json"}),
    (b"<x/>", {"malformed-json"}),
    (b"\0", {"malformed-json"}),
)
TYPES: Final = (
    *("text/plain", "application/xml", "text/html", "application/x-www-form-urlencoded"),
    *("multipart/form-data; boundary=x", "application/merge-patch+json", "application/*"),
    *("application/jsonx", "x/y", "application/octet-stream"),
)


@every_write
def test_a_body_that_is_no_sound_object_is_a_400(api: Api, method: str, address: str) -> None:
    for body, codes in BODIES:
        status, code = problem(api.send(method, address, body))
        assert (status, {code}) == (400, {code} & codes), body[:40]


@every_write
def test_a_body_of_another_type_is_a_415(api: Api, method: str, address: str) -> None:
    for kind in TYPES:
        response = api.send(method, address, b'{"name": "x"}', content_type=kind)
        assert problem(response) == (415, "unsupported-media-type"), kind


@every_write
def test_a_body_of_more_than_4_mib_is_a_413(api: Api, method: str, address: str) -> None:
    body = json.dumps({"name": "x" * (4 * 1024 * 1024)}).encode()

    assert problem(api.send(method, address, body)) == (413, "content-too-large")


@every_write
def test_fields_that_nobody_may_set_are_refused_by_name(
    api: Api, method: str, address: str
) -> None:
    names = ("tenant", "tenant_id", "owner", "is_staff", "is_superuser", "password", "digest")

    response = api.send(method, address, json.dumps(dict.fromkeys(names, 1)).encode())

    found = errors(response)
    assert {f"/{name}": "unknown" for name in names}.items() <= found.items()


FIELDS: Final = (
    *("project", "title", "description", "status", "priority", "assignee", "parent", "due_at"),
    *("external_key", "key", "name", "lead", "colour", "body", "blocker", "user", "role"),
    *("active", "scopes", "expires_at", "id", "version"),
)
VALUES: Final[tuple[Any, ...]] = (None, 1, 1.5, True, [], {}, "", "x" * 70_000, [None], {"a": 1})


@every_write
def test_a_value_of_any_kind_in_any_field_is_no_error_of_the_server(
    api: Api, method: str, address: str
) -> None:
    for name in FIELDS:
        for value in VALUES:
            with rolled_back():
                response = api.send(method, address, json.dumps({name: value}).encode())
            assert response.status_code in (200, 201, 422), (name, value)


@every_address
def test_an_answer_in_another_form_than_json_is_a_406(api: Api, address: str) -> None:
    for form in ("text/html", "application/xml", "text/csv, text/html;q=0.5", "image/*"):
        assert problem(api.get(address, accept=form)) == (406, "not-acceptable"), form
    for form in ("*/*", "application/*", "text/html, */*;q=0.1", "application/json;q=0.1"):
        assert api.get(address, accept=form).status_code == 200, form


# --- Texts ----------------------------------------------------------------------------------------

TEXTS: Final = (
    "🙂👩‍👩‍👧",
    "\u202eright to left\u202c",
    "שלום עולם",
    "e\u0301 is not é",
    "a\u0300\u0301\u0302" * 60,
    "line\nbreak\r\ntab\t",
    "\u200bzero width\ufeff",
    "\x01\x1f\x7f\x85\u2028",
    "' OR 1=1; DROP TABLE task; --",
    "<script>alert(1)</script>",
    "%s %(x)s {x} {{x}} ${x} \\u0041 \\",
    "=cmd|' /C calc'!A0",
    "  blanks at both ends  ",
    "\uffff\U0010ffff",
    "ﷺ" * 300,
)


@pytest.mark.parametrize("text", TEXTS, ids=lambda each: ascii(each)[:24])
def test_a_text_comes_back_as_it_was_sent(api: Api, text: str) -> None:
    title, name, label = text[:300], text[:200], text[:50]

    made = good(api.post("tasks/", {"project": "WEB", "title": title, "description": text}), 201)
    assert (made["title"], made["description"]) == (title, text)
    assert good(api.get(f"tasks/{made['id']}/")) == made
    assert good(api.patch("projects/WEB/", {"name": name, "description": text}))["name"] == name
    assert good(api.post("labels/", {"name": label}), 201)["name"] == label
    assert good(api.post("tasks/WEB-1/comments/", {"body": text}), 201)["body"] == text
    assert good(api.post("tokens/", {"name": text[:100]}), 201)["name"] == text[:100]
    assert good(api.patch("", {"name": name}))["name"] == name


@pytest.mark.parametrize(
    ("field", "fits", "too_long"),
    [
        ("title", "t" * 300, "t" * 301),
        ("title", "🙂" * 300, "🙂" * 301),
        ("title", "e\u0301" * 150, "e\u0301" * 150 + "e"),
        ("description", "d" * 65_536, "d" * 65_537),
        ("description", "é" * 32_768, "é" * 32_768 + "x"),
        ("description", "🙂" * 16_384, "🙂" * 16_385),
        ("external_key", "k" * 200, "k" * 201),
    ],
    ids=["title", "emoji", "combining", "description", "two bytes", "four bytes", "external key"],
)
def test_a_text_has_its_length_and_no_more(
    cast: Cast, api: Api, field: str, fits: str, too_long: str
) -> None:
    assert good(api.patch("tasks/WEB-1/", {field: fits}))[field] == fits

    assert set(errors(api.patch("tasks/WEB-1/", {field: too_long}))) == {f"/{field}"}
    assert good(api.get("tasks/WEB-1/"))[field] == fits


@pytest.mark.parametrize("name", ["ÄPFEL", "STRASSE", "İ", "ǅ", "ﬀ", "e\u0301"])
def test_a_label_of_any_letters_is_found_taken(api: Api, name: str) -> None:
    assert good(api.post("labels/", {"name": name}), 201)["name"] == name

    assert problem(api.post("labels/", {"name": name})) == (409, "duplicate")
    assert [each["name"] for each in good(api.get("labels/"))["results"]] == [name]
