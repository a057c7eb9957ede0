"""docs/load-testing.md and the load test name the same commands, options, codes and limits."""

from __future__ import annotations

import gzip
import re
import sys
from argparse import ArgumentParser
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.urls import path

from perf import Caller, Dataset, Steps, load_history, scenario
from perf.load import intervals, rig
from perf.load.assembly import THROTTLED
from perf.load.capacity import RESOLUTION
from perf.load.compare import FAILED, MARGIN
from perf.load.figures import needed
from perf.load.results import CapacityResult, Failure, SloVerdict
from perf.load.simulate import simulate_concurrent_load
from perf.load.slo import parse
from perf.load.steady import QUEUED
from perf.load.transport import MOST_BODY_MIB
from perf.load_runner import JUDGED_EVERY_S
from perf.management import (
    load_comparing,
    load_listing,
    load_progress,
    load_running,
    load_searching,
    load_telling,
)
from perf.management.commands.loadtest import SUBCOMMANDS
from perf.management.load_arguments import DURATION_S, RATE, WARMUP_S
from perf.management.load_method import method_of
from perf.management.load_running import EXIT_CODES
from perf.management.subcommands import INTERRUPTED, USAGE
from perf.report.load import search, summary, terminal
from perf.report.load.summary import Standing, is_sound
from perf.scenarios import ScenarioError, discover
from perf.service import SETTING
from perf.testing.scenarios import play
from perf.tests.sample_load import invalid_load, limited_load, partial_load
from taskproject.management.load import SERVICE
from taskproject.tests.test_docs_settings import ROOT
from tasks import scenarios

PAGE = (ROOT / "docs" / "load-testing.md").read_text(encoding="utf-8")
SEARCHED = str(ROOT / "docs" / "load" / "capacity.json.gz")
BROWSED = str(ROOT / "docs" / "load" / "browse.json.gz")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
MODULES = (load_comparing, load_listing, load_running, load_searching, load_telling)


def table(first: str, column: int = 1) -> dict[str, str]:
    """A cell of each row by its first one, of the table whose head begins so."""
    body = PAGE.partition(f"\n| {first} |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body]
    return {row[0].strip("`"): row[column] for row in rows}


def options() -> set[str]:
    found = set()
    for module in MODULES:
        parser = ArgumentParser(add_help=False)
        module.add_arguments(parser)
        found |= {name for action in parser._actions for name in action.option_strings}
    return found


def test_it_names_every_subcommand_and_no_other() -> None:
    assert set(re.findall(r"\bloadtest ([a-z]+)\b", PAGE)) == set(SUBCOMMANDS)


def test_it_names_only_options_that_there_are() -> None:
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) - options() == {
        "--bind",  # gunicorn's
        "--all",  # of `benchmark data drop`
    }


def test_it_explains_each_option_of_a_run() -> None:
    parser = ArgumentParser(add_help=False)
    load_running.add_arguments(parser)
    told_by_help_alone = {"--tenants", "--quiet", "--json", "--markdown", "--model"}
    known = {name for action in parser._actions for name in action.option_strings}

    assert {each for each in known if each not in PAGE} == told_by_help_alone


def test_its_exit_codes_are_those_of_the_command() -> None:
    told = {int(code) for code in table("exit code")}

    assert told == {*EXIT_CODES.values(), USAGE, INTERRUPTED}


def test_its_exit_codes_of_a_comparison_have_the_share_that_counts() -> None:
    assert f"rose by more than {100 * FAILED:g} percentage points" in table("exit code", 3)["1"]


def test_it_tells_every_kind_of_failure_and_every_verdict() -> None:
    assert set(table("kind")) == set(Failure)
    assert set(table("verdict")) == set(Standing) - {Standing.NO_OBJECTIVES} > set(SloVerdict)


def test_figures_are_shown_of_the_runs_that_it_says() -> None:
    found = {name for name, shown in table("verdict", 2).items() if shown == "none"}
    unsound = {summary.standing(make()) for make in (limited_load, invalid_load)}

    assert found == unsound
    assert not any(is_sound(make()) for make in (limited_load, invalid_load))
    assert is_sound(partial_load())


