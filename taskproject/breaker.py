"""When to leave Redis alone, and what it has missed meanwhile. Safe between threads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

logger = logging.getLogger("taskproject.caching")

MAX_LIFETIME_S: Final = 60.0
MISSED_MAX: Final = 1000
BREAKER_FAILURES: Final = 3
BREAKER_PAUSE_S: Final = 5.0


class Breaker:
    """Counts failures in a row and says when to leave the cache alone. Safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until_s = 0.0
        self.untold = 0  # how often it has opened since somebody told

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
            self.untold += 1
        logger.warning("The cache fails (%s); left alone for %.0f s.", error, BREAKER_PAUSE_S)


class MissedBumps:
    """Subjects whose bump Redis has not taken yet. Safe between threads.

    Beyond `MISSED_MAX` of them, all are forgotten and this process is blind instead: it reads no
    value until every value that was there by then has expired.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._due: dict[str, int] = {}
        self._blind_until_s = 0.0

    @property
    def is_blind(self) -> bool:
        """Whether no value may be read."""
        return self._clock() < self._blind_until_s

    def note(self, subjects: Iterable[str]) -> None:
        """Remember bumps that are to be made."""
        with self._lock:
            for subject in subjects:
                self._count += 1
                self._due[subject] = self._count
            if len(self._due) > MISSED_MAX:
                self._due.clear()
                self._blind_until_s = self._clock() + MAX_LIFETIME_S

    def due(self) -> dict[str, int]:
        """The subjects to bump, each with a number that tells one bump of it from the next."""
        if not self._due:
            return {}
        with self._lock:
            return dict(self._due)

    def made(self, bumps: dict[str, int]) -> None:
        """Forget bumps that were made; one that was noted again meanwhile stays."""
        with self._lock:
            for subject, number in bumps.items():
                if self._due.get(subject) == number:
                    del self._due[subject]
