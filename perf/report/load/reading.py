"""How to read the figures of a load test, and what they do not show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perf.load.results import LoadRun, Model
from perf.report import figures
from perf.report.load import summary

_LONG_S: Final = 600.0


def how_to_read(run: LoadRun) -> Iterator[tuple[str, str]]:
    """Terms and what they mean here."""
    timeout = figures.ns(run.method.timeout_s * 1e9)
    yield (
        "Latency",
        "From the moment when a request was due until its answer was there: what a user waits. "
        f"What never came back counts as {timeout}, the timeout, and is not left out.",
    )
    yield "Service time", "From the moment when it was sent: what server and network take."
    yield "Lag", "From when it was due until it was sent: how late the loader was."
    yield (
        "[low, high]",
        f"The {figures.percent(run.method.confidence)} interval. It is made from whole seconds, "
        "not from single requests, because those of one second share its fate.",
    )
    yield (
        "Needs N samples",
        "With fewer than ten samples above it, a percentile is chance, so none is shown.",
    )
    yield (
        "Objectives",
        "One passes or fails if the whole interval is on one side of its limit; else it is "
        "inconclusive, and a longer run may decide.",
    )
    yield "429", "The service asked to come more slowly. It is counted, and is no failure."
    yield _model(run)


def _model(run: LoadRun) -> tuple[str, str]:
    if run.method.model is Model.OPEN:
        return (
            "Open model",
            "Sessions begin by a schedule, as those of people do who do not wait for each other. "
            "Where the service stalls, requests queue up, and the wait of each counts.",
        )
    return (
        "Closed model",
        "Each user sends the next request after the last answer. Where the service stalls they all "
        "wait and ask less, so that a long stall shows as a few slow answers.",
    )


def limits(run: LoadRun) -> Iterator[str]:
    """What the run does not show."""
    if summary.shares_machine(run):
        yield "A network. All went over the loopback interface."
        yield "The service by itself. The loader took a part of the same processors."
    else:
        yield "The service from elsewhere. All requests came over this one network."
    yield "Other data, and other requests than those of these scenarios."
    if run.measured_s < _LONG_S:
        yield "What takes longer to show: growing memory, vacuum, checkpoints, a cache that fills."
    if not run.server.processes:
        yield "What the servers did. They were not watched."