def test_its_defaults_are_those_of_a_run() -> None:
    told = table("option")
    parser = ArgumentParser()
    load_running.add_arguments(parser)
    of_scenarios = vars(parser.parse_args(["tasks.browse"]))
    method = method_of(of_scenarios)
    closed = method_of({**of_scenarios, "model": "closed"})

    assert told == {
        "--rate": f"{method.stages[0].begins:g}/s",
        "--users": f"{closed.stages[0].begins:g}",
        "--duration": f"{method.stages[0].duration_s:g}s",
        "--warmup": f"{method.warmup_s:g}s",
        "--timeout": f"{method.timeout_s:g}s",
        "--think": f"{method.think_s:g}s",
        "--max-in-flight": f"{method.max_in_flight}",
    }
    assert f"; {closed.think_s:g}s for scenarios in the closed" in table("option", 2)["--think"]
    assert f"(`--arrivals {method.arrivals}`)" in PAGE


def test_percentiles_need_the_requests_that_it_says() -> None:
    told = " ".join(PAGE.split())
    run = load_history.load(BROWSED)
    sessions = RATE * DURATION_S
    requests_each = 6

    assert f"p50 needs {needed(0.5)} requests, p95 needs {needed(0.95)}, p99 needs " in told
    assert f"p99 needs {needed(0.99):,}, p99.9 needs {needed(0.999):,}." in told
    assert f"`--get` makes about {sessions:,.0f} requests" in told
    assert f"`tasks.browse` about {requests_each * sessions:,.0f}" in told
    assert abs(run.total.requests / sessions - requests_each) < 0.5
    assert needed(0.99) < sessions < requests_each * sessions < needed(0.999)


def test_that_nothing_fails_takes_the_requests_that_it_says() -> None:
    assert "`fail<0.1%` needs about 4,000 requests" in " ".join(PAGE.split())
    for requests_a_second, passes in ((64, False), (70, True)):
        calls = np.full(int(DURATION_S), requests_a_second)
        found = intervals.share_interval(np.zeros_like(calls), calls)
        assert found is not None
        assert (found.high < 0.001) is passes


def test_the_run_that_it_shows_is_the_one_that_is_kept() -> None:
    (block,) = re.findall(r"```\n(.*?)```", PAGE.partition("## What you see")[2], re.DOTALL)[:1]
    progress, *shown = filter(None, block.splitlines())
    run = load_history.load(BROWSED)

    kept_bytes = len(gzip.decompress(Path(BROWSED).read_bytes()))
    assert f"The run above takes {kept_bytes / 1_000:.0f} KB" in PAGE
    text = terminal.render(run).splitlines()
    assert [each for each in shown if each not in text] == []
    assert f"`{run.command}`" in PAGE
    told = [each.rpartition(" ")[0] for each in re.sub(r" m?s\b", "", progress).split(", ")[1:]]
    assert told == list(load_progress.COLUMNS[2:])


def test_its_intervals_hold_the_truth_as_often_as_the_decision_says() -> None:
    decision = (ROOT / "docs" / "decisions" / "0024-how-load-is-measured.md").read_text("utf-8")
    rows = re.findall(r"^\| 0(?:\.\d)? \|.*$", decision, re.MULTILINE)
    shares = [int(each) for row in rows for each in re.findall(r"(\d+) %", row)[1:]]

    assert len(shares) == 9
    told = f"held the true value in {min(shares)} to {max(shares)} of 100 cases"
    assert told in " ".join(PAGE.split())


def test_limits_of_the_service_are_lifted_where_it_starts_it() -> None:
    for name in ("RATE_LIMIT_TOKEN_PER_MINUTE", "RATE_LIMIT_TENANT_PER_MINUTE"):
        assert f"`{name}`" in PAGE
        assert f"{name}={SERVICE.environment()[name]}" in PAGE


