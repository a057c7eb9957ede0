"""A load test by several processes, each with a stripe of one schedule, recorded as one."""

from __future__ import annotations

import math
import os
import selectors
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Final

import msgspec

from perf.engine.processes import Process, ending, importing_as_we_do, running
from perf.load.merging import merge, unpacked
from perf.load.plan import LoadPlan, PlanError
from perf.load.recording import Recording
from perf.load.watching import STOPPED, Watcher, second_of
from perf.load.worker import Failed, Job, Message, Ready

_MOMENT_S: Final = 0.1  # from when all are ready to when they begin
_GRACE_S: Final = 5.0  # to say what is left to say after Ctrl-C
_BETWEEN_S: Final = 0.5  # until what was killed is looked for again
SILENT_S: Final = 60.0  # a worker tells each second, whatever the server does
_CHUNK_BYTES: Final = 1 << 20
INTERRUPTED: Final = "interrupted"
_message: Final = msgspec.json.Decoder(Message)


def run(plan: LoadPlan, watcher: Watcher | None = None) -> Recording:
    """Carry out a plan by as many processes as its method has workers.

    The watcher is called in this thread. A worker that dies ends the run: the recording says so in
    `lost` and `broken_off`. Ctrl-C ends it too, and what there is by then is returned. Raises
    `PlanError` if a worker can't begin: its message says why.
    """
    with ExitStack() as stack:
        stripes = range(plan.method.workers)
        crew = [stack.enter_context(_member(plan, stripe)) for stripe in stripes]
        return _Run(plan, watcher or Watcher(), crew).recorded()


@dataclass(slots=True)
class _Member:
    """A worker, as who started it knows it."""

    stripe: int
    process: Process
    stdin: IO[bytes]
    pipe: IO[bytes]
    ready: bool = False
    told: float = -math.inf  # the last second of which it told
    heard_s: float = math.inf  # when it last said anything, once it has begun
    finished: bool = False
    failed: str = ""
    rest: bytes = b""  # of a message of which more is to come

    def send(self, value: object) -> None:
        with suppress(BrokenPipeError):  # a dead one is missed where it is listened to
            self.stdin.write(msgspec.json.encode(value) + b"\n")
            self.stdin.flush()

    def stop(self) -> None:
        """Break its run off."""
        with suppress(BrokenPipeError):
            self.stdin.close()

    def heard(self) -> list[Message] | None:
        """What it says, None when it has ended."""
        chunk = os.read(self.pipe.fileno(), _CHUNK_BYTES)
        self.heard_s = time.monotonic()
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        return [_message.decode(line) for line in lines] if chunk else None


@contextmanager
def _member(plan: LoadPlan, stripe: int) -> Iterator[_Member]:
    with running("perf.load.worker", importing_as_we_do()) as (process, stdin, pipe):
        member = _Member(stripe, process, stdin, pipe)
        member.send(Job(plan, stripe, plan.method.workers))
        yield member


class _Run:
    """Listens to all workers, and makes one recording of what they say."""

    def __init__(self, plan: LoadPlan, watcher: Watcher, crew: Sequence[_Member]) -> None:
        self._warmup_s = plan.method.warmup_s
        self._watcher = watcher
        self._crew = crew
        self._found = Recording()
        self._news: dict[int, Recording] = {}  # of seconds of which not all have told
        self._begun = False
        self._measures = math.inf  # when the watcher is to be told so
        self._selector = selectors.DefaultSelector()
        for each in crew:
            self._selector.register(each.pipe, selectors.EVENT_READ, each)

    def recorded(self) -> Recording:
        with self._selector:
            try:
                self._listen()
            except KeyboardInterrupt:
                self._stop(INTERRUPTED)
                self._listen(time.monotonic() + _GRACE_S)
            for each in self._listened_to():
                self._found.lost[each.stripe] = "did not end when it was told to"
        for news in self._news.values():  # of which somebody did not tell who should have
            merge(self._found, news)
        return self._found

    def _listened_to(self) -> list[_Member]:
        return [key.data for key in self._selector.get_map().values()]

    def _listen(self, until: float = math.inf) -> None:
        while self._listened_to() and (now := time.monotonic()) < until:
            if now >= self._measures:
                self._measures = math.inf
                self._watcher.measuring()
            silent = min(self._listened_to(), key=lambda each: each.heard_s)
            silent_s = silent.heard_s + SILENT_S if self._begun else math.inf
            if now >= silent_s:
                silent.failed = f"told nothing for {SILENT_S:g} s, and was killed"
                silent.process.kill()
            waits_s = min(self._measures, until, max(silent_s, now + _BETWEEN_S)) - now
            for key, _ in self._selector.select(None if waits_s == math.inf else max(0, waits_s)):
                self._hear(key.data)

    def _hear(self, member: _Member) -> None:
        messages = member.heard()
        if messages is None:
            self._ended(member)
        for each in messages or ():
            if isinstance(each, Ready):
                member.ready = True
                self._begin_together()
            elif isinstance(each, Failed):
                member.failed = each.error
            else:
                self._note(member, each.second, unpacked(each.recorded))
        self._pass_on()

    def _begin_together(self) -> None:
        if not self._found.broken_off and all(each.ready for each in self._crew):
            begins = time.monotonic() + _MOMENT_S
            self._begun = True
            self._measures = begins + self._warmup_s
            for each in self._crew:
                each.send(begins)

    def _note(self, member: _Member, second: int, recorded: Recording) -> None:
        member.told = second
        member.finished = bool(recorded.workers)
        merge(self._news.setdefault(second, Recording()), recorded)

    def _ended(self, member: _Member) -> None:
        self._selector.unregister(member.pipe)
        if member.finished:
            return
        how = member.failed or ending(member.process.wait())
        if not self._begun and not self._found.broken_off:
            raise PlanError(f"A worker can't begin: {how}")
        self._found.lost[member.stripe] = how
        self._stop(f"worker {member.stripe} is lost: {how}")

    def _pass_on(self) -> None:
        """Tell the watcher of each second of which all have told who are still there."""
        told = min((each.told for each in self._listened_to() if not each.finished), default=None)
        for second in sorted(self._news):
            if told is not None and second > told:
                break
            news = self._news.pop(second)
            before = self._found.in_flight[second - 1]
            merge(self._found, news)
            if self._watcher.second(second_of(news, second, before), self._found):
                self._stop(STOPPED)

    def _stop(self, why: str) -> None:
        self._found.broken_off = self._found.broken_off or why
        for each in self._crew:
            each.stop()
