"""An event loop whose timers are good to a fraction of a millisecond."""

from __future__ import annotations

import asyncio
import math
import os
import select
import selectors
import sys
import time

if sys.version_info >= (3, 13) and sys.platform == "linux":

    class PreciseSelector(selectors.EpollSelector):
        """Waits by a timer of the kernel, in nanoseconds. What epoll waits by itself are whole
        milliseconds, rounded up: a request would be sent by half of one too late in the mean."""

        def __init__(self) -> None:
            super().__init__()
            self._timer = os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_CLOEXEC)
            # A second handle of the same epoll, so that the timer is none of the selector's keys.
            # It wakes by its edge alone: nobody reads it.
            with select.epoll.fromfd(os.dup(self.fileno())) as epoll:
                epoll.register(self._timer, select.EPOLLIN | select.EPOLLET)

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is None or timeout <= 0:
                return super().select(timeout)
            os.timerfd_settime_ns(self._timer, initial=math.ceil(timeout * 1e9))
            return super().select(None)

        def close(self) -> None:
            os.close(self._timer)
            super().close()


def precise_loop() -> asyncio.AbstractEventLoop:
    """For `asyncio.Runner`. An ordinary one where Python or the system has no such timer."""
    if sys.version_info >= (3, 13) and sys.platform == "linux":
        return asyncio.SelectorEventLoop(PreciseSelector())
    return asyncio.new_event_loop()
