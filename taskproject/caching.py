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
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.core.cache import cache
from django.db import transaction
from redis.exceptions import NoScriptError, RedisError, ResponseError

from taskproject import redis_scripts as scripts
from taskproject.breaker import MAX_LIFETIME_S, Breaker, MissedBumps
from taskproject.buckets import Bucket, Level, LocalBuckets, Verdict
from taskproject.redis_line import ask

# Longer than any value lives, so that a value never waits for its generation.
_GENERATION_LIFETIME_S: Final = 24 * 3600
_START_BITS: Final = 48
FIGURES: Final = "figures"  # a hash: what `cachestat` tells


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
    transaction.on_commit(lambda: bump(names))


def bump(subjects: Iterable[str]) -> None:
    """The same at once, of what is committed already. One round trip."""
    if _client() is not None:
        missed.note(subjects)
        _guarded(lambda redis: None)


def _look(redis: Any, key: str, subject: str) -> tuple[bytes | None, bytes | None]:
    generation, kept = redis.mget(_kept_at(subject, key))
    if generation is None:
        return _started(redis, subject), None
    return generation, kept


def _started(redis: Any, subject: str) -> bytes | None:
    """The generation of a subject that had none. Random, or values of an earlier 1 would revive."""
    key = _generation_key(subject)
    with redis.pipeline(transaction=False) as pipe:
        pipe.set(key, secrets.randbits(_START_BITS), nx=True, ex=_GENERATION_LIFETIME_S)
        pipe.get(key)
        pipe.hsetnx(_key(FIGURES), "since", int(time.time()))
        generation: bytes | None = pipe.execute()[1]
    return generation


def _agreeing(kept: bytes | None, generation: bytes | None) -> bytes | None:
    stamp, _, body = (kept or b"").partition(b"|")
    return body if stamp and stamp == generation else None


def _make_due_bumps(redis: Any) -> None:
    due = missed.due()
    if not due:
        return
    try:
        _bump_all(redis, due)
    except ResponseError:  # something else has written there what is no number
        for key in map(_generation_key, due):
            redis.set(key, secrets.randbits(_START_BITS), ex=_GENERATION_LIFETIME_S)
    missed.made(due)


def _bump_all(redis: Any, due: Iterable[str]) -> None:
    # A transaction: between the two commands an eviction would make INCR begin at 1.
    with redis.pipeline(transaction=True) as pipe:
        for key in map(_generation_key, due):
            pipe.set(key, secrets.randbits(_START_BITS), nx=True, ex=_GENERATION_LIFETIME_S)
            pipe.incr(key)
        for family, number in Counter(subject.partition(":")[0] for subject in due).items():
            pipe.hincrby(_key(FIGURES), f"bump:{family}", number)
        pipe.execute()


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


def take(buckets: Sequence[Bucket], *, closed: bool = False) -> Verdict:
    """Take one request from each of the buckets, or from none if one of them is empty.

    One round trip, two after Redis has lost its scripts. Without Redis the buckets are those of
    this process, of the same size; but if it should be there and is not, a limit that is `closed`
    grants nothing. No bucket, no round trip: granted.
    """
    if not buckets:
        return Verdict(granted=True, levels=())
    answer = _guarded(lambda redis: _run_take(redis, buckets))
    if answer is None:
        if closed and _client() is not None:
            return Verdict(granted=False, levels=())
        return local_buckets.take(buckets)
    return _verdict(buckets, answer)


def read_and_take(
    key: str, *, subject: str, buckets: Sequence[Bucket], wanted: Wanted | None = None
) -> tuple[Reading, Verdict | None, Found | None]:
    """Look for a value of a subject, and if it is there take one request from the buckets, as
    `read` and `take` do; and if that is granted, look for the answer that is wanted. One round trip
    for all, two where a subject has no generation.

    Without the value nothing is taken, and there is no verdict.
    """
    at_s = time.monotonic()
    found = None
    if not missed.is_blind:
        found = _guarded(lambda redis: _run_read_and_take(redis, key, subject, buckets, wanted))
    generation, value, *rest = found or (None, None)
    reading = Reading(subject, key, _agreeing(value, generation), generation, at_s)
    if reading.kept is None:
        return reading, None, Found(wanted) if wanted else None
    if wanted is None:
        return reading, _verdict(buckets, rest), None
    state, stamp, answer, *levels = rest
    answered = Found(wanted, state.decode(), stamp, _agreeing(answer, stamp), at_s)
    return reading, _verdict(buckets, levels), answered


