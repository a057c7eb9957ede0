from __future__ import annotations

import re
from contextlib import suppress
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import HttpResponse
from django.urls import path

from perf.monitor.overhead import MIDDLEWARE, Overhead, of_requests

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

MORE = re.compile(r"[\d.]+ µs of CPU without the monitor, -?[\d.]+ µs more with it \(quartiles")


def asks(request: Any) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse(request.headers["X-Word"])


def absent(request: Any) -> HttpResponse:
    return HttpResponse("none", status=404)


urlpatterns = [path("asks/", asks), path("absent/", absent)]


@pytest.fixture(autouse=True)
def middleware(settings: Any) -> None:
    settings.MIDDLEWARE = [MIDDLEWARE]
    settings.ALLOWED_HOSTS = ["example.com"]
    settings.PERF_MONITOR = {"IDENTIFIERS": False}


def command(*arguments: str) -> str:
    out = StringIO()
    with suppress(SystemExit):  # a busy machine may be beyond the limits
        call_command("monitor_overhead", *arguments, "--rounds", "3", stdout=out)
    return out.getvalue()


def test_it_tells_what_a_statement_and_a_request_cost_with_and_without() -> None:
    statement, request = command("/asks/", "--header", "X-Word: here").splitlines()

    assert MORE.search(statement)
    assert statement.endswith("15 µs allowed")
    assert request.startswith("GET /asks/: ")
    assert MORE.search(request)
    assert request.endswith("8 % allowed")


def test_another_answer_than_200_measures_nothing() -> None:
    with pytest.raises(CommandError, match="answers 404"):
        command("/absent/")


def test_a_header_without_a_value_is_refused() -> None:
    with pytest.raises(CommandError, match="Name: value"):
        command("/asks/", "--header", "X-Word")


def test_without_the_middleware_there_is_nothing_to_measure(settings: Any) -> None:
    settings.MIDDLEWARE = []

    with pytest.raises(ValueError, match="not in MIDDLEWARE"):
        of_requests("/asks/", {}, rounds=2)


def test_a_share_is_of_what_it_takes_without() -> None:
    assert Overhead(200.0, 10.0, (8.0, 12.0), 5).percent == 5
