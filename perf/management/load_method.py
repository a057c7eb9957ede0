"""How the arguments of `loadtest` ask for the load to be made."""

from __future__ import annotations

import random
from collections.abc import Mapping
from math import ceil
from typing import Any, Final

from perf.load.results import Arrivals, LoadMethod, Model, Stage
from perf.load.schedule import expected
from perf.management.load_arguments import DURATION_S, RATE, usage

SOAK_S: Final = 3_600.0
MOST_SESSIONS: Final = 20_000_000  # each worker draws all: 63 bytes of memory for each of them
SPIKE_SHARE: Final = 0.2  # of the time, in the middle


def method_of(options: Mapping[str, Any]) -> LoadMethod:
    """How the arguments ask for the load to be made. Raises `CommandError` where they contradict
    each other."""
    model = _model(options)
    think_s = options["think"]
    if think_s is None:
        think_s = 1.0 if model is Model.CLOSED and not options["get"] else 0.0
    stages = _stages(options, _level(options, model))
    most = options["max_in_flight"]
    if model is Model.CLOSED:  # where nobody waits for more than one answer
        most = max(most, *(ceil(max(each.begins, each.ends)) for each in stages), 0)
    if options["workers"] > most:
        raise usage("--max-in-flight must allow each of the --workers a request.")
    method = LoadMethod(
        model=model,
        stages=stages,
        arrivals=Arrivals(options["arrivals"]),
        think_s=think_s,
        warmup_s=options["warmup"],
        timeout_s=options["timeout"],
        max_in_flight=most,
        workers=options["workers"],
        seed=random.SystemRandom().randrange(2**31) if options["seed"] is None else options["seed"],
    )
    if model is Model.OPEN and expected(method) > MOST_SESSIONS:
        raise usage(
            f"That makes {expected(method):,.0f} sessions, all drawn before the run: at most "
            f"{MOST_SESSIONS:,} can be."
        )
    return method


def _model(options: Mapping[str, Any]) -> Model:
    model = Model(options["model"] or (Model.CLOSED if options["users"] else Model.OPEN))
    if model is Model.CLOSED and options["rate"]:
        raise usage("--rate is of the open model; a closed one has --users.")
    if model is Model.OPEN and options["users"]:
        raise usage("--users are of the closed model; an open one has a --rate.")
    if options["stages"] and (options["rate"] or options["users"] or options["duration"]):
        raise usage("--stages say how much and how long: leave --rate, --users, --duration out.")
    return model


def _level(options: Mapping[str, Any], model: Model) -> float:
    if model is Model.OPEN:
        return float(options["rate"] or RATE)
    return float(options["users"] or 10)


def _stages(options: Mapping[str, Any], level: float) -> tuple[Stage, ...]:
    if options["stages"]:
        found: tuple[Stage, ...] = options["stages"]
        return found
    duration_s = options["duration"] or (SOAK_S if options["soak"] else DURATION_S)
    if not options["spike"]:
        return (Stage(duration_s, level, level),)
    beside_s, peak = duration_s * (1 - SPIKE_SHARE) / 2, level * options["spike"]
    calm = Stage(beside_s, level, level)
    return calm, Stage(duration_s * SPIKE_SHARE, peak, peak), calm
