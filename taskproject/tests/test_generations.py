"""A value counts as long as its subject has not changed, whoever reads and writes when."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from taskproject import caching
from taskproject.breaker import MAX_LIFETIME_S, MISSED_MAX, Breaker, MissedBumps
from taskproject.caching import Reading
from taskproject.tests.cached import (
    SUBJECT,
    Clock,
    bump,
    generation_key,
    get,
    put,
    read,
    redis,
    value_key,
)
from taskproject.tests.outages import (
    CacheRelay,
    cache_refused,
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


# Generations


def test_after_a_bump_nothing_of_the_subject_is_found_and_all_else_is() -> None:
    for key, subject in (("a", "access:1"), ("b", "access:1"), ("a", "access:2")):
        put(key, key, subject)

    bump("access:1")

    assert (get("a", "access:1"), get("b", "access:1"), get("a", "access:2")) == (None, None, "a")


def test_a_reader_from_before_a_bump_can_not_bring_the_old_value_back() -> None:
    reading = read()
    bump()
    caching.keep(reading, "old", lifetime_s=30)

    assert get() is None


def test_a_reader_from_before_a_bump_does_not_push_out_the_new_value_for_long() -> None:
    reading = read()
    bump()
    put("new")
    caching.keep(reading, "old", lifetime_s=30)
    assert get() is None, "the old one was written over the new one, and does not count"

    put("new")
    assert get() == "new"


def test_a_bump_adds_one_and_nothing_else_changes_a_generation() -> None:
    put("v")
    before = int(redis().get(generation_key()))

    get()
    put("w")
    assert int(redis().get(generation_key())) == before
    bump()
    assert int(redis().get(generation_key())) == before + 1


def test_a_generation_starts_anywhere() -> None:
    for number in range(20):
        read("k", f"access:{number}")
        bump(f"unread:{number}")

    keys = [generation_key(f"{name}:{n}") for name in ("access", "unread") for n in range(20)]
    starts = [int(redis().get(key)) for key in keys]
    assert len(set(starts)) == 40
    assert max(starts) > 2**40
    assert all(redis().ttl(key) > 3600 for key in keys)


def test_a_generation_that_was_lost_does_not_revive_old_values() -> None:
    for _ in range(20):
        put("old")
        redis().delete(generation_key())
        bump()
        assert get() is None


def test_a_reader_that_comes_late_to_start_a_generation_takes_the_one_that_is_there() -> None:
    put("v")
    there = redis().get(generation_key())

    assert caching._started(redis(), SUBJECT) == there
    assert get() == "v"


def test_a_bump_waits_for_the_commit(django_capture_on_commit_callbacks: Any, db: None) -> None:
    put("old")

    with django_capture_on_commit_callbacks() as callbacks:
        caching.bump_on_commit([SUBJECT])
        assert get() == "old"
    for callback in callbacks:
        callback()

    assert get() is None


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_bumps_nothing() -> None:
    put("good")

    with transaction.atomic():
        caching.bump_on_commit([SUBJECT])
        transaction.set_rollback(True)

    assert get() == "good"


# A race of one writer and its readers


class Generations:
    """The cache as it is."""

    def look(self) -> Reading:
        return read()

    def keep(self, reading: Reading, value: int) -> None:
        caching.keep(reading, value, lifetime_s=30)

    def change(self) -> None:
        bump()


class DeleteAfterCommit(Generations):
    """What most do instead: the writer deletes the value, and readers keep what they find."""

    def look(self) -> Reading:
        kept = redis().get(value_key("naive"))
        return Reading(SUBJECT, "naive", kept, b"", 0)

    def keep(self, reading: Reading, value: int) -> None:
        redis().set(value_key("naive"), value, ex=30)

    def change(self) -> None:
        redis().delete(value_key("naive"))


def run_together(calls: list[Callable[[], None]]) -> None:
    """Run each call in a thread of its own; an error in one is an error here."""
    errors: list[BaseException] = []

    def run(call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def stale_reads(protocol: Generations, *, rounds: int, readers: int = 4) -> int:
    """How often a writer found an older value than its own right after its commit."""
    stored, done, stale = [0], threading.Event(), 0

    def ask() -> int:
        reading = protocol.look()
        if reading.value is not None:
            return int(reading.value)
        value = stored[0]
        time.sleep(secrets.randbelow(500) / 1e6)  # the row travels, and others get their turn
        protocol.keep(reading, value)
        return value

    def read_on() -> None:
        while not done.is_set():
            ask()

    def write() -> None:
        nonlocal stale
        try:
            for number in range(1, rounds + 1):
                stored[0] = number
                protocol.change()
                time.sleep(secrets.randbelow(500) / 1e6)
                stale += ask() != number
        finally:
            done.set()

    run_together([write, *[read_on] * readers])
    return stale


def test_a_writer_never_reads_what_it_has_replaced() -> None:
    assert stale_reads(Generations(), rounds=1000) == 0


def test_with_a_delete_after_the_commit_it_does() -> None:
    """The race of the test above is one: the usual way loses it."""
    assert stale_reads(DeleteAfterCommit(), rounds=300) > 0


# Bumps that the cache could not take


def test_a_missed_bump_is_made_before_the_cache_is_used_again(
    relay: CacheRelay, clock: Clock
) -> None:
    put("old")
    relay.hang()
    bump()
    relay.recover()

    assert get() is None
    assert caching.missed.due() == {}


def test_a_missed_bump_waits_while_the_breaker_is_open(clock: Clock, tmp_path: Path) -> None:
    put("old")
    with cache_refused(tmp_path):
        for _ in range(3):
            bump()

    assert get() is None, "left alone"
    clock.now_s += 5
    assert get() is None, "bumped first"
    put("new")
    assert get() == "new"


def test_a_missed_bump_is_made_once(clock: Clock, tmp_path: Path) -> None:
    put("old")
    before = int(redis().get(generation_key()))
    with cache_refused(tmp_path):
        bump()
        bump()

    for _ in range(3):
        get()

    assert int(redis().get(generation_key())) == before + 1


def test_a_bump_that_is_missed_again_while_it_is_made_stays_due() -> None:
    missed = MissedBumps()
    missed.note(["a", "b"])

    made = missed.due()
    missed.note(["a"])
    missed.made(made)

    assert list(missed.due()) == ["a"]


def test_a_thousand_missed_bumps_are_remembered(tmp_path: Path) -> None:
    subjects = [f"access:{number}" for number in range(MISSED_MAX)]
    for subject in subjects:
        put("old", "k", subject)
    with cache_refused(tmp_path):
        bump(*subjects)

    assert len(caching.missed.due()) == MISSED_MAX
    assert {get("k", subject) for subject in subjects} == {None}


def test_beyond_a_thousand_nothing_is_read_until_all_that_was_kept_has_expired(
    clock: Clock, tmp_path: Path
) -> None:
    subjects = [f"access:{number}" for number in range(MISSED_MAX + 1)]
    put("old", "k", "access:7")
    with cache_refused(tmp_path):
        bump(*subjects)

    assert caching.missed.due() == {}
    put("new", "l", "access:7")
    clock.now_s += MAX_LIFETIME_S - 0.1
    assert (get("k", "access:7"), get("l", "access:7")) == (None, None)
    clock.now_s += 0.1
    put("new", "l", "access:7")
    assert get("l", "access:7") == "new"
