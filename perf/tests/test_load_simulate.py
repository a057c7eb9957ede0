"""`simulate_concurrent_load`: the seed's signature and figures."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from perf.load.simulate import LoadFigures, simulate_concurrent_load
from perf.tests.load_service import Service, serving


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as found:
        yield found


def simulated(*args: Any, **options: Any) -> LoadFigures:
    return asyncio.run(simulate_concurrent_load(*args, **options))


def test_each_client_asks_as_often_as_it_shall_and_all_endpoints_are_asked_for(service):
    found = simulated(service.target, ["/a", "/b", "/c"], concurrency=2, requests_per_client=6)

    assert found["total_requests"] == found["successful_requests"] == 12
    assert found["failure_rate"] == 0
    assert Counter(service.paths()) == {"/a": 4, "/b": 4, "/c": 4}
    assert len(service.peers) == 2
    assert {each["url"] for each in found["results"]} == {
        f"{service.target}/{name}" for name in "abc"
    }
    assert all(each["status"] == 200 and "error" not in each for each in found["results"])


def test_a_created_thing_is_a_success_and_an_error_is_not(service):
    found = simulated(
        service.target, ["/status/201", "/status/500"], concurrency=1, requests_per_client=4
    )

    assert found["successful_requests"] == 2
    assert found["failure_rate"] == 0.5
    assert [each["success"] for each in found["results"]] == [True, False] * 2


def test_what_is_not_answered_is_in_the_percentile_at_the_timeout(service):
    found = simulated(
        service.target,
        ["/list"] * 9 + ["/after/60000"],
        concurrency=1,
        requests_per_client=20,
        timeout_s=0.2,
    )

    assert found["failure_rate"] == 0.1
    assert (found["p95_response_time"] or 0) >= 0.2
    assert (found["avg_response_time"] or 1) < 0.2  # of those that were answered
    assert found["results"][9]["error"] == "no answer in 0.2 s"
    assert "status" not in found["results"][9]


def test_a_percentile_of_few_requests_is_none_and_so_is_the_average_of_no_answer(service):
    found = simulated(service.target, ["/after/60000"], 2, 2, timeout_s=0.1)

    assert found["p95_response_time"] is None
    assert found["avg_response_time"] is None
    assert found["failure_rate"] == 1


@pytest.mark.parametrize(
    ("endpoints", "clients", "requests"), [([], 1, 1), (["/"], 0, 1), (["/"], 1, 0)]
)
def test_nothing_to_ask_is_an_error(endpoints, clients, requests):
    with pytest.raises(ValueError, match="an endpoint, a client, and a request"):
        simulated("http://127.0.0.1:1", endpoints, clients, requests)
