"""Scenarios: found by name, refused where they can't be run, and driven by a test client."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from django.test import Client

from perf import Answer, Caller, Pause, Scenario, Steps, scenario
from perf.scenarios import NoSuchScenario, ScenarioError, chosen, discover
from perf.testing.scenarios import play

pytestmark = pytest.mark.django_db  # a middleware of the project may ask the database
ANYBODY = Caller("acme", headers={"x-who": "acme"})


@pytest.fixture(autouse=True)
def served(settings) -> None:
    settings.ROOT_URLCONF = "perf.tests.scenario_urls"
    settings.ALLOWED_HOSTS = ["testserver"]


@scenario("planted.look", title="Somebody looks at a row")
def look(caller: Caller) -> Steps:
    """Looks at the rows, thinks, and looks at one of them."""
    rows = yield caller.get("rows/", name="rows")
    yield Pause()
    number = caller.rng.choice(rows.json["rows"])
    yield caller.get(f"rows/{number}/", name="row")


class TestAPlayedScenario:
    def test_makes_its_calls_in_order_and_is_given_the_answers(self):
        played = play(look, Client(), ANYBODY)

        assert [call.name for call, _ in played] == ["rows", "row"]
        (_, rows), (call, row) = played
        assert rows.json == {"rows": [1, 2, 3], "who": "acme"}
        assert call.path == f"/rows/{row.json['number']}/"
        assert rows.headers["content-type"] == "application/json"

    def test_chooses_the_same_with_the_same_seed(self):
        paths = {
            tuple(
                call.path
                for call, _ in play(look, Client(), Caller("acme", rng=random.Random(seed)))
            )
            for seed in (7, 7, 7)
        }

        assert len(paths) == 1

    def test_sends_json(self):
        @scenario("planted.send", title="Sends")
        def send(caller: Caller) -> Steps:
            yield caller.put("rows/2/", name="put", sends={"a": 1})

        ((_, answer),) = play(send, Client(), ANYBODY)
        assert answer.json == {"number": 2, "sent": '{"a": 1}'}

    def test_reads_a_body_that_is_streamed(self):
        @scenario("planted.read", title="Reads")
        def read(caller: Caller) -> Steps:
            yield caller.get("stream/", name="stream")

        ((_, answer),) = play(read, Client(), ANYBODY)
        assert answer.body == b"one two"


class TestABrokenScenario:
    def test_is_red_at_a_status_that_it_does_not_expect(self):
        @scenario("planted.absent", title="Asks for what is not there")
        def absent(caller: Caller) -> Steps:
            yield caller.get("rows/4/", name="row")

        with pytest.raises(AssertionError, match=r"planted.absent, row, GET /rows/4/: status 404"):
            play(absent, Client(), ANYBODY)

    def test_is_green_where_it_expects_that_status(self):
        @scenario("planted.absent", title="Asks for what is not there")
        def absent(caller: Caller) -> Steps:
            yield caller.get("rows/4/", name="row", expects=frozenset({404}))

        assert [answer.status for _, answer in play(absent, Client(), ANYBODY)] == [404]

    def test_is_red_at_a_check_that_finds_something(self):
        def four(answer: Answer) -> str | None:
            return None if len(answer.json["rows"]) == 4 else "not four rows"

        @scenario("planted.four", title="Wants four rows")
        def wants_four(caller: Caller) -> Steps:
            yield caller.get("rows/", name="rows", check=four)

        with pytest.raises(AssertionError, match="not four rows"):
            play(wants_four, Client(), ANYBODY)

    def test_is_red_at_an_error_of_its_own_and_says_after_what(self):
        @scenario("planted.wrong", title="Reads a member that is not there")
        def wrong(caller: Caller) -> Steps:
            rows = yield caller.get("rows/", name="rows")
            yield caller.get(rows.json["next"], name="next")

        with pytest.raises(AssertionError, match=r"KeyError: 'next', after planted.wrong, rows"):
            play(wrong, Client(), ANYBODY)

    def test_is_red_where_it_has_no_end(self):
        @scenario("planted.endless", title="Asks for ever")
        def endless(caller: Caller) -> Steps:
            while True:
                yield caller.get("rows/", name="rows")

        with pytest.raises(AssertionError, match="more than 1000 calls"):
            play(endless, Client(), ANYBODY)


@pytest.fixture
def drafts() -> Iterator[ModuleType]:
    """A module of scenarios that stands in no app."""
    module = ModuleType("drafts_of_scenarios")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def put(module: ModuleType, *found: Scenario) -> str:
    for number, each in enumerate(found):
        setattr(module, f"scenario_{number}", each)
    return module.__name__


class TestDiscovery:
    def test_finds_those_of_a_module_with_their_sentence(self, drafts):
        found = {each.name: each for each in discover([put(drafts, look)])}

        assert found["planted.look"].module == "drafts_of_scenarios"
        assert found["planted.look"].says == "Looks at the rows, thinks, and looks at one of them."

    def test_chooses_by_name_and_star(self, drafts):
        other = scenario("planted.other", title="Looks too")(look.session)
        module = put(drafts, look, other)

        assert [each.name for each in chosen(["planted.look"], [module])] == ["planted.look"]
        assert len(chosen(["planted.*"], [module])) == 2

    def test_says_which_there_are_for_a_name_that_none_has(self, drafts):
        with pytest.raises(NoSuchScenario, match=r"named 'planted.lok'. There are: .*planted.look"):
            chosen(["planted.lok"], [put(drafts, look)])

    def test_takes_one_that_is_imported_twice_for_one(self, drafts):
        assert [
            each.name
            for each in discover([put(drafts, look, look)])
            if each.name.startswith("planted")
        ] == ["planted.look"]

    def test_refuses_two_of_one_name(self, drafts):
        other = scenario("planted.look", title="Another")(look.session)

        with pytest.raises(ScenarioError, match=r"Two scenarios are named planted.look"):
            discover([put(drafts, look, other)])

    @pytest.mark.parametrize(
        ("name", "weight", "told"),
        [
            ("look", 1, "'look' must be like app.what"),
            ("planted.Look", 1, "must be like app.what"),
            ("planted.look", 0, "weighs 0: it must be above 0"),
        ],
    )
    def test_refuses_what_no_run_could_take(self, drafts, name, weight, told):
        wrong = scenario(name, title="Wrong", weight=weight)(look.session)

        with pytest.raises(ScenarioError, match=told):
            discover([put(drafts, wrong)])

    def test_refuses_a_function_that_yields_nothing(self, drafts):
        def idle(caller: Caller) -> Steps:
            """Does nothing."""
            return iter(())  # type: ignore[return-value]

        wrong = scenario("planted.idle", title="Idle")(idle)
        with pytest.raises(ScenarioError, match="must be a generator function"):
            discover([put(drafts, wrong)])

    def test_refuses_one_without_a_docstring(self, drafts):
        @scenario("planted.mute", title="Says nothing")
        def mute(caller: Caller) -> Steps:
            yield caller.get("rows/", name="rows")

        with pytest.raises(ScenarioError, match=r"in a docstring of planted.mute"):
            discover([put(drafts, mute)])
