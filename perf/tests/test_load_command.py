"""`manage.py loadtest` in a process of its own, against servers that are really there."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from perf.load.null import null_server
from perf.load.results import LoadRun, SloResult, SloVerdict
from perf.load_runner import Made
from perf.management.load_running import EXIT_CODES, exit_code
from perf.report.load import documents, knee, search
from perf.report.load.summary import Standing, standing
from perf.tests import sample_load as samples
from perf.tests.lab import Lab, ask, end, finished, wait_for
from perf.tests.sample_load import failing_load, invalid_load, limited_load, sample_load

MODULE = ("--module", "perf.tests.planted_service")
SHORT = ("--duration", "2s", "--warmup", "500ms", "--users", "2", "--think", "20ms", "--quiet")
SERVICE = '\nPERF_LOAD_SERVICE = "perf.tests.planted_service.SERVICE"\n'


@pytest.fixture
def load(lab: Lab) -> Lab:
    """The command `loadtest`, with a folder for its runs and a service that it can start."""
    return dataclasses.replace(lab, command="loadtest", settings=SERVICE)


@pytest.fixture(scope="module")
def nothing_done() -> Iterator[str]:
    """The address of a server that does nothing."""
    with null_server() as url:
        yield url


def kept(load: Lab) -> list[LoadRun]:
    """All that is kept, the oldest first."""
    files = sorted((load.folder / "load").glob("2*.json"))
    return [documents.decode(each.read_bytes()) for each in files]


def test_an_address_is_all_that_it_takes(load, nothing_done):
    reports = {form: load.folder / f"load.{form}" for form in ("json", "markdown", "html")}
    named = [part for form, path in reports.items() for part in (f"--{form}", str(path))]
    code, output, errors = load.do("run", "--get", f"{nothing_done}/a?b=c", *SHORT, *named)

    (run,) = kept(load)
    assert code == EXIT_CODES[standing(run)], output + errors
    assert run.ended_at is not None
    assert run.scenarios == {"/a?b=c": 1}
    assert [each.name for each in run.steps] == ["/a?b=c"]
    assert run.total.requests == run.total.successful > 100
    assert run.rig.ceiling_rate is not None
    assert run.rig.ceiling_rate > run.rate
    assert f"Kept as {load.folder}/load/{run.id}.json" in output
    assert documents.decode(reports["json"].read_bytes()) == run
    assert run.target in reports["markdown"].read_text(encoding="utf-8")
    assert reports["html"].read_text(encoding="utf-8").startswith("<!doctype html>")


def test_headers_go_with_each_call_and_are_not_kept(load, nothing_done):
    code, output, errors = load.do(
        *("run", "--get", nothing_done, "--header", "Authorization: Bearer s3cret", *SHORT)
    )

    (run,) = kept(load)
    assert "Authorization: …" in run.command
    assert "s3cret" not in output + errors + documents.encode(run).decode()
    assert code in (0, 3)


@pytest.mark.prove
def test_two_workers_make_one_run(load, nothing_done):
    load.do("run", "--get", nothing_done, *SHORT, "--workers", "2")

    (run,) = kept(load)
    assert run.method.workers == 2
    assert run.invalid == ()


@pytest.mark.prove
def test_an_objective_that_can_t_be_told_ends_with_4(load, nothing_done):
    longer = ("--duration", "11s")
    code, output, _ = load.do("run", "--get", nothing_done, *SHORT, *longer, "--slo", "p99.99<1s")

    (run,) = kept(load)
    assert [each.verdict for each in run.slos] == [SloVerdict.INCONCLUSIVE]
    assert code == (3 if run.rig.limited else 4), output


def test_the_first_objective_that_fails_ends_the_run(load, nothing_done):
    code, output, errors = load.do(
        *("run", "--get", f"{nothing_done}/", "--users", "2", "--think", "20ms", "--quiet"),
        *("--duration", "5m", "--warmup", "0s", "--slo", "p50<1us", "--abort-on-fail"),
    )

    (run,) = kept(load)
    assert run.note.startswith("Ended after 1")
    assert run.note.endswith("as p50<1us had failed.")
    assert 10 <= run.measured_s < 60
    assert code == (3 if run.rig.limited else 1), output + errors


class TestAServiceThatIsStarted:
    def test_is_played_for_all_tenants_and_leaves_nothing_behind(self, load):
        said = "SELECT word || xmin || ctid FROM precious"
        before = ask(said, load.application)
        code, output, errors = load.do(
            *("run", *MODULE, "planted.files", "--serve", "--size", "10k", "--tenants", "3"),
            *(*SHORT, "--users", "3"),
        )

        (run,) = kept(load)
        assert code == EXIT_CODES[standing(run)], output + errors
        assert [each.name for each in run.steps] == ["again", "folder"]
        assert [each.tenant for each in run.tenants] == ["tenant-0", "tenant-1", "tenant-2"]
        assert run.total.failures == {}
        assert run.environment["served on"] == "planted at 10,000 rows"
        assert load.copies() == []
        port = run.target.rpartition(":")[2]
        listed = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True).stdout
        assert [each for each in listed.splitlines() if f"http.server {port}" in each] == []
        assert ask(said, load.application) == before

    @pytest.mark.prove
    def test_that_answers_otherwise_than_expected_is_told_by_kind(self, load):
        load.do("run", *MODULE, "planted.absent", "--serve", "--size", "10k", *SHORT)

        (run,) = kept(load)
        assert run.total.failures == {"status": run.total.requests}
        assert run.total.failure_rate == 1


@pytest.fixture
def going_on(load, nothing_done) -> Iterator[subprocess.Popen[str]]:
    """A long run in its measured part."""
    process = load.start(
        *("run", "--get", nothing_done, "--users", "2", "--think", "20ms"),
        *("--duration", "5m", "--warmup", "0s"),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "   5 s: " in line:
            break
    yield process
    end(process)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.prove)]
)
def test_ctrl_c_keeps_what_there_is(load, going_on, number):
    going_on.send_signal(number)
    code, output, errors = finished(going_on)

    assert (code, errors.count("Traceback")) == (130, 0), errors
    (run,) = kept(load)
    assert run.ended_at is None
    assert run.total.requests > 100
    assert "Broken off: " in output
    assert "p50" in output


@pytest.mark.prove
def test_a_worker_that_is_killed_makes_the_run_invalid(load, going_on):
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(going_on.pid)], capture_output=True, text=True
    )
    workers = [each for each in listed.stdout.splitlines() if "perf.load.worker" in each]
    os.kill(int(workers[0].split()[0]), signal.SIGKILL)
    code, output, errors = finished(going_on)

    assert code == 3, errors
    assert "missing" in " ".join(kept(load)[0].invalid)
    assert "Invalid" in output


@pytest.mark.prove
def test_a_second_run_is_refused_while_one_is_made(load, going_on, nothing_done):
    code, _, errors = load.do("run", "--get", nothing_done, *SHORT)

    assert code == 3
    assert f"Another run is being made with {load.folder}: wait for its end." in errors


@pytest.mark.prove
def test_a_search_keeps_a_run_for_each_rate_that_it_tries(load, nothing_done):
    load.folder.mkdir()
    reports = {form: load.folder / f"search.{form}" for form in ("json", "html")}
    code, output, errors = load.do(
        *("capacity", "--get", nothing_done, "--slo", "fail<50%", "--rate", "10/s", "--most"),
        *("20/s", "--duration", "11s", "--warmup", "0s", "--quiet"),
        *(part for form, path in reports.items() for part in (f"--{form}", str(path))),
    )

    tried = json.loads(reports["json"].read_bytes())["points"]
    assert [each["rate"] for each in tried[:2]] == [10, 20], output + errors
    assert len(kept(load)) == len(tried)
    assert "How much the service holds" in reports["html"].read_text(encoding="utf-8")
    if not any(each["limited"] for each in tried):
        assert code == 4
        assert "fail<50% holds at 20 requests a second; no higher rate is known to fail" in output
    (path,) = (load.folder / "load" / "searches").iterdir()
    found = documents.SEARCH.decode(path.read_bytes())
    assert f"Kept as {path}" in output
    assert [each.run for each in found.points] == [each.id for each in kept(load)]
    assert (found.of, found.target) == ("requests", nothing_done)
    assert json.loads(reports["json"].read_bytes())["id"] == found.id
    assert f"{found.id}  search  /  " in load.do("history")[1]


def test_a_search_tells_what_it_does_and_what_it_knows_by_then(load, nothing_done):
    process = load.start(
        *("capacity", "--get", nothing_done, "--slo", "p50<1us", "--rate", "50/s"),
        *("--duration", "10s", "--warmup", "0s"),
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line.rstrip("\n"))
        if lines[-1].startswith("Run 2: "):
            break
    end(process)

    assert "Some 10 runs are usual, each of 10 s: about 1 min 40 s." in lines
    assert "Run 1: at 50/s." in lines
    first = next(each for each in lines if each.startswith("  fail: ") or "rig-limited" in each)
    if "rig-limited" in first:
        assert first.endswith("It is not tried again.")
        assert "Run 2: at 25/s; so far 50 is too much for the loader." in lines
    else:
        assert re.fullmatch(r"  fail: p50<1us \d.* \(fails\)", first)
        assert "Run 2: at 50/s once more; so far 50 does not." in lines


class TestTheHistory:
    @pytest.mark.prove
    def test_lists_runs_and_shows_one_again(self, load, nothing_done):
        load.do("run", "--get", nothing_done, *SHORT)
        (run,) = kept(load)
        page = load.folder / "again.html"

        assert run.id in load.do("history")[1]
        code, output, _ = load.do("history", "--show", "last", "--html", str(page))
        assert (code, run.target in output, page.exists()) == (0, True, True)

    def test_shows_a_search_again_by_its_id_or_its_file(self, load):
        found = samples.capacity()
        shelf = load.folder / "load" / "searches"
        shelf.mkdir(parents=True)
        (shelf / f"{found.id}.json").write_bytes(documents.SEARCH.encode(found))
        page, again = load.folder / "knee.html", load.folder / "again.json"

        code, output, errors = load.do("history")
        line = f"{found.id}  search  tasks.browse  {search.headline(found)}\n"
        assert (code, output) == (0, line), errors
        code, output, errors = load.do(
            *("history", "--show", "last", "--html", str(page), "--json", str(again))
        )
        assert (code, output) == (0, knee.render(found)), errors
        assert page.read_text(encoding="utf-8") == knee.to_html(found)
        assert load.do("history", "--show", str(again))[:2] == (0, knee.render(found))
        code, _, errors = load.do("compare", found.id, found.id)
        assert (code, f"'{found.id}' is a search, and no run." in errors) == (2, True)

    def test_says_how_to_make_the_first(self, load):
        code, _, errors = load.do("history")

        assert code == 2
        assert (
            f"There is no load test yet in {load.folder}/load: `manage.py loadtest run`" in errors
        )


class TestAComparison:
    def files(self, load: Lab, *runs: LoadRun) -> list[str]:
        load.folder.mkdir(exist_ok=True)
        paths = [load.folder / f"{number}.json" for number, _ in enumerate(runs)]
        for path, run in zip(paths, runs, strict=True):
            path.write_bytes(documents.encode(run))
        return [str(each) for each in paths]

    def test_of_equal_runs_finds_nothing_worse(self, load):
        other = dataclasses.replace(sample_load(), id="another")
        code, output, errors = load.do("compare", *self.files(load, sample_load(), other))

        assert code == 0, output + errors
        assert "same" in output
        assert "worse" not in output

    def test_of_a_run_that_says_nothing_is_refused(self, load):
        code, _, errors = load.do("compare", *self.files(load, sample_load(), invalid_load()))

        assert code == 3
        assert "can not be compared" in errors


def test_scenarios_are_listed_with_what_they_do(load):
    code, output, _ = load.do("list", *MODULE, "planted.*")

    assert code == 0
    assert "planted.files: Somebody looks at a folder (weight 1)" in output
    assert "  Looks at a folder, and at it once more." in output
    found = json.loads(load.do("list", *MODULE, "planted.*", "--json")[1])
    assert [each["name"] for each in found] == ["planted.absent", "planted.files"]


class TestTheExitCode:
    def judged(self, verdict: SloVerdict) -> LoadRun:
        return dataclasses.replace(sample_load(), slos=(SloResult("p99<1s", verdict, "1 s"),))

    @pytest.mark.parametrize(
        ("verdict", "code"),
        [(SloVerdict.PASS, 0), (SloVerdict.FAIL, 1), (SloVerdict.INCONCLUSIVE, 4)],
    )
    def test_says_what_became_of_objectives(self, verdict, code):
        assert exit_code(Made(self.judged(verdict), is_interrupted=False)) == code

    def test_is_0_without_objectives(self):
        run = dataclasses.replace(sample_load(), slos=())

        assert exit_code(Made(run, is_interrupted=False)) == 0

    @pytest.mark.parametrize("made", [limited_load, invalid_load], ids=["limited", "invalid"])
    def test_is_3_where_figures_are_none_of_the_service(self, made):
        assert exit_code(Made(made(), is_interrupted=False)) == 3

    def test_is_1_where_one_failed(self):
        assert exit_code(Made(failing_load(), is_interrupted=False)) == 1

    def test_is_130_after_ctrl_c_whatever_was_found(self):
        assert exit_code(Made(sample_load(), is_interrupted=True)) == 130

    def test_is_known_for_all_that_can_be_found(self):
        assert set(EXIT_CODES) == set(Standing)


def test_nobody_waits_for_a_server_that_does_not_start(load):
    broken = dataclasses.replace(load, settings=SERVICE + BROKEN)
    code, _, errors = broken.do("run", *MODULE, "planted.files", "--serve", "--size", "10k", *SHORT)

    assert code == 3
    assert "The server ended at once, with code 9." in errors
    wait_for(lambda: broken.copies() == [])


@pytest.mark.prove
def test_a_search_ends_with_its_server_and_tells_what_it_knows(load):
    mortal = dataclasses.replace(load, settings=SERVICE + MORTAL)
    code, output, errors = mortal.do(
        *("capacity", "--get", "/", "--serve", "--size", "10k", "--slo", "fail<50%"),
        *("--rate", "10/s", "--duration", "10s", "--warmup", "0s", "--arrivals", "constant"),
    )

    assert code == 3, output + errors
    assert "fail<50% holds at 10 requests a second" in output
    assert "The search was broken off." in output
    assert re.search(r"Nobody answers at http://127.0.0.1:\d+ any more.", output)
    assert "The server ended by itself, with code 9. Its log is in " in output
    assert [(run.method.stages[0].ends, bool(run.invalid)) for run in kept(load)] == [
        (10, False),
        (20, True),
    ]
    wait_for(lambda: mortal.copies() == [])


MORTAL = """
import sys
from perf.tests import planted_service

ANSWERS_150_TIMES = '''
import http.server, os, sys

class Handler(http.server.SimpleHTTPRequestHandler):
    answered = 0

    def handle_one_request(self):
        super().handle_one_request()
        Handler.answered += 1
        if Handler.answered > 150:
            os._exit(9)

http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
'''
planted_service.PlantedService.command = lambda self: [
    sys.executable, "-c", ANSWERS_150_TIMES, "{host}", "{port}"
]
"""
BROKEN = """
from perf.tests import planted_service

planted_service.PlantedService.command = lambda self: ["sh", "-c", "exit 9"]
"""
