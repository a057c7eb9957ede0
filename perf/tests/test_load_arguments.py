"""What `loadtest` reads from its arguments, and what it refuses before anything is called."""

from __future__ import annotations

import re
import socket
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from perf.load.results import Arrivals, Model, Stage
from perf.management import load_searching
from perf.management.commands.loadtest import SUBCOMMANDS
from perf.management.load_arguments import (
    factor,
    file,
    header,
    objectives,
    period_s,
    rate_per_s,
    seconds_s,
    some_s,
    stages,
)
from perf.management.load_method import method_of
from perf.management.load_planning import command


@pytest.mark.parametrize(
    ("text", "found"),
    [("0s", 0), ("500ms", 0.5), ("1.5s", 1.5), ("90s", 90), ("10m", 600), (" 1h ", 3_600)],
)
def test_a_time_is_read(text, found):
    assert period_s(text) == found


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1d", "1.s", "1e3s", "nan", "1 s"])
def test_another_time_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="must be a time such as 500ms, 30s, 10m or 1h"):
        period_s(text)


def test_what_takes_time_takes_some():
    with pytest.raises(ArgumentTypeError, match="must be a time above 0"):
        some_s("0s")


@pytest.mark.parametrize(("text", "found"), [("90s", 90), ("1.15m", 69), ("3000ms", 3)])
def test_what_is_measured_is_whole_seconds(text, found):
    assert seconds_s(text) == found


@pytest.mark.parametrize("text", ["10.5s", "500ms", "0.001m"])
def test_parts_of_seconds_are_not_measured(text):
    with pytest.raises(ArgumentTypeError, match="must be whole seconds, such as 90s"):
        seconds_s(text)


@pytest.mark.parametrize(
    ("text", "found"), [("50/s", 50), ("50", 50), ("0.5/s", 0.5), ("600/m", 10), ("3600/h", 1)]
)
def test_a_rate_is_a_second(text, found):
    assert rate_per_s(text) == found


@pytest.mark.parametrize("text", ["0/s", "", "/s", "50/d", "50/", "-1", "1e3", "nan", "1000001/s"])
def test_another_rate_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="must be a rate such as 50/s or 600/m"):
        rate_per_s(text)


def test_stages_go_on_from_the_level_of_the_one_before():
    assert stages("30s:10,2m:50, 30s:0") == (
        Stage(30, 0, 10),
        Stage(120, 10, 50),
        Stage(30, 50, 0),
    )


@pytest.mark.parametrize(
    "text", ["", "30s", "30s:", "30s:x", "0s:10", "30s:10,", "30s:0,10s:0", "1.5s:9"]
)
def test_other_stages_are_refused(text):
    with pytest.raises(ArgumentTypeError):
        stages(text)


@pytest.mark.parametrize(("text", "found"), [("5x", 5), ("1.5", 1.5)])
def test_a_factor_is_read(text, found):
    assert factor(text) == found


@pytest.mark.parametrize("text", ["1x", "0", "x", "", "1001x"])
def test_another_factor_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="must be a factor above 1"):
        factor(text)


def test_a_header_has_its_name_in_lower_case():
    assert header("Authorization: Bearer a:b") == ("authorization", "Bearer a:b")


@pytest.mark.parametrize("text", ["Authorization", ": x", "a b: c", ""])
def test_another_header_is_refused_and_its_value_is_not_told(text):
    with pytest.raises(ArgumentTypeError, match="must be like 'name: value'"):
        header(text)


@pytest.mark.parametrize("value", ["s3\nX: y", "s3\0", "s3\udcff"])
def test_a_value_that_no_header_may_have_is_refused_and_not_told(value):
    with pytest.raises(ArgumentTypeError, match="'X' has what no header may have") as caught:
        header(f"X: {value}")

    assert "s3" not in str(caught.value)


def test_a_header_without_a_name_may_be_a_secret():
    with pytest.raises(ArgumentTypeError) as caught:
        header("Bearer s3")

    assert "s3" not in str(caught.value)


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_a_variable_that_is_not_set_is_no_objective_that_passes(text):
    with pytest.raises(ArgumentTypeError, match="there must be one"):
        objectives(text)


