"""The closed model beside wrk, another load generator: same address, same connections.

    .ci/compare-with-wrk [URL] [--connections N] [--seconds S] [--rounds R]

In turns, so that what else the machine does is in both. Without an address both ask a server that
answers after 10 ms. Ends with 1 where they differ by more than a tenth in throughput, or in the
median by more than a tenth and a millisecond; with 2 where there is no wrk.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from perf.load.null import null_server
from perf.load.plan import LoadPlan, origin_and_paths
from perf.load.recording import Histogram
from perf.load.results import Arrivals, LoadMethod, Model, Stage
from perf.load.workers import run

MOST: Final = 0.1  # of wrk's figure
MOST_MS: Final = 1.0
_DELAY_MS: Final = 10
_MS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class Figures:
    """Answers a second, and the median of their latency."""

    rate: float
    p50_ms: float


def ours(url: str, connections: int, seconds: int) -> Figures:
    """By one worker, after a second that does not count."""
    target, paths = origin_and_paths([url])
    method = LoadMethod(
        model=Model.CLOSED,
        stages=(Stage(seconds, connections, connections),),
        arrivals=Arrivals.CONSTANT,
        think_s=0.0,
        warmup_s=1.0,
        timeout_s=10.0,
        max_in_flight=connections,
        workers=1,
        seed=0,
    )
    found = run(LoadPlan(target, method, gets=paths))
    if found.reasons or found.broken_off:
        raise RuntimeError(f"{found.broken_off} {dict(found.reasons)}")
    latency = Histogram()
    for second, cell in found.steps[paths[0]].items():
        if second >= 0:
            latency.add(cell.latency)
    return Figures(latency.total_count / seconds, latency.get_value_at_percentile(50) / 1000)


def theirs(url: str, connections: int, seconds: int) -> Figures:
    """What wrk reports, with one thread."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return read(done.stdout)


def read(report: str) -> Figures:
    """The figures of a report of wrk's. Raises `ValueError` where there are none, or errors."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", report)
    median = re.search(r"50%\s+([\d.]+)(us|ms|s)", report)
    if rate is None or median is None or re.search(r"Socket errors|Non-2xx", report):
        raise ValueError(f"wrk did not measure answers:\n{report}")
    return Figures(float(rate[1]), float(median[1]) * _MS[median[2]])


def agree(one: Figures, other: Figures) -> bool:
    """Whether ours are near enough to those of wrk."""
    apart_ms = abs(one.p50_ms - other.p50_ms)
    return abs(one.rate - other.rate) <= MOST * other.rate and (
        apart_ms <= MOST * other.p50_ms or apart_ms <= MOST_MS
    )


def median_of(found: Sequence[Figures]) -> Figures:
    return Figures(
        statistics.median(each.rate for each in found),
        statistics.median(each.p50_ms for each in found),
    )


def compared(url: str, connections: int, seconds: int, rounds: int) -> bool:
    """Measure in turns, tell each figure, and whether the medians agree."""
    ways: dict[str, Callable[[str, int, int], Figures]] = {"loadtest": ours, "wrk": theirs}
    found: dict[str, list[Figures]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways) if number % 2 else reversed(ways):
            found[name].append(ways[name](url, connections, seconds))
            _tell(name, found[name][-1])
    one, other = (median_of(found[name]) for name in ways)
    _tell("median of loadtest", one)
    _tell("median of wrk", other)
    return agree(one, other)


def _tell(name: str, found: Figures) -> None:
    sys.stdout.write(f"{name:<20}{found.rate:>10,.0f}/s  p50 {found.p50_ms:>8,.2f} ms\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog=".ci/compare-with-wrk", description=__doc__)
    parser.add_argument("url", nargs="?", help="the address; without it a server of its own")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=5, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    wanted = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.stderr.write("There is no wrk: apt-get install wrk\n")
        return 2
    with nullcontext(wanted.url) if wanted.url else null_server(_DELAY_MS) as target:
        agreed = compared(target, wanted.connections, wanted.seconds, wanted.rounds)
    sys.stdout.write("They agree.\n" if agreed else "They differ.\n")
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
