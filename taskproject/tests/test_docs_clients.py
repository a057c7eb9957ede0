"""docs/clients.md, run as it stands against a live server: each script, each curl line."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
from django.conf import settings as project_settings
from django.core.management import call_command
from django.db import OperationalError
from psycopg import errors as pg
from pytest_django.live_server_helper import LiveServer

from projects.models import Project
from projects.services import project_create
from taskproject.api.problems import RateLimited
from taskproject.db.context import tenant_context
from taskproject.tenancy.api.feed import EventFeedViewSet
from taskproject.tenancy.api.throttling import RateLimitedView
from taskproject.tenancy.models import Role, Tenant, User
from taskproject.tenancy.services import member_add, tenant_create
from tasks.management.commands.create_demo import Command as CreateDemo
from tasks.models import Status, Task
from tasks.services.tasks import task_create, task_delete, task_update

pytestmark = pytest.mark.django_db(transaction=True)

PAGE: Final = (Path(project_settings.BASE_DIR) / "docs" / "clients.md").read_text(encoding="utf-8")
FENCES: Final = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.M | re.S)
# A transaction of another test process may hold the feed back for a while.
PATIENCE_S: Final = 240


@dataclass(frozen=True, slots=True)
class Block:
    """Something to run, `name` for a file of Python, and what it prints."""

    language: str
    text: str
    name: str
    prints: str


def blocks() -> list[Block]:
    found = []
    for (language, text), (following, prints) in zip(FENCES, [*FENCES[1:], ("", "")], strict=True):
        if language not in ("sh", "python"):
            continue
        assert following == "output", text
        named = re.match(r"# (\w+\.py)\n", text)
        name = named[1] if named else text.splitlines()[0]
        found.append(Block(language, text, name, prints))
    return found


BLOCKS: Final = blocks()


class Reader:
    """A reader of the page: a folder with its Python files, an address and a token."""

    def __init__(self, folder: Path, tasks: str, token: str) -> None:
        self.folder = folder
        for block in BLOCKS:
            if block.language == "python":
                (folder / block.name).write_text(block.text, encoding="utf-8")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {"PATH": path, "TASKS": tasks, "TOKEN": token, "no_proxy": "*"}

    def command(self, block: Block) -> list[str]:
        if block.language == "python":
            return [sys.executable, block.name]
        return ["bash", "-euo", "pipefail", "-c", block.text]

    def run(self, *command: str) -> str:
        """What a command prints."""
        ran = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert ran.stderr == ""
        return ran.stdout

    def python(self, text: str) -> str:
        """What a few lines print that use the page's files."""
        return self.run(sys.executable, "-c", text)


@dataclass(frozen=True, slots=True)
class Acme:
    """The tenant of the page, with Ada who owns it and a project."""

    tenant: Tenant
    ada: User
    project: Project

    def task(self, **values: Any) -> Task:
        with tenant_context(self.tenant):
            return task_create(project_id=self.project.pk, actor_id=self.ada.pk, **values)

    def change(self, task: Task, **values: Any) -> None:
        with tenant_context(self.tenant):
            task_update(task_id=task.pk, actor_id=self.ada.pk, **values)

    def delete(self, task: Task) -> None:
        with tenant_context(self.tenant):
            task_delete(task_id=task.pk, actor_id=self.ada.pk)


@pytest.fixture
def acme() -> Acme:
    tenant = tenant_create(slug="acme", name="Acme Bicycles")
    ada = User.objects.create(username="ada.lind")
    member_add(tenant=tenant, user=ada, role=Role.OWNER)
    with tenant_context(tenant):
        project = project_create(key="WEB", name="Web shop", actor_id=ada.pk)
    return Acme(tenant, ada, project)


@pytest.fixture
def tasks(acme: Acme) -> list[Task]:
    """WEB-1 to WEB-5, all active."""
    return [acme.task(title=f"Task {number}", status=Status.ACTIVE) for number in range(1, 6)]


@pytest.fixture
def reader(tmp_path: Path, live_server: LiveServer, acme: Acme, tasks: list[Task]) -> Reader:
    """A reader who got a token by the command of the page."""
    (line,) = re.findall(r"^\.venv/bin/python manage\.py (issue_token .*)$", PAGE, re.M)
    printed = StringIO()
    call_command(*shlex.split(line), stdout=printed, stderr=StringIO())
    address = f"{live_server.url}/api/v1/tenants/acme/"
    return Reader(tmp_path, address, printed.getvalue().strip())


