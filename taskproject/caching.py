"""The only module that talks to the cache. A cache that is down is a miss, never an error.

Values are JSON. After a few failures in a row a breaker leaves the cache alone for some seconds, so
that a hanging server costs its timeout a few times and not once a request.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from django.core.cache import cache
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

BREAKER_FAILURES: Final = 3
BREAKER_PAUSE_S: Final = 5.0
_TOMBSTONE: Final = {"gone": True}


class Breaker:
    """Counts failures in a row and says when to leave the cache alone. Safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the cache is being left alone."""
        return self._clock() < self._open_until_s

    def succeed(self) -> None:
        """Note that the cache answered."""
        if self._failures:
            with self._lock:
                self._failures = 0

    def fail(self, error: Exception) -> None:
        """Note a failure; the one that opens the breaker writes one line to the log."""
        with self._lock:
            self._failures += 1
            if self._failures < BREAKER_FAILURES:
                return
            self._failures = 0
            self._open_until_s = self._clock() + BREAKER_PAUSE_S
        logger.warning("The cache fails (%s); left alone for %.0f s.", error, BREAKER_PAUSE_S)


breaker = Breaker()


def get(key: str) -> Any:
    """The value kept under a key; None on a miss, for a removed key, for bytes that are no JSON,
    and when the cache is down."""
    try:
        value = _guarded(lambda: cache.get(key))
    except ValueError:
        # Something else wrote there. The cache itself is well: the breaker does not count it.
        return None
    return None if value == _TOMBSTONE else value


def add(key: str, value: Any, *, lifetime_s: float) -> None:
    """Keep a value unless the key is taken or was just removed; it lives 0.8 to 1 times as long.

    The jitter keeps values that were made together from expiring together.
    """
    timeout_s = max(1, round(lifetime_s * random.uniform(0.8, 1.0)))  # noqa: S311  no secret
    _guarded(lambda: cache.add(key, value, timeout=timeout_s))


def remove(keys: list[str], *, lifetime_s: float) -> None:
    """Remove values, and refuse new ones under their keys for `lifetime_s`.

    A reader that asked the database before the change and comes to `add` after it is refused too:
    without the mark that it leaves, the old value would come back.
    """
    if keys:
        _guarded(lambda: cache.set_many(dict.fromkeys(keys, _TOMBSTONE), timeout=round(lifetime_s)))


def answers() -> bool:
    """Whether the cache answers right now, whatever the breaker says. For /readyz."""
    try:
        cache.get("readyz")
    except (RedisError, ConnectionInterrupted, OSError):
        return False
    return True


def _guarded(call: Callable[[], Any]) -> Any:
    if breaker.is_open:
        return None
    try:
        value = call()
    except (RedisError, ConnectionInterrupted, OSError) as error:
        breaker.fail(error)
        return None
    breaker.succeed()
    return value
