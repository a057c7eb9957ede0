"""`make run` as a person meets it: a fresh start, a second one, faults, and the end.

One server for the whole file, in a folder of its own; the tests run in the order they stand in.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from django.conf import settings

from taskproject import embedded
from taskproject.management import webserver

MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]
START_TIMEOUT_S = 90


class LocalService:
    """A `manage.py run` of its own: folder, port, output."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("DATABASE_", "REDIS_"))},
            "LOCAL_DIR": str(folder),
            "PORT": str(port),
            "EMBEDDED_FSYNC": "true",
            "WEB_WORKERS": "1",
        }
        for name in ("SECRET_KEY", "EMBEDDED_POSTGRES"):  # `make run` brings its own
            self.environment.pop(name, None)
        self.instance = embedded.default_instance(self.environment, base=settings.BASE_DIR)
        self.output = ""
        self._process: subprocess.Popen[str] | None = None

    def command(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*MANAGE, *arguments],
            env={**self.environment, **extra},
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
        )

    def start(self) -> None:
        self.reap()
        log = self.folder.with_suffix(".log")
        with log.open("w") as out:
            self._process = subprocess.Popen(
                [*MANAGE, "run"], env=self.environment, stdout=out, stderr=out, text=True
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while "Serving" not in (output := log.read_text()):
            assert self._process.poll() is None, output
            assert time.monotonic() < deadline, output
            time.sleep(0.05)
        self.output = output

    def signal(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(30)

    def reap(self) -> None:
        if self._process is not None:
            self._process.wait(30)

    def get(self, path: str, **headers: str) -> tuple[int, Message, Any]:
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.load(error)

    @property
    def authorization(self) -> str:
        found = re.search(r"Authorization: (Bearer \S+?)'", self.output)
        assert found
        return found[1]

    def tasks(self) -> tuple[int, Message, Any]:
        return self.get("/api/v1/tenants/acme/tasks/", Authorization=self.authorization)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with TemporaryDirectory(prefix="run-") as name:
        Path(name).chmod(0o755)  # the servers' user has to get through
        service = LocalService(Path(name) / "local", free_port())
        yield service
        service.command("stop")
        service.reap()


def test_ctrl_c_after_the_very_first_start_leaves_nothing_running(service: LocalService) -> None:
    service.start()

    assert service.signal(signal.SIGINT) == 0
    assert webserver._marked(service.folder) == []
    assert {each.state for each in embedded.status(service.instance)} == {"stopped"}


def test_a_second_start_keeps_the_data(service: LocalService) -> None:
    first = service.authorization
    service.start()

    assert service.authorization == first
    assert service.tasks()[0] == 200


def test_the_three_curl_lines_work_as_printed(service: LocalService) -> None:
    lines = re.findall(r"^  (curl .*)$", service.output, re.M)

    answers = [
        json.loads(subprocess.run([*shlex.split(line), "-s"], capture_output=True).stdout)
        for line in lines
    ]

    assert [len(answer["results"]) for answer in answers] == [3, 4, 2]
    assert {task["status"] for task in answers[1]["results"]} == {"active"}
    newest = [task["created_at"] for task in answers[2]["results"]]
    assert newest == sorted(newest, reverse=True)


def test_the_printed_admin_login_works(service: LocalService) -> None:
    found = re.search(r"admin / (\S+)", service.output)
    assert found
    script = (
        "from django.contrib.auth import authenticate;"
        f"print(authenticate(username='admin', password={found[1]!r}).is_superuser)"
    )

    assert service.command("shell", "--verbosity=0", "-c", script).stdout.strip() == "True"


def test_the_logins_are_readable_by_their_owner_only(service: LocalService) -> None:
    for name in ("demo.json", "credentials.json"):
        assert (service.folder / name).stat().st_mode & 0o777 == 0o600


def test_a_second_run_says_that_the_first_one_serves(service: LocalService) -> None:
    second = service.command("run")

    assert second.returncode == 1
    assert "It runs already" in second.stderr
    assert service.url in second.stderr
    assert service.tasks()[0] == 200


def test_a_port_in_use_is_named_with_the_way_out(service: LocalService, tmp_path: Path) -> None:
    other = service.command("run", LOCAL_DIR=str(tmp_path / "other"))

    port = service.environment["PORT"]
    assert other.returncode == 1
    assert f"Port {port} of 127.0.0.1 is in use" in other.stderr
    assert f"make run PORT={int(port) + 1}" in other.stderr
    assert not (tmp_path / "other" / "credentials.json").exists()


def test_requests_during_a_restart_of_postgresql_get_503_and_then_200_within_2_s(
    service: LocalService,
) -> None:
    assert service.tasks()[0] == 200
    embedded.stop(service.instance, progress=lambda text: None)

    status, headers, problem = service.tasks()
    assert (status, problem["code"]) == (503, "database-unavailable")
    assert headers["Retry-After"] == "1"
    assert headers["Content-Type"] == "application/problem+json"
    assert service.get("/livez")[0] == 200
    assert service.get("/readyz")[0] == 503
    time.sleep(2)  # the pool's attempts to reconnect space themselves out meanwhile

    embedded.start(service.instance, progress=lambda text: None)
    accepting = time.monotonic()
    while service.tasks()[0] != 200:
        assert time.monotonic() - accepting < 2
    assert time.monotonic() - accepting < 2


def test_killed_backends_are_not_noticed_by_the_next_request(service: LocalService) -> None:
    assert service.tasks()[0] == 200
    urls = embedded.urls(service.instance)
    assert urls
    with psycopg.connect(urls.superuser, autocommit=True) as connection:
        # Until each is gone: on a busy machine a request may else begin before the signal is there.
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 10_000) FROM pg_stat_activity"
            " WHERE usename = 'tasks_app'"
        ).fetchall()

    assert len(ended) >= 1
    assert all(each for (each,) in ended)
    assert [service.tasks()[0] for _ in range(4)] == [200] * 4


def test_after_kill_9_of_everything_it_comes_up_with_all_data(service: LocalService) -> None:
    before = service.tasks()[2]
    pids = [each.pid for each in embedded.status(service.instance) if each.pid]
    pids += webserver._marked(service.folder)
    assert len(pids) >= 4  # PostgreSQL, Valkey, the server and its worker

    service.signal(signal.SIGKILL)
    for pid in pids:
        webserver._signal(pid, signal.SIGKILL)
    service.start()

    assert service.tasks()[2] == before


def test_a_server_whose_supervisor_was_killed_ends_too(service: LocalService) -> None:
    service.signal(signal.SIGKILL)

    assert webserver._wait_until_gone(webserver._marked(service.folder)) == []
    service.start()
    assert service.tasks()[0] == 200


def test_stop_ends_a_running_service_and_a_second_stop_finds_nothing(
    service: LocalService,
) -> None:
    first = service.command("stop")
    assert first.stdout.strip().endswith("Stopped: web server, postgres, valkey.")
    assert service.command("stop").stdout.strip() == "Nothing was running."