def as_pattern(prints: str) -> str:
    """What the page says of an output, in which an ellipsis stands for anything."""
    return ".*".join(re.escape(part) for part in prints.split("…"))


def test_the_page_has_each_step_for_curl_and_for_python() -> None:
    steps = re.split(r"^## \d\. ", PAGE, flags=re.M)[1:]

    assert len(steps) == 7
    for step in steps:
        languages = re.findall(r"^```(sh|python)$", step, re.M)
        assert languages == ["sh", "python"], step[:40]


@pytest.mark.parametrize(
    "block", [each for each in BLOCKS if each.name != "mirror.py"], ids=lambda each: each.name
)
def test_each_block_runs_and_prints_what_the_page_says(reader: Reader, block: Block) -> None:
    printed = reader.run(*reader.command(block))

    assert re.fullmatch(as_pattern(block.prints), printed.rstrip("\n") + "\n", re.S), printed


def test_the_page_shows_what_make_run_prints(reader: Reader, settings: Any) -> None:
    settings.SITE_URL = "http://127.0.0.1:8000"
    printed = StringIO()
    logins = {"password": "secret", "acme": reader.environment["TOKEN"]}

    CreateDemo(stdout=printed, no_color=True)._print(logins)

    (shown,) = (text for language, text in FENCES if "API token" in text)
    assert re.search(as_pattern(shown), printed.getvalue()), printed.getvalue()


# --- Pages and changes ----------------------------------------------------------------------------


def test_both_ways_to_follow_next_see_each_task_once_and_in_order(reader: Reader) -> None:
    (by_curl,) = (each for each in BLOCKS if "while" in each.text and each.language == "sh")
    keys = [f"WEB-{number}" for number in range(1, 6)]

    assert reader.run(*reader.command(by_curl)).split() == keys
    printed = reader.python(
        "from pages import rows\n"
        "print(*(task['key'] for task in rows('tasks/?sort=created&limit=2')))"
    )
    assert printed.split() == keys


def test_a_task_that_is_sent_twice_is_made_once(reader: Reader, acme: Acme) -> None:
    first, second = (reader.run(sys.executable, "make.py") for _ in range(2))

    assert first.startswith("Made WEB-6 at /api/v1/tenants/acme/tasks/")
    assert second == "It has been made before.\n"


def test_after_a_412_the_change_is_made_on_what_somebody_else_has_left(
    reader: Reader, acme: Acme, tasks: list[Task]
) -> None:
    printed = reader.python(
        "from client import call\n"
        "from change import change\n"
        "seen = []\n"
        "def edit(task):\n"
        "    seen.append(task['description'])\n"
        "    if len(seen) == 1:\n"
        "        call('PATCH', 'tasks/WEB-1/', {'description': 'Theirs.'})\n"
        "    return {'description': task['description'] + ' Mine.'}\n"
        "print(seen, change('tasks/WEB-1/', edit)['description'], seen)\n"
    )

    assert printed == "['', 'Theirs.'] Theirs. Mine. ['', 'Theirs.']\n"
    with tenant_context(acme.tenant):
        assert Task.objects.get(pk=tasks[0].pk).version == 3


def test_a_problem_is_raised_with_all_that_the_service_says(reader: Reader) -> None:
    printed = reader.python(
        "from client import Problem, call\n"
        "try:\n"
        "    call('POST', 'tasks/', {'project': 'WEB'})\n"
        "except Problem as problem:\n"
        "    print(problem.code, problem.body['errors'][0]['pointer'])\n"
    )

    assert printed == "validation /title\n"


# --- Waiting --------------------------------------------------------------------------------------


def locked() -> OperationalError:
    error = OperationalError()
    error.__cause__ = pg.LockNotAvailable()
    return error


