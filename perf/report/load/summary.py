"""What all reports say of a load test, in words: how it stands, its headline, how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from perf.engine.results import Interval
from perf.load.loopback import is_loopback
from perf.load.results import (
    Arrivals,
    Failure,
    LoadMethod,
    LoadRun,
    Model,
    Quantile,
    SloResult,
    SloVerdict,
    Stage,
    StepResult,
    TenantResult,
    Times,
)
from perf.report import figures
from perf.report.parts import Tone

ALL: Final = "all"  # what a step without a name is called
HEADLINED: Final = (0.5, 0.95, 0.99)
NOT_JUDGED: Final = "not judged"
FULL: Final = 0.9  # of the processors
KEPT: Final = "What was recorded all the same: do not rely on it"


class Standing(StrEnum):
    """What a run says in all."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_OBJECTIVES = "no objectives"
    PARTIAL = "broken off"
    RIG_LIMITED = "rig-limited"
    INVALID = "invalid"


TONE_OF_STANDING: Final = {
    Standing.PASS: Tone.GOOD,
    Standing.FAIL: Tone.BAD,
    Standing.INCONCLUSIVE: Tone.UNSURE,
    Standing.NO_OBJECTIVES: Tone.QUIET,
    Standing.PARTIAL: Tone.UNSURE,
    Standing.RIG_LIMITED: Tone.BAD,
    Standing.INVALID: Tone.BAD,
}
TONE_OF_SLO: Final = {
    SloVerdict.PASS: Tone.GOOD,
    SloVerdict.FAIL: Tone.BAD,
    SloVerdict.INCONCLUSIVE: Tone.UNSURE,
}


def standing(run: LoadRun) -> Standing:
    """The first that holds: rig-limited, an objective failed, invalid, broken off, one is open, all
    passed.

    An objective that failed has done so even where the run was broken off, such as for that. A run
    without any has failed where nothing was answered as it should be.
    """
    found = {each.verdict for each in run.slos}
    if run.rig.limited:
        return Standing.RIG_LIMITED
    if SloVerdict.FAIL in found:
        return Standing.FAIL
    if run.invalid:
        return Standing.INVALID
    if run.ended_at is None:
        return Standing.PARTIAL
    if not found and run.total.requests and not run.total.successful:
        return Standing.FAIL
    if SloVerdict.INCONCLUSIVE in found:
        return Standing.INCONCLUSIVE
    return Standing.PASS if found else Standing.NO_OBJECTIVES


def is_sound(run: LoadRun) -> bool:
    """Whether its figures are the service's, if only of a part of what was to be measured."""
    return not run.invalid and not run.rig.limited


def is_judged(run: LoadRun, found: SloResult) -> bool:
    """Whether the run can say something of that objective."""
    return is_sound(run) or (found.verdict is SloVerdict.FAIL and not run.rig.limited)


def headline(run: LoadRun) -> str:
    """How it stands, and the figures that people ask for first, where they can be believed."""
    return " ".join(filter(None, (verdict(run), measured(run))))


def verdict(run: LoadRun) -> str:
    """How it stands, in a sentence; nothing where no objective was set."""
    of = f"of {figures.plural(len(run.slos), 'objective')}"
    verdicts = [each.verdict for each in run.slos]
    match standing(run):
        case Standing.INVALID:
            return "Invalid: this run says nothing about the service."
        case Standing.RIG_LIMITED:
            return "Rig-limited: what was measured is the loader, and not the service."
        case Standing.PARTIAL:
            return "Broken off:"
        case Standing.FAIL if not run.slos:
            return "Failed: no request got a good answer."
        case Standing.FAIL:
            return f"Failed: {verdicts.count(SloVerdict.FAIL)} {of} did not hold."
        case Standing.INCONCLUSIVE:
            open_ones = verdicts.count(SloVerdict.INCONCLUSIVE)
            return f"Inconclusive: {open_ones} {of} could not be decided."
        case Standing.PASS:
            return f"Passed: {_held(len(verdicts))}."
    return ""


def _held(many: int) -> str:
    few = {1: "the objective", 2: "both objectives"}
    return f"{few.get(many, f'all {figures.count(many)} objectives')} held"


