"""What a body may hold, and what each refusal says."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from django.conf import settings
from django.http.request import UnreadablePostError
from django.test import Client
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from taskproject.api.parsing import (
    MAX_DEPTH,
    MAX_INTEGER,
    BodyRefused,
    ContentTooLarge,
    JSONParser,
    parse_object,
)
from taskproject.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500"]

pytestmark = pytest.mark.urls(__name__)

LIMIT = 4 * 1024 * 1024


class Echo(APIView):
    """Answers what it was sent."""

    authentication_classes = ()
    permission_classes = ()
    parser_classes = (JSONParser,)

    def post(self, request: Request) -> Response:
        return Response(request.data)


urlpatterns = [path("api/echo/", Echo.as_view())]


def post(body: bytes | str, content_type: str = "application/json", **options: Any) -> Any:
    return Client().generic("POST", "/api/echo/", body, content_type, **options)


def refused(body: bytes | str, status: int, code: str) -> dict[str, Any]:
    """The problem that a body is answered with."""
    response = post(body)
    assert response["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    return problem


def nested(depth: int, core: str = "") -> str:
    """An object in which arrays nest, `depth` levels in all."""
    return '{"a":' + "[" * (depth - 1) + core + "]" * (depth - 1) + "}"


# What is taken


def test_an_object_is_taken_as_it_is() -> None:
    sent = {"title": "Größe 🙂", "n": [1, -2.5, True, None], "deep": {"a": {}}}

    assert post(json.dumps(sent, ensure_ascii=False)).json() == sent
    assert post(json.dumps(sent, ensure_ascii=True)).json() == sent
    assert post(f" \r\n\t{json.dumps(sent)}\n").json() == sent


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON ; charset=UTF-8"])
def test_json_is_taken_however_its_type_is_written(kind: str) -> None:
    assert post(b'{"a": 1}', kind).json() == {"a": 1}


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
def test_no_body_is_an_empty_object_whatever_its_type(kind: str) -> None:
    response = post(b"", kind)

    assert (response.status_code, response.json()) == (200, {})


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
tricky = st.text(st.sampled_from('[]{}":\\,u0d8\n'), max_size=8)
leaves = (
    texts
    | tricky
    | st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | tricky, inner, max_size=3),
    max_leaves=20,
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(st.dictionaries(texts | tricky, trees, max_size=4), st.booleans())
def test_whatever_is_within_the_bounds_comes_out_as_it_went_in(sent: Any, ascii_only: bool) -> None:
    body = json.dumps(sent, ensure_ascii=ascii_only).encode()

    if depth_of(sent) <= MAX_DEPTH:
        assert parse_object(body) == sent
    else:
        with pytest.raises(BodyRefused) as error:
            parse_object(body)
        assert error.value.get_codes() == "json-too-deep"


@given(st.binary(max_size=40) | st.text(st.sampled_from('[]{}":,\\u0d8aeE+-.tn 1'), max_size=40))
def test_whatever_comes_is_an_object_or_refused(sent: bytes | str) -> None:
    body = sent if isinstance(sent, bytes) else sent.encode()
    try:
        found = parse_object(body)
    except BodyRefused:
        return
    assert found == json.loads(body)


# What is no JSON


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("{", "(line 1, column 2)"),
        ('{"a": ', "(line 1, column 7)"),
        ('{"a": 1} x', "(line 1, column 10)"),
        ('{"a": 1}{"a": 1}', "(line 1, column 9)"),
        ('{"a": 1,}', "column"),
        ("{'a': 1}", "(line 1, column 2)"),
        ('{\n"a": tru}', "(line 2, column 6)"),
        ('{"a": "\n"}', "(line 1, column 8)"),
        ('{"a": "\0"}', "(line 1, column 8)"),
        ('{"a": "\\x"}', "(line 1, column 8)"),
        ('{"a": 01}', "(line 1, column 8)"),
        ("   ", "(line 1, column 4)"),
        ("\\", "(line 1, column 1)"),
        ("]" * 50, "(line 1, column 1)"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(body: str, where: str) -> None:
    assert where in refused(body, 400, "malformed-json")["detail"]


@pytest.mark.parametrize(
    ("body", "byte"), [(b'{"a": "\xff"}', 7), (b'{"a": "\xed\xa0\x80"}', 7), (b"\x1f\x8b", 1)]
)
def test_what_is_no_utf_8_is_refused_with_its_place(body: bytes, byte: int) -> None:
    assert f"see byte {byte}." in refused(body, 400, "malformed-json")["detail"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_json_in_another_encoding_is_refused(encoding: str) -> None:
    refused('{"a": "b"}'.encode(encoding), 400, "malformed-json")


def test_a_byte_order_mark_is_refused_by_name() -> None:
    problem = refused("\ufeff{}", 400, "malformed-json")

    assert "byte order mark" in problem["detail"]


@pytest.mark.parametrize("body", ["[]", '"x"', "null", "5", "true", "[{}]", '[{"a": 1}]'])
def test_a_body_that_is_no_object_is_refused(body: str) -> None:
    assert "{…}" in refused(body, 400, "not-an-object")["detail"]


# What nests too deeply


def test_twenty_levels_are_taken_and_one_more_is_not() -> None:
    assert MAX_DEPTH == 20
    assert post(nested(20)).status_code == 200
    assert "20" in refused(nested(21), 400, "json-too-deep")["detail"]


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        "[" * 50_000 + "]" * 50_000,
        '{"a":' * 20_000,
        nested(900),
        nested(5_000),
        '{"a": "\\\\' + '", "b":' + "[" * 30,
        '{"a": "\\"' + '", "b":' + "[" * 30,
        '{"a": "[", "b": "]"}' + "[" * 30,
    ],
    ids=range(8),
)
def test_deep_nesting_is_refused_before_it_is_followed(body: str) -> None:
    refused(body, 400, "json-too-deep")


@pytest.mark.parametrize(
    "text", ["[" * 50, "{" * 50, '"' + "[" * 50, "\\" + "[" * 50, '\\"' + "[" * 50, '[""[' * 20]
)
def test_brackets_in_a_text_do_not_nest(text: str) -> None:
    sent = {"a": text, text: [text, text]}

    assert post(json.dumps(sent)).json() == sent


# Numbers


@pytest.mark.parametrize(
    "number",
    [
        *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e9999999"),
        *(str(2**53 + 1), str(-(2**53) - 1), "1" * 4_000),
    ],
)
def test_a_number_that_others_would_not_read_alike_is_pointed_at(number: str) -> None:
    problem = refused(f'{{"items": [0, {{"a/b~c": {number}}}]}}', 400, "invalid-number")

    assert problem["errors"][0]["pointer"] == "/items/1/a~1b~0c"
    assert problem["errors"][0]["code"] == "invalid-number"
    assert problem["detail"].startswith("At /items/1/a~1b~0c: ")


@pytest.mark.parametrize("number", ["1" * 5_000, "-" + "1" * 5_000, "0." + "1" * 5_000])
def test_a_number_of_thousands_of_digits_is_refused(number: str) -> None:
    refused(f'{{"a": {number}}}', 400, "invalid-number")


@pytest.mark.parametrize("number", ["9007199254740992", "-9007199254740992", "1e308", "0.1", "-0"])
def test_a_number_that_everybody_can_read_is_taken(number: str) -> None:
    assert post(f'{{"a": {number}}}').json() == {"a": json.loads(number)}


# Texts


@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800", "\\uDFFF", "\\udc00\\ud800", "x\\uD83D"])
def test_a_text_that_can_not_be_stored_is_pointed_at(text: str) -> None:
    value = refused(f'{{"a": ["x", {{"b": "{text}"}}]}}', 400, "invalid-text")
    key = refused(f'{{"a": {{"{text}": 1}}}}', 400, "invalid-text")

    assert value["errors"][0]["pointer"] == "/a/1/b"
    assert key["errors"][0]["pointer"] == "/a"


def test_a_pair_of_surrogates_and_an_escaped_backslash_are_taken() -> None:
    body = '{"a": "\\ud83d\\ude42", "b": "\\\\u0000 \\\\ud800"}'

    assert post(body).json() == {"a": "🙂", "b": "\\u0000 \\ud800"}


# Repeated keys


def test_a_key_that_stands_twice_in_an_object_is_pointed_at() -> None:
    problem = refused('{"a": [{"b": 1, "c": 2, "b": 1}]}', 400, "duplicate-key")

    assert problem["errors"][0]["pointer"] == "/a/0/b"


@pytest.mark.parametrize("body", ['{"a": 1, "a": 2}', '{"a": 1, "\\u0061": 1}', '{"": 1, "": 1}'])
def test_keys_are_compared_as_they_are_read(body: str) -> None:
    refused(body, 400, "duplicate-key")


def test_a_key_may_stand_once_in_each_object() -> None:
    sent = {"a": {"a": [{"a": 1}, {"a": 1}]}}

    assert post(json.dumps(sent)).json() == sent


@pytest.mark.parametrize(
    "body", ['{"%s": NaN}' % ("k" * 10_000), '{"\\ud800": 1, "\\ud800": 1}', '{"\\ud800": NaN}']
)
def test_a_refusal_stays_short_and_can_be_shown_whatever_the_keys(body: str) -> None:
    response = post(body)

    assert response.status_code == 400
    assert len(response.content) < 1_000


# How much is read


class Source(BytesIO):
    """A stream that notes what was asked of it."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.asked: list[int | None] = []

    def read(self, size: int | None = -1, /) -> bytes:
        self.asked.append(size)
        return super().read(size)


