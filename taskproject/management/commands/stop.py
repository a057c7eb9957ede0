from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from taskproject import embedded
from taskproject.management import webserver


class Command(BaseCommand):
    """End the web server and the embedded servers."""

    help = "End what `manage.py run` and `manage.py services start` started. The data stays."
    requires_system_checks = []

    def handle(self, **options: Any) -> None:
        instance = embedded.default_instance(base=settings.BASE_DIR)
        try:
            # Asked first: the web server's supervisor ends the services that it started itself.
            running = [each.name for each in embedded.status(instance) if each.state == "running"]
            stopped = ["web server"] if webserver.stop(instance.folder) else []
            embedded.stop(instance, progress=self.stdout.write)
        except embedded.EmbeddedError as error:
            raise CommandError(str(error)) from error
        stopped += running
        self.stdout.write(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
