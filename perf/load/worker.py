"""One stripe of a load test in a process of its own. Run as `python -m perf.load.worker FD`.

It reads a `Job` from standard input, says that it is ready, reads when to begin, and tells what it
recorded each second. When standard input ends, the run is broken off: so no worker outlives whoever
started it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import IO

import msgspec

from perf.load.engine import Engine
from perf.load.loop import precise_loop
from perf.load.merging import Packed, packed
from perf.load.plan import LoadPlan, PlanError
from perf.load.recording import Recording


class Job(msgspec.Struct, frozen=True):
    """Which stripe of which plan."""

    plan: LoadPlan
    stripe: int
    of: int


class Ready(msgspec.Struct, frozen=True, tag=True):
    """All is imported: it waits for the moment at which to begin."""


class News(msgspec.Struct, frozen=True, tag=True):
    """What was recorded in a second."""

    second: int
    recorded: Packed


class Failed(msgspec.Struct, frozen=True, tag=True):
    """It can't go on: what was raised, in a line."""

    error: str


Message = Ready | News | Failed


class Worker:
    """Does a job. What it tells is written by a thread: a full pipe must not hold up the load."""

    def __init__(self, job: Job, out: IO[bytes]) -> None:
        self._engine = Engine(job.plan, job.stripe, job.of)
        self._out = out
        self._writer = ThreadPoolExecutor(1)

    def run(self) -> None:
        tell(self._out, Ready())
        told = sys.stdin.buffer.readline()
        if not told:
            return  # it is not to begin any more
        begins = msgspec.json.decode(told, type=float)
        with self._writer:
            asyncio.run(self._run(begins), loop_factory=precise_loop)

    async def _run(self, begins: float) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), self._left, loop)
        loop.add_signal_handler(signal.SIGTERM, self._engine.stop)
        await self._engine.run(begins, self._each_second)

    def _left(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.remove_reader(sys.stdin.fileno())
        self._engine.stop()

    def _each_second(self, second: int, recorded: Recording) -> bool:
        # What can't be told ends the run here: in the writer's thread nobody would hear of it.
        self._writer.submit(_write, self._out, _line(News(second, packed(recorded))))
        return False


def tell(out: IO[bytes], message: Message) -> None:
    """Write a message as a line."""
    _write(out, _line(message))


def _line(message: Message) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def _write(out: IO[bytes], line: bytes) -> None:
    out.write(line)
    out.flush()


def main() -> None:
    """Do the job that stands in standard input."""
    with os.fdopen(int(sys.argv[1]), "wb") as out:
        try:
            Worker(msgspec.json.decode(sys.stdin.buffer.readline(), type=Job), out).run()
        except Exception as error:
            if not isinstance(error, PlanError):  # says all by itself
                traceback.print_exc()
            tell(out, Failed(_told(error)))
            sys.exit(1)


def _told(error: BaseException) -> str:
    """The first of what several tasks raised, in a line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return traceback.format_exception_only(error)[0].strip()


if __name__ == "__main__":
    main()
