"""What a load test must bear: odd arguments, odd servers, and being ended early."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from perf import load_runner
from perf.load import ceiling
from perf.load.compare import fails_more
from perf.load.engine import drive
from perf.load.merging import Packed, packed
from perf.load.plan import Identity, PlanError, origin_and_paths
from perf.load.recorder import Made, Recorder
from perf.load.recording import Recording, note_reason
from perf.load.results import CapacityResult, Failure, SloVerdict
from perf.load.servers.watched import Watched
from perf.load.slo import judge, parse
from perf.load.workers import INTERRUPTED, run
from perf.load_places import Place
from perf.load_runner import Load
from perf.management.load_planning import command
from perf.management.load_progress import LineTeller, QuietTeller
from perf.management.load_searching import _exit_code
from perf.management.subcommands import ended_as_by_ctrl_c
from perf.tests import load_service as planted
from perf.tests.load_service import method, plan, serving, users
from perf.tests.recordings import served
from perf.tests.sample_load import sample_load


@pytest.mark.parametrize(
    ("argv", "kept"),
    [
        (["--header", "DNT: 1", "--rate", "10/s"], "--header 'DNT: …' --rate 10/s"),
        (["--header=Authorization: Bearer s3"], "'--header=Authorization: …'"),
        (["--head", "X: s3", "--get", "URL"], "--head 'X: …' --get URL"),
        (["--html", "a.html", "--hea=X: s3"], "--html a.html '--hea=X: …'"),
        (["--html", "\udcff.html"], "--html '?.html'"),
    ],
)
def test_a_header_is_not_kept_and_nothing_else_is_changed(monkeypatch, argv, kept):
    monkeypatch.setattr("sys.argv", ["manage.py", "loadtest", "run", *argv])

    assert command() == f"manage.py loadtest run {kept}"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://user:s3cret@127.0.0.1/", "say who calls by --header"),
        ("http://user:s3cret@[::1/", "say who calls by --header"),
        ("http://user:s3cret@127.0.0.1:80800/", "say who calls by --header"),
        ("user:s3cret@127.0.0.1/", "say who calls by --header"),
        ("http://[::1/", "must be like"),
        ("http://127.0.0.1/a b", "must be like"),
        ("http://127.0.0.1/\udcff", "must be like"),
        ("http://127.0.0.1:80800/", "must be like"),
        ("http://127.0.0.1:0/", "must be like"),
    ],
)
def test_an_address_with_a_password_or_none_at_all_is_refused(url, why):
    with pytest.raises(PlanError, match=why) as caught:
        origin_and_paths([url])

    assert "s3cret" not in str(caught.value)


def test_each_user_of_a_closed_model_may_have_a_call_in_flight():
    with pytest.raises(PlanError, match="must be allowed in flight"):
        plan("http://127.0.0.1:1", "/", **users(6), max_in_flight=5)


def test_users_without_anything_to_call_end_with_the_run():
    with serving() as service:
        found = asyncio.run(drive(plan(service.target, planted.idle, **users(2))))

    assert found.steps == {}
    assert found.workers == {0}


@pytest.mark.parametrize("value", ["NaN", "inf", "1e999", "-inf", "x", "1e308", "-5"])
def test_a_server_timing_that_is_no_time_is_passed_over(value):
    recorder = Recorder(5.0)
    recorder.timing(f"db;dur=2.5, view;dur={value}")

    assert dict(recorder.take().timing_ms) == {"db": 2.5, "view": 0.0}


def test_what_a_server_says_in_no_encoding_reaches_whoever_started_the_worker():
    recorder = Recorder(5.0)
    recorder.timing("d\udcffb;dur=3")
    recorder.record(Made("list", "", 0.0, 0.0, 0.1, Failure.CHECK, "no \ud800 of that name"))

    told = msgspec.json.decode(msgspec.json.encode(packed(recorder.take())), type=Packed)

    assert told.timing_ms == {"d?b": 3.0}
    assert told.reasons == {"list: no ? of that name": 1}


def test_what_a_worker_can_not_tell_ends_its_run_with_the_reason():
    with serving() as service:
        found = run(plan(service.target, planted.untold))

    assert "UnicodeEncodeError" in found.broken_off


def test_names_of_a_server_timing_are_bounded():
    recorder = Recorder(5.0)
    for number in range(1000):
        recorder.timing(f"request-{number};dur=1")

    assert len(recorder.take().timing_ms) == 50


def test_only_failures_of_the_measured_part_have_a_reason():
    recorder = Recorder(5.0)
    for due, failure in ((-1.0, Failure.STATUS), (1.0, Failure.THROTTLED), (2.0, Failure.CHECK)):
        recorder.record(Made("list", "", due, due, due + 0.1, failure, str(failure)))

    assert recorder.take().reasons == {"list: check": 1}


def test_reasons_are_bounded_when_workers_come_together():
    reasons: Counter[str] = Counter()
    for number in range(1000):
        note_reason(reasons, f"no task {number % 60}")

    assert len(reasons) == 50
    assert sum(reasons.values()) == 840


def test_a_rate_counts_the_seconds_in_which_nobody_could_ask():
    frozen_at_the_end = served(50)
    (objective,) = parse("rate>=45/s")

    assert judge([objective], frozen_at_the_end)[0].verdict is SloVerdict.PASS
    (found,) = judge([objective], frozen_at_the_end, seconds=60)
    assert found.verdict is not SloVerdict.PASS
    assert "41.7" in found.measured


@pytest.mark.parametrize("why", [INTERRUPTED, "worker 0 is lost"])
def test_a_ceiling_that_was_broken_off_is_none(monkeypatch, why):
    monkeypatch.setattr(ceiling, "run", lambda plan: Recording(broken_off=why))

    with pytest.raises(KeyboardInterrupt if why == INTERRUPTED else PlanError):
        ceiling.ceiling_rate(0.1)


@pytest.mark.parametrize("why", [INTERRUPTED, "worker 0 is lost"])
def test_ctrl_c_is_told_even_if_a_worker_is_lost_by_it(monkeypatch, why):
    lost = Recording(broken_off=why, lost={0: "ended with exit code 0"})
    monkeypatch.setattr(load_runner, "run", lambda plan, watcher: lost)
    place = Place("http://127.0.0.1:9", (Identity(""),), Watched(), {})

    found = load_runner.made(Load(method(), "", gets=("/",)), place, {}, QuietTeller())

    assert found.is_interrupted == (why == INTERRUPTED)


@pytest.mark.parametrize(
    ("holds", "fails", "code"), [(None, None, 4), (None, 50.0, 1), (20.0, None, 4), (20.0, 25.0, 0)]
)
def test_a_search_that_decided_nothing_says_so(holds, fails, code):
    found = CapacityResult(slos=(), points=(), holds=holds, fails=fails)

    assert _exit_code(found, is_interrupted=False) == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_goes_ends_a_run_as_by_ctrl_c(number):
    with handled_by(number, signal.SIG_DFL):
        with pytest.raises(KeyboardInterrupt), ended_as_by_ctrl_c():
            os.kill(os.getpid(), number)

        assert signal.getsignal(number) is signal.SIG_DFL


def test_nohup_is_respected():
    with handled_by(signal.SIGHUP, signal.SIG_IGN), ended_as_by_ctrl_c():
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@contextmanager
def handled_by(number: signal.Signals, handler: Any) -> Iterator[None]:
    """Whatever has started the tests may have had its own way."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def broken_off_amid_a_statement() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise OSError("the connection can't be put away")  # noqa: B904


def test_an_error_in_what_ctrl_c_broke_off_is_ctrl_c():
    with pytest.raises(KeyboardInterrupt), ended_as_by_ctrl_c():
        broken_off_amid_a_statement()


def test_another_error_stays_itself():
    with pytest.raises(OSError, match="as ever"), ended_as_by_ctrl_c():
        raise OSError("as ever")


class Unread(io.StringIO):
    """A stream whose reader has gone."""

    def flush(self) -> None:
        raise BrokenPipeError


def test_progress_that_nobody_reads_costs_no_run():
    LineTeller(Unread()).step("Starting the service.")


@pytest.mark.parametrize("kind", [Failure.STATUS, Failure.THROTTLED])
def test_more_failures_are_worse_however_quick(kind):
    before = sample_load()
    total = replace(before.total, failures={kind: before.total.requests // 2})
    after = replace(before, total=total)

    assert not fails_more([before], [before])
    assert fails_more([before], [after])
    assert not fails_more([after], [before])
