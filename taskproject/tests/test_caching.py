"""Values in the cache, what they cost, and a cache that fails."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as CacheDown

from taskproject import caching, redis_line
from taskproject.breaker import Breaker, MissedBumps
from taskproject.buckets import Bucket
from taskproject.tests.cached import (
    SUBJECT,
    Clock,
    bump,
    generation_key,
    get,
    lifetime_s,
    put,
    read,
    redis,
    value_key,
)
from taskproject.tests.outages import (
    CacheRelay,
    cache_hanging,
    cache_refused,
    no_cache,
    own_cache,
    relayed_cache,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of a breaker that nothing has happened to yet, and of no missed bumps."""
    clock = Clock()
    monkeypatch.setattr(caching, "breaker", Breaker(clock))
    monkeypatch.setattr(caching, "missed", MissedBumps(clock))
    return clock


@pytest.fixture(autouse=True)
def fresh_breaker(clock: Clock) -> None:
    """No test leaves an open breaker or a missed bump to the next."""


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[CacheRelay]:
    """A relay before the cache, which counts trips and fails when it is told to."""
    with relayed_cache(tmp_path) as relay:
        yield relay


# Values


@pytest.mark.parametrize("value", [{"a": [1, None, "ä"]}, 0, "", [], False, "|", 2**53, "\ud800"])
def test_what_was_kept_is_found(value: Any) -> None:
    put(value)

    assert get() == value


def test_what_was_never_kept_is_none() -> None:
    assert get() is None


def test_subjects_and_keys_are_apart() -> None:
    put("one", "k", "access:1")
    put("two", "k", "access:2")
    put("other", "l", "access:1")

    assert [get("k", "access:1"), get("k", "access:2"), get("l", "access:1")] == [
        "one",
        "two",
        "other",
    ]


def test_a_value_lives_at_most_as_long_as_it_was_given_and_at_least_four_fifths() -> None:
    for number in range(30):
        put(1, f"k{number}", lifetime_s=50)

    lives = [lifetime_s(f"k{number}") for number in range(30)]
    assert all(39 < life <= 50 for life in lives)
    assert len({round(life) for life in lives}) > 3, "values made together expire apart"


def test_no_value_lives_longer_than_a_minute() -> None:
    for number in range(30):
        put(1, f"k{number}", lifetime_s=3600)

    assert all(47 < lifetime_s(f"k{number}") <= 60 for number in range(30))


def test_the_time_counts_from_the_reading_on_and_not_from_the_keeping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    early, late, now_s = read("early"), read("late"), time.monotonic()

    monkeypatch.setattr(time, "monotonic", lambda: now_s + 20)
    caching.keep(early, "slow", lifetime_s=50)
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 60)
    caching.keep(late, "too slow", lifetime_s=60)

    assert 19 < lifetime_s("early") <= 30
    assert get("late") is None


def test_values_are_json_in_redis_and_never_pickle() -> None:
    put({"user": "ä", "scopes": ["read"]})

    generation = redis().get(generation_key())
    assert generation.isdigit()
    assert redis().get(value_key("k")) == (generation + b'|{"user":"\\u00e4","scopes":["read"]}')


def test_a_value_that_is_no_json_is_refused_when_it_is_kept() -> None:
    with pytest.raises(TypeError):
        put(object())


@pytest.mark.parametrize(
    "junk", [b"\x80\x05K\x01.", b"{", b"", b"\xff\xfe", b"(lp0", b"[" * 100_000]
)
def test_bytes_that_are_no_json_are_a_miss(junk: bytes) -> None:
    put("good")
    generation = redis().get(generation_key())

    for kept in (junk, generation + b"|" + junk, generation):
        redis().set(value_key("k"), kept)
        assert get() is None
    assert not caching.breaker.is_open


def test_a_miss_can_be_kept_over_bytes_that_are_no_json() -> None:
    redis().set(value_key("k"), b"junk")

    put("good")

    assert get() == "good"


# What it costs


def test_a_hit_is_one_trip(relay: CacheRelay) -> None:
    put("v")
    relay.trips = 0

    assert get() == "v"

    assert relay.trips == 1


def test_a_miss_is_one_trip_two_without_a_generation_and_one_to_keep(relay: CacheRelay) -> None:
    read()
    assert relay.trips == 2
    reading = read()
    assert relay.trips == 3
    caching.keep(reading, "v", lifetime_s=30)
    assert relay.trips == 4


@pytest.mark.parametrize("subjects", [1, 30])
def test_a_bump_is_one_trip_however_many_subjects(subjects: int, relay: CacheRelay) -> None:
    bump(*(f"access:{number}" for number in range(subjects)))

    assert relay.trips == 1


# A cache that fails


def use_it() -> None:
    """Each function once; none may raise, and a read misses."""
    reading = read()
    assert reading.value is None
    caching.keep(reading, 1, lifetime_s=30)
    bump()


