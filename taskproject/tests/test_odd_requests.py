"""Odd requests to the real web server: each gets a problem, none HTML, and none a 5xx."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import Any, Final

import pytest
from django.conf import settings
from django.test import Client

from taskproject.management.webserver import granian_command
from taskproject.tests.children import SECRET_KEY, environment

ADDRESS: Final = b"/api/v1/tenants/acme/tasks/"
JSON: Final = b"Content-Type: application/json"
START_TIMEOUT_S: Final = 30


class WebServer:
    """The web server by itself, with a database that nothing here may need."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._log = TemporaryFile()  # noqa: SIM115  closed by stop()
        database = "postgresql://nobody@db.invalid/none"
        self._process = subprocess.Popen(
            granian_command(host="127.0.0.1", port=self.port, workers=1, threads=2),
            cwd=settings.BASE_DIR,
            env=environment(DATABASE_URL=database, SECRET_KEY=SECRET_KEY),
            stderr=self._log,
        )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                return self.connect().close()
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def exchange(self, sent: bytes) -> bytes:
        """All that is answered until the server closes the connection."""
        with self.connect() as connection:
            connection.sendall(sent)
            return b"".join(iter(lambda: connection.recv(65_536), b""))

    def ask(
        self, *headers: bytes, method: bytes = b"GET", address: bytes = ADDRESS, body: bytes = b""
    ) -> Answer:
        """The answer to one request of HTTP/1.1; the headers say whether a body follows."""
        if not any(each.startswith(b"Host:") for each in headers):
            headers = (b"Host: localhost", *headers)
        head = b"\r\n".join([b"%s %s HTTP/1.1" % (method, address), *headers])
        return Answer(self.exchange(head + b"\r\nConnection: close\r\n\r\n" + body))

    def stop(self) -> str:
        """End it; what it has written to its log."""
        self._process.terminate()
        self._process.wait(30)
        with self._log as log:
            log.seek(0)
            return log.read().decode()


class Answer:
    """An answer of HTTP/1.1."""

    def __init__(self, received: bytes) -> None:
        head, _, self.body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): text for name, text in (each.split(": ") for each in lines)}
        if self.headers.get("transfer-encoding") == "chunked":
            self.body = self.body.partition(b"\r\n")[2].partition(b"\r\n")[0]

    def problem(self, status: int, code: str) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        found: dict[str, Any] = json.loads(self.body)
        assert (self.status, found["status"], found["code"]) == (status, status, code)
        assert self.headers["x-request-id"]
        return found


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    """One for the whole file; nothing that is sent to it may make it write a traceback."""
    server = WebServer()
    try:
        yield server
    finally:
        log = server.stop()
    assert "taskproject.access" in log
    assert "Traceback" not in log, log


# Bodies without a length


@pytest.mark.parametrize(
    "body", [b"2\r\n{}\r\n0\r\n\r\n", b"0\r\n\r\n", b"ZZ\r\n{}\r\n0\r\n\r\n", b""]
)
def test_a_body_in_chunks_is_never_an_empty_one(server: WebServer, body: bytes) -> None:
    answer = server.ask(JSON, b"Transfer-Encoding: chunked", method=b"POST", body=body)

    assert "Content-Length" in answer.problem(411, "length-required")["detail"]


def test_a_body_in_chunks_is_not_measured_by_a_length_that_is_sent_along(server: WebServer) -> None:
    headers = JSON, b"Transfer-Encoding: chunked", b"Content-Length: 2"

    server.ask(*headers, method=b"POST", body=b"2\r\n{}\r\n0\r\n\r\n").problem(
        411, "length-required"
    )


def test_no_body_needs_no_length(server: WebServer) -> None:
    server.ask(method=b"POST").problem(401, "not-authenticated")
    server.ask(b"Content-Length: 0", method=b"POST").problem(401, "not-authenticated")


def frame(kind: int, payload: bytes, *, flags: int = 0, stream: int = 0) -> bytes:
    """A frame of HTTP/2 (RFC 9113)."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def head_of_a_body(stream: int) -> bytes:
    """A POST's HEADERS frame with each field written out (RFC 7541, 6.2.2); a body is to come."""
    fields = {b":method": b"POST", b":scheme": b"http", b":authority": b"localhost", b":path": b"/"}
    written = b"".join(
        b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
        for name, value in fields.items()
    )
    return frame(1, written, flags=4, stream=stream)


def test_bodies_that_never_come_over_http_2_hold_no_thread(server: WebServer) -> None:
    """Red where the server speaks HTTP/2 and the bodies are asked for: it never answers again."""
    start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, b"")
    for _ in range(3):
        with server.connect() as connection:
            connection.sendall(start + b"".join(map(head_of_a_body, range(1, 17, 2))))
            connection.settimeout(1)
            with contextlib.suppress(OSError):
                connection.recv(1 << 16)

    server.ask().problem(401, "not-authenticated")


# Types that can't be read


@pytest.mark.parametrize(
    "kind",
    [
        *(b"text/plain; charset=latin-1", b"application/json; charset=bz2_codec"),
        *(b"a/b; charset*=foo'en'utf-8", b"a/b; charset*=idna'en'utf-8", b"a/b; x*=idna'en'%ff"),
        *(b"a/b; x*=undefined'en'%ff", b"a/b; x*0*=utf-8''a; x*=b; x*1*=%ff", b'a/b; charset="'),
        b"application/json; a=" + b"b" * 20_000,
    ],
)
def test_a_type_that_can_not_be_read_is_a_400(server: WebServer, kind: bytes) -> None:
    headers = b"Content-Type: " + kind, b"Content-Length: 2", b"X-Request-Id: mine"

    answer = server.ask(*headers, method=b"POST", body=b"{}")

    assert "UTF-8" in answer.problem(400, "bad-request")["detail"]
    assert answer.headers["x-request-id"] == "mine"


