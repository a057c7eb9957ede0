"""The only module that talks to Redis. A Redis that is down is a miss, never an error.

A value is kept under a subject, such as `access:7`, whatever a change of which makes it wrong. Each
subject has a generation: a number that only INCR changes, with a random start where it is missing.
A value is kept with the generation that was read before the database was asked, and counts only as
long as the two agree. So a change is one INCR, and an answer from before it can't come back.

Values are JSON. After a few failures in a row a breaker leaves Redis alone for some seconds, so
that a hanging server costs its timeout a few times and not once a request.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.core.cache import cache
from django.db import transaction
from redis.exceptions import NoScriptError, RedisError

from taskproject.buckets import Bucket, Level, LocalBuckets, Verdict

logger = logging.getLogger(__name__)

MAX_LIFETIME_S: Final = 60.0
MISSED_MAX: Final = 1000
BREAKER_FAILURES: Final = 3
BREAKER_PAUSE_S: Final = 5.0
# Longer than any value lives, so that a value never waits for its generation.
_GENERATION_LIFETIME_S: Final = 24 * 3600
_START_BITS: Final = 48


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


breaker = Breaker()
missed = MissedBumps()
local_buckets = LocalBuckets()


# --- Values ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """What a look into the cache found. After a miss, `keep` takes it with what the database says.

    `value` is None on a miss. `generation` is that of the subject at the time `at_s`; None where
    nothing can be kept.
    """

    subject: str
    key: str
    value: Any
    generation: bytes | None
    at_s: float  # of the monotonic clock


def read(key: str, *, subject: str) -> Reading:
    """Look for a value of a subject. One round trip; two where the subject has no generation.

    Read before the database is asked, and outside of a transaction that changes the subject: what
    that one sees may never be committed. Bytes that are no JSON are a miss.
    """
    at_s = time.monotonic()
    found = None if missed.is_blind else _guarded(lambda redis: _look(redis, key, subject))
    generation, kept = found or (None, None)
    return Reading(subject, key, _agreeing(kept, generation), generation, at_s)


def keep(reading: Reading, value: Any, *, lifetime_s: float) -> None:
    """Keep what the database said after `reading`, at most 60 s from then on. One round trip.

    It lives 0.8 to 1 times `lifetime_s`, so that values that were made together do not expire
    together. Raises `TypeError` for a value that is no JSON.
    """
    body = json.dumps(value, separators=(",", ":")).encode()
    if reading.generation is None:
        return
    spread_s = min(lifetime_s, MAX_LIFETIME_S) * random.uniform(0.8, 1.0)  # noqa: S311  no secret
    left_ms = int(1000 * (spread_s - (time.monotonic() - reading.at_s)))
    if left_ms > 0:
        key = _value_key(reading.subject, reading.key)
        kept = b"%b|%b" % (reading.generation, body)
        _guarded(lambda redis: redis.set(key, kept, px=left_ms))


def bump_on_commit(subjects: Iterable[str]) -> None:
    """Make every value of the subjects wrong once the transaction has committed. One round trip.

    A bump that Redis can't take is remembered, and made before this process uses Redis again.
    """
    names = list(subjects)
    transaction.on_commit(lambda: _bump(names))


def _bump(subjects: list[str]) -> None:
    if _client() is not None:
        missed.note(subjects)
        _guarded(lambda redis: None)


def _look(redis: Any, key: str, subject: str) -> tuple[bytes | None, bytes | None]:
    generation, kept = redis.mget([_generation_key(subject), _value_key(subject, key)])
    if generation is None:
        return _started(redis, subject), None
    return generation, kept


def _started(redis: Any, subject: str) -> bytes | None:
    """The generation of a subject that had none. Random, or values of an earlier 1 would revive."""
    key = _generation_key(subject)
    with redis.pipeline(transaction=False) as pipe:
        pipe.set(key, secrets.randbits(_START_BITS), nx=True, ex=_GENERATION_LIFETIME_S)
        pipe.get(key)
        generation: bytes | None = pipe.execute()[1]
    return generation


def _agreeing(kept: bytes | None, generation: bytes | None) -> Any:
    stamp, _, body = (kept or b"").partition(b"|")
    if not stamp or stamp != generation:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        # Something else wrote there. Redis itself is well: the breaker does not count it.
        return None


def _make_due_bumps(redis: Any) -> None:
    due = missed.due()
    if not due:
        return
    # A transaction: between the two commands an eviction would make INCR begin at 1.
    with redis.pipeline(transaction=True) as pipe:
        for key in map(_generation_key, due):
            pipe.set(key, secrets.randbits(_START_BITS), nx=True, ex=_GENERATION_LIFETIME_S)
            pipe.incr(key)
        pipe.execute()
    missed.made(due)


def _generation_key(subject: str) -> str:
    return str(cache.make_key(f"generation:{subject}"))


def _value_key(subject: str, key: str) -> str:
    return str(cache.make_key(f"value:{subject}:{key}"))


# --- Rate limits ----------------------------------------------------------------------------------

# KEYS are the buckets; ARGV has two numbers for each: interval and capacity in microseconds. What
# is kept is when the bucket is full again. It is bounded by the capacity, or a clock that was set
# back would lock the bucket for as long. Answers 1 (granted) or 0, and what each bucket owes.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local granted, owed = 1, {}
for i, key in ipairs(KEYS) do
    local interval, capacity = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local full_at = tonumber(redis.call('GET', key) or '') or now
    owed[i] = math.min(math.max(full_at - now, 0), capacity)
    if owed[i] + interval > capacity then granted = 0 end
end
if granted == 1 then
    for i, key in ipairs(KEYS) do
        owed[i] = owed[i] + ARGV[2 * i - 1]
        local full_at = string.format('%.0f', now + owed[i])
        redis.call('SET', key, full_at, 'PX', math.ceil(owed[i] / 1000))
    end
end
return {granted, unpack(owed)}
"""
_TAKE_SHA: Final = hashlib.sha1(_TAKE.encode(), usedforsecurity=False).hexdigest()