def parse(stream: Any, announced: int) -> Any:
    request = APIRequestFactory().post("/", b"", content_type="application/json")
    request.META["CONTENT_LENGTH"] = str(announced)
    return JSONParser().parse(stream, "application/json", {"request": request})


def filled(size: int) -> bytes:
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


def test_the_limit_is_four_mebibytes_and_inclusive() -> None:
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE == LIMIT
    assert len(post(filled(LIMIT)).json()["a"]) == LIMIT - 8
    assert str(LIMIT) in refused(filled(LIMIT + 1), 413, "content-too-large")["detail"]


def test_a_body_that_is_said_to_be_too_large_is_not_read_at_all() -> None:
    source = Source(filled(12_000_000))

    with pytest.raises(ContentTooLarge):
        parse(source, announced=12_000_000)
    assert source.asked == []


def test_of_a_body_that_is_larger_than_said_no_more_is_read_than_shows_it() -> None:
    source = Source(filled(12_000_000))

    with pytest.raises(ContentTooLarge):
        parse(source, announced=100)
    assert source.asked == [LIMIT + 1]


@pytest.mark.parametrize("came", [b"", b'{"a": 1}'])
def test_a_body_that_ends_too_soon_is_refused_even_if_it_is_json(came: bytes) -> None:
    with pytest.raises(BodyRefused, match=f"after {len(came)} of 30 bytes"):
        parse(BytesIO(came), announced=30)


def test_a_body_that_breaks_off_is_refused() -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise UnreadablePostError

    with pytest.raises(BodyRefused, match="after 0 of 30 bytes"):
        parse(Broken(), announced=30)


# Other types


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/*",
        "*/*",
        "json",
        "application/json" + "x" * 300,
    ],
)
def test_a_body_of_another_type_is_a_415(kind: str) -> None:
    response = post(b'{"a": 1}', kind)

    assert (response.status_code, response.json()["code"]) == (415, "unsupported-media-type")
    assert response["Content-Type"] == "application/problem+json"
