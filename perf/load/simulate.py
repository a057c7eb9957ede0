"""Concurrent clients against some addresses of a service, from a shell, a test or a script.

For a quick look. `manage.py loadtest` keeps a schedule, so that it sees what these clients don't: a
client that waits for an answer sends nothing meanwhile, and what it would have found out is in no
figure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from statistics import fmean
from typing import NotRequired, TypedDict

from perf.engine.samples import percentile
from perf.load.scenario import Call
from perf.load.transport import CallFailed, Transport


class Outcome(TypedDict):
    """A request: `response_time` in seconds, until the whole answer was there or given up.

    `status` is missing where nothing came back, `error` where something did.
    """

    url: str
    response_time: float
    success: bool
    status: NotRequired[int]
    error: NotRequired[str]


class LoadFigures(TypedDict):
    """What concurrent clients found. Times are seconds, the rate is 0 to 1."""

    total_requests: int
    successful_requests: int
    failure_rate: float
    avg_response_time: float | None  # of what was answered
    p95_response_time: float | None  # of all: what was not answered took as long as the timeout
    results: list[Outcome]


async def simulate_concurrent_load(
    base_url: str,
    endpoints: Sequence[str],
    concurrency: int = 10,
    requests_per_client: int = 100,
    *,
    timeout_s: float = 30.0,
) -> LoadFigures:
    """Let so many clients ask for `base_url` + endpoint, one request after the other each.

    Each client goes through all endpoints in turn and begins at another, so that all are asked for
    whatever their number. An answer from 200 to 299 or 304 is a success. The percentile is the
    nearest rank, and None of fewer than 20 requests; the average is None where nothing came back.
    Raises ValueError where there is nothing to ask, or nobody to do so.
    """
    if not endpoints or concurrency < 1 or requests_per_client < 1:
        raise ValueError("There must be an endpoint, a client, and a request of each.")
    calls = [Call("GET", each, name=each) for each in endpoints]

    async def client(number: int) -> list[Outcome]:
        async with Transport(base_url, timeout_s) as transport:
            turns = range(number, number + requests_per_client)
            return [await _asked(transport, base_url, calls[turn % len(calls)]) for turn in turns]

    clients = await asyncio.gather(*map(client, range(concurrency)))
    return _figures([each for outcomes in clients for each in outcomes], timeout_s)


async def _asked(transport: Transport, base_url: str, call: Call) -> Outcome:
    outcome = Outcome(url=base_url + call.path, response_time=0.0, success=False)
    begun = time.perf_counter()
    try:
        answer = await transport.send(call)
    except CallFailed as error:
        outcome["error"] = error.reason
    else:
        outcome["status"] = answer.status
        outcome["success"] = answer.status in call.expects
    outcome["response_time"] = time.perf_counter() - begun
    return outcome


def _figures(results: list[Outcome], timeout_s: float) -> LoadFigures:
    answered = [each["response_time"] for each in results if "status" in each]
    unanswered = [max(timeout_s, each["response_time"]) for each in results if "error" in each]
    successful = sum(each["success"] for each in results)
    return LoadFigures(
        total_requests=len(results),
        successful_requests=successful,
        failure_rate=(len(results) - successful) / len(results),
        avg_response_time=fmean(answered) if answered else None,
        p95_response_time=percentile(answered + unanswered, 0.95),
        results=results,
    )
