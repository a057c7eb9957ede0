"""The only module that talks to Redis. A Redis that is down is a miss, never an error.

A value is kept under a subject, such as `access:7`, whatever a change of which makes it wrong. Each
subject has a generation: a number that only INCR changes, with a random start where it is missing.
A value is kept with the generation that was read before the database was asked, and counts only as
long as the two agree. So a change is one INCR, and an answer from before it can't come back.

Values are JSON. After a few failures in a row a breaker leaves Redis alone for some seconds, so
that a hanging server costs its timeout a few times and not once a request.
"""

from __future__ import annotations

import functools
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
from taskproject.redis_line import ask

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

    `kept` is the JSON that was found; None on a miss. `generation` is that of the subject at the
    time `at_s`; None where nothing can be kept.
    """

    subject: str
    key: str
    kept: bytes | None
    generation: bytes | None
    at_s: float  # of the monotonic clock

    @property
    def value(self) -> Any:
        """What was kept; None on a miss, and where something else has written bytes there that are
        no JSON: Redis itself is well then, and the breaker does not count it."""
        if self.kept is None:
            return None
        try:
            return json.loads(self.kept)
        except (ValueError, RecursionError):
            return None


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


def _agreeing(kept: bytes | None, generation: bytes | None) -> bytes | None:
    stamp, _, body = (kept or b"").partition(b"|")
    return body if stamp and stamp == generation else None


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
    return _key(f"generation:{subject}")


def _value_key(subject: str, key: str) -> str:
    return _key(f"value:{subject}:{key}")


def _key(name: str) -> str:
    """The name with what `cache` puts before all of its own."""
    return f"{_prefix(cache.key_prefix, cache.version)}{name}"


@functools.cache
def _prefix(prefix: str, version: int) -> str:
    return str(cache.make_key(""))


# --- Rate limits ----------------------------------------------------------------------------------

# KEYS are the buckets; ARGV has two numbers for each: interval and capacity in microseconds. What
# is kept is when the bucket is full again. It is bounded by the capacity, or a clock that was set
# back would lock the bucket for as long. Answers 1 (granted) or 0, and what each bucket owes.
_BUCKETS: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local granted, owed = 1, {}
for i, key in ipairs(buckets) do
    local interval, capacity = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local full_at = tonumber(redis.call('GET', key) or '') or now
    owed[i] = math.min(math.max(full_at - now, 0), capacity)
    if owed[i] + interval > capacity then granted = 0 end
end
if granted == 1 then
    for i, key in ipairs(buckets) do
        owed[i] = owed[i] + ARGV[2 * i - 1]
        local full_at = string.format('%.0f', now + owed[i])
        redis.call('SET', key, full_at, 'PX', math.ceil(owed[i] / 1000))
    end
end
"""
_TAKE: Final = f"""
local buckets = KEYS
{_BUCKETS}
return {{granted, unpack(owed)}}
"""
# The first two KEYS are a generation and a value. A value that is there and right is answered with
# the buckets' state; of anything else only the generation, and nothing is taken.
_READ_AND_TAKE: Final = f"""
local generation, kept = unpack(redis.call('MGET', KEYS[1], KEYS[2]))
if not generation or not kept or string.sub(kept, 1, #generation + 1) ~= generation .. '|' then
    return {{generation, false}}
end
local buckets = {{unpack(KEYS, 3)}}
{_BUCKETS}
return {{generation, kept, granted, unpack(owed)}}
"""


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
    return _verdict(buckets, answer)


def read_and_take(
    key: str, *, subject: str, buckets: Sequence[Bucket]
) -> tuple[Reading, Verdict | None]:
    """Look for a value of a subject, and if it is there take one request from the buckets, as
    `read` and `take` do. One round trip for both.

    Without the value nothing is taken, and there is no verdict.
    """
    at_s = time.monotonic()
    found = None
    if not missed.is_blind:
        found = _guarded(lambda redis: _run_read_and_take(redis, key, subject, buckets))
    generation, kept, *state = found or (None, None)
    reading = Reading(subject, key, _agreeing(kept, generation), generation, at_s)
    return reading, _verdict(buckets, state) if state and reading.kept is not None else None


def _verdict(buckets: Sequence[Bucket], state: Sequence[int]) -> Verdict:
    granted, *owed_us = state
    levels = (Level(bucket, owed) for bucket, owed in zip(buckets, owed_us, strict=True))
    return Verdict(granted=bool(granted), levels=tuple(levels))


def _run_take(redis: Any, buckets: Sequence[Bucket]) -> list[int]:
    answer: list[int] = _run_script(redis, _TAKE, _bucket_keys(buckets), buckets)
    return answer


def _run_read_and_take(redis: Any, key: str, subject: str, buckets: Sequence[Bucket]) -> list[Any]:
    keys = [_generation_key(subject), _value_key(subject, key), *_bucket_keys(buckets)]
    answer: list[Any] = _run_script(redis, _READ_AND_TAKE, keys, buckets)
    if answer[0] is None:
        answer[0] = _started(redis, subject)
    return answer


def _bucket_keys(buckets: Sequence[Bucket]) -> list[str]:
    return [_key(f"bucket:{bucket.key}") for bucket in buckets]


def _run_script(redis: Any, script: str, keys: Sequence[str], buckets: Sequence[Bucket]) -> Any:
    numbers = [number for each in buckets for number in (each.interval_us, each.capacity_us)]
    arguments: tuple[Any, ...] = (len(keys), *keys, *numbers)
    try:
        return ask(redis, "EVALSHA", _sha_of(script), *arguments)
    except NoScriptError:
        return redis.eval(script, *arguments)


@functools.cache
def _sha_of(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


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