def test_a_report_that_can_t_be_written_is_refused_before_the_run(tmp_path):
    for path in (tmp_path, tmp_path / "missing" / "load.html"):
        with pytest.raises(ArgumentTypeError, match="can't be written"):
            file(str(path))
    assert file(str(tmp_path / "load.html")) == tmp_path / "load.html"


def options(**given: Any) -> dict[str, Any]:
    """The options of a run, as they are where nothing is said."""
    unsaid = dict.fromkeys(("model", "rate", "users", "think", "stages", "spike", "duration"))
    usual = {
        "get": [],
        "arrivals": "poisson",
        "soak": False,
        "warmup": 5.0,
        "timeout": 10.0,
        "max_in_flight": 500,
        "workers": 1,
        "seed": 7,
    }
    return {**unsaid, **usual, **given}


class TestTheMethod:
    def test_is_open_and_by_chance_where_nothing_is_said(self):
        found = method_of(options())

        assert (found.model, found.arrivals, found.think_s) == (Model.OPEN, Arrivals.POISSON, 0)
        assert found.stages == (Stage(60, 20, 20),)
        assert (found.warmup_s, found.timeout_s, found.seed) == (5, 10, 7)

    def test_of_the_usual_has_the_samples_that_a_p99_needs(self):
        (stage,) = method_of(options()).stages

        assert stage.duration_s * stage.ends >= 1_000

    def test_is_closed_with_users_who_think_in_scenarios(self):
        found = method_of(options(users=30))

        assert (found.model, found.stages, found.think_s) == (
            Model.CLOSED,
            (Stage(60, 30, 30),),
            1,
        )

    def test_has_no_thinking_between_addresses(self):
        assert method_of(options(users=30, get=["http://127.0.0.1/"])).think_s == 0

    def test_of_a_spike_is_as_long_and_steps_up_in_the_middle(self):
        assert method_of(options(rate=10.0, spike=5.0, duration=100.0)).stages == (
            Stage(40, 10, 10),
            Stage(20, 50, 50),
            Stage(40, 10, 10),
        )

    def test_of_a_soak_takes_an_hour_unless_another_time_is_said(self):
        assert method_of(options(soak=True)).stages == (Stage(3_600, 20, 20),)
        assert method_of(options(soak=True, duration=600.0)).stages == (Stage(600, 20, 20),)

    def test_has_a_seed_of_its_own_where_none_is_said(self):
        seeds = {method_of(options(seed=None)).seed for _ in range(5)}

        assert len(seeds) > 1

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"model": "closed", "rate": 5.0}, "--rate is of the open model"),
            ({"users": 5, "rate": 5.0}, "--rate is of the open model"),
            ({"model": "open", "users": 5}, "--users are of the closed model"),
            ({"stages": (Stage(1, 0, 1),), "rate": 5.0}, "--stages say how much and how long"),
            ({"rate": 1e6, "duration": 600.0}, "605,000,000 sessions"),
            ({"stages": (Stage(1, 0, 1),), "duration": 5.0}, "--stages say how much and how long"),
            ({"workers": 4, "max_in_flight": 3}, "must allow each of the --workers a request"),
        ],
    )
    def test_is_not_both(self, given, told):
        with pytest.raises(CommandError, match=told) as caught:
            method_of(options(**given))
        assert caught.value.returncode == 2


def refusal(*arguments: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        call_command("loadtest", *arguments)
    return caught.value.returncode, str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name scenarios, or addresses with --get"),
        (["http://a:s3@127.0.0.1/"], "say who calls by --header"),
        (["planted.files", "--get", "http://127.0.0.1/"], "Name scenarios, or addresses"),
        (["--module", "perf.tests.planted_service", "planted.files"], "Say where: --serve starts"),
        (["--get", "127.0.0.1:8000"], "'127.0.0.1:8000' must be like http://127.0.0.1:8000/path"),
        (["--get", "ftp://127.0.0.1/"], "must be like http://127.0.0.1:8000/path"),
        (["--get", "http://127.0.0.1/", "--get", "http://127.0.0.2/"], "must be of one server"),
        (["--get", "http://127.0.0.1/", "--target", "http://127.0.0.1/"], "leave --target out"),
        (["--get", "http://127.0.0.1/", "--size", "10k"], "--size goes with --serve"),
        (["--get", "livez", "--serve"], "With --serve, --get 'livez' must be a path"),
        (["absent.scenario", "--target", "http://127.0.0.1"], "No scenario is named 'absent.scen"),
        (["x.y", "--module", "not.there", "--target", "http://127.0.0.1"], "ModuleNotFoundError"),
        (["x.y", "--header", "a: b", "--target", "http://127.0.0.1"], "--header goes with --get"),
        (["--get", "http://127.0.0.1/", "--slo", "p99"], "'p99' is no objective"),
        (["--get", "http://127.0.0.1/", "--abort-on-fail"], "--abort-on-fail needs an --slo"),
    ],
)
def test_wrong_arguments_are_told_with_2(arguments, message):
    code, told = refusal("run", *arguments)

    assert (code, message in told) == (2, True), told


