from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.contenttypes.models import ContentType
from django.core.checks import run_checks
from django.core.exceptions import MiddlewareNotUsed
from django.core.handlers.asgi import ASGIHandler
from django.db import connection, connections
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test import AsyncRequestFactory, Client, RequestFactory
from django.urls import path
from django.views import View

from perf.monitor import budgets, findings, identifiers, query_budget
from perf.monitor import totals as module
from perf.monitor.budgets import Budget
from perf.monitor.middleware import QueryMonitor, request_monitored
from perf.monitor.recording import Recording, active, recorded
from perf.monitor.totals import Totals, gathered, merged, process
from perf.testing import assert_within_budgets

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


def ask(times: int = 1) -> None:
    with connection.cursor() as cursor:
        for number in range(times):
            cursor.execute("SELECT %s::int", [number])
            cursor.fetchall()


def quiet(request: Any) -> HttpResponse:
    return HttpResponse("quiet")


@query_budget(statements=2, rows=1)
def asks(request: Any, times: int) -> HttpResponse:
    ask(times)
    return HttpResponse("asked")


class Asking(View):
    @query_budget(1)
    def get(self, request: Any) -> HttpResponse:
        ask(2)
        return HttpResponse("asked")

    def post(self, request: Any) -> HttpResponse:
        ask(2)
        return HttpResponse("asked")


def streams(request: Any) -> StreamingHttpResponse:
    def rows() -> Iterator[str]:
        for _ in range(3):
            ask()
            yield "row"

    ask()
    return StreamingHttpResponse(rows())


async def astreams(request: Any) -> StreamingHttpResponse:
    async def rows() -> AsyncIterator[str]:
        for _ in range(2):
            yield str(await ContentType.objects.acount())

    await ContentType.objects.acount()
    return StreamingHttpResponse(rows())


def sends_a_file(request: Any) -> FileResponse:
    ask()
    return FileResponse(Path(__file__).open("rb"))


def fails(request: Any) -> HttpResponse:
    ask()
    raise RuntimeError("it went wrong")


def slow(request: Any) -> HttpResponse:
    ContentType.objects.filter(model="needle").first()
    return HttpResponse("slow")


urlpatterns = [
    path("quiet/", quiet, name="quiet"),
    path("asks/<int:times>/", asks, name="asks"),
    path("class/", Asking.as_view(), name="class"),
    path("streams/", streams, name="streams"),
    path("astreams/", astreams, name="astreams"),
    path("fails/", fails, name="fails"),
    path("slow/", slow, name="slow"),
    path("unnamed/", quiet),
]


def named(request: Any) -> str:
    return f"tenant of {request.path}"


@pytest.fixture(autouse=True)
def anew(settings: Any, tmp_path: Path) -> None:
    settings.MIDDLEWARE = ["perf.monitor.middleware.QueryMonitor"]
    settings.PERF_MONITOR = {"DIRECTORY": str(tmp_path / "monitor"), "IDENTIFIERS": False}
    findings.told.forget()
    findings.planned.forget()
    process.forget()
    identifiers.forget()


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    records: list[Any] = [each for each in caplog.records if each.name == "perf.monitor"]
    return [(each.monitor["kind"], each.monitor["where"]) for each in records]


class TestWhatIsSeen:
    def test_a_request_is_added_up_by_route_shape_and_place(self, client: Client) -> None:
        client.get("/asks/2/")
        client.get("/asks/1/")

        found = module.totals()
        (route,) = found["routes"]
        (entry,) = found["statements"]
        assert (route["route"], route["requests"], route["statements"]) == ("GET asks", 2, 3)
        assert (entry["calls"], entry["rows"]) == (3, 3)
        assert entry["place"].startswith("perf/tests/test_monitor_middleware.py:")
        assert found["shapes"][entry["shape"]]["text"] == "SELECT ?::int"

    def test_routes_are_named_by_the_url_configuration_and_not_by_clients(
        self, client: Client
    ) -> None:
        client.get("/unnamed/")
        client.get("/no/such/page/")
        client.head("/quiet/")
        client.generic("INVENTED", "/quiet/")

        names = [each["route"] for each in module.totals()["routes"]]
        assert names == [f"GET {__name__}.quiet", "GET (no route)", "GET quiet", "OTHER quiet"]

    def test_a_streamed_body_belongs_to_its_request(self, client: Client) -> None:
        response: Any = client.get("/streams/")
        assert module.totals()["routes"] == []
        assert b"".join(response.streaming_content) == b"rowrowrow"
        ask()
        response.close()

        (route,) = module.totals()["routes"]
        assert route["statements"] == 4
        assert active() is None

    def test_a_file_is_sent_as_it_is(self) -> None:
        monitor = QueryMonitor(sends_a_file)
        with closing(monitor(RequestFactory().get("/file/"))) as response:
            assert response.file_to_stream is not None

        assert module.totals()["routes"][0]["statements"] == 1

    def test_a_request_that_fails_is_seen(self, client: Client) -> None:
        client.raise_request_exception = False

        assert client.get("/fails/").status_code == 500
        assert module.totals()["routes"][0]["statements"] == 1

    def test_a_block_around_a_request_sees_it_too(self, client: Client) -> None:
        with recorded() as found:
            client.get("/asks/2/")

        assert found.statements == 2

    def test_who_wants_to_is_told_of_each_request(self, client: Client) -> None:
        found: list[Any] = []

        def take(**values: Any) -> None:
            found.append((values["route"], values["recording"].statements, values["overruns"]))

        request_monitored.connect(take)
        try:
            client.get("/asks/3/")
        finally:
            request_monitored.disconnect(take)

        assert found == [("GET asks", 3, ["3 statements (2 allowed)", "3 rows (1 allowed)"])]

    def test_it_can_be_turned_off(self, settings: Any) -> None:
        settings.PERF_MONITOR = {"ENABLED": False}

        with pytest.raises(MiddlewareNotUsed):
            QueryMonitor(quiet)