def test_a_scenario_is_refused_where_it_breaks_the_rules_that_it_names() -> None:
    told = " ".join(PAGE.split())
    assert (
        "Its name has the form `app.what`, in small letters, and it must have a docstring" in told
    )

    def silent(caller: Caller) -> Steps:
        yield caller.get("", name="nothing")

    module = ModuleType("drafts_against_the_rules")
    sys.modules[module.__name__] = module
    try:
        for name, complaint in (("drafts.silent", "docstring"), ("Silent", "like app.what")):
            module.found = scenario(name, title="Somebody")(silent)  # type: ignore[attr-defined]
            with pytest.raises(ScenarioError, match=complaint):
                discover([module.__name__])
    finally:
        del sys.modules[module.__name__]


def test_its_objectives_are_some() -> None:
    paragraph = PAGE.partition("\n`--slo` takes")[2].partition("\n\n")[0]
    found = re.findall(r"`([^`]+)`", paragraph)

    assert len(parse(",".join(found))) == len(found) == 5


def test_it_describes_every_scenario_and_the_weights_of_the_mix() -> None:
    told = table("scenario")

    assert set(told) == {each.name for each in discover() if each.name.startswith("tasks.")}
    (weights,) = re.findall(r"weighs: ([\d, and]+) in 100", told["tasks.mixed"])
    assert [int(each) for each in re.findall(r"\d+", weights)] == [
        scenarios.browse.weight,
        scenarios.board.weight,
        scenarios.deep_paging.weight,
        scenarios.polling.weight,
        scenarios.write_burst.weight,
        scenarios.bulk.weight,
    ]


def test_its_limits_are_those_of_the_code() -> None:
    assert f"fewer than {intervals.LEAST_SECONDS} seconds" in PAGE
    assert f"must measure {intervals.LEAST_SECONDS} seconds or more" in PAGE
    assert f"checks every {JUDGED_EVERY_S} seconds" in PAGE
    assert f"{100 * THROTTLED:.0f} in 100 requests were throttled" in " ".join(PAGE.split())
    assert f"one of more than {MOST_BODY_MIB} MiB" in PAGE
    assert f"sent more than {rig.LAG_MS:.0f} ms late" in PAGE
    assert rig.LAG_SHARE == 0.1
    assert f"more than {100 * rig.CPU:.0f} % of a processor" in PAGE
    assert rig.CEILING == 0.5
    assert f"known to {100 * RESOLUTION:.0f} %" in PAGE
    assert f"later than {100 * QUEUED:.0f} % of the measured time" in PAGE
    assert f"beyond {100 * MARGIN:.0f} % (`--margin`)" in PAGE


def test_a_search_takes_as_long_as_it_tells() -> None:
    minutes = load_searching.USUAL_RUNS * (DURATION_S + WARMUP_S) / 60

    told = f"Some {load_searching.USUAL_RUNS} runs are usual"
    assert told in PAGE
    assert told in load_searching.DESCRIPTION
    assert f"{minutes:.0f} minutes with the defaults" in PAGE
    assert f"{minutes:.0f} minutes with the defaults" in load_searching.DESCRIPTION


def test_it_tells_every_verdict_of_a_try() -> None:
    told = table("verdict of a try")

    words = {part for each in told for part in each.split(", ")}
    assert words == {*SloVerdict, search.LIMITED, search.LATE}
    assert f'("{search.SECOND}")' in PAGE


def test_the_kept_search_found_what_it_tells() -> None:
    found = load_history.either(SEARCHED)
    told = " ".join(PAGE.partition("## Capacity")[2].partition("\n## ")[0].split())
    assert isinstance(found, CapacityResult)
    (held,) = (each for each in found.points if each.rate == found.holds)
    p95 = held.latency

    assert p95 is not None
    assert found.command in told
    assert f"at {found.holds:g} sessions a second ({held.done:,.0f} good answers)" in told
    assert f"a p95 of {p95.value_ms:.1f} ms [{p95.low_ms:.1f}, {p95.high_ms:.1f}]" in told
    assert f"at {found.fails:g} they did not" in told
    assert f"at {min(each.rate for each in found.points if each.limited):g} the loader" in told


