"""A service of files, and what its users do, for tests: `--module perf.tests.planted_service`.

`PERF_LOAD_SERVICE = "perf.tests.planted_service.SERVICE"` has it started by --serve.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import connection

from perf import Answer, Caller, Pause, Steps, scenario
from perf.tests.planted import PLANTED


def _is_listing(answer: Answer) -> str | None:
    return None if b"Directory listing" in answer.body else "no listing"


@scenario("planted.files", title="Somebody looks at a folder")
def files(caller: Caller) -> Steps:
    """Looks at a folder, and at it once more."""
    yield caller.get("", name="folder", check=_is_listing)
    yield Pause()
    yield caller.get("", name="again", headers={"x-tenant": caller.tenant})


@scenario("planted.absent", title="Somebody looks for a file that is not there")
def absent(caller: Caller) -> Steps:
    """Looks for a file that is not there, and does not expect that."""
    yield caller.get("nothing/", name="nothing")


class PlantedService:
    """A web server of this folder, and as many tenants as are wanted."""

    dataset: Final = PLANTED
    health: Final = "/"

    def callers(
        self, tenants: int, lasting_s: float, *, writes: bool
    ) -> list[tuple[str, str, dict[str, str]]]:
        database = connection.settings_dict["NAME"]
        return [(f"tenant-{n}", "/", {"x-database": database}) for n in range(tenants)]

    def dismiss(self, callers: Sequence[tuple[str, str, Mapping[str, str]]]) -> None:
        """They were given nothing."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "http.server", "{port}", "--bind", "{host}"]

    def environment(self) -> dict[str, Any]:
        return {}


SERVICE: Final = PlantedService()
