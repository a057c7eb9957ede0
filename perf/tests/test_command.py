"""`manage.py benchmark run` on pairs of which the answer is known."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from django.core.cache import cache

from perf import history
from perf.engine.results import Finding, Run, Verdict
from perf.tests.lab import (
    MODULE,
    QUICK,
    Lab,
    alive,
    ask,
    end,
    finished,
    lab_keys,
    wait_for,
    workers_of,
)

GOOD = ("lookup", "notes", "committed_notes", "same", "not_here", "cached")
BAD = {
    "other_rows": "right and wrong differ: row 1: ",
    "sometimes_other_rows": "right and wrong differ: row 1: ",
    "unequal_notes": "all and most differ: ",
    "undeclared_write": "it raised an error: perf.catalogue.CatalogueError: A pair that writes",
    "raises": 'it raised an error: django.db.utils.ProgrammingError: column "nothing" does not',
}
# All that is in a database: its tables, and its rows with the transactions that wrote them.
HELD = (
    "SELECT array_agg(relname ORDER BY relname)::text FROM pg_class WHERE oid > 16383",
    "SELECT word || xmin || ctid FROM precious",
)


class Made:
    """A run that was made once, with all that was seen of it."""

    def __init__(self, lab: Lab, names: dict[str, str] | tuple[str, ...], *more: str) -> None:
        cache.set("planted", "of the application")
        self.before = self._application(lab)
        self.code, self.output, self.errors = lab.measure(
            *(f"planted.{each}" for each in names), *more
        )
        self.after = self._application(lab)
        self.cached, self.keys_left = cache.get("planted"), lab_keys()
        self.copies = lab.copies()
        self.run: Run = lab.runs()[-1]

    def _application(self, lab: Lab) -> list[object]:
        return [ask(each, lab.application) for each in HELD]

    def pair(self, name: str):
        return next(each for each in self.run.pairs if each.name == f"planted.{name}")


@pytest.fixture(scope="module")
def good(application, tmp_path_factory) -> Made:
    lab = Lab(tmp_path_factory.mktemp("good"), application)
    return Made(lab, GOOD, "--executions", "2")


@pytest.fixture(scope="module")
def bad(application, tmp_path_factory) -> Made:
    return Made(Lab(tmp_path_factory.mktemp("bad"), application), BAD, "--seed", "1")


class TestAGoodRun:
    def test_ends_with_0_and_is_whole(self, good):
        assert good.code == 0, good.output + good.errors
        assert good.run.ended_at is not None
        assert good.run.note == ""

    def test_finds_what_an_index_is_worth(self, good):
        size = good.pair("lookup").sizes[0]

        assert size.comparisons[0].ratio.estimate > 1.5
        assert size.refusal == ""
        assert [len(each.samples) for each in size.variants] == [2, 2]

    def test_proves_the_counted_claims(self, good):
        counted = [each for each in good.pair("lookup").claims if each.is_deterministic]

        assert [each.finding for each in counted] == [Finding.HOLDS] * 3
        assert {each.finding for each in good.pair("notes").claims} == {Finding.HOLDS}

    def test_times_what_commits_and_is_cleared_away(self, good):
        size = good.pair("committed_notes").sizes[0]

        assert (size.refusal, size.rows) == ("", 10)
        assert [len(each.samples) for each in size.variants] == [2, 2]
        assert [each.counters.sent for each in size.variants] == [1, 10]

    def test_tells_what_it_cannot_measure_here(self, good):
        assert good.pair("not_here").skipped == "a quantum computer is missing"

    def test_tells_its_own_cost(self, good):
        assert 0 < good.run.controls.harness_ns < 100_000
        assert "the harness takes" in " ".join(good.output.split())

    def test_leaves_the_database_of_the_application_alone(self, good):
        assert good.before == good.after
        assert "kept" in str(good.after)

    def test_leaves_the_cache_of_the_application_alone(self, good):
        assert good.pair("cached").sizes[0].refusal == ""
        assert good.cached == "of the application"
        assert good.keys_left == []

    def test_leaves_no_copy_of_a_database(self, good):
        assert good.code == 0
        assert good.copies == []


class TestABadRun:
    def test_ends_with_5(self, bad):
        assert bad.code == 5, bad.output + bad.errors

    @pytest.mark.parametrize("name", BAD)
    def test_says_what_is_wrong(self, bad, name):
        size = bad.pair(name).sizes[0]

        assert size.refusal.startswith(BAD[name])
        assert size.comparisons[0].verdict is Verdict.REFUSED

    @pytest.mark.parametrize("name", BAD)
    def test_times_nothing_that_was_refused(self, bad, name):
        assert [each.samples for each in bad.pair(name).sizes[0].variants] == [(), ()]


def test_a_refuted_claim_ends_with_1(lab):
    code, output, _ = lab.measure("planted.false_count", "--count-only")

    assert code == 1
    assert lab.runs()[0].pairs[0].claims[0].measured == "1 statements at 10,000"
    assert "refuted" in output


def test_a_large_pair_is_timed_by_one_call_a_sample_however_long_it_takes(lab):
    names = "planted.large", "planted.same"
    code, output, errors = lab.do(
        *("run", *names, "--module", MODULE, "--quick", "--executions", "2", "--rounds", "5")
    )

    assert code == 0, output + errors
    (large, same) = lab.runs()[0].pairs
    assert [(each.calls, each.note) for each in large.sizes[0].variants] == [(1, ""), (1, "")]
    for pair, rounds in ((large, 2), (same, 5)):
        for each in pair.sizes[0].variants:
            assert [len(samples) for samples in each.samples] == [rounds, rounds]
    assert (large.is_large, same.is_large) == (True, False)
    assert same.sizes[0].variants[0].calls > 1


def test_debug_is_refused(lab):
    code, output, errors = lab.do("run", "planted.same", "--module", MODULE, debug=True)

    assert (code, output) == (3, "")
    assert "DEBUG is on" in errors
    assert lab.runs() == []


def test_a_terminal_without_unicode_gets_its_report(lab):
    report = lab.folder / "run.html"
    process = lab.start(
        *(
            "run",
            "planted.lookup",
            "--module",
            MODULE,
            *QUICK,
            "--count-only",
            "--html",
            str(report),
        ),
        more={"PYTHONIOENCODING": "ascii"},
    )
    code, output, errors = finished(process)

    assert (code, errors) == (0, "")
    assert "planted.lookup" in output
    assert "\u2013" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgres://nobody@127.0.0.1:1/x", "The superuser's URL leads nowhere: connection failed"),
        ("postgres://[", "The superuser's URL leads nowhere: "),
    ],
)
def test_cold_buffers_without_a_superuser_are_refused_before_anything_is_done(lab, url, told):
    code, output, errors = lab.measure("planted.same", "--cold", "--superuser-url", url)

    assert (code, output, lab.runs()) == (3, "", [])
    assert told in errors


@pytest.fixture
def timing(lab) -> Iterator[subprocess.Popen[str]]:
    """A long run whose first execution is done, and its second one under way."""
    process = lab.start(
        *("run", "planted.cached", "--module", MODULE, "--sizes", "10k"),
        *("--rounds", "5", "--executions", "100"),
    )
    seen: list[int] = []

    def is_timing() -> bool:
        seen.extend(each for each in workers_of(process) if each not in seen)
        return len(seen) == 3 or process.poll() is not None

    wait_for(is_timing)
    yield process
    end(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_there_is(lab, timing, number):
    (worker,) = workers_of(timing)
    if hasattr(cache, "client"):  # amid the calls of a pair that caches
        wait_for(lambda: bool(lab_keys()))
    timing.send_signal(number)
    code, output, errors = finished(timing)

    assert (code, errors.count("Traceback")) == (130, 0), errors
    run = lab.runs()[0]
    assert run.ended_at is None
    assert [len(each.samples) for each in run.pairs[0].sizes[0].variants] == [1, 1]
    assert f"Kept as {lab.folder}/{run.id}.json" in output
    assert not alive(worker)
    assert lab_keys() == []
    assert lab.copies() == []


def test_a_second_run_is_refused_while_one_is_made(lab, settings):
    settings.PERF_DIR = lab.folder
    with history.alone():
        code, _, errors = lab.measure("planted.same")

    assert (code, lab.runs()) == (3, [])
    assert f"Another run is being made with {lab.folder}: wait for its end." in errors


def test_a_worker_killed_over_no_pair_ends_the_run_and_leaves_what_there_is(lab, timing):
    # It has only just begun: a pair that kills its worker is among the faults.
    for each in workers_of(timing):
        os.kill(each, signal.SIGKILL)
    code, output, errors = finished(timing)

    assert code == 3, errors
    assert "It could not go on: An execution was killed by signal 9 (Killed)." in errors
    run = lab.runs()[0]
    assert run.ended_at is None
    assert [len(each.samples) for each in run.pairs[0].sizes[0].variants] == [1, 1]
    assert f"Kept as {lab.folder}/{run.id}.json" in output
    assert lab.copies() == []