def test_outside_of_the_api_it_is_said_in_plain_text(server: WebServer) -> None:
    answer = server.ask(b"Content-Type: a/b; charset=latin-1", address=b"/livez")

    assert (answer.status, answer.headers["content-type"]) == (400, "text/plain")
    assert b"UTF-8" in answer.body


def test_an_accept_that_can_not_be_read_is_a_400(server: WebServer) -> None:
    odd = b"Accept: */*, application/json; x*0*=utf-8''a; x*=b; x*1*=%ff"

    assert "Accept" in server.ask(odd).problem(400, "bad-request")["detail"]


def test_an_accept_as_browsers_send_it_is_read(server: WebServer) -> None:
    usual = b"Accept: text/html,application/xml;q=0.9,*/*;q=0.8,application/x;v=b3;q=0.7"

    server.ask(usual).problem(401, "not-authenticated")


# Everything else


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        (b"/api/v1/tenants/%00/tasks/", 404, "not-found"),
        (b"/api/v1/tenants/%ff/tasks/", 404, "not-found"),
        (b"/api/%0d%0aSet-Cookie:%20a=b", 404, "not-found"),
        (b"/api/../admin/", 404, "not-found"),
        (b"//api/v1/tenants/acme/tasks/", 404, "not-found"),
        (ADDRESS + b"?status=%00", 401, "not-authenticated"),
        (ADDRESS + b"?status=%ff&%ed%a0%80=%", 401, "not-authenticated"),
        (ADDRESS + b"?a=\xc3\xa9", 401, "not-authenticated"),
        (b"/api/" + b"a" * 9_000, 404, "not-found"),
        (ADDRESS + b"?status=" + b"a" * 9_000, 401, "not-authenticated"),
        (ADDRESS + b"?" + b"&".join(b"a%d=" % n for n in range(1_500)), 401, "not-authenticated"),
        (b"http://evil.example/api/", 400, "bad-request"),
    ],
)
def test_an_odd_address_is_answered_with_a_problem(
    server: WebServer, address: bytes, status: int, code: str
) -> None:
    host = [b"Host: evil.example"] if b"evil" in address else []

    server.ask(*host, address=address).problem(status, code)


@pytest.mark.parametrize(
    "headers",
    [
        [b"Host: a b["],
        [b"Host: localhost, evil.example"],
        [b"Host: "],
        [b"X-Odd: " + b"a" * 20_000],
        [b"Authorization: Bearer \xff\xfe"],
        [b"Authorization: " + b"Bearer " * 2_000],
        [b"Authorization: Basic !!!"],
        [b"Cookie: a=\xff; sessionid=; ;;==;csrftoken"],
        [b"Accept: " + b"a/b," * 5_000],
        [b"Accept: ///;;;q=x,*"],
        [b"Accept: text/html"],
        [b"Range: bytes=0-5", b'If-None-Match: "', b"If-Modified-Since: x"],
        [b"X-HTTP-Method-Override: DELETE", b"X-Forwarded-Host: evil.example"],
        [b"Content_Length: 7", b"Transfer_Encoding: gzip"],
    ],
    ids=lambda headers: headers[0][:20],
)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_odd_headers_are_answered_with_a_problem(
    server: WebServer, method: bytes, headers: list[bytes]
) -> None:
    answer = server.ask(*headers, method=method)

    answer.problem(answer.status, json.loads(answer.body)["code"])
    assert 400 <= answer.status < 500


@pytest.mark.parametrize("method", [b"TRACE", b"FOO", b"get", b"PROPFIND", b"CONNECT", b"\xc3\xa9"])
@pytest.mark.parametrize("address", [ADDRESS, b"/api/nowhere"])
def test_an_odd_method_is_never_answered_with_html_or_an_error_of_ours(
    server: WebServer, method: bytes, address: bytes
) -> None:
    answer = server.ask(method=method, address=address)

    assert 400 <= answer.status < 500
    # What the web server does not take for HTTP it refuses by itself, without a word.
    assert not answer.body or answer.headers["content-type"] == "application/problem+json"


def test_what_is_no_http_is_refused_without_a_word(server: WebServer) -> None:
    for sent in (
        b"\x16\x03\x01garbage\r\n\r\n",
        b"GET /api/\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        answer = Answer(server.exchange(sent))
        assert (answer.status, answer.body) == (400, b"")


def test_a_large_body_is_refused_before_it_is_sent(server: WebServer) -> None:
    headers = JSON, b"Content-Length: 12000000", b"Expect: 100-continue"

    server.ask(*headers, method=b"POST").problem(401, "not-authenticated")


# Addresses without their last slash


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_in_the_api_an_address_without_its_slash_leads_nowhere(client: Client, method: str) -> None:
    response = client.generic(method, ADDRESS.decode().rstrip("/"))

    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


def test_people_are_led_to_the_address_with_a_slash(client: Client) -> None:
    assert client.get("/admin").headers["Location"] == "/admin/"
