"""Each request has an id and a line in the log, and no line has a secret."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import path

from taskproject.telemetry import (
    JSONFormatter,
    LineFormatter,
    Statements,
    current_request_id,
    redacted,
    request_id,
)
from taskproject.tests.cast import Cast, make_client
from taskproject.tests.children import SECRET_KEY, environment, finish, start
from taskproject.tests.outages import another_connection, default_database
from taskproject.urls import handler400, handler403, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500"]

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]

TOKEN = "tp_17_abcdefgh" + "Q7-z_" * 8
PASSWORD = "hunter2"
ID = re.compile(r"[0-9a-f]{32}")


def quiet(request: HttpRequest) -> HttpResponse:
    return HttpResponse("quiet")


def asks(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        for _ in range(3):
            cursor.execute("SELECT pg_sleep(0.01)")
    return HttpResponse("asked")


def talks(request: HttpRequest) -> HttpResponse:
    logging.getLogger("talks").info("in the view")
    return HttpResponse("talked")


def streams(request: HttpRequest) -> StreamingHttpResponse:
    def rows() -> Iterator[bytes]:
        logging.getLogger("streams").info("in the body")
        yield b"a"
        yield b"b"

    return StreamingHttpResponse(rows())


def fails(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(f"{TOKEN} and postgresql://app:{PASSWORD}@db/tasks do not fit")


def misspells(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELEKT")
    return HttpResponse("never")


def is_cut_off(request: HttpRequest) -> HttpResponse:
    raise OperationalError("the connection is lost")


urlpatterns = [
    *urlpatterns,
    *(
        path(f"{view.__name__}/", view)
        for view in (quiet, asks, talks, streams, fails, misspells, is_cut_off)
    ),
]


@pytest.fixture
def client() -> Client:
    """A client that gets the answer of a failed view and not its exception."""
    return Client(raise_request_exception=False)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[StringIO]:
    """What is logged, as the console shows it."""
    caplog.set_level(logging.INFO)
    shown = StringIO()
    handler = logging.StreamHandler(shown)
    handler.setFormatter(LineFormatter())
    logging.getLogger().addHandler(handler)
    yield shown
    logging.getLogger().removeHandler(handler)


def access(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    """The line of the one request that was made."""
    (record,) = (each for each in caplog.records if each.name == "taskproject.access")
    return record


def fields(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    found: dict[str, Any] = access(caplog).access  # type: ignore[attr-defined]
    return found


# The id


@pytest.mark.parametrize("wanted", ["a", "My.own_id-7", "x" * 64])
def test_an_id_that_a_client_sends_is_kept(client: Client, wanted: str) -> None:
    assert client.get("/quiet/", headers={"x-request-id": wanted})["X-Request-Id"] == wanted


@pytest.mark.parametrize(
    "wanted", ["", "x" * 65, "a b", "a\n", "a\r\nX-Evil: 1", "ä", "٣", "a/b", "<a>", "a,b"]
)
def test_an_id_that_is_not_fit_is_replaced(wanted: str) -> None:
    assert ID.fullmatch(request_id(wanted))


def test_ids_of_our_own_differ(client: Client) -> None:
    first, second = (client.get("/quiet/")["X-Request-Id"] for _ in range(2))

    assert ID.fullmatch(first)
    assert ID.fullmatch(second)
    assert first != second


@pytest.mark.parametrize(
    ("address", "status"),
    [
        *(("/nowhere/", 404), ("/fails/", 500), ("/is_cut_off/", 503), ("/streams/", 200)),
        *(("/api/v1/tenants/acme/tasks/", 401), ("/livez", 200), ("/", 302)),
    ],
)
def test_every_answer_carries_the_id(client: Client, address: str, status: int) -> None:
    response = client.get(address, headers={"x-request-id": "mine"})

    assert (response.status_code, response["X-Request-Id"]) == (status, "mine")


@pytest.mark.parametrize(
    ("address", "said"),
    [("/talks/", "in the view"), ("/fails/", "Internal Server Error"), ("/streams/", "the body")],
)
def test_every_line_of_a_request_carries_the_id(
    client: Client, lines: StringIO, address: str, said: str
) -> None:
    logging.getLogger("before").info("before")
    b"".join(client.get(address, headers={"x-request-id": "mine"}))
    logging.getLogger("after").info("after")

    heads = re.findall(r"^[\d-]+ [\d:,]+ (\w+) ([\w.]+) \[(.*?)\]:", lines.getvalue(), re.M)
    ids = [id for _, _, id in heads]
    assert said in lines.getvalue()
    assert (ids[0], ids[-1], set(ids[1:-1])) == ("-", "-", {"mine"})
    assert len(ids) == 4
    assert current_request_id() == ""


# The line


def test_a_request_is_one_line(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client.get("/asks/?q=1")

    record, found = access(caplog), fields(caplog)
    assert record.levelno == logging.INFO
    assert list(found) == [
        *("method", "path", "status", "duration_ms", "statements", "database_ms"),
        *("tenant", "user"),
    ]
    assert (found["method"], found["path"], found["status"]) == ("GET", "/asks/", 200)
    assert found["statements"] == 3
    assert 30 <= found["database_ms"] <= found["duration_ms"]
    assert (found["tenant"], found["user"]) == (None, None)
    assert record.getMessage() == (
        f"GET /asks/ 200 in {found['duration_ms']} ms, "
        f"3 statements in {found['database_ms']} ms, tenant -, user -"
    )


@pytest.mark.parametrize(("address", "status"), [("/fails/", 500), ("/is_cut_off/", 503)])
def test_a_failure_of_ours_is_a_warning(
    client: Client, caplog: pytest.LogCaptureFixture, address: str, status: int
) -> None:
    client.get(address)

    assert (access(caplog).levelno, fields(caplog)["status"]) == (logging.WARNING, status)


def test_a_mistake_of_a_clients_is_one_line_and_no_warning(client: Client, lines: StringIO) -> None:
    client.get("/nowhere/")
    client.get("/quiet/", headers={"host": "evil.example"})
    client.get("/api/v1/tenants/acme/tasks/?" + "&".join(f"a{n}=" for n in range(1_500)))

    said = lines.getvalue().splitlines()
    assert [re.findall(r" INFO taskproject.access .* (\d+) in ", each) for each in said] == [
        ["404"],
        ["400"],
        ["401"],
    ]


@pytest.mark.parametrize("address", ["/livez", "/readyz"])
def test_questions_of_a_watcher_are_no_lines(
    client: Client, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    caplog.set_level(logging.INFO)

    assert client.get(address).status_code == 200
    assert caplog.records == []


def test_a_line_names_the_tenant_and_the_user_of_a_token(
    cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(cast.alpha, cast.bob)
    caplog.set_level(logging.INFO)
    client.get("/api/v1/tenants/alpha/tasks/")

    assert (fields(caplog)["tenant"], fields(caplog)["user"]) == ("alpha", cast.bob.pk)


def test_a_token_at_a_foreign_tenants_address_names_nobody(
    cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(cast.alpha, cast.bob)
    caplog.set_level(logging.INFO)
    client.get("/api/v1/tenants/beta/tasks/")

    assert (fields(caplog)["tenant"], fields(caplog)["user"]) == (None, None)


@pytest.mark.parametrize(
    ("address", "tenant"), [("/admin/", None), ("/admin/tenants/alpha/", "alpha")]
)
def test_a_line_names_who_is_logged_in(
    client: Client, cast: Cast, caplog: pytest.LogCaptureFixture, address: str, tenant: str | None
) -> None:
    client.force_login(cast.bob)
    caplog.set_level(logging.INFO)
    client.get(address)

    assert (fields(caplog)["tenant"], fields(caplog)["user"]) == (tenant, cast.bob.pk)


def test_nobody_is_looked_up_for_the_line(
    client: Client, cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    client.force_login(cast.bob)
    caplog.set_level(logging.INFO)
    client.get("/quiet/")

    assert (fields(caplog)["statements"], fields(caplog)["user"]) == (0, None)


def test_a_request_that_needs_no_database_opens_no_connection(client: Client) -> None:
    with another_connection() as unused, default_database(unused):
        assert client.get("/quiet/").status_code == 200
        assert unused.connection is None


def test_statements_of_one_request_are_not_counted_in_the_next(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.get("/asks/")
    caplog.clear()
    caplog.set_level(logging.INFO)
    client.get("/quiet/")

    assert fields(caplog)["statements"] == 0
    assert not any(isinstance(each, Statements) for each in connection.execute_wrappers)


def test_a_failed_statement_counts_too(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/misspells/")

    assert (fields(caplog)["statements"], fields(caplog)["status"]) == (1, 500)


def test_a_stream_is_passed_on_unread(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    response = client.get("/streams/")

    assert "in the body" not in caplog.text
    assert fields(caplog)["status"] == 200
    assert b"".join(response.streaming_content) == b"ab"  # type: ignore[attr-defined]
    assert "in the body" in caplog.text


def test_an_address_can_not_forge_a_line(client: Client, lines: StringIO) -> None:
    client.get("/a%0A2026-01-01 00:00:00,000 INFO forged%0D/" + "b" * 2_000)

    assert len(lines.getvalue().splitlines()) == 1
    assert "/a%0A2026-01-01%2000" in lines.getvalue()
    assert len(lines.getvalue()) < 1_000


class Failing(logging.Handler):
    """A log that is out of order."""

    def handle(self, record: logging.LogRecord) -> bool:
        raise OSError("No space left on device")


def test_a_log_that_fails_does_not_fail_the_request(client: Client) -> None:
    logger, handler = logging.getLogger("taskproject.access"), Failing()
    logger.addHandler(handler)
    try:
        response = client.get("/quiet/")
    finally:
        logger.removeHandler(handler)

    assert (response.status_code, response.content) == (200, b"quiet")


# Server-Timing


def test_times_are_told_only_where_the_setting_allows_it(client: Client, settings: Any) -> None:
    assert settings.SERVER_TIMING is False
    assert "Server-Timing" not in client.get("/asks/")

    settings.SERVER_TIMING = True
    header = client.get("/asks/")["Server-Timing"]
    found = re.fullmatch(r'db;dur=([\d.]+);desc="3 statements", total;dur=([\d.]+)', header)
    assert found
    assert 30 <= float(found[1]) <= float(found[2])


# Secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"the token {TOKEN}.", "the token [redacted]."),
        (f"'{TOKEN}', (x={TOKEN})", "'[redacted]', (x=[redacted])"),
        ("tp_1_x tp_12", "[redacted] tp_12"),
        ("Bearer c2VjcmV0LXNlY3JldC1zZWNyZXQ=", "Bearer [redacted]"),
        ("Authorization: Bearer secret\nnext", "Authorization: [redacted]\nnext"),
        ("{'Authorization': 'Basic secret', 'a': 1}", "{'Authorization': '[redacted]', 'a': 1}"),
        ("'HTTP_AUTHORIZATION': b'x secret'", "'HTTP_AUTHORIZATION': b'[redacted]'"),
        ("'HTTP_COOKIE': 'a=1; sessionid=secret'", "'HTTP_COOKIE': '[redacted]'"),
        ("sessionid=secret", "sessionid=[redacted]"),
        ("""'PASSWORD': "se'cret", 'HOST': 'db'""", """'PASSWORD': "[redacted]", 'HOST': 'db'"""),
        ('Authorization: Digest a="secret"', "Authorization: [redacted]"),
        ("host=db password=secret", "host=db password=[redacted]"),
        ("'PASSWORD': 'secret', 'HOST': 'db'", "'PASSWORD': '[redacted]', 'HOST': 'db'"),
        ("postgresql://app:secret@db:5432/x", "postgresql://app:[redacted]@db:5432/x"),
        ("redis://:se:cr@et/@cache/0 down", "redis://:[redacted]@cache/0 down"),
        ("The password must be long: why", "The password must be long: why"),
        (
            "http://localhost:8000/a@b https://a.example",
            "http://localhost:[redacted]@b https://a.example",
        ),
        ("http_proxy tp_ authorization failed, Bearer token", None),
        ("GET /api/v1/tenants/acme/tasks/ 200 in 8.1 ms", None),
    ],
)
def test_secrets_are_cut_out_of_a_text_and_the_rest_stays(text: str, shown: str | None) -> None:
    assert redacted(text) == (text if shown is None else shown)


@pytest.mark.parametrize("formatter", [LineFormatter(), JSONFormatter()])
def test_a_failure_does_not_put_secrets_into_the_log(
    client: Client, caplog: pytest.LogCaptureFixture, formatter: logging.Formatter
) -> None:
    headers = {"authorization": f"Bearer {TOKEN}", "cookie": f"sessionid={PASSWORD}"}
    client.get(f"/fails/?q={PASSWORD}&token={TOKEN}", headers=headers)

    shown = "\n".join(formatter.format(record) for record in caplog.records)
    assert "RuntimeError: [redacted] and postgresql://app:[redacted]@db/tasks do not fit" in shown
    assert TOKEN not in shown
    assert PASSWORD not in shown


# JSON


def as_json(*args: Any, **kwargs: Any) -> dict[str, Any]:
    record = logging.LogRecord("a.b", logging.INFO, __file__, 1, *args, **kwargs)
    record.created = 1_769_860_800.1239
    text = JSONFormatter().format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_in_json_has_these_members() -> None:
    assert as_json("%s\n%s", ("ä", '"'), None) == {
        "time": "2026-01-31T12:00:00.123Z",
        "level": "INFO",
        "logger": "a.b",
        "message": 'ä\n"',
        "request_id": None,
    }


def test_an_exception_in_json_is_one_text() -> None:
    try:
        raise ValueError(f'"Authorization": "{TOKEN}"')
    except ValueError:
        found = as_json("It failed.", (), sys.exc_info())

    assert list(found) == ["time", "level", "logger", "message", "request_id", "exception"]
    assert found["exception"].startswith("Traceback")
    assert found["exception"].endswith('ValueError: "Authorization": "[redacted]"')


def test_what_is_cut_out_leaves_json_whole() -> None:
    found = as_json("Authorization: Bearer secret", (), None)

    assert found["message"] == "Authorization: [redacted]"


def test_the_line_of_a_request_in_json_has_its_members(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    formatted: list[dict[str, Any]] = []

    class Catching(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            formatted.append(json.loads(JSONFormatter().format(record)))

    logger, handler = logging.getLogger("taskproject.access"), Catching()
    caplog.set_level(logging.INFO)
    logger.addHandler(handler)
    client.get("/quiet/", headers={"x-request-id": "mine"})
    logger.removeHandler(handler)

    (found,) = formatted
    assert found["request_id"] == "mine"
    assert (found["method"], found["path"], found["status"]) == ("GET", "/quiet/", 200)
    assert (found["statements"], found["database_ms"], found["tenant"]) == (0, 0.0, None)
    assert found["message"].startswith("GET /quiet/ 200 in ")


WARN = """
import django, logging
django.setup()
logging.getLogger("a.b").warning("It is %s.", "tp_1_secret")
"""


def said(**variables: str) -> str:
    """What a process with those settings writes for a warning."""
    database = {"DATABASE_URL": "postgresql://joe@db.invalid/tasks", "SECRET_KEY": SECRET_KEY}
    code, _, errors = finish(start("-c", WARN, environ=environment(**database, **variables)))
    assert code == 0
    return errors.strip()


def test_the_settings_choose_how_a_line_looks() -> None:
    assert said().endswith(" WARNING a.b [-]: It is [redacted].")
    assert said(LOG_FORMAT="line").endswith(" WARNING a.b [-]: It is [redacted].")
    found = json.loads(said(LOG_FORMAT="json"))
    assert (found["logger"], found["message"]) == ("a.b", "It is [redacted].")
