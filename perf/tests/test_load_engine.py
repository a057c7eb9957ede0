"""The load engine against a service that does what its paths say."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from perf.load.engine import drive
from perf.load.plan import Chosen, Identity, LoadPlan, PlanError, origin_and_paths
from perf.load.recording import Recording
from perf.load.results import Failure, Second, Stage
from perf.load.watching import Watcher
from perf.tests import load_service as planted
from perf.tests.load_service import (
    Service,
    due,
    failures,
    method,
    plan,
    pooled,
    serving,
    users,
)


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as found:
        yield found


def driven(target: str, *what: Any, **other: Any) -> Recording:
    return asyncio.run(drive(plan(target, *what, **other)))


def test_addresses_are_asked_for_as_often_as_the_schedule_says(service):
    found = driven(service.target, "/list?a=1", "/item/2", stages=(Stage(1, 40, 40),))

    assert due(found, "/list?a=1") + due(found, "/item/2") == 40
    assert Counter(service.paths()) == {
        "/list?a=1": due(found, "/list?a=1"),
        "/item/2": due(found, "/item/2"),
    }
    assert found.workers == {0}
    assert sum(found.done.values()) == 40
    assert found.tenants == {}


def test_a_session_goes_on_with_what_it_was_answered(service):
    found = driven(service.target, planted.two, stages=(Stage(4, 10, 10),))

    assert set(service.paths()) == {"/list", "/item/7"}
    assert due(found, "list") == 40
    assert 0 < due(found, "item") <= 40  # what would be due after the end is not done
    assert failures(found, "item") == {}


def test_a_session_ends_at_an_answer_that_it_does_not_expect(service):
    found = driven(service.target, planted.stops)

    assert failures(found, "broken") == {Failure.STATUS: 40}
    assert due(found, "never") == 0
    assert found.reasons == {"broken: status 503": 40}


def test_a_429_is_counted_apart_unless_the_call_expects_it(service):
    assert failures(driven(service.target, planted.throttled), "too-many") == {
        Failure.THROTTLED: 40
    }
    assert failures(driven(service.target, planted.patient), "too-many") == {}


def test_a_redirect_is_an_answer_to_an_address_alone(service):
    found = driven(service.target, "/status/302")

    assert failures(found, "/status/302") == {}
    assert set(service.paths()) == {"/status/302"}


def test_a_check_that_finds_something_fails_the_call(service):
    found = driven(service.target, planted.doubts)

    assert failures(found, "list") == {Failure.CHECK: 40}
    assert found.reasons == {"list: not what it should be": 40}


def test_what_a_scenario_does_not_find_fails_the_call_before_even_after_a_pause(service):
    found = driven(service.target, planted.stumbles)

    assert failures(found, "list") == {Failure.CHECK: 40}
    assert found.reasons == {"list: KeyError: 'missing'": 40}


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (planted.babbles, "TypeError: a scenario yields calls and pauses, and not None"),
        (planted.rewinds, "ValueError: a pause takes 0 seconds or more, and not -50"),
    ],
)
def test_what_no_scenario_may_yield_fails_the_call_before(service, what, why):
    found = driven(service.target, what)

    assert found.reasons == {f"list: {why}": 40}
    assert set(found.steps) == {"list"}


def test_what_a_scenario_raises_before_its_first_call_passes_through(service):
    with pytest.raises(ExceptionGroup) as caught:
        driven(service.target, planted.falls)

    assert caught.group_contains(LookupError, match="nothing to begin with")


def test_a_call_that_takes_too_long_is_in_the_latency_at_the_timeout(service):
    found = driven(service.target, "/after/60000", timeout_s=0.2)

    assert failures(found, "/after/60000") == {Failure.TIMEOUT: 40}
    assert pooled(found, "/after/60000").get_min_value() >= 199_900  # three digits of 200 ms
    assert found.reasons == {"/after/60000: no answer in 0.2 s": 40}
    assert sum(found.done.values()) == 0


def test_a_connection_that_is_cut_is_a_failure_of_transport_at_the_timeout(service):
    found = driven(service.target, planted.cut, timeout_s=0.9)

    assert failures(found, "cut") == {Failure.TRANSPORT: 40}
    assert pooled(found, "cut").get_min_value() >= 899_000


def test_a_call_whose_kept_connection_is_cut_is_not_sent_again(service):
    found = driven(service.target, "/once")

    # Every second call of a connection. Where one is slow, the next has a connection of its own.
    assert 10 <= failures(found, "/once")[Failure.TRANSPORT] <= 20
    assert len(service.asked) == 40


def test_an_answer_without_an_end_is_given_up_before_it_takes_all_memory(service):
    found = driven(service.target, "/endless", stages=(Stage(1, 2, 2),))

    assert failures(found, "/endless") == {Failure.CHECK: 2}
    assert found.reasons == {"/endless: an answer of more than 64 MiB": 2}


def test_a_path_can_not_lead_to_another_host(service):
    found = driven(service.target, planted.strays)

    assert failures(found, "elsewhere") == {Failure.CHECK: 40}
    assert "does not begin with a slash" in next(iter(found.reasons))


def test_a_server_that_is_not_there_is_told_with_the_reason(free_port):
    found = driven(f"http://127.0.0.1:{free_port}", "/", timeout_s=0.5)

    assert failures(found, "/") == {Failure.TRANSPORT: 40}
    assert [*found.reasons] == [f"/: 127.0.0.1:{free_port}: Connection refused"]


def test_users_whom_nobody_answers_do_not_ask_as_fast_as_they_can(free_port):
    found = driven(f"http://127.0.0.1:{free_port}", "/", **users(2))

    assert due(found, "/") <= 2 * 11  # each waits a tenth of a second


def test_of_more_calls_than_may_be_in_flight_the_others_are_dropped(service):
    found = driven(service.target, "/after/60000", max_in_flight=3, timeout_s=2.5)

    assert failures(found, "/after/60000") == {Failure.TIMEOUT: 3, Failure.DROPPED: 37}
    assert len(service.asked) == 3
    assert pooled(found, "/after/60000").total_count == 40
    assert pooled(found, "/after/60000").get_min_value() >= 2_498_000  # in its bin
    assert pooled(found, "/after/60000", "lag").total_count == 3  # of those that were sent
    assert pooled(found, "/after/60000", "service").total_count == 3


def test_what_the_loader_is_late_by_is_lag_and_is_part_of_the_latency(service):
    found = driven(service.target, planted.hogs, stages=(Stage(1, 20, 20),))

    latency, wait, lag = (pooled(found, "list", clock) for clock in ("latency", "service", "lag"))
    assert latency.total_count == 20
    # It takes a tenth of a second for each of what comes in twentieths. How many answers it finds
    # at a time, and so how late it is, is chance.
    assert lag.get_max_value() > 100_000
    mean = latency.get_mean_value()
    assert mean == pytest.approx(lag.get_mean_value() + wait.get_mean_value(), rel=0.01)


def test_a_clock_tells_how_late_the_loader_is_for_anything(service):
    found = driven(service.target, planted.hogs, **users(1))

    assert 10 < found.ticks.total_count <= 20
    assert found.ticks.get_max_value() > 50_000


def test_the_clock_of_a_loader_with_time_to_spare_is_on_time(service):
    found = driven(service.target, "/list", **users(1), think_s=0.1)

    assert 10 < found.ticks.total_count <= 20
    assert found.ticks.get_value_at_percentile(50) < 10_000


def test_a_pause_is_no_part_of_any_clock(service):
    found = driven(service.target, planted.thinks, stages=(Stage(1, 10, 10),))

    assert due(found, "before") == 10
    assert 0 < due(found, "after") <= 7  # who comes in 0.3 s before the end does not go on
    assert pooled(found, "after").get_min_value() < 300_000


def test_what_is_recorded_stands_in_the_second_in_which_it_was_due(service):
    found = driven(service.target, "/list", stages=(Stage(2, 10, 20),), warmup_s=1.0)

    assert {at: cell.due for at, cell in found.steps["/list"].items()} == {-1: 10, 0: 13, 1: 17}
    assert {-1, 0, 1} <= set(found.in_flight)


def test_each_user_has_a_connection_of_its_own(service):
    found = driven(service.target, "/after/10", **users(5))

    assert len(service.peers) == 5
    assert due(found, "/after/10") > 5
    assert max(found.in_flight.values()) <= 5


def test_users_of_a_closed_model_go_through_all_identities(service):
    names = ["a", "b", "c"]
    identities = tuple(Identity(name, f"/{name}/", {"x-who": name}) for name in names)
    found = driven(service.target, planted.speaks, identities=identities, **users(3))

    assert set(found.tenants) == set(names)
    assert {(path, headers["x-who"]) for _, path, headers, _ in service.asked} == {
        (f"/{name}/echo", name) for name in names
    }
    assert {each["number"] for each in service.sent()} == {0, 1, 2}


def test_an_identity_is_drawn_as_often_as_it_weighs(service):
    identities = Identity("loud", "/", weight=9), Identity("quiet", "/")
    found = driven(
        service.target, planted.speaks, identities=identities, stages=(Stage(1, 400, 400),)
    )

    loud = sum(cell.due for cell in found.tenants["loud"].values())
    assert loud / 400 == pytest.approx(0.9, abs=0.05)


def test_the_same_seed_makes_the_same_choices(service):
    identities = Identity("a"), Identity("b")
    found = []
    for seed in (1, 1, 2):
        driven(service.target, planted.speaks, identities=identities, seed=seed)
        found.append(sorted((each["tenant"], each["drawn"]) for each in service.sent()))
        service.asked.clear()

    assert found[0] == found[1] != found[2]
    assert len({drawn for _, drawn in found[0]}) == 40  # each session has its own


def test_server_timing_is_added_up_whatever_else_is_in_it(service):
    found = driven(service.target, "/timed", warmup_s=0.5)

    assert found.timed == 40  # the warm-up is not in it
    assert found.timing_ms == {"db": 60.0, "total": 100.0}


def test_a_watcher_is_told_of_each_second_and_may_end_the_run(service):
    class Ends(Watcher):
        def __init__(self) -> None:
            self.told: list[Second | str] = []

        def measuring(self) -> None:
            self.told.append("measuring")

        def second(self, second: Second, so_far: Recording) -> bool:
            self.told.append(second)
            return second.at == 0

    watcher = Ends()
    whole = plan(service.target, "/list", "/after/9000", warmup_s=1.0, stages=(Stage(60, 40, 40),))
    found = asyncio.run(drive(whole, watcher))

    at = [each if isinstance(each, str) else each.at for each in watcher.told]
    assert at == [-1, "measuring", 0, 1]
    assert found.broken_off == "its watcher ended it"
    seconds = [each for each in watcher.told if isinstance(each, Second)]
    assert seconds[0].in_flight == seconds[0].due - seconds[0].done > 0


def test_a_plan_says_what_is_wrong_with_it(service):
    nothing = Chosen("planted.missing", "perf.tests.load_service")
    with pytest.raises(PlanError, match=r"declares no scenario planted\.missing"):
        asyncio.run(drive(LoadPlan(service.target, method(), scenarios=(nothing,))))
    with pytest.raises(PlanError, match="either scenarios or addresses"):
        plan(service.target)
    with pytest.raises(PlanError, match="weigh"):
        plan(service.target, planted.speaks, identities=(Identity("a", weight=0),))
    with pytest.raises(PlanError, match="in flight"):
        plan(service.target, "/", workers=4, max_in_flight=3)
    with pytest.raises(PlanError, match="stages"):
        plan(service.target, "/", stages=())


def test_addresses_have_one_server():
    urls = "http://127.0.0.1:8000/a?b=c", "http://127.0.0.1:8000"
    assert origin_and_paths(urls) == ("http://127.0.0.1:8000", ("/a?b=c", "/"))
    with pytest.raises(PlanError, match="one server"):
        origin_and_paths(["http://a/", "http://b/"])
    with pytest.raises(PlanError, match="'ftp://a' must be like"):
        origin_and_paths(["ftp://a"])


@pytest.fixture
def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