def measured(run: LoadRun) -> str:
    """The figures that people ask for first, in a sentence; nothing where they mean nothing."""
    if not is_sound(run):
        return ""
    if not run.total.requests:
        return "No request was due."
    told = [f"{figures.number(run.rate)} good answers a second"]
    for q in HEADLINED:
        found = run.total.latency.at(q)
        if found and found.value_ms is not None:
            told.append(f"{quantile_name(q)} {milliseconds(found.value_ms)}")
    told.append(f"{figures.percent(run.total.failure_rate)} failed")
    if throttled := run.total.failures.get(Failure.THROTTLED, 0):
        told.append(f"{figures.percent(throttled / run.total.requests)} throttled")
    return f"{', '.join(told)}."


def troubles(run: LoadRun) -> Iterator[tuple[str, str, Tone]]:
    """Why figures are not to be believed, or with care: a word, the reason, and its tone."""
    for each in run.invalid:
        yield "invalid", each, Tone.BAD
    for each in run.rig.limited:
        yield "rig-limited", each, Tone.BAD
    if run.rig.limited:
        yield "do", remedy(run), Tone.UNSURE
    for each in run.complaints:
        yield "mind", each, Tone.UNSURE
    if shares_machine(run):
        # Of one processor each takes from the other, so figures are good to compare, and no more.
        text = "Loader and service share this machine: compare only with other runs on it."
        yield "mind", text, Tone.UNSURE


def remedy(run: LoadRun) -> str:
    """What to do about a loader that was at its limit."""
    processors = float(run.environment.get("CPUs") or "inf")
    used = sum(each.cpu_share for each in run.server.processes)
    if used >= FULL * processors:
        named = ", ".join(f"{each.name} {each.cpu_share:.2f}" for each in run.server.processes)
        return (
            f"All {processors:.0f} processors were in use ({named}): free them, lower the rate, or "
            "load from another machine."
        )
    return "Lower the rate, try --workers 2, or use another machine; a busy one may be idle later."


def shares_machine(run: LoadRun) -> bool:
    """Whether the target is of the loopback. No name is looked up: a run may be read elsewhere."""
    try:
        return is_loopback(urlsplit(run.target).hostname or "")
    except ValueError:
        return False


# How it was made


def method(run: LoadRun) -> str:
    """The method in a sentence, without a stop at its end."""
    found = run.method
    told = [f"{model_name(found)}: {load(found)}", *_pauses(found)]
    if found.warmup_s:
        told.append(f"after {_seconds(found.warmup_s)} of warm-up")
    told += [f"timeout {_seconds(found.timeout_s)}", figures.plural(found.workers, "worker")]
    if found.model is Model.OPEN:
        told.append(f"at most {figures.count(found.max_in_flight)} in flight")
    return ", ".join([*told, f"seed {found.seed}"])


def model_name(found: LoadMethod) -> str:
    return f"{found.model.value.capitalize()} model"


def load(found: LoadMethod) -> str:
    """The stages, such as "50 arrivals a second, Poisson, for 1 min"."""
    stages = ", then ".join(_stage(each, found) for each in found.stages) or "no stages"
    if found.model is Model.CLOSED:
        return stages
    poisson = found.arrivals is Arrivals.POISSON
    return f"{stages}, {'as a Poisson process' if poisson else 'evenly spaced'}"


def _stage(found: Stage, how: LoadMethod) -> str:
    of = "users" if how.model is Model.CLOSED else "arrivals a second"
    rates = figures.number(found.begins)
    if found.begins != found.ends:
        rates = f"{rates} to {figures.number(found.ends)}"
    return f"{rates} {of} for {_seconds(found.duration_s)}"


def _pauses(found: LoadMethod) -> Iterator[str]:
    if found.think_s:
        yield f"pauses of {_seconds(found.think_s)} on average"
    elif found.model is Model.CLOSED:
        yield "without pauses"


def scenarios(run: LoadRun) -> str:
    """Names, with their shares where there are several, the largest first."""
    whole = sum(run.scenarios.values())
    if len(run.scenarios) < 2 or not whole:
        return ", ".join(run.scenarios)
    by_weight = sorted(run.scenarios.items(), key=lambda each: (-each[1], each[0]))
    told = (f"{name} {figures.percent(each / whole)}" for name, each in by_weight)
    return ", ".join(told)


def _seconds(found: float) -> str:
    return figures.span(found) if found >= 60 else figures.ns(found * 1e9)


# Figures in words


def step_name(found: StepResult) -> str:
    return found.name or ALL