def test_a_cache_that_refuses_is_a_miss_and_no_error(tmp_path: Path) -> None:
    with cache_refused(tmp_path):
        use_it()


def test_without_a_cache_everything_is_a_miss_and_nothing_is_remembered() -> None:
    with no_cache():
        use_it()
        assert caching.answers()

    assert caching.missed.due() == {}
    assert not caching.breaker.is_open


def test_a_cache_that_hangs_costs_its_timeout_and_no_error(tmp_path: Path) -> None:
    with cache_hanging(tmp_path):
        started = time.monotonic()
        assert get() is None
        took_s = time.monotonic() - started

    assert 0.15 < took_s < 0.45


def test_a_cache_that_goes_on_hanging_is_left_alone_after_three_times(tmp_path: Path) -> None:
    with cache_hanging(tmp_path):
        for _ in range(3):
            get()
        started = time.monotonic()
        for _ in range(100):
            use_it()
        took_s = time.monotonic() - started

    assert took_s < 0.1


def test_a_cache_that_begins_to_hang_in_the_middle_is_a_miss(
    relay: CacheRelay, clock: Clock
) -> None:
    put("v")

    relay.hang()
    assert [get() for _ in range(3)] == [None] * 3
    assert caching.breaker.is_open
    relay.recover()
    clock.now_s += 5

    assert get() == "v"


def test_a_flushed_cache_is_a_miss_and_no_failure(tmp_path: Path) -> None:
    with own_cache(tmp_path):
        put("v")
        redis().flushall()

        assert get() is None
        put("w")
        assert get() == "w"
    assert not caching.breaker.is_open


def test_a_restarted_cache_is_found_again(tmp_path: Path) -> None:
    with own_cache(tmp_path) as server:
        put("v")
        server.stop()
        assert get() is None
        server.start()

        assert get() is None, "it has forgotten all"
        put("w")
        assert get() == "w"


def test_a_connection_that_the_cache_has_ended_is_no_failure(relay: CacheRelay) -> None:
    put("v")

    relay.cut()

    assert get() == "v"


def test_a_line_of_its_own_that_the_cache_has_ended_is_opened_anew(relay: CacheRelay) -> None:
    def count() -> Any:
        return caching.read_and_take("k", subject=SUBJECT, buckets=[Bucket("b", "b", 10)])[1]

    put("v")
    assert count() is not None
    relay.cut()

    assert count() is not None, "answered by the cache, and not without it"
    assert not caching.breaker.is_open


def test_a_child_process_does_not_speak_on_the_line_of_its_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line, _ = redis_line._line(redis().connection_pool)
    assert redis_line._line(redis().connection_pool)[0] is line

    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert redis_line._line(redis().connection_pool)[0] is not line


# The breaker


def test_the_breaker_opens_at_the_third_failure_in_a_row(tmp_path: Path) -> None:
    states = []
    with cache_refused(tmp_path):
        for _ in range(3):
            states.append(caching.breaker.is_open)
            get()

    assert [*states, caching.breaker.is_open] == [False, False, False, True]


def test_an_answer_in_between_starts_the_count_again(tmp_path: Path) -> None:
    for _ in range(3):
        with cache_refused(tmp_path):
            get()
            get()
        get()

    assert not caching.breaker.is_open


def test_an_open_breaker_leaves_a_cache_alone_that_answers_again(tmp_path: Path) -> None:
    put("there")
    with cache_refused(tmp_path):
        for _ in range(3):
            get()

    assert get() is None


def test_the_breaker_closes_after_five_seconds(clock: Clock, tmp_path: Path) -> None:
    put("there")
    with cache_refused(tmp_path):
        for _ in range(3):
            get()

    clock.now_s += 4.9
    assert get() is None
    clock.now_s += 0.1
    assert get() == "there"


def test_one_line_in_the_log_tells_of_an_outage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with cache_refused(tmp_path), caplog.at_level(logging.DEBUG, logger="taskproject.caching"):
        for _ in range(10):
            use_it()

    ours = [record for record in caplog.records if record.name == "taskproject.caching"]
    assert [record.levelname for record in ours] == ["WARNING"]
    assert "left alone for 5 s" in ours[0].message


def test_another_outage_is_another_line(
    clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with cache_refused(tmp_path):
        for _ in range(2):
            for _ in range(5):
                get()
            clock.now_s += 5

    assert caplog.text.count("left alone") == 2


def test_the_breaker_counts_by_itself() -> None:
    clock = Clock()
    breaker = Breaker(clock)

    for _ in range(3):
        breaker.fail(CacheDown("down"))
    opened = breaker.is_open
    clock.now_s += 5
    breaker.fail(CacheDown("down"))

    assert (opened, breaker.is_open) == (True, False)
