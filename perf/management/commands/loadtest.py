"""`manage.py loadtest`: load tests of a service."""

from __future__ import annotations

from typing import Final

from perf.management.subcommands import SubcommandCommand

SUBCOMMANDS: Final = {
    "list": "load_listing",
    "run": "load_running",
    "capacity": "load_searching",
    "compare": "load_comparing",
    "history": "load_telling",
}


class Command(SubcommandCommand):
    """Load tests."""

    help = (
        "Loads a service as its users would, and reports latency from the moment when a request "
        "was due, with intervals; what failed; what the servers did meanwhile; and whether the "
        "loader itself was up to it."
    )
    subcommands = SUBCOMMANDS
    requirements = ("numpy", "rich", "msgspec", "aiohttp", "hdrh", "psutil")

    def hindrances(self) -> tuple[type[Exception], ...]:
        from perf.load.plan import PlanError
        from perf.load.serving import NotServed
        from perf.pg.databases import NotMade

        return (*super().hindrances(), NotMade, NotServed, PlanError)

    def refusals(self) -> tuple[type[Exception], ...]:
        from perf.load.plan import PlanError
        from perf.load.serving import NotServed
        from perf.pg.locks import InUse

        return (*super().refusals(), InUse, NotServed, PlanError)
