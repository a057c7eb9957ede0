"""docs/load-testing.md and the load test name the same commands, options, codes and limits."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.urls import path

from perf import load_history
from perf.load import intervals, rig
from perf.load.capacity import RESOLUTION
from perf.load.compare import MARGIN
from perf.load.figures import needed
from perf.load.results import Failure, SloVerdict
from perf.load.simulate import simulate_concurrent_load
from perf.load.slo import parse
from perf.management import load_comparing, load_listing, load_running, load_searching, load_telling
from perf.management.commands.loadtest import SUBCOMMANDS
from perf.management.load_running import EXIT_CODES
from perf.management.subcommands import INTERRUPTED, USAGE
from perf.report.load.summary import is_sound
from perf.scenarios import discover
from perf.service import SETTING
from perf.testing.scenarios import play
from taskproject.tests.test_docs_settings import ROOT
from tasks import scenarios

PAGE = (ROOT / "docs" / "load-testing.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
MODULES = (load_comparing, load_listing, load_running, load_searching, load_telling)


def table(first: str) -> dict[str, str]:
    """The second cell of each row by its first one, of the table whose head begins so."""
    body = PAGE.partition(f"\n| {first} |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body]
    return {row[0].strip("`"): row[1] for row in rows}


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
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) - options() == {"--bind"}  # gunicorn's


def test_it_explains_each_option_of_a_run() -> None:
    parser = ArgumentParser(add_help=False)
    load_running.add_arguments(parser)
    told_by_help_alone = {"--size", "--tenants", "--quiet", "--json", "--markdown", "--model"}
    known = {name for action in parser._actions for name in action.option_strings}

    assert {each for each in known if each not in PAGE} == told_by_help_alone


def test_its_exit_codes_are_those_of_the_command() -> None:
    told = {int(code) for code in table("exit code")}

    assert told == {*EXIT_CODES.values(), USAGE, INTERRUPTED}


def test_it_tells_every_kind_of_failure_and_every_verdict() -> None:
    assert set(table("kind")) == set(Failure)
    assert set(table("verdict")) == set(SloVerdict)


def test_its_objectives_are_some() -> None:
    (line,) = (each for each in PAGE.splitlines() if each.startswith("`--slo` takes"))
    found = re.findall(r"`([^`]+)`", line)[1:]

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
    assert f"p99 takes {needed(0.99):,}, p99.99 takes {needed(0.9999):,}" in PAGE
    assert f"fewer than {intervals.LEAST_SECONDS} seconds" in PAGE
    assert f"sent more than {rig.LAG_MS:.0f} ms late" in PAGE
    assert rig.LAG_SHARE == 0.1
    assert f"more than {100 * rig.CPU:.0f} % of a processor" in PAGE
    assert rig.CEILING == 0.5
    assert f"known to {100 * RESOLUTION:.0f} %" in PAGE
    assert f"beyond {100 * MARGIN:.0f} % (`--margin`)" in PAGE


def test_the_kept_run_has_the_figures_that_it_tells() -> None:
    run = load_history.load(str(ROOT / "docs" / "load" / "mixed.json.gz"))
    told = PAGE.partition("## A run, kept")[2].partition("\n## ")[0]
    p95 = run.total.latency.at(0.95)

    assert is_sound(run)
    assert p95 is not None
    assert f"{run.method.stages[0].begins:.0f} sessions a second for two minutes" in told
    assert run.measured_s == 120
    assert run.command in told
    assert f"{run.rate:.0f} answers came a second" in told
    assert f"of {run.total.requests:,} requests failed" in " ".join(told.split())
    assert run.total.failures == {}
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


def test_its_service_has_what_the_load_test_asks_of_one() -> None:
    module: dict[str, Any] = {}
    exec(EXAMPLES[2], module)  # noqa: S102
    found = module["SERVICE"]

    assert found.dataset.name == "books"
    assert [len(each) for each in found.callers(20, 60.0, writes=True)] == [3]
    found.dismiss(found.callers(20, 60.0, writes=False))
    assert "{port}" in " ".join(found.command())
    assert set(found.environment()) == {"DJANGO_SETTINGS_MODULE"}
    assert found.health.startswith("/")
    assert Path(ROOT / "taskproject" / "management" / "load.py").is_file()
