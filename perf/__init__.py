"""The lab: what a way of asking the database costs, beside its naive twin; what a service holds.

The names here are what other apps use. Nothing in this package knows a model or a setting of
theirs.
"""

from __future__ import annotations

from perf import claims as claim
from perf.catalogue import Dataset, NotHere, Pair, pair, variant
from perf.engine.timing import benchmark_function, timer
from perf.load.scenario import Answer, Call, Caller, Pause, Scenario, Steps, scenario

__all__ = [
    "Answer",
    "Call",
    "Caller",
    "Dataset",
    "NotHere",
    "Pair",
    "Pause",
    "Scenario",
    "Steps",
    "benchmark_function",
    "claim",
    "pair",
    "scenario",
    "timer",
    "variant",
]
