"""A thread beside the load that asks the servers what they do."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self

from perf.load.results import ServerSide
from perf.load.servers.watch import Watches
from perf.load.servers.watched import Watched, opened_watches

EVERY_S: Final = 0.2


class Observer:
    """Looks at the servers from its begin to its end, and says what they did in `side`.

        with Observer(Watched(target, database_url, redis_url)) as observer:
            recording = run(plan, watcher)  # which calls observer.begin() when it begins to measure
        side = told(observer.side, recording, total)

    It takes a thread and, each second, some 13 ms of CPU and five statements of 0.1 ms in a session
    of its own, which reads only. PostgreSQL's sessions tell their counts once a second at most, so
    that those of the database and of IO may miss the last second. Nothing that goes wrong with a
    server reaches the load: it is told in `side.skipped`.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._said: SimpleQueue[str] = SimpleQueue()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self.side = ServerSide()  # once the block is left; `told` adds its timing and sentence

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def begin(self) -> None:
        """The measured part begins now: what was seen before is forgotten. Waits for nothing, so
        that it may be called in an event loop."""
        self._said.put("begin")

    def end(self) -> None:
        """The measured part ends now. Waits for nothing; a later call changes nothing."""
        self._said.put("end")

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                watches = opened_watches(self._watched, stack)
                watches.begin()
                self._ready.set()
                self._watch(watches)
                self.side = watches.end()
        except BaseException as error:  # a fault of ours, raised again where somebody sees it
            self._failure = error
        finally:
            self._ready.set()

    def _watch(self, watches: Watches) -> None:
        """Sample until somebody says that it is the end."""
        due_s = time.monotonic() + EVERY_S
        while (said := self._said_until(due_s)) != "end":
            if said == "begin":
                watches.begin()
                continue
            watches.sample()
            due_s = max(due_s + EVERY_S, time.monotonic())

    def _said_until(self, due_s: float) -> str | None:
        try:
            return self._said.get(timeout=max(due_s - time.monotonic(), 0.0))
        except Empty:
            return None
