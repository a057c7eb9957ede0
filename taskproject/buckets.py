"""The arithmetic of rate limits: buckets that hand out requests and are filled up evenly.

A bucket is kept as one number, the moment at which it is full again (GCRA, as ITU-T I.371 calls
it): full now or in the past means untouched, one request moves it an interval on. Times are whole
microseconds. Where the numbers are kept is no matter of this module, except for `LocalBuckets`.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 60
UNKNOWN_WAIT_S: Final = 5  # where nobody could look into the buckets
LOCAL_MAX: Final = 10_000
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """At most `quota` (1 or more) requests at once, given back evenly within `WINDOW_S` seconds.

    `name` is what clients are told, `key` where the bucket is found.
    """

    name: str
    key: str
    quota: int

    @property
    def interval_us(self) -> int:
        """The time in which one request is given back, rounded up."""
        return -(-WINDOW_S * _SECOND_US // self.quota)

    @property
    def capacity_us(self) -> int:
        """The time in which the whole quota is given back."""
        return self.quota * self.interval_us


@dataclass(frozen=True, slots=True)
class Level:
    """A bucket that is full again in `owed_us` microseconds, from 0 to its capacity."""

    bucket: Bucket
    owed_us: int

    @property
    def remaining(self) -> int:
        """How many requests it would grant right now."""
        return (self.bucket.capacity_us - self.owed_us) // self.bucket.interval_us

    @property
    def next_s(self) -> int:
        """Whole seconds, 1 or more, after which it grants at least one more than now."""
        lacking_us = (self.remaining + 1) * self.bucket.interval_us - self.bucket.capacity_us
        return max(1, -(-(self.owed_us + lacking_us) // _SECOND_US))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request was granted, and what its buckets hold after it."""

    granted: bool
    levels: tuple[Level, ...]

    @property
    def wait_s(self) -> int:
        """Whole seconds after which a refused request is granted, if nobody else asks; or 0."""
        if self.granted:
            return 0
        waits = (level.next_s for level in self.levels if level.remaining == 0)
        return max(waits, default=UNKNOWN_WAIT_S)


class LocalBuckets:
    """Buckets of this process alone. Safe between threads.

    The last `LOCAL_MAX` that were used are kept. One that is dropped is full when it comes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._full_at_us: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at_us)

    def take(self, buckets: Sequence[Bucket]) -> Verdict:
        """Take one request from each of the buckets, or from none if one of them is empty."""
        with self._lock:
            now_us = int(self._clock() * _SECOND_US)
            levels = [self._level(bucket, now_us) for bucket in buckets]
            granted = all(level.remaining for level in levels)
            if granted:
                levels = [self._moved(level, now_us) for level in levels]
            return Verdict(granted, tuple(levels))

    def _level(self, bucket: Bucket, now_us: int) -> Level:
        owed_us = max(0, self._full_at_us.get(bucket.key, 0) - now_us)
        # The quota may have been larger when the number was kept.
        return Level(bucket, min(owed_us, bucket.capacity_us))

    def _moved(self, level: Level, now_us: int) -> Level:
        owed_us = level.owed_us + level.bucket.interval_us
        self._full_at_us[level.bucket.key] = now_us + owed_us
        self._full_at_us.move_to_end(level.bucket.key)
        if len(self._full_at_us) > LOCAL_MAX:
            self._full_at_us.popitem(last=False)
        return Level(level.bucket, owed_us)
