"""`manage.py benchmark`: ways of asking the database beside their naive twins."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.core.management.base import CommandError

from perf.management.subcommands import REFUSED, SubcommandCommand

SUBCOMMANDS: Final = {
    "list": "listing",
    "run": "running",
    "explain": "explaining",
    "compare": "comparing",
    "gate": "gating",
    "history": "telling",
    "self-test": "selftest",
    "data": "datasets",
    "docs": "documenting",
}
_MEASURES: Final = ("run", "gate", "self-test")


class Command(SubcommandCommand):
    """The lab."""

    help = (
        "Measures ways of asking the database beside their naive twins: the same rows, proven; "
        "taken in turns; a ratio with its interval; statements, plans and blocks beside it."
    )
    subcommands = SUBCOMMANDS
    requirements = ("numpy", "rich", "msgspec")

    def refuse(self, subcommand: str) -> None:
        if settings.DEBUG and subcommand in _MEASURES:
            raise CommandError(
                "DEBUG is on, and every statement would be logged in memory: what is measured so "
                "is worth nothing. Run it with DEBUG off.",
                returncode=REFUSED,
            )

    def hindrances(self) -> tuple[type[Exception], ...]:
        from perf.pg.databases import NotMade
        from perf.workers import WorkerDied

        return (*super().hindrances(), NotMade, WorkerDied)

    def refusals(self) -> tuple[type[Exception], ...]:
        from perf.pg.locks import InUse

        return (*super().refusals(), InUse)
