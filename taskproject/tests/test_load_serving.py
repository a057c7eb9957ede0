"""The service under a load test: started for it as in production, and observed beside it."""

from __future__ import annotations

import urllib.request

import pytest
from django.conf import settings
from psycopg.conninfo import make_conninfo

from perf.load.recording import Recording
from perf.load.results import StepResult, Times
from perf.load.servers import Observer, Watched, told
from perf.load.serving import serving
from taskproject.management.webserver import granian_command
from taskproject.tests.children import on_a_server

REQUESTS = 20


def command() -> list[str]:
    found = granian_command(host="{host}", port=0, workers=1, threads=2)
    found[found.index("--port") + 1] = "{port}"
    return found


def measured(requests: int, url: str) -> tuple[Recording, StepResult]:
    """Ask for the state of the service one time after the other, as the engine would record it."""
    recording = Recording()
    for _ in range(requests):
        with urllib.request.urlopen(url, timeout=30) as answer:
            for part in answer.headers["Server-Timing"].split(", "):
                name, _, rest = part.partition(";dur=")
                recording.timing_ms[name] += float(rest.partition(";")[0])
            recording.timed += 1
    times = Times(requests, 50.0, 50.0, 50.0, ())
    return recording, StepResult("", requests, {}, times, times, Times(requests, 0.0, 0.0, 0.0, ()))


@pytest.mark.django_db(transaction=True)
def test_the_service_is_served_and_observed_as_in_production():
    name = settings.DATABASES["default"]["NAME"]
    environment = on_a_server(REDIS_URL=settings.REDIS_URL, SERVER_TIMING="true")
    with serving(command(), environment=environment, health="/readyz") as served:
        watched = Watched(
            target=served.url,
            database_url=make_conninfo(settings.PERF_SUPERUSER_URL, dbname=name),
            redis_url=settings.REDIS_URL,
        )
        with Observer(watched) as observer:
            recording, total = measured(REQUESTS, f"{served.url}/readyz")
    side = told(observer.side, recording, total)

    assert {each.name for each in side.processes} > {"loader", "server", "postgres", "redis"}
    assert side.database["sessions_fatal"] == 0
    assert {*side.timing} == {"db", "total"}
    assert 0 < side.timing["db"] <= side.timing["total"]
    assert side.sentence.startswith("An answer took 50.0 ms on average: ")
    assert "at the database" in side.sentence
    assert "ping" in {each.name for each in side.redis}
