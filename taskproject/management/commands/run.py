from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from io import StringIO
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from taskproject import embedded
from taskproject.management import webserver
from taskproject.management.webserver import WebServerError

# Across the execv below: what this run has started already.
_STARTED: Final = "TASKPROJECT_STARTED"


class Command(BaseCommand):
    """Bring everything up and serve, until Ctrl-C."""

    help = (
        "Start the embedded servers (unless DATABASE_URL is set), migrate, make the demo tenants "
        "once, and serve until Ctrl-C. The address comes from HOST and PORT."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--reload", action="store_true", help="one worker that reloads changed code"
        )

    def handle(self, *, reload: bool, **options: Any) -> None:
        instance = embedded.default_instance(base=settings.BASE_DIR)
        address = f"http://{settings.HOST}:{settings.PORT}"
        try:
            with webserver.sole_supervisor(instance.folder, address):
                webserver.check_port_free(settings.HOST, settings.PORT)
                started = self._start_services(instance)
                try:
                    self._prepare()
                    self._serve(instance.folder, reload=reload)
                finally:
                    if started:
                        embedded.stop(instance, progress=self._say)
        except (WebServerError, embedded.EmbeddedError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("Interrupted.")
            sys.exit(130)

    def _start_services(self, instance: embedded.Instance) -> tuple[str, ...]:
        if settings.DATABASES["default"]["NAME"] and settings.EMBEDDED is None:
            return ()
        before = [name for name in os.environ.pop(_STARTED, "").split(",") if name]
        started = embedded.start(instance, progress=self._say).started
        if settings.EMBEDDED is None:
            # The settings were read before there was a database: read them again.
            self.stdout.flush()
            os.environ[_STARTED] = ",".join(started)
            os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606  this command
        return started or tuple(before)

    def _prepare(self) -> None:
        if settings.DATABASES["default"]["OWNER"]:
            self._say("Migrating.")
            call_command("migrate", verbosity=0)
        else:
            self._say("No DATABASE_OWNER_URL: the schema is taken as it is.")
        try:
            call_command("check", databases=["default"], stdout=StringIO())
        except (DatabaseError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        if settings.EMBEDDED is not None:
            call_command("create_demo", stdout=self.stdout, stderr=self.stderr)
        Path(settings.STATIC_ROOT).mkdir(exist_ok=True)
        connections.close_all()
        default: Any = connections["default"]
        default.close_pool()

    def _serve(self, folder: Path, *, reload: bool) -> None:
        process = webserver.start_granian(
            folder,
            host=settings.HOST,
            port=settings.PORT,
            workers=1 if reload else settings.WEB_WORKERS,
            threads=settings.WEB_THREADS,
            reload=reload,
        )
        webserver.wait_until_alive(process, settings.HOST, settings.PORT)
        self._say(self.style.SUCCESS(f"Serving {settings.SITE_URL}/  (Ctrl-C ends it)"))
        code = webserver.supervise(process)
        if code not in (0, -15):
            raise CommandError(f"The web server ended with code {code}.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
