"""Buckets of requests: in Redis for all processes together, and without it in each alone."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from hypothesis import given
from hypothesis import strategies as st

from taskproject import buckets, caching
from taskproject.breaker import Breaker, MissedBumps
from taskproject.buckets import Bucket, Level, LocalBuckets, Verdict
from taskproject.tests.cached import Clock, redis
from taskproject.tests.outages import (
    CacheRelay,
    cache_hanging,
    cache_refused,
    forget_cached,
    no_cache,
    own_cache,
    relayed_cache,
)

# So few a minute that none is given back while a test runs.
MINE = Bucket("token", "7:token:a", 5)
OURS = Bucket("tenant", "7", 8)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test leaves an open breaker or a used bucket to the next."""
    monkeypatch.setattr(caching, "breaker", Breaker())
    monkeypatch.setattr(caching, "missed", MissedBumps())
    monkeypatch.setattr(caching, "local_buckets", LocalBuckets())


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[CacheRelay]:
    with relayed_cache(tmp_path) as relay:
        yield relay


def kept(bucket: Bucket) -> str:
    return str(cache.make_key(f"bucket:{bucket.key}"))


def take(*asked: Bucket) -> Verdict:
    return caching.take(asked)


def remaining(verdict: Verdict) -> list[int]:
    return [level.remaining for level in verdict.levels]


def in_redis(folder: Path) -> AbstractContextManager[Any]:
    return nullcontext()


def without_redis(folder: Path) -> AbstractContextManager[Any]:
    return no_cache()


everywhere = pytest.mark.parametrize("place", [in_redis, without_redis, cache_refused])
Place = Callable[[Path], AbstractContextManager[Any]]


# What is granted


@everywhere
def test_as_many_as_the_quota_are_granted_and_one_more_is_not(place: Place, tmp_path: Path) -> None:
    with place(tmp_path):
        verdicts = [take(MINE) for _ in range(7)]

    assert [verdict.granted for verdict in verdicts] == [True] * 5 + [False] * 2
    assert [remaining(verdict) for verdict in verdicts] == [[4], [3], [2], [1], [0], [0], [0]]


@everywhere
def test_buckets_are_apart(place: Place, tmp_path: Path) -> None:
    with place(tmp_path):
        for _ in range(5):
            take(MINE)

        assert not take(MINE).granted
        assert take(Bucket("token", "7:token:b", 5)).granted
        assert take(Bucket("token", "8:token:a", 5)).granted


@everywhere
def test_nothing_is_taken_from_one_bucket_if_the_other_is_empty(
    place: Place, tmp_path: Path
) -> None:
    with place(tmp_path):
        for _ in range(5):
            assert take(MINE, OURS).granted

        refused = [take(MINE, OURS) for _ in range(20)]
        assert {verdict.granted for verdict in refused} == {False}
        assert remaining(refused[-1]) == [0, 3]
        others = [take(Bucket("token", "7:token:b", 5), OURS) for _ in range(4)]

    assert [verdict.granted for verdict in others] == [True] * 3 + [False]
    assert remaining(others[-1]) == [2, 0]


@everywhere
def test_of_ten_times_the_quota_at_once_the_quota_is_granted(place: Place, tmp_path: Path) -> None:
    crowded, barrier = Bucket("token", "crowd", 10), threading.Barrier(20)

    def rush(_: int) -> int:
        barrier.wait()
        return sum(take(crowded, Bucket("tenant", "all", 1000)).granted for _ in range(5))

    with place(tmp_path), ThreadPoolExecutor(20) as pool:
        granted = sum(pool.map(rush, range(20)))

    assert granted in (10, 11), "one is given back each 6 s"


def test_without_a_bucket_everything_is_granted_and_nothing_is_asked(relay: CacheRelay) -> None:
    assert take() == Verdict(granted=True, levels=())
    assert relay.trips == 0


# What is given back


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def local(clock: Clock) -> LocalBuckets:
    return LocalBuckets(clock)


def test_requests_are_given_back_evenly(local: LocalBuckets, clock: Clock) -> None:
    for _ in range(5):
        local.take([MINE])

    granted = []
    for _ in range(6):
        clock.now_s += 4
        granted.append(local.take([MINE]).granted)

    assert granted == [False, False, True, False, False, True], "one each 12 s"


def test_a_bucket_is_never_fuller_than_its_quota(local: LocalBuckets, clock: Clock) -> None:
    local.take([MINE])
    clock.now_s += 10_000

    assert [local.take([MINE]).granted for _ in range(6)] == [True] * 5 + [False]


def test_in_redis_requests_are_given_back_too() -> None:
    quick = Bucket("token", "quick", 600)
    for _ in range(600):
        take(quick)

    deadline = time.monotonic() + 10
    while not (verdict := take(quick)).granted:
        assert time.monotonic() < deadline

    assert verdict.levels[0].remaining <= 1


def test_a_bucket_never_owes_more_than_it_holds(local: LocalBuckets) -> None:
    """60 s do not divide by 7: the larger bucket owes 3 microseconds more than the smaller one."""
    for _ in range(7):
        local.take([Bucket("token", "k", 7)])

    verdict = local.take([Bucket("token", "k", 60)])

    assert not verdict.granted
    assert remaining(verdict) == [0]


def test_threads_take_nothing_twice(local: LocalBuckets) -> None:
    bucket = Bucket("token", "k", 5000)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            took = [pool.submit(local.take, [bucket]) for _ in range(4000)]
    finally:
        sys.setswitchinterval(usual)

    assert len({each.result().levels[0].remaining for each in took}) == 4000


