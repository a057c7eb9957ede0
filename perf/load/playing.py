"""Plays sessions of scenarios against a clock, and records what became of their calls.

The first call of a session is due when the session is; each later one when the answer before it was
there and the user has thought. What the loader is late by then is lag, and part of the latency. A
session ends at the first call that fails.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final

from perf.load.recorder import Made, Recorder
from perf.load.results import Failure
from perf.load.scenario import Answer, Call, Caller, Pause, Steps
from perf.load.transport import CallFailed, Transport

_THROTTLED: Final = 429
_AFTER_REFUSAL_S: Final = 0.1  # else a user whom nobody answers would ask as fast as it can


class Player:
    """All sessions of one process. Moments are seconds from `begins` on the clock of
    `time.monotonic`. Of more than `most` calls at the same time each further one is dropped."""

    def __init__(
        self, recorder: Recorder, *, begins: float, think_s: float, most: int, seed: str
    ) -> None:
        self.in_flight = 0
        self._recorder = recorder
        self._begins = begins
        self._think_s = think_s
        self._most = most
        self._thoughts = random.Random(seed)

    def now(self) -> float:
        return time.monotonic() - self._begins

    async def until(self, due: float) -> None:
        """Wait for a moment; return at once if it is over."""
        if (ahead := due - self.now()) > 0:
            await asyncio.sleep(ahead)

    def thought_s(self) -> float:
        """How long a user thinks: exponentially spread, so that users don't fall into step."""
        return self._thoughts.expovariate(1 / self._think_s) if self._think_s else 0.0

    async def play(
        self, transport: Transport, steps: Steps, caller: Caller, due: float, ends: float
    ) -> float:
        """A session, and when it was over. What would be due from `ends` on is not done.

        What a scenario raises before its first call passes through.
        """
        call, pause_s = self._following(steps, None)
        due += pause_s
        while call is not None and due < ends:
            await self.until(due)
            call, due = await self._make(transport, steps, call, caller, due)
        steps.close()
        return due

    async def _make(
        self, transport: Transport, steps: Steps, call: Call, caller: Caller, due: float
    ) -> tuple[Call | None, float]:
        """Make a call. Returns what comes after it, if anything does, and when that is due."""
        if self.in_flight >= self._most:
            dropped = CallFailed(Failure.DROPPED, f"{self._most} are in flight already")
            self._record(call, caller, due, None, due, dropped)
            return None, due
        following: Call | None = None
        failed: CallFailed | None = None
        pause_s = 0.0
        sent = done = self.now()
        self.in_flight += 1
        try:
            try:
                answer = await transport.send(call)
            finally:
                done = self.now()
                self.in_flight -= 1
            following, pause_s = self._judged(steps, call, answer, due)
        except CallFailed as error:
            failed = error
            if error.failure is Failure.TRANSPORT:
                pause_s = _AFTER_REFUSAL_S
        self._record(call, caller, due, sent, done, failed)
        return following, done + pause_s

    def _judged(
        self, steps: Steps, call: Call, answer: Answer, due: float
    ) -> tuple[Call | None, float]:
        """What comes after an answer that is as it should be. Raises `CallFailed` for another, and
        where the scenario raises over it."""
        if due >= 0 and (timing := answer.headers.get("server-timing")):
            self._recorder.timing(timing)
        if answer.status not in call.expects:
            kind = Failure.THROTTLED if answer.status == _THROTTLED else Failure.STATUS
            raise CallFailed(kind, f"status {answer.status}")
        try:
            wrong = call.check(answer) if call.check else None
            following = self._following(steps, answer)
        except Exception as error:
            raise CallFailed(Failure.CHECK, f"{type(error).__name__}: {error}") from None
        if wrong:
            raise CallFailed(Failure.CHECK, wrong)
        return following

    def _following(self, steps: Steps, answer: Answer | None) -> tuple[Call | None, float]:
        """The next call of a session, None at its end, and how long the user thinks before it."""
        pause_s = 0.0
        try:
            step = next(steps) if answer is None else steps.send(answer)
            while isinstance(step, Pause):
                pause_s += self.thought_s() if step.seconds is None else step.seconds
                step = next(steps)
        except StopIteration:
            return None, pause_s
        if not isinstance(step, Call):
            raise TypeError(f"a scenario yields calls and pauses, and not {step!r}")
        return step, pause_s

    def _record(
        self,
        call: Call,
        caller: Caller,
        due: float,
        sent: float | None,
        done: float,
        failed: CallFailed | None,
    ) -> None:
        failure, reason = (failed.failure, failed.reason) if failed else (None, "")
        self._recorder.record(Made(call.name, caller.tenant, due, sent, done, failure, reason))
