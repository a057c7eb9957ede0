"""How many calls a second a worker of this machine sends at all: to a server that does nothing.

A load test that asks for much more than half of it measures the loader, and not the service.
"""

from __future__ import annotations

from typing import Final

from perf.load.null import null_server
from perf.load.plan import LoadPlan, PlanError
from perf.load.results import Arrivals, LoadMethod, Model, Stage
from perf.load.workers import INTERRUPTED, run

_USERS: Final = 16
_WARMUP_S: Final = 0.5  # the first requests of a process are slow: connections, caches of the code


def ceiling_rate(duration_s: float = 1.0) -> float:
    """Calls a second of one worker, with a server beside it in a process of its own.

    Takes the duration and a second. Ctrl-C passes through; raises `PlanError` where a worker is
    lost. On a machine with one processor the server has its part of
    it, and the ceiling is that of both.
    """
    method = LoadMethod(
        model=Model.CLOSED,
        stages=(Stage(duration_s, _USERS, _USERS),),
        arrivals=Arrivals.CONSTANT,
        think_s=0.0,
        warmup_s=_WARMUP_S,
        timeout_s=10.0,
        max_in_flight=_USERS,
        workers=1,
        seed=0,
    )
    with null_server() as target:
        found = run(LoadPlan(target, method, gets=("/",)))
    if found.broken_off == INTERRUPTED:
        raise KeyboardInterrupt
    if found.broken_off:
        raise PlanError(f"What a worker can send can't be found: {found.broken_off}.")
    calls = sum(cell.due for at, cell in found.steps.get("/", {}).items() if at >= 0)
    return calls / duration_s
