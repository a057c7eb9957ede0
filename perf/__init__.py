"""The lab: what a way of asking the database costs, beside its naive twin.

The names here are what other apps use. Nothing in this package knows a model or a setting of
theirs.
"""

from __future__ import annotations

from perf import claims as claim
from perf.catalogue import Dataset, NotHere, Pair, pair, variant
from perf.engine.timing import benchmark_function, timer

__all__ = [
    "Dataset",
    "NotHere",
    "Pair",
    "benchmark_function",
    "claim",
    "pair",
    "timer",
    "variant",
]