@pytest.fixture
def troubles(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What the next requests meet, one each, until there is none left."""
    waiting: list[Exception] = []
    usual = RateLimitedView.perform_authentication

    def meet(self: RateLimitedView, request: Any) -> None:
        usual(self, request)
        if waiting:
            raise waiting.pop(0)

    monkeypatch.setattr(RateLimitedView, "perform_authentication", meet)
    return waiting


def test_python_sends_again_after_a_429_a_503_and_a_lock(
    reader: Reader, troubles: list[Exception]
) -> None:
    troubles += [RateLimited(1), OperationalError(), locked()]

    assert reader.run(sys.executable, "limits.py").startswith("5 active tasks\nLeft: ")
    assert troubles == []


def test_curl_sends_again_after_a_429_and_a_503(reader: Reader, troubles: list[Exception]) -> None:
    (by_curl,) = (each for each in BLOCKS if "--retry" in each.text)
    troubles += [RateLimited(1), OperationalError()]

    printed = subprocess.run(
        reader.command(by_curl), env=reader.environment, capture_output=True, text=True
    )

    assert printed.stdout.endswith('{"count":5,"capped":false}')
    assert troubles == []


def test_python_gives_up_in_the_end(reader: Reader, troubles: list[Exception]) -> None:
    troubles += [OperationalError() for _ in range(9)]

    printed = reader.python(
        "import client\n"
        "client.ATTEMPTS = 2\n"
        "try:\n"
        "    client.call('GET', '')\n"
        "except client.Problem as problem:\n"
        "    print(problem.code)\n"
    )

    assert printed == "database-unavailable\n"
    assert len(troubles) == 7


# --- The mirror -----------------------------------------------------------------------------------


# A test run in the background may have been started with Ctrl-C ignored, and so would its children.
MIRROR: Final = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_path("mirror.py", run_name="__main__")
"""


@contextmanager
def mirror(reader: Reader) -> Iterator[subprocess.Popen[str]]:
    """The mirror at work; Ctrl-C ends it. It is killed when nothing comes for long."""
    process = subprocess.Popen(
        [sys.executable, "-c", MIRROR],
        cwd=reader.folder,
        env=reader.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    impatient = threading.Timer(PATIENCE_S, process.kill)
    impatient.start()
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    finally:
        impatient.cancel()
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def await_line(process: subprocess.Popen[str], wanted: str) -> None:
    """Read on until the line comes. The feed may tell first of what the mirror has seen in a list,
    while another test process holds it back."""
    while (found := line(process)) != wanted:
        assert re.fullmatch(r"WEB-\d is at version \d", found), found


def test_the_mirror_sees_what_changes_and_begins_anew_in_another_life_of_the_database(
    reader: Reader, acme: Acme, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    with mirror(reader) as process:
        assert line(process) == "There are 5 tasks."
        acme.change(tasks[0], title="Other")
        await_line(process, "WEB-1 is at version 2")
        acme.delete(tasks[1])
        await_line(process, "WEB-2 is gone.")
        acme.task(title="New")
        await_line(process, "WEB-6 is at version 1")

        monkeypatch.setattr("taskproject.tenancy.api.feed.cluster_epoch", lambda: "restored")
        await_line(process, "There are 5 tasks.")
        acme.change(tasks[0], title="Another")
        await_line(process, "WEB-1 is at version 3")


def test_the_mirror_goes_on_from_where_it_was(
    reader: Reader, acme: Acme, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    usual = EventFeedViewSet._place

    def place(self: EventFeedViewSet, cursor: str | None, epoch: str) -> tuple[int, int]:
        asked.append(usual(self, cursor, epoch))
        return asked[-1]

    monkeypatch.setattr(EventFeedViewSet, "_place", place)
    with mirror(reader) as process:
        assert line(process) == "There are 5 tasks."
        for version in (2, 3):
            acme.change(tasks[0], title=f"Title {version}")
            await_line(process, f"WEB-1 is at version {version}")

    assert asked == sorted(asked)
    assert asked[-1] > asked[0]


def test_the_mirror_prints_what_the_page_says(
    reader: Reader, acme: Acme, tasks: list[Task]
) -> None:
    (shown,) = (each.prints for each in BLOCKS if each.name == "mirror.py")

    with mirror(reader) as process:
        printed = [line(process)]
        acme.change(tasks[0], title="Other")
        printed.append(line(process))

    assert re.fullmatch(as_pattern(shown), "\n".join(printed) + "\n")