def test_the_kept_run_has_the_figures_that_it_tells() -> None:
    run = load_history.load(str(ROOT / "docs" / "load" / "mixed.json.gz"))
    told = PAGE.partition("## Where runs are kept")[2].partition("\n## ")[0]
    p95 = run.total.latency.at(0.95)

    assert is_sound(run)
    assert p95 is not None
    assert f"{run.method.stages[0].begins:.0f} sessions a second for two minutes" in told
    assert run.measured_s == 120
    assert run.command in told
    assert f"{run.rate:.0f} good answers came a second" in " ".join(told.split())
    assert f"of {run.total.requests:,} requests failed" in " ".join(told.split())
    assert run.total.failures == {}
    assert load_history.folder().relative_to(settings.LOCAL_DIR).as_posix() == "perf/load"
    assert "`.local/perf/load/`" in told
    assert f"p95 was {p95.value_ms:.1f} ms [{p95.low_ms:.1f}, {p95.high_ms:.1f}]" in told
    assert run.complaints == ()
    assert sum(each.cpu_share for each in run.server.processes if each.name != "others") < 0.5
    assert run.id in (ROOT / "docs" / "load" / "mixed.html").read_text(encoding="utf-8")


def test_it_names_what_stands_beside_the_command() -> None:
    assert SETTING in PAGE
    assert f"perf.load.simulate.{simulate_concurrent_load.__name__}" in PAGE
    for each in re.findall(r"`((?:perf|taskproject)/[\w/]+\.py)`", PAGE):
        assert (ROOT / each).is_file(), each


def _books(request: HttpRequest, slug: str) -> JsonResponse:
    return JsonResponse({"results": [{"id": 7}] if slug == "corner-shop" else []})


def _orders(request: HttpRequest, slug: str) -> JsonResponse:
    return JsonResponse({}, status=201)


urlpatterns = [path("shops/<slug>/books/", _books), path("shops/<slug>/orders/", _orders)]


def test_its_scenario_is_found_and_played_as_its_test_says(settings: Any, db: None) -> None:
    settings.ROOT_URLCONF = __name__
    module = ModuleType("drafts_of_books")
    exec(EXAMPLES[0], vars(module))  # noqa: S102
    sys.modules[module.__name__] = module
    try:
        found = {each.name: each for each in discover([module.__name__])}
    finally:
        del sys.modules[module.__name__]

    assert found["books.buy"].says == "Looks at the newest books, thinks, and buys one of them."
    test = {"buy": module.buy}
    exec(EXAMPLES[1], test)  # noqa: S102
    test["test_a_book_can_be_bought"](db=None)


def test_its_scenario_goes_red_where_there_is_no_book(settings: Any, db: None) -> None:
    settings.ROOT_URLCONF = __name__
    module: dict[str, Any] = {}
    exec(EXAMPLES[0], module)  # noqa: S102

    with pytest.raises(AssertionError, match="a shop without books"):
        play(module["buy"], Client(), module["Caller"]("empty", base="/shops/empty/"))


class Books(Dataset):
    """As the comment in the example has it."""

    name = "books"

    def fill(self, size: int) -> None:
        raise NotImplementedError


def test_its_service_has_what_the_load_test_asks_of_one() -> None:
    module: dict[str, Any] = {"Books": Books}
    exec(EXAMPLES[2], module)  # noqa: S102
    found = module["SERVICE"]

    assert found.dataset.name == "books"
    assert [len(each) for each in found.callers(20, 60.0, writes=True)] == [3]
    found.dismiss(found.callers(20, 60.0, writes=False))
    assert "{port}" in " ".join(found.command())
    assert set(found.environment()) == {"DJANGO_SETTINGS_MODULE"}
    assert found.health.startswith("/")
    assert Path(ROOT / "taskproject" / "management" / "load.py").is_file()
