"""What the loader costs and keeps, at full size: `make prove`."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import aiohttp
import psutil
import pytest

from perf.load.engine import drive
from perf.load.null import null_server
from perf.load.recording import Recording
from perf.load.results import Second
from perf.load.watching import Watcher
from perf.load.workers import run
from perf.tests.load_service import due, plan, users

pytestmark = pytest.mark.prove
USERS = 16
ROUNDS = 9
ROUND_S = 1.0
STEEP = 0.3  # of a round: what only begins is not counted
MOST = 1.3  # times the bare loop
MILLION = 1_000_000
LONG_S = 3600
MOST_GROWTH_BYTES = 8 << 20


@pytest.fixture
def null() -> Iterator[str]:
    with null_server() as target:
        yield target


async def bare(target: str) -> float:
    """Seconds of processor for a request of aiohttp's own, of so many loops at once."""
    answers = 0
    ends = time.monotonic() + STEEP + ROUND_S

    async def user(session: aiohttp.ClientSession) -> None:
        nonlocal answers
        while time.monotonic() < ends:
            async with session.get(f"{target}/") as response:
                await response.read()
            answers += 1

    async with aiohttp.ClientSession() as session:
        tasks = [asyncio.create_task(user(session)) for _ in range(USERS)]
        await asyncio.sleep(STEEP)
        before, used_s = answers, time.process_time()
        await asyncio.gather(*tasks)
    return (time.process_time() - used_s) / (answers - before)


async def ours(target: str) -> float:
    """The same of the load engine."""
    found = await drive(plan(target, "/", warmup_s=STEEP, **users(USERS, ROUND_S)))
    answers = sum(cell.due for at, cell in found.steps["/"].items() if at >= 0)
    return found.cpu_share[0] * ROUND_S / answers


def test_a_call_costs_little_more_than_in_the_bare_loop_of_aiohttp(null):
    ways: list[Callable[[str], Coroutine[Any, Any, float]]] = [bare, ours]
    ratios = []
    for number in range(ROUNDS):
        cost = {}
        for way in ways if number % 2 else reversed(ways):
            cost[way] = asyncio.run(way(null))
        ratios.append(cost[ours] / cost[bare])

    assert statistics.median(ratios) <= MOST, ratios


class Weighs(Watcher):
    """How much memory a worker has each second, until it has made a million requests."""

    def __init__(self) -> None:
        self.rss_bytes: list[int] = []
        self.made = 0

    def second(self, second: Second, so_far: Recording) -> bool:
        for each in psutil.Process().children():
            if "perf.load.worker" in each.cmdline():
                self.rss_bytes.append(each.memory_info().rss)
        self.made += second.done
        return self.made >= MILLION


def test_a_worker_takes_no_more_memory_over_a_million_requests(null):
    watcher = Weighs()
    found = run(plan(null, "/", **users(USERS, LONG_S)), watcher)

    assert due(found, "/") >= MILLION
    early = statistics.median(watcher.rss_bytes[5:15])
    late = statistics.median(watcher.rss_bytes[-10:])
    assert late - early < MOST_GROWTH_BYTES
