"""Drives a plan in one process.

In an open model sessions begin when the schedule says, however slow the answers are; in a closed
one each user begins the next when the last is over.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
from collections.abc import Callable
from typing import Final

from perf.engine.sampling import frozen
from perf.load.merging import merge
from perf.load.plan import LoadPlan, Repertoire, prepared
from perf.load.playing import Player
from perf.load.recorder import Recorder
from perf.load.recording import Recording
from perf.load.results import Model
from perf.load.schedule import arrivals_s, measured_s, most_users, spans_s
from perf.load.transport import Transport
from perf.load.watching import STOPPED, Watcher, second_of

_MOMENT_S: Final = 0.05  # from when all is ready to when it begins
TICK_S: Final = 0.05
_IDLE_S: Final = 0.1  # until a user begins again who had nothing to call

# Gets the second that is over and what was recorded in it, and says whether to end the run.
type EachSecond = Callable[[int, Recording], bool]


async def drive(plan: LoadPlan, watcher: Watcher | None = None) -> Recording:
    """Carry out a plan in this process and thread, and return what was recorded.

    Raises `PlanError`, and what a scenario raises when it is imported or before its first call.
    When it is cancelled, the watcher has what there is.
    """
    watcher = watcher or Watcher()
    found = Recording()

    def each_second(at: int, news: Recording) -> bool:
        before = found.in_flight[at - 1]
        merge(found, news)
        return watcher.second(second_of(news, at, before), found)

    await Engine(plan).run(time.monotonic() + _MOMENT_S, each_second, watcher.measuring)
    return found


class Engine:
    """One stripe of a plan: `of` engines together begin each session once.

    Raises `PlanError`, and what importing a scenario raises.
    """

    def __init__(self, plan: LoadPlan, stripe: int = 0, of: int = 1) -> None:
        prepared(plan)
        self._plan = plan
        self._method = plan.method
        self._stripe, self._of = stripe, of
        self._repertoire = Repertoire(plan)
        self._recorder = Recorder(plan.method.timeout_s)
        self._ends = measured_s(plan.method)
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    async def run(
        self,
        begins: float,
        each_second: EachSecond,
        measuring: Callable[[], object] = lambda: None,
    ) -> None:
        """Begin the warm-up at a moment of `time.monotonic`, and go on until the last call is
        answered or given up, or `each_second` says True. The last second has what is left."""
        player = self._player(begins + self._method.warmup_s)
        with frozen():
            self._task = load = asyncio.create_task(self._load(player))
            clock = asyncio.create_task(self._tick(player))
            try:
                await self._watch(player, load, each_second, measuring)
            finally:
                load.cancel()
                clock.cancel()
                await asyncio.wait([load, clock])

    def stop(self) -> None:
        """Break the run off: calls that are out are given up, and not recorded."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    async def _watch(
        self,
        player: Player,
        load: asyncio.Task[None],
        each_second: EachSecond,
        measuring: Callable[[], object],
    ) -> None:
        processor = _Processor()
        share = 0.0
        for at in itertools.count(math.floor(-self._method.warmup_s)):
            if at == 0:
                processor = _Processor()
                measuring()
            await asyncio.wait([load], timeout=max(0.0, at + 1 - player.now()))
            if at < self._ends:
                share = processor.share
            news = self._recorder.take()
            news.in_flight[at] = player.in_flight
            if load.done():
                if not self._stopped:
                    load.result()  # raises what ended it
                news.workers.add(self._stripe)
                news.cpu_share[self._stripe] = share
                news.broken_off = STOPPED if self._stopped else ""
                each_second(at, news)
                break
            if each_second(at, news):
                self.stop()

    async def _tick(self, player: Player) -> None:
        """Note how late this process is for anything at all, in the measured part. In a closed
        model no request tells: while it stands still nothing is due, and the server is blamed."""
        for number in itertools.count():
            if (due := number * TICK_S) >= self._ends:
                break
            await player.until(due)
            self._recorder.tick(player.now() - due)

    async def _load(self, player: Player) -> None:
        if self._method.model is Model.OPEN:
            await self._open(player)
        else:
            await self._closed(player)

    async def _open(self, player: Player) -> None:
        due = arrivals_s(self._method)
        sessions, identities = self._repertoire.drawn(len(due))
        async with self._transport() as transport, asyncio.TaskGroup() as group:
            for number in range(self._stripe, len(due), self._of):
                at = float(due[number])
                await player.until(at)
                steps, caller = self._repertoire.begun(
                    int(sessions[number]), int(identities[number]), str(number)
                )
                group.create_task(player.play(transport, steps, caller, at, self._ends))

    async def _closed(self, player: Player) -> None:
        async with asyncio.TaskGroup() as group:
            for user in range(self._stripe, most_users(self._method), self._of):
                group.create_task(self._user(player, user))

    async def _user(self, player: Player, user: int) -> None:
        """One session after the other, over a connection of its own, with a pause before each."""
        rng = random.Random(f"{self._method.seed}:{user}")
        numbers = itertools.count()
        async with self._transport() as transport:
            for begins, ends in spans_s(self._method, user):
                due = begins
                while (due := due + player.thought_s()) < ends:
                    steps, caller = self._repertoire.begun(
                        self._repertoire.session(rng), user, f"{user}:{next(numbers)}"
                    )
                    began = due
                    due = await player.play(transport, steps, caller, began, ends)
                    if (
                        due == began
                    ):  # a session without a call: the next one would be, and the next
                        await asyncio.sleep(_IDLE_S)
                        due = player.now()

    def _transport(self) -> Transport:
        return Transport(self._plan.target, self._method.timeout_s)

    def _player(self, begins: float) -> Player:
        most = self._method.max_in_flight
        return Player(
            self._recorder,
            begins=begins,
            think_s=self._method.think_s,
            most=most // self._of + (self._stripe < most % self._of),
            seed=f"{self._method.seed}:{self._stripe}",
        )


class _Processor:
    """What this process has of a processor from now on."""

    def __init__(self) -> None:
        self._since_s, self._used_s = time.monotonic(), time.process_time()

    @property
    def share(self) -> float:
        return (time.process_time() - self._used_s) / (time.monotonic() - self._since_s)