@given(
    quota=st.integers(1, 1_000_000),
    pauses_s=st.lists(st.floats(0, 90), min_size=1, max_size=60),
)
def test_who_waits_as_long_as_told_is_granted(quota: int, pauses_s: list[float]) -> None:
    """And who does not is, if at all, less than a second too early: only whole ones are told."""
    clock = Clock()
    local, bucket = LocalBuckets(clock), Bucket("token", "k", quota)
    local.take([Bucket("token", "k", 1)])
    for pause_s in pauses_s:
        clock.now_s += pause_s
        verdict = local.take([bucket])
        if not verdict.granted:
            assert verdict.wait_s >= 1
            clock.now_s += verdict.wait_s
            assert local.take([bucket]).granted


@given(quota=st.integers(1, 1_000_000), share=st.floats(0, 1))
def test_a_level_says_what_would_be_granted_and_until_when(quota: int, share: float) -> None:
    bucket = Bucket("token", "k", quota)
    level = Level(bucket, int(share * bucket.capacity_us))
    later = Level(bucket, max(0, level.owed_us - 1_000_000 * level.next_s))

    assert 0 <= level.remaining <= quota
    assert level.remaining * bucket.interval_us + level.owed_us <= bucket.capacity_us
    assert later.remaining > level.remaining or level.remaining == quota
    assert level.next_s >= 1


def test_a_refusal_tells_the_wait_of_the_emptiest_bucket() -> None:
    slow, quick = Bucket("tenant", "slow", 1), Bucket("token", "quick", 600)
    take(slow)
    verdict = take(quick, slow)

    assert not verdict.granted
    assert 1 < verdict.wait_s <= 60
    assert [level.next_s for level in verdict.levels] == [1, verdict.wait_s]


def test_a_granted_request_waits_for_nothing() -> None:
    assert take(Bucket("token", "one", 1)).wait_s == 0


# What is kept


def test_redis_keeps_a_bucket_until_it_is_full_again() -> None:
    take(MINE, OURS)

    assert 0 < redis().pttl(kept(MINE)) <= 12_000
    assert 0 < redis().pttl(kept(OURS)) <= 7_500


def test_a_refused_request_writes_nothing() -> None:
    for _ in range(5):
        take(MINE)
    before = redis().get(kept(MINE))

    take(MINE)

    assert redis().get(kept(MINE)) == before


@pytest.mark.parametrize("junk", [b"", b"junk", b"-1"])
def test_a_bucket_of_junk_is_full(junk: bytes) -> None:
    redis().set(kept(MINE), junk)

    assert remaining(take(MINE)) == [4]


def test_a_clock_that_was_set_back_locks_nobody_out_for_longer_than_the_window() -> None:
    redis().set(kept(MINE), b"99999999999999999")

    assert take(MINE).wait_s == 12


def test_a_smaller_quota_counts_from_the_next_request_on() -> None:
    for _ in range(5):
        take(MINE)

    verdict = take(Bucket("token", MINE.key, 2))

    assert not verdict.granted
    assert 12 < verdict.wait_s <= 30


def test_this_process_keeps_ten_thousand_buckets_and_drops_the_one_used_longest_ago(
    local: LocalBuckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert buckets.LOCAL_MAX == 10_000
    monkeypatch.setattr(buckets, "LOCAL_MAX", 3)
    first, second, third, fourth = (Bucket("token", name, 5) for name in "abcd")
    for bucket in (first, second, third, first, fourth):
        local.take([bucket])

    assert len(local) == 3
    assert remaining(local.take([first, second, third, fourth])) == [2, 4, 3, 3]


# A Redis that fails


def test_two_buckets_are_one_trip(relay: CacheRelay) -> None:
    take(MINE, OURS)
    relay.trips = 0

    take(MINE, OURS)

    assert relay.trips == 1


def test_after_a_loss_of_scripts_it_is_two_trips_once(tmp_path: Path) -> None:
    trips = []
    with own_cache(tmp_path), relayed_cache(tmp_path) as relay:
        take(MINE)
        redis().script_flush()
        for _ in range(3):
            relay.trips = 0
            take(MINE)
            trips.append(relay.trips)

    assert trips == [2, 1, 1]


def test_after_a_flush_buckets_are_full_and_nothing_fails() -> None:
    for _ in range(6):
        take(MINE)
    forget_cached()

    assert remaining(take(MINE)) == [4]


def test_while_redis_hangs_this_process_counts(relay: CacheRelay) -> None:
    for _ in range(3):
        take(MINE)
    relay.hang()

    assert [take(MINE).granted for _ in range(7)] == [True] * 5 + [False] * 2


def test_a_redis_that_never_answered_is_no_error(tmp_path: Path) -> None:
    with cache_hanging(tmp_path):
        assert [take(MINE).granted for _ in range(7)] == [True] * 5 + [False] * 2


def test_a_restarted_redis_counts_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with own_cache(tmp_path) as server:
        for _ in range(6):
            take(MINE)
        server.stop()
        alone = take(MINE)
        server.start()
        together = take(MINE)

        assert redis().exists(kept(MINE)) == 1

    assert (remaining(alone), remaining(together)) == ([4], [4])


def test_a_key_of_another_kind_is_no_error() -> None:
    redis().rpush(kept(MINE), "a list")

    assert [take(MINE).granted for _ in range(7)] == [True] * 5 + [False] * 2