def _verdict(buckets: Sequence[Bucket], state: Sequence[int]) -> Verdict:
    granted, *owed_us = state
    levels = (Level(bucket, owed) for bucket, owed in zip(buckets, owed_us, strict=True))
    return Verdict(granted=bool(granted), levels=tuple(levels))


def _run_take(redis: Any, buckets: Sequence[Bucket]) -> list[int]:
    answer: list[int] = _run_script(redis, scripts.TAKE, _bucket_keys(buckets), buckets)
    return answer


def _run_read_and_take(
    redis: Any, key: str, subject: str, buckets: Sequence[Bucket], wanted: Wanted | None
) -> list[Any]:
    keys = [*_kept_at(subject, key), _key(FIGURES)]
    script, more = scripts.READ_AND_TAKE, list[str]()
    if wanted is not None:
        keys += [*_kept_at(wanted.subject, wanted.key), _seen_key(wanted), _builder_key(wanted)]
        script, more = scripts.ADMIT, [wanted.tag]
    found: list[Any] = _run_script(redis, script, [*keys, *_bucket_keys(buckets)], buckets, *more)
    if found[0] is None:
        found[0] = _started(redis, subject)
    elif wanted is not None and len(found) > 2 and found[2] == b"new":
        _started(redis, wanted.subject)
    return found


def _kept_at(subject: str, key: str) -> tuple[str, str]:
    return _generation_key(subject), _value_key(subject, key)


def _bucket_keys(buckets: Sequence[Bucket]) -> list[str]:
    return [_key(f"bucket:{bucket.key}") for bucket in buckets]


def _run_script(
    redis: Any, script: str, keys: Sequence[str], buckets: Sequence[Bucket], *more: str
) -> Any:
    numbers = [number for each in buckets for number in (each.interval_us, each.capacity_us)]
    arguments: tuple[Any, ...] = (len(keys), *keys, *numbers, *more)
    try:
        return ask(redis, "EVALSHA", _sha_of(script), *arguments)
    except NoScriptError:
        return redis.eval(script, *arguments)


@functools.cache
def _sha_of(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


# --- Answers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """An answer that may be kept, and the entity tag under which the client has it, if any."""

    subject: str
    key: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What is kept of an answer, and what is to be done: see `redis_scripts`.

    `state` is `kept`, `same`, `cold`, `build`, `wait` or `new`; `off` without Redis.
    """

    wanted: Wanted
    state: str = "off"
    generation: bytes | None = None
    kept: bytes | None = None
    at_s: float = 0.0  # of the monotonic clock


def built(wanted: Wanted) -> Found:
    """Whether an answer that another request was building is there now; `wait` if it still is being
    built, `off` if it is not. One round trip."""
    at_s = time.monotonic()
    found = None
    if not missed.is_blind:
        keys = (*_kept_at(wanted.subject, wanted.key), _builder_key(wanted))
        found = _guarded(lambda redis: redis.mget(keys))
    generation, value, builder = found or (None, None, None)
    kept = _agreeing(value, generation)
    waits = "wait" if builder is not None and builder == generation else "off"
    return Found(wanted, waits if kept is None else "kept", generation, kept, at_s)


def keep_answer(found: Found, answer: bytes) -> None:
    """Keep an answer that this request was to build, for 48 to 60 s from its look at the cache on.
    One round trip."""
    lifetime_s = MAX_LIFETIME_S * random.uniform(0.8, 1.0)  # noqa: S311  no secret
    left_ms = int(1000 * (lifetime_s - (time.monotonic() - found.at_s)))
    if found.generation is None or left_ms <= 0:
        return
    wanted, kept = found.wanted, b"%b|%b" % (found.generation, answer)

    def write(redis: Any) -> None:
        with redis.pipeline(transaction=False) as pipe:
            pipe.set(_value_key(wanted.subject, wanted.key), kept, px=left_ms)
            pipe.set(_seen_key(wanted), 1, px=scripts.SEEN_MS)
            pipe.delete(_builder_key(wanted))
            pipe.execute()

    _guarded(write)


def give_up(found: Found) -> None:
    """Say that this request does not build the answer that it was to build. One round trip."""
    _guarded(lambda redis: redis.delete(_builder_key(found.wanted)))


def _builder_key(wanted: Wanted) -> str:
    return _key(f"builder:{wanted.subject}:{wanted.key}")


def _seen_key(wanted: Wanted) -> str:
    return _key(f"seen:{wanted.subject}:{wanted.key}")


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
        if breaker.untold:
            redis.hincrby(_key(FIGURES), "breaker:opened", breaker.untold)
            breaker.untold = 0
        value = call(redis)
    except (RedisError, OSError) as error:
        breaker.fail(error)
        return None
    breaker.succeed()
    return value
