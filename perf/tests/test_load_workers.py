"""A load test by several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from perf.engine.processes import importing_as_we_do
from perf.load.ceiling import ceiling_rate
from perf.load.null import null_server
from perf.load.plan import Chosen, Identity, LoadPlan, PlanError
from perf.load.recording import Recording
from perf.load.results import Arrivals, Second, Stage
from perf.load.watching import Watcher
from perf.load.workers import run
from perf.tests import load_service as planted
from perf.tests.load_service import due, failures, method, plan, serving, users

WORKER = "perf.load.worker"


@pytest.fixture(scope="module")
def null() -> Iterator[str]:
    with null_server() as target:
        yield target


class Listens(Watcher):
    """Keeps what it is told, and does something at a second."""

    def __init__(self, at: int | None = None, does: Any = lambda: False) -> None:
        self.told: list[Second] = []
        self.measured = 0
        self._at, self._does = at, does

    def measuring(self) -> None:
        self.measured += 1

    def second(self, second: Second, so_far: Recording) -> bool:
        self.told.append(second)
        return bool(self._does()) if second.at == self._at else False


def workers() -> list[psutil.Process]:
    """Our own that are still there."""
    return [
        each
        for each in psutil.Process().children(recursive=True)
        if each.is_running() and WORKER in each.cmdline()
    ]


def counts(found: Recording) -> dict[str, dict[int, int]]:
    steps = {step: cells.items() for step, cells in found.steps.items()}
    tenants = {tenant: cells.items() for tenant, cells in found.tenants.items()}
    return {
        name: {second: cell.due for second, cell in cells}
        for name, cells in (steps | tenants).items()
    }


def test_three_workers_make_the_arrivals_of_one(null):
    made = []
    for number in (1, 3):
        whole = plan(
            null,
            "/a",
            "/b",
            "/c",
            identities=(Identity("x"), Identity("y", weight=3)),
            stages=(Stage(1.5, 100, 200),),
            warmup_s=0.5,
            arrivals=Arrivals.POISSON,
            workers=number,
        )
        found = run(whole)
        assert found.workers == set(range(number))
        assert found.cpu_share.keys() == found.workers
        assert not found.broken_off
        made.append(counts(found))

    assert made[0] == made[1]
    assert set(made[0]) == {"/a", "/b", "/c", "x", "y"}
    assert sum(made[0]["/a"].values()) > 50


def test_users_are_shared_among_workers():
    with serving() as service:
        found = run(plan(service.target, "/after/10", workers=2, **users(5)))

        assert len(service.peers) == 5
        assert due(found, "/after/10") == len(service.asked)
    assert max(found.in_flight.values()) <= 5


def test_a_scenario_is_found_in_its_module_by_a_worker():
    with serving() as service:
        found = run(plan(service.target, planted.two, workers=2))

        assert due(found, "list") == 40
        assert set(service.paths()) == {"/list", "/item/7"}


def test_the_watcher_is_told_of_all_workers_together(null):
    watcher = Listens()
    whole = plan(null, "/", workers=2, warmup_s=1.0, stages=(Stage(2, 50, 50),))
    found = run(whole, watcher)

    assert watcher.measured == 1
    assert [each.at for each in watcher.told][:3] == [-1, 0, 1]
    assert sum(each.done for each in watcher.told) == sum(found.done.values()) == 150
    assert sum(each.due for each in watcher.told) == 150


def test_the_watcher_may_end_the_run(null):
    watcher = Listens(1, lambda: True)
    found = run(plan(null, "/", workers=2, stages=(Stage(60, 50, 50),)), watcher)

    assert found.broken_off == "its watcher ended it"
    assert found.workers == {0, 1}
    assert 50 <= due(found, "/") <= 200  # of 3,000
    assert workers() == []


def test_a_worker_that_is_killed_ends_the_run_and_is_told(null):
    watcher = Listens(0, lambda: workers()[0].kill())
    found = run(plan(null, "/", workers=2, stages=(Stage(60, 50, 50),)), watcher)

    (lost,) = found.lost
    assert found.workers == {0, 1} - {lost}
    assert found.lost[lost] == "was killed by signal 9 (Killed)"
    assert found.broken_off == f"worker {lost} is lost: was killed by signal 9 (Killed)"
    assert due(found, "/") > 0  # what the others and it had told
    assert workers() == []


def test_a_worker_that_falls_silent_is_killed_and_ends_the_run(monkeypatch):
    monkeypatch.setattr("perf.load.workers.SILENT_S", 2.0)
    with serving() as service:
        found = run(plan(service.target, planted.hangs, stages=(Stage(60, 5, 5),)))

    assert found.lost == {0: "told nothing for 2 s, and was killed"}
    assert workers() == []


def test_ctrl_c_ends_the_workers_and_returns_what_there_is(null):
    watcher = Listens(1, lambda: os.kill(os.getpid(), signal.SIGINT))
    found = run(plan(null, "/", workers=2, stages=(Stage(60, 50, 50),)), watcher)

    assert found.broken_off == "interrupted"
    assert found.workers == {0, 1}
    assert found.lost == {}
    assert due(found, "/") >= 50
    assert workers() == []


def test_ctrl_c_before_all_are_ready_begins_nothing(monkeypatch, tmp_path):
    begun = tmp_path / "begun"
    monkeypatch.setenv("SLOWLY", str(begun))

    def interrupt() -> None:
        while not begun.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    with serving() as service:
        slow = plan(service.target, planted.two, prepare="perf.tests.load_service:slowly")
        threading.Thread(target=interrupt).start()
        found = run(slow)

    assert (found.broken_off, found.steps, service.asked) == ("interrupted", {}, [])
    assert workers() == []


def test_a_plan_that_a_worker_cannot_begin_says_why(null):
    missing = Chosen("planted.missing", "perf.tests.load_service")
    with pytest.raises(PlanError, match=r"can't begin: .*declares no scenario planted\.missing"):
        run(LoadPlan(null, method(), scenarios=(missing,)))
    absent = Chosen("planted.missing", "perf.tests.not_there")
    with pytest.raises(PlanError, match=r"No module named 'perf\.tests\.not_there'"):
        run(LoadPlan(null, method(), scenarios=(absent,)))
    assert workers() == []


def test_what_a_scenario_raises_before_its_first_call_ends_the_run(null):
    found = run(plan(null, planted.falls))

    assert found.lost == {0: "LookupError: there is nothing to begin with"}
    assert found.workers == set()


def test_a_worker_prepares_what_its_scenarios_need(null):
    with pytest.raises(PlanError, match="no attribute 'not_there'"):
        run(plan(null, planted.two, prepare="os:not_there"))


def test_no_worker_outlives_whoever_started_it(null):
    script = (
        "from perf.load.watching import Watcher\n"
        "from perf.load.workers import run\n"
        "from perf.load.results import Stage\n"
        "from perf.tests.load_service import plan\n"
        "class Tells(Watcher):\n"
        "    def second(self, second, so_far):\n"
        "        print(second.at, flush=True)\n"
        f"run(plan({null!r}, '/', workers=2, stages=(Stage(600, 50, 50),)), Tells())\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script], env=importing_as_we_do(), stdout=subprocess.PIPE
    )
    with starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"0\n"
        theirs = psutil.Process(starter.pid).children()
        starter.kill()

    assert len(theirs) == 2
    _, alive = psutil.wait_procs(theirs, timeout=20)
    assert alive == []


def test_a_worker_has_a_ceiling():
    assert ceiling_rate(0.5) > 100


def test_what_is_dropped_is_shared_among_workers():
    with serving() as service:
        found = run(plan(service.target, "/after/60000", workers=2, max_in_flight=5, timeout_s=2.5))

        assert len(service.asked) == 5
    assert failures(found, "/after/60000") == {"timeout": 5, "dropped": 35}
