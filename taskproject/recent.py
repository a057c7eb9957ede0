"""A small memory of the process: the last few values, for some seconds each, of bounded size."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Held[V]:
    value: V
    size_bytes: int
    until_s: float


class Recent[V]:
    """Holds the values that were used last, `max_bytes` of them at most, each for `lifetime_s`.

    Safe between threads. It knows of no change: whoever takes a value has to know that it is right.
    """

    def __init__(
        self, *, max_bytes: int, lifetime_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.max_bytes, self.lifetime_s = max_bytes, lifetime_s
        self.size_bytes = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._held: OrderedDict[str, _Held[V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: str) -> V | None:
        """The value of a key; None if there is none, or if its time has passed."""
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return None
            if held.until_s <= self._clock():
                self._drop(key)
                return None
            self._held.move_to_end(key)
            return held.value

    def put(self, key: str, value: V, *, size_bytes: int) -> None:
        """Hold a value of a size, unless it is larger than a sixteenth of all that fits."""
        with self._lock:
            if key in self._held:
                self._drop(key)
            if size_bytes * 16 > self.max_bytes:
                return
            self._held[key] = _Held(value, size_bytes, self._clock() + self.lifetime_s)
            self.size_bytes += size_bytes
            while self.size_bytes > self.max_bytes:
                self._drop(next(iter(self._held)))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
            self.size_bytes = 0

    def _drop(self, key: str) -> None:
        self.size_bytes -= self._held.pop(key).size_bytes
