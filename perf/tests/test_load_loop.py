"""Timers of the loop in which a worker sends."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable

import pytest

from perf.load.loop import precise_loop

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13) or sys.platform != "linux", reason="there is no such timer"
)
WANTED_S = 0.0002


def shortest_s(factory: Callable[[], asyncio.AbstractEventLoop]) -> float:
    """Of some times that a wait takes, the one in which least came between."""

    async def waits() -> float:
        found = []
        for _ in range(100):
            begun = time.perf_counter()
            await asyncio.sleep(WANTED_S)
            found.append(time.perf_counter() - begun)
        return min(found)

    return asyncio.run(waits(), loop_factory=factory)


def test_a_wait_of_a_fraction_of_a_millisecond_takes_less_than_one_of_epoll():
    assert WANTED_S <= shortest_s(precise_loop) < shortest_s(asyncio.new_event_loop) / 2


def test_a_loop_hears_of_what_comes_while_it_waits():
    async def first() -> str:
        reading, writing = os.pipe()
        heard = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(reading, heard.set)
        loop.call_later(0.01, os.write, writing, b"!")
        try:
            async with asyncio.timeout(60):
                await heard.wait()
        finally:
            loop.remove_reader(reading)
            os.close(reading)
            os.close(writing)
        return "heard"

    assert asyncio.run(first(), loop_factory=precise_loop) == "heard"


def test_a_closed_loop_leaves_nothing_open():
    asyncio.run(asyncio.sleep(0), loop_factory=precise_loop)
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        asyncio.run(asyncio.sleep(WANTED_S), loop_factory=precise_loop)
    gc.collect()

    assert len(os.listdir("/proc/self/fd")) == len(before)