def test_a_target_has_no_path():
    module = ["--module", "perf.tests.planted_service"]
    code, told = refusal("run", "planted.files", *module, "--target", "http://127.0.0.1/api/")

    assert code == 2
    assert "'http://127.0.0.1/api/' must be a server, such as http://127.0.0.1:8000" in told


def test_another_machine_is_refused_unless_one_says_that_it_may_be_loaded():
    code, told = refusal("run", "--get", "http://192.0.2.1/")

    assert code == 3
    assert "http://192.0.2.1 is not this machine." in told
    assert "--yes-load-remote" in told


def test_a_server_that_is_not_there_is_told_at_once():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code, told = refusal("run", "--get", f"http://127.0.0.1:{port}/")

    assert code == 3
    assert f"Nobody answers at http://127.0.0.1:{port}: " in told


def test_to_serve_a_project_must_say_how(settings):
    settings.PERF_LOAD_SERVICE = ""
    module = ["--module", "perf.tests.planted_service"]

    code, told = refusal("run", "planted.files", *module, "--serve", "--quiet")
    assert (code, told) == (
        2,
        "--serve needs PERF_LOAD_SERVICE in the settings: see docs/load-testing.md.",
    )


DECIDED = [
    ["--users", "5"],
    ["--model", "closed"],
    ["--stages", "10s:5"],
    ["--soak"],
    ["--spike", "5x"],
]


@pytest.mark.parametrize("arguments", DECIDED, ids=lambda given: given[0])
def test_what_a_search_decides_by_itself_is_refused_with_the_reason(arguments):
    code, told = refusal("capacity", "--get", "http://127.0.0.1/", "--slo", "p99<1s", *arguments)

    assert code == 2
    assert told.startswith(
        f"A search makes its own stages, in the open model: leave {arguments[0]} out."
    )


def test_a_search_may_be_told_the_model_that_it_has():
    parser = ArgumentParser()
    load_searching.add_arguments(parser)
    given = vars(parser.parse_args(["--get", "URL", "--slo", "p99<1s", "--model", "open"]))

    found = method_of(given)
    assert (found.model, found.stages) == (Model.OPEN, (Stage(60, 20, 20),))


def test_the_help_of_a_search_offers_what_it_takes_and_no_more(capsys):
    with pytest.raises(SystemExit):
        call_command("loadtest", "capacity", "--help")
    told = capsys.readouterr().out

    offered = set(re.findall(r"--[a-z-]+", told.partition("examples:")[0]))
    assert {"--rate", "--think", "--duration", "--resolution"} <= offered
    assert offered.isdisjoint(each[0] for each in DECIDED)
    assert "Some 10 runs are usual" in told


def test_the_command_is_kept_without_what_headers_say(monkeypatch):
    argv = ["manage.py", "loadtest", "run", "--get", "URL", "--header", "Authorization: Bearer s3"]
    monkeypatch.setattr("sys.argv", argv)

    kept = command()
    assert kept == "manage.py loadtest run --get URL --header 'Authorization: …'"


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_each_subcommand_teaches_by_examples(name, capsys):
    with pytest.raises(SystemExit) as caught:
        call_command("loadtest", name, "--help")

    assert caught.value.code == 0
    told = capsys.readouterr().out
    assert f"  manage.py loadtest {name}" in told.partition("examples:")[2]