@pytest.mark.django_db(transaction=True)
def test_asynchronous_requests_are_each_their_own() -> None:
    async def get(address: str) -> Any:
        sent: list[Any] = []

        async def receive() -> Any:
            if not sent:
                sent.append(None)
                return {"type": "http.request", "body": b"", "more_body": False}
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = dict(AsyncRequestFactory().get(address).scope)
        await ASGIHandler()(scope, receive, send)
        return sent

    async def both() -> None:
        try:
            await asyncio.gather(get("/astreams/"), get("/astreams/"), get("/asks/2/"))
        finally:
            await sync_to_async(connections.close_all)()

    asyncio.run(both())

    found = {each["route"]: each for each in module.totals()["routes"]}
    assert (found["GET astreams"]["requests"], found["GET astreams"]["statements"]) == (2, 6)
    assert found["GET asks"]["statements"] == 2
    places = [each["place"] for each in module.totals()["statements"]]
    assert any(each.endswith("astreams") for each in places)


class TestWhatIsTold:
    def test_a_request_over_its_budget_is_told_and_answered(
        self, client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert client.get("/asks/1/").content == b"asked"
        assert told(caplog) == []
        assert client.get("/asks/3/").content == b"asked"

        assert ("over_budget", "GET asks") in told(caplog)
        assert "3 statements (2 allowed), 3 rows (1 allowed)" in caplog.text
        assert module.totals()["routes"][0]["over_budget"] == 1

    def test_a_budget_of_a_method_is_not_that_of_another(self, client: Client) -> None:
        client.get("/class/")
        client.post("/class/")

        found = {each["route"]: each["over_budget"] for each in module.totals()["routes"]}
        assert found == {"GET class": 1, "POST class": 0}

    def test_what_apps_declare_counts_by_route(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(budgets, "declared", lambda: {"POST class": Budget(statements=1)})
        client.post("/class/")

        assert module.totals()["routes"][0]["over_budget"] == 1

    def test_a_test_raises_what_is_over_its_budget(self, client: Client) -> None:
        with assert_within_budgets():
            client.get("/asks/1/")
        with (
            pytest.raises(AssertionError, match=r"GET asks: 3 statements \(2 allowed\)") as raised,
            assert_within_budgets(),
        ):
            client.get("/asks/3/")

        assert "SELECT ?::int" in str(raised.value)

    def test_a_repeated_statement_is_told_once_in_a_while(
        self, client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(3):
            client.post("/class/")
            client.get("/asks/4/")

        assert told(caplog).count(("repeated", "GET asks")) == 1
        assert "ran 4 times with 4 different values" in caplog.text
        (entry,) = (each for each in module.totals()["statements"] if each["route"] == "GET asks")
        assert entry["repeats"] == 3

    def test_a_slow_request_and_its_slow_statement_are_told_with_tenant_and_plan(
        self, client: Client, caplog: pytest.LogCaptureFixture, settings: Any
    ) -> None:
        settings.PERF_MONITOR = {
            "SLOW_MS": 0,
            "THRESHOLD_MS": 0,
            "IDENTIFIERS": False,
            "TENANT": f"{__name__}.named",
        }
        client.get("/slow/")

        assert told(caplog) == [("slow_request", "GET slow"), ("slow_statement", "GET slow")]
        records: list[Any] = caplog.records
        assert records[-1].monitor["tenant"] == "tenant of /slow/"
        assert "django_content_type" in records[-1].monitor["plan"]
        assert "needle" not in caplog.text

    def test_a_tenant_that_can_not_be_told_harms_nobody(
        self, client: Client, settings: Any
    ) -> None:
        settings.PERF_MONITOR = {"THRESHOLD_MS": 0, "TENANT": f"{__name__}.no_such_name"}

        assert client.get("/asks/1/").content == b"asked"


class TestFiles:
    def test_totals_are_written_when_a_response_has_been_closed(
        self, client: Client, settings: Any, tmp_path: Path
    ) -> None:
        settings.PERF_MONITOR = {"DIRECTORY": str(tmp_path), "WRITE_S": 0, "IDENTIFIERS": False}
        client.get("/asks/2/")

        found = gathered(tmp_path)
        assert found["processes"] == 1
        assert found["routes"][0]["statements"] == 2
        (path,) = tmp_path.iterdir()
        assert path.name.startswith(f"{os.getpid()}-")

    def test_they_are_not_written_more_often_than_asked(
        self, client: Client, tmp_path: Path
    ) -> None:
        for _ in range(3):
            client.get("/asks/2/")

        assert not (tmp_path / "monitor").exists()

    def test_a_folder_that_can_not_be_written_harms_nobody(
        self, client: Client, settings: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        settings.PERF_MONITOR = {"DIRECTORY": str(tmp_path / "file"), "WRITE_S": 0}

        assert client.get("/asks/2/").content == b"asked"

    def test_files_of_several_processes_add_up(self, tmp_path: Path, client: Client) -> None:
        client.get("/asks/4/")
        process.write(tmp_path)
        one = module.totals()
        other = json.loads(json.dumps(one))
        other["statements"][0]["max_ms"] = one["statements"][0]["max_ms"] + 1
        other["statements"][0]["rows"] = None
        digest = other["statements"][0]["shape"]
        other["shapes"][digest]["identifiers"] = [7, 8]
        (tmp_path / "1-other.json").write_text(json.dumps(other))
        (tmp_path / "2-broken.json").write_text("{")

        found = gathered(tmp_path)
        (entry,) = found["statements"]
        assert (found["processes"], entry["calls"], entry["rows"]) == (2, 8, 4)
        assert entry["max_ms"] == other["statements"][0]["max_ms"]
        assert found["shapes"][digest]["identifiers"] == [7, 8]
        assert found["routes"][0]["max_statements"] == 4

    def test_none_add_up_to_nothing(self, tmp_path: Path) -> None:
        assert gathered(tmp_path / "none")["statements"] == []
        assert merged([])["other"]["calls"] == 0

    def test_old_files_go(self, tmp_path: Path) -> None:
        for number in range(70):
            old = tmp_path / f"{number}-x.json"
            old.write_text("{}")
            os.utime(old, (time.time() - number * 60,) * 2)
        (tmp_path / "0-x.tmp").write_text("")
        os.utime(tmp_path / "0-x.tmp", (1, 1))
        Totals().write(tmp_path)

        left = {each.name for each in tmp_path.iterdir()}
        assert len(left) == module.FILES_MAX
        assert "0-x.tmp" not in left
        assert "69-x.json" not in left
        assert "1-x.json" in left


def test_what_is_beyond_the_keys_that_are_kept_is_counted_as_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "KEYS_MAX", 4)
    found = Totals()
    for number in range(6):
        with recorded() as recording, connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 AS c{number}, pg_sleep(%s)", [0.02 if number == 1 else 0])
        found.add("GET x", recording)

    document = found.document()
    assert sum(each["calls"] for each in document["statements"]) + document["other"]["calls"] == 6
    assert document["other"]["calls"] == 2
    assert any("c1" in each["text"] for each in document["shapes"].values())


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "id"),
        [
            ({"SPEED": 1}, "perf.E001"),
            ({"slow_ms": 1}, "perf.E001"),
            ({"SLOW_MS": "1"}, "perf.E002"),
            ({"SLOW_MS": -1}, "perf.E002"),
            ({"LOG_S": float("nan")}, "perf.E002"),
            ({"REPEATS": 1}, "perf.E002"),
            ({"ENABLED": "no"}, "perf.E002"),
            ({"SKIP": "shop"}, "perf.E002"),
            ({"DIRECTORY": 7}, "perf.E002"),
            ({"TENANT": "no.such.name"}, "perf.E003"),
            ([], "perf.E002"),
        ],
    )
    def test_a_wrong_one_is_named_by_a_check(self, settings: Any, given: Any, id: str) -> None:
        settings.PERF_MONITOR = given

        assert [each.id for each in run_checks() if (each.id or "").startswith("perf.")] == [id]

    def test_good_ones_pass(self, settings: Any, tmp_path: Path) -> None:
        settings.PERF_MONITOR = {
            "ENABLED": True,
            "SLOW_MS": 1.5,
            "REPEATS": 2,
            "SKIP": ["shop.db"],
            "DIRECTORY": tmp_path,
            "TENANT": f"{__name__}.named",
        }

        assert [each for each in run_checks() if (each.id or "").startswith("perf.")] == []


def test_a_process_that_is_forked_amid_an_addition_goes_on() -> None:
    with process._lock:  # of a thread that is not there in the child
        child = os.fork()
        if child == 0:
            process.add("GET basket", Recording())
            os._exit(0)
        for _ in range(100):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
            time.sleep(0.05)
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    assert (ended, status) == (child, 0)
