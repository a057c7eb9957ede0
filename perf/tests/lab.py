"""The real command in a process of its own, as a person has it: with a folder for its runs, and an
application whose database is empty but for one table."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from django.conf import settings
from django.core.cache import cache
from django.db import connection

from perf.engine.results import Run
from perf.report import documents

DJANGO: Final = (sys.executable, "-m", "django")
COMMAND: Final = (*DJANGO, "benchmark")
MODULE: Final = "perf.tests.planted"
QUICK: Final = ("--sizes", "10k", "--executions", "1", "--rounds", "2", "--quiet")

SETTINGS: Final = """
from {settings} import *

PERF_DIR = {folder!r}
PERF_BASELINE = {folder!r} + "/baseline.json"
DATABASES["default"]["NAME"] = {application!r}
CACHES["default"]["KEY_PREFIX"] = {prefix!r}
DEBUG = {debug!r}
"""


@dataclass(frozen=True)
class Lab:
    """A folder of runs, and a command with it: `benchmark`, or another one of the lab."""

    folder: Path
    application: str  # the name of its database
    command: str = "benchmark"
    settings: str = ""  # more of them
    pids: list[int] = field(default_factory=list)  # of the commands that were started

    def environment(self, *, debug: bool = False) -> dict[str, str]:
        """The settings of this project, but for the lab's folder and the application's database."""
        self.folder.mkdir(exist_ok=True)
        module = self.folder / "lab_settings.py"
        module.write_text(
            SETTINGS.format(
                settings=os.environ["DJANGO_SETTINGS_MODULE"],
                folder=str(self.folder),
                application=self.application,
                prefix=settings.CACHES["default"].get("KEY_PREFIX", ""),
                debug=debug,
            )
            + self.settings
        )
        path = os.pathsep.join([str(self.folder), os.getcwd()])
        more = {"DJANGO_SETTINGS_MODULE": module.stem, "PYTHONPATH": path}
        return {**os.environ, **more}

    def start(
        self, *arguments: str, debug: bool = False, more: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """The command with arguments, running, with `more` in its environment."""
        process = subprocess.Popen(
            [*DJANGO, self.command, *arguments],
            env={**self.environment(debug=debug), **(more or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pids.append(process.pid)
        return process

    def do(self, *arguments: str, debug: bool = False) -> tuple[int, str, str]:
        """The exit code, output and errors of the command with arguments."""
        return finished(self.start(*arguments, debug=debug))

    def measure(self, *arguments: str) -> tuple[int, str, str]:
        """A run of the planted pairs, as short as can be."""
        return self.do("run", "--module", MODULE, *QUICK, *arguments)

    def copies(self) -> list[str]:
        """Databases that its commands have copied for themselves, and not dropped."""
        found = ask("SELECT datname FROM pg_database WHERE datname ~ '^perf_.*_copy[0-9]+$'")
        # The last digit tells whether it was for pairs that write.
        return [each for each in found if int(each.rpartition("_copy")[2]) // 10 in self.pids]

    def runs(self) -> list[Run]:
        """All that is kept, the oldest first."""
        files = sorted(self.folder.glob("2*.json"))
        return [documents.decode(each.read_bytes()) for each in files]


def finished(process: subprocess.Popen[str], *, timeout_s: float = 900) -> tuple[int, str, str]:
    """The exit code, output and errors of a process; it is ended after `timeout_s`."""
    try:
        output, errors = process.communicate(timeout=timeout_s)
    finally:
        end(process)
    return process.returncode, output, errors


def end(process: subprocess.Popen[str]) -> None:
    """End a process that may still run, as Ctrl-C would: what it has made it takes away."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def owner() -> dict[str, Any]:
    """How psycopg reaches the server as who makes databases there. Opens no connection."""
    found = {**connection.settings_dict}
    found |= found.get("OWNER") or {}
    names = {"USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return {ours: found[theirs] for theirs, ours in names.items() if found[theirs]}


def ask(sql: str, database: str = "postgres") -> list[Any]:
    """The first column of a statement, run by the owner in any database."""
    with psycopg.connect(**owner(), dbname=database, autocommit=True) as own:
        cursor = own.execute(sql.encode())
        return [row[0] for row in cursor] if cursor.description else []


def lab_keys() -> list[Any]:
    """Keys that the lab has left in Redis, where the cache is one that tells."""
    client: Any = getattr(cache, "client", None)
    return list(client.get_client().scan_iter(match="perf_planted_*")) if client else []


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The ids of the workers of a command that are alive."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)], capture_output=True, text=True
    )
    return [int(each.split()[0]) for each in listed.stdout.splitlines() if "perf.worker" in each]


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


def wait_for(condition: Callable[[], bool], *, timeout_s: float = 60) -> None:
    """Come back as soon as it is so. Raises `TimeoutError` if it does not become so."""
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("It did not become so.")
        time.sleep(0.05)