def milliseconds(found: float | None) -> str:
    """A time given in milliseconds.

    >>> milliseconds(12.34), milliseconds(0.05), milliseconds(0.0), milliseconds(None)
    ('12.3 ms', '50 µs', '0 ms', '–')
    """
    if found == 0:
        return "0 ms"
    return figures.ns(found * 1e6 if found is not None else None)


def quantile_name(q: float) -> str:
    """
    >>> quantile_name(0.5), quantile_name(0.9999)
    ('p50', 'p99.99')
    """
    return f"p{q * 100:g}"


def quantile(found: Quantile | None) -> str:
    """A percentile with its interval, or what it would need.

    >>> quantile(Quantile(0.99, 200.0, 190.0, 214.0)), quantile(Quantile(0.99, None, needs=1000))
    ('200 ms [190, 214]', 'needs 1,000 samples')
    """
    if found is None:
        return figures.UNKNOWN
    if found.value_ms is None:
        return f"needs {figures.plural(found.needs, 'sample')}" if found.needs else figures.UNKNOWN
    if found.low_ms is None or found.high_ms is None:
        return milliseconds(found.value_ms)
    inner = (found.value_ms, found.low_ms, found.high_ms)
    return figures.ns_interval(Interval(*(each * 1e6 for each in inner)))


def value(times: Times, q: float) -> str:
    """A percentile alone, a dash where there are too few samples."""
    found = times.at(q)
    return milliseconds(found.value_ms if found else None)


_FAILURES: Final = {
    Failure.TRANSPORT: "transport",
    Failure.TIMEOUT: "timed out",
    Failure.STATUS: "status",
    Failure.CHECK: "check",
    Failure.THROTTLED: "throttled (429)",
    Failure.DROPPED: "dropped",
}


def failures(found: Mapping[str, int]) -> str:
    """What went wrong, by kind; 429 last, as it is no failure.

    >>> failures({"throttled": 9, "timeout": 2}), failures({})
    ('2 timed out, 9 throttled (429)', 'none')
    """
    kinds = sorted(found, key=lambda kind: (kind == Failure.THROTTLED, -found[kind], kind))
    names = {kind.value: name for kind, name in _FAILURES.items()}
    told = (f"{figures.count(found[x])} {names.get(x, x)}" for x in kinds if found[x])
    return ", ".join(told) or "none"


def steps(run: LoadRun) -> list[StepResult]:
    """All steps and their total, which of a single one would say the same."""
    return [*run.steps] if len(run.steps) == 1 else [*run.steps, run.total]


def fairness(run: LoadRun) -> str:
    """How tenants stand to each other, in a sentence; nothing where that is not known."""
    found = run.fairness
    if found is None:
        return ""
    told = (
        f"Fairness {found.index:.3f} (1 is even, {1 / max(1, len(run.tenants)):.2g} is one alone)"
    )
    if found.slowest_ratio is None:
        return f"{told}."
    ratio = figures.ratio(found.slowest_ratio)
    return f"{told}; the p95 of {found.slowest}, the slowest, is {ratio} that of all."


def slowest_tenants(run: LoadRun) -> list[TenantResult]:
    """All of them, by their p95; those with too few requests for one last."""
    return sorted(run.tenants, key=lambda each: (-(p95_ms(each) or -1.0), each.tenant))


def p95_ms(tenant: TenantResult) -> float | None:
    """None where there are too few requests for one."""
    found = tenant.latency.at(0.95)
    return found.value_ms if found else None


def loader(run: LoadRun) -> str:
    """Whether the loader was up to it, in a sentence. No time is known more finely than its lag."""
    rig, lag = run.rig, run.total.lag
    if not lag.count:
        return "Nothing was sent."
    late = [
        f"{milliseconds(each.value_ms)} at {quantile_name(each.q)}"
        for q in (0.5, 0.99)
        if (each := lag.at(q)) and each.value_ms is not None
    ]
    few = "Too few requests were sent to say how late they were"
    told = [f"Requests were sent late by {', '.join(late)}" if late else few]
    if rig.cpu_share is not None:
        told.append(f"the busiest worker used {figures.percent(rig.cpu_share)} of a processor")
    if rig.ceiling_rate is not None:
        rate = figures.number(rig.ceiling_rate)
        told.append(f"a worker can send {rate} requests a second to a server that does nothing")
    return f"{'; '.join(told)}."