def take(buckets: Sequence[Bucket]) -> Verdict:
    """Take one request from each of the buckets, or from none if one of them is empty.

    One round trip, two after Redis has lost its scripts. Without Redis the buckets are those of
    this process, of the same size. No bucket, no round trip: granted.
    """
    if not buckets:
        return Verdict(granted=True, levels=())
    answer = _guarded(lambda redis: _run_take(redis, buckets))
    if answer is None:
        return local_buckets.take(buckets)
    granted, *owed_us = answer
    levels = (Level(bucket, owed) for bucket, owed in zip(buckets, owed_us, strict=True))
    return Verdict(granted=bool(granted), levels=tuple(levels))


def _run_take(redis: Any, buckets: Sequence[Bucket]) -> list[int]:
    keys = [str(cache.make_key(f"bucket:{bucket.key}")) for bucket in buckets]
    numbers = [number for each in buckets for number in (each.interval_us, each.capacity_us)]
    arguments: tuple[Any, ...] = (len(keys), *keys, *numbers)
    try:
        answer: list[int] = redis.evalsha(_TAKE_SHA, *arguments)
    except NoScriptError:
        answer = redis.eval(_TAKE, *arguments)
    return answer


# --- The connection -------------------------------------------------------------------------------


def answers() -> bool:
    """Whether Redis answers right now, whatever the breaker says. For /readyz.

    True where there is none: nothing is missing then.
    """
    redis = _client()
    try:
        return redis is None or bool(redis.ping())
    except (RedisError, OSError):
        return False


def _client() -> Any:
    """django-redis' own client, with its pool and timeouts; None where the cache is no Redis."""
    backend = getattr(cache, "client", None)
    return None if backend is None else backend.get_client(write=True)


def _guarded[T](call: Callable[[Any], T]) -> T | None:
    """What the call makes of Redis, after the bumps that are due; None if Redis is not there."""
    redis = _client()
    if redis is None or breaker.is_open:
        return None
    try:
        _make_due_bumps(redis)
        value = call(redis)
    except (RedisError, OSError) as error:
        breaker.fail(error)
        return None
    breaker.succeed()
    return value
