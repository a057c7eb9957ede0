"""What each model sees of a server that stands still."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from perf.engine.processes import importing_as_we_do, running
from perf.load.engine import drive
from perf.load.null import HOST
from perf.load.recording import Recording
from perf.load.results import Arrivals, Stage
from perf.tests.load_service import plan, pooled, users

DURATION_S = 10
FROZEN_S = 1
FREEZES_AT_S = 4.5


@dataclass
class Freezable:
    target: str
    pid: int


@pytest.fixture
def server() -> Iterator[Freezable]:
    with running("perf.load.null", importing_as_we_do()) as (process, _, messages):
        yield Freezable(f"http://{HOST}:{int(messages.readline())}", process.pid)
        os.kill(process.pid, signal.SIGCONT)


async def both_models(server: Freezable) -> list[Recording]:
    """An open and a closed model at the same server, while it stands still once."""
    open_model = plan(
        server.target, "/", stages=(Stage(DURATION_S, 100, 100),), arrivals=Arrivals.POISSON
    )
    closed = plan(server.target, "/", think_s=0.02, **users(4, DURATION_S))

    async def freeze() -> None:
        await asyncio.sleep(FREEZES_AT_S)
        os.kill(server.pid, signal.SIGSTOP)
        await asyncio.sleep(FROZEN_S)
        os.kill(server.pid, signal.SIGCONT)

    *found, _ = await asyncio.gather(drive(open_model), drive(closed), freeze())
    return found


def test_a_server_that_stands_still_shows_in_the_open_model_and_not_in_the_closed_ones_median(
    server,
):
    open_model, closed = asyncio.run(both_models(server))

    # The schedule goes on: a tenth of all arrivals wait, the first of them for the whole of it.
    assert pooled(open_model, "/").get_value_at_percentile(99) >= 700_000
    assert pooled(open_model, "/").total_count > 900
    # Users wait with the server: only their four calls know of it.
    assert pooled(closed, "/").get_value_at_percentile(50) < 100_000
    assert pooled(closed, "/").get_value_at_percentile(99) < 700_000
