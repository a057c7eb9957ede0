from __future__ import annotations

import json
import logging
import random
import statistics
import sys
from pathlib import Path
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.db import connection
from django.test import override_settings

from taskproject.db.context import tenant_context
from taskproject.tenancy.management.arguments import TaughtCommand, add_numbers, new_file
from taskproject.tenancy.models import Tenant
from tasks.dataset.source import SourceError
from tasks.reference.batches import Stage, Way, Work, create, owner_connection, update
from tasks.reference.database import seeded_database, versions
from tasks.reference.imports import imported
from tasks.reference.ratios import ratio
from tasks.reference.rest import requests
from tasks.services.imports.summary import ImportFailed

WORKS: Final = {"create": create, "update": update, "requests": requests}
_HELP: Final = """\
Measures batches of tasks beside what PostgreSQL can do at best, and beside what
Django does by itself. Each way writes the same, with numbers and events, from
plain values to COMMIT:

  COPY, UPDATE FROM  the schema's owner, from rows that are ready; the limit
  bulk_…             this service, as the role of the application
  bulk/create/       the REST API, 1,000 tasks in a request, without a web server
  Django's           its own bulk_create and bulk_update
  import_tasks       of a file that you name
  save()             task by task in one transaction, of a tenth of the rows
  many=True          a ModelSerializer of DRF with that, of a tenth of the rows

They take turns in random order, in a table with all indexes, keys and policies.
It makes a database of its own, fills it, and drops it at the end.
"""
_EPILOG: Final = """\
examples:
  manage.py benchmark_batches                  100,000 new tasks, 10,000 changes
  manage.py benchmark_batches --only update --rounds 9
  manage.py benchmark_batches --only import --file tasks.ndjson.gz

exit codes: 0 measured; 1 it could not be measured; 130 interrupted
"""


def _urls() -> Any:
    """The addresses of the stock views beside those of the service, for the test client."""
    return override_settings(
        ROOT_URLCONF="tasks.reference.urls",
        ALLOWED_HOSTS=["testserver"],
        SECURE_SSL_REDIRECT=False,
        RATE_LIMIT_TOKEN_PER_MINUTE=1_000_000,
        RATE_LIMIT_TENANT_PER_MINUTE=1_000_000,
    )


class Command(TaughtCommand):
    """Measure batches beside the limit, and beside Django's own ways."""

    help = _HELP
    examples = _EPILOG

    def add_arguments(self, parser: CommandParser) -> None:
        numbers = (
            ("tasks", 200_000, 2_000, "how many tasks the database has"),
            ("create", 100_000, 10, "how many are made"),
            ("update", 10_000, 10, "how many are changed"),
            ("requests", 10_000, 10, "how many are made by requests of 1,000"),
            ("rounds", 5, 1, "how often each way takes its turn, after one to warm up"),
        )
        add_numbers(parser, numbers)
        parser.add_argument("--only", choices=(*WORKS, "import"), help="one of them (default: all)")
        parser.add_argument("--file", type=Path, help="an import file, to measure its import too")
        parser.add_argument(
            "--keep", action="store_true", help="keep the database for the next run"
        )
        parser.add_argument(
            "--json", type=new_file, metavar="FILE", help="write every figure there"
        )

    def handle(self, **options: Any) -> None:
        if options["only"] == "import" and not options["file"]:
            raise CommandError("--only import needs --file: which file is imported?")
        logging.disable(logging.INFO)  # a line for each request
        try:
            found = self._measured(**options)
        except (ImproperlyConfigured, ImportFailed, SourceError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("\nInterrupted.")
            sys.exit(130)
        if options["json"]:
            options["json"].write_text(json.dumps(found, indent=1))

    def _measured(
        self,
        *,
        tasks: int,
        rounds: int,
        only: str | None,
        file: Path | None,
        keep: bool,
        **options: Any,
    ) -> dict[str, dict[str, list[float]]]:
        found = {}
        size: Any = {"tasks": tasks, "tenants": None, "keep": keep}
        with seeded_database("batches", **size), owner_connection() as owner:
            with _urls(), tenant_context(Tenant.objects.earliest("id")):  # the largest one
                self.stdout.write(versions())
                stage = Stage(owner)
                for name, work_of in WORKS.items():
                    if only in (None, name):
                        work = work_of(stage, options[name])
                        found[work.name] = self._rounds(work, rounds)
                        self._report(work, found[work.name])
                if file and only in (None, "import"):
                    work = imported(owner, file)
                    found[work.name] = self._rounds(work, rounds)
                    self._report(work, found[work.name])
            connection.close()
        return found

    def _rounds(self, work: Work, rounds: int) -> dict[str, list[float]]:
        """Seconds for a row by each way, a value for each round."""
        found: dict[str, list[float]] = {way.name: [] for way in work.ways}
        for number in range(-1, rounds):  # one round more, to warm up
            for way in random.sample(work.ways, len(work.ways)):
                self._progress(f"{work.name}: round {number + 1} of {rounds}, {way.name}")
                seconds = self._timed(work, way)
                if number >= 0:
                    found[way.name].append(seconds)
        self._progress("")
        return found

    def _timed(self, work: Work, way: Way) -> float:
        try:
            return way.timed(work.rows)
        finally:
            work.clear()

    def _progress(self, text: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"{text:60}", ending="\r")

    def _report(self, work: Work, found: dict[str, list[float]]) -> None:
        self.stdout.write(f"\n{work.name}")
        self.stdout.write("  way                  us a row   rows a second")
        for name, seconds in found.items():
            median = statistics.median(seconds)
            self.stdout.write(f"  {name:18} {median * 1e6:10.1f} {1 / median:15,.0f}")
        for one, other in work.ratios:
            self.stdout.write(f"  {one} / {other}: {ratio(found[one], found[other])}")
