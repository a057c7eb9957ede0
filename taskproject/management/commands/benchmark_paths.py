from __future__ import annotations

import json
import os
import random
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.db import connection

from taskproject.management.webserver import WebServerError, granian_command, wait_until_alive
from taskproject.tenancy.management.arguments import TaughtCommand, add_numbers, at_least, new_file
from tasks.reference.database import seeded_database, versions
from tasks.reference.loader import BadAnswer, closed_loop
from tasks.reference.processes import cpu_ns, cpu_seconds, descendants
from tasks.reference.ratios import ratio
from tasks.reference.requests import OPERATIONS, Operation, callers, operations

_LOG_BYTES: Final = 3_000
_HELP: Final = """\
Measures the REST API's paths against the usual ones, by HTTP on this machine:

  api     the service as it is
  stock   ModelViewSet, ModelSerializer and CursorPagination, with the same
          authentication, rate limit, tenants, events and versions
  bare    a WSGI function with the same token check, rate limit, binding and SQL

Pages are asked for with Cache-Control: no-cache, but for those under kept: as
they were kept (kept), and where the client has them already (unchanged, a 304).

Two more are of the service alone. Under depth: page 10,000 of the largest
tenant, or its last one, beside the pages 1 and 2. Under members: whole tasks,
with fields=key,title,status, and with include=labels.

All of them stand on one server with production's settings, and take turns in
random order. It makes a database of its own, fills it, and drops it at the end.
"""
_EPILOG: Final = """\
examples:
  manage.py benchmark_paths                          200,000 tasks, 7 rounds
  manage.py benchmark_paths --tasks 1000000 --keep   a big one, kept for the next run
  manage.py benchmark_paths --tasks 1000000 --tenants 1 --only depth
                                                     page 10,000 beside page 1

exit codes: 0 measured; 1 it could not be measured; 130 interrupted
"""


@dataclass(slots=True)
class Figures:
    """What a path showed, a value for each round."""

    requests_per_s: list[float] = field(default_factory=list)
    server_cpu_us: list[float] = field(default_factory=list)
    database_cpu_us: list[float] = field(default_factory=list)


class Command(TaughtCommand):
    """Measure the paths of the REST API against the usual ones."""

    help = _HELP
    examples = _EPILOG

    def add_arguments(self, parser: CommandParser) -> None:
        numbers = (
            ("tasks", 200_000, 2_000, "how many tasks the database has"),
            ("rounds", 7, 1, "how often each path takes its turn, after one to warm up"),
            ("requests", 2_000, 10, "how many are sent in a turn"),
            ("connections", 16, 1, "how many clients send at the same time"),
        )
        add_numbers(parser, numbers)
        parser.add_argument(
            "--tenants",
            type=at_least(1),
            metavar="N",
            help="how many tenants have them (default: one for each 1,000 tasks, at least 5)",
        )
        parser.add_argument("--only", choices=OPERATIONS, help="one operation (default: all)")
        parser.add_argument(
            "--keep", action="store_true", help="keep the database for the next run"
        )
        parser.add_argument(
            "--json", type=new_file, metavar="FILE", help="write every figure there"
        )

    def handle(self, **options: Any) -> None:
        try:
            size = {name: options[name] for name in ("tasks", "tenants", "keep")}
            with seeded_database("paths", **size), _server() as (port, pid):
                self.stdout.write(versions())
                found = self._measured(port, pid, **options)
        except (ImproperlyConfigured, WebServerError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("\nInterrupted.")
            sys.exit(130)
        for operation, paths in found:
            self._report(operation, paths)
        if options["json"]:
            figures = {
                operation.name: {path: asdict(each) for path, each in paths.items()}
                for operation, paths in found
            }
            options["json"].write_text(json.dumps(figures, indent=1))

    def _measured(
        self, port: int, pid: int, *, only: str | None, rounds: int, **options: Any
    ) -> list[tuple[Operation, dict[str, Figures]]]:
        server, database = descendants(pid), _postgres_pid()
        found = []
        for operation in operations(port, callers()):
            if only not in (None, operation.name.replace(" ", "-")):
                continue
            figures = {path: Figures() for path in operation.paths}
            for number in range(-1, rounds):  # one round more, to warm up
                self._progress(f"{operation.name}: round {number + 1} of {rounds}")
                for path in random.sample(list(figures), len(figures)):
                    into = figures[path] if number >= 0 else Figures()
                    _measure(operation, path, into, port, server, database, **options)
            found.append((operation, figures))
        self._progress("")
        return found

    def _progress(self, text: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"{text:60}", ending="\r")

    def _report(self, operation: Operation, paths: dict[str, Figures]) -> None:
        self.stdout.write(f"\n{operation.name}")
        self.stdout.write("  path          requests/s   server CPU us   database CPU us")
        for path, figures in paths.items():
            self.stdout.write(
                f"  {path:11} {statistics.median(figures.requests_per_s):12.0f}"
                f" {statistics.median(figures.server_cpu_us):15.0f}"
                f" {statistics.median(figures.database_cpu_us):17.0f}"
            )
        for each in operation.ratios:
            one, other = (getattr(paths[name], each.figure) for name in (each.one, each.other))
            self.stdout.write(f"  {each.words:30} {ratio(one, other)}")


def _measure(
    operation: Operation,
    path: str,
    into: Figures,
    port: int,
    server: list[int],
    database: int,
    *,
    requests: int,
    connections: int,
    **options: Any,
) -> None:
    before = cpu_ns(server), cpu_ns(descendants(database))
    seconds = closed_loop(
        port,
        operation.paths[path],
        connections=connections,
        count=requests,
        status=operation.other_statuses.get(path, operation.status),
    )
    into.requests_per_s.append(requests / seconds)
    after = cpu_ns(server), cpu_ns(descendants(database))
    server_s, database_s = map(cpu_seconds, before, after)
    into.server_cpu_us.append(server_s / requests * 1e6)
    into.database_cpu_us.append(database_s / requests * 1e6)


@contextmanager
def _server() -> Iterator[tuple[int, int]]:
    """Production's web server on a free port, for that database: the port, and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = granian_command(
        host="127.0.0.1", port=port, workers=settings.WEB_WORKERS, threads=settings.WEB_THREADS
    )
    command[command.index("taskproject.wsgi:application")] = "tasks.reference.wsgi:application"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=_environment(), stdout=log, stderr=log)  # noqa: S603
        try:
            wait_until_alive(process, "127.0.0.1", port)
            yield port, process.pid
        except BadAnswer as error:
            log.seek(0)
            last = log.read()[-_LOG_BYTES:].decode(errors="replace")
            raise CommandError(f"A request was refused: {error}\nThe server:\n{last}") from error
        finally:
            process.terminate()
            process.wait(timeout=30)


def _environment() -> dict[str, str]:
    place: Any = connection.settings_dict
    account = f"{quote(place['USER'])}:{quote(place['PASSWORD'])}"
    host = f"?host={quote(place['HOST'])}&port={place['PORT'] or 5432}"
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tasks.reference.settings",
        "DATABASE_URL": f"postgresql://{account}@/{place['NAME']}{host}",
        "REDIS_URL": settings.REDIS_URL,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "RATE_LIMIT_TOKEN_PER_MINUTE": "1000000",
        "RATE_LIMIT_TENANT_PER_MINUTE": "1000000",
    }


def _postgres_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
