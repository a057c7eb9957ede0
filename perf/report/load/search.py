"""What all reports say of a search for the highest rate that holds, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from perf.load.intervals import LEAST_SECONDS
from perf.load.results import CapacityPoint, CapacityResult, SloResult, SloVerdict
from perf.report import figures
from perf.report.load.summary import quantile
from perf.report.texts import printable

LIMITED: Final = "rig-limited"
LATE: Final = "loader late"
SECOND: Final = "2nd try"
_AMISS: Final = {SloVerdict.FAIL: "fails", SloVerdict.INCONCLUSIVE: "undecided"}
# Words of perf.load that a row has no room for, where its verdict or its rate says as much.
_LONG: Final = (
    "; the run was broken off",
    ", where a longer run finds worse",
    f", and no interval of fewer than {LEAST_SECONDS} seconds",
)
_BEYOND: Final = {SloVerdict.FAIL: "does not", SloVerdict.INCONCLUSIVE: "is not decided"}


# The search


def headline(found: CapacityResult) -> str:
    """The rate, in a sentence; with what is not known of it."""
    objectives = " and ".join(found.slos) or "the objectives"
    hold = "holds" if len(found.slos) == 1 else "hold"
    if found.holds is None:
        if any(x.verdict is SloVerdict.FAIL and not x.limited for x in found.points):
            return f"No rate that was tried holds {objectives}."
        return f"No rate is known that holds {objectives}: no try could tell."
    told = f"{objectives} {hold} at {_held(found, found.holds)}"
    if found.fails is None:
        return f"{told}; no higher rate is known to fail, so it may be more."
    return f"{told}, and not at {figures.number(found.fails)}."


def what(found: CapacityResult) -> str:
    """What was done at the rates: scenarios, or addresses."""
    return ", ".join(found.scenarios) or found.target


def _held(found: CapacityResult, rate: float) -> str:
    """The rate that holds, and what was answered at it: a session may be many requests."""
    told = f"{figures.number(rate)} {found.of} a second"
    point = accepted(found.points).get(rate)
    if point and found.of == "sessions":
        told += f" ({figures.number(point.done)} good answers)"
    if point and attempt(found, point) > 1:
        told += ", at the second try only"
    return told


def accepted(points: Sequence[CapacityPoint]) -> dict[float, CapacityPoint]:
    """The try of each rate that counts: the last one, as none is made after one that passed."""
    return {each.rate: each for each in points}


def attempt(found: CapacityResult, point: CapacityPoint) -> int:
    """Which try of its rate it was, from 1."""
    at = next(at for at, each in enumerate(found.points) if each is point)
    return 1 + sum(each.rate == point.rate for each in found.points[:at])


def advice(found: CapacityResult) -> str:
    """What to do next where the limit is not known, in a line; nothing where it is."""
    low, high = found.holds or 0.0, found.fails or math.inf
    above = [each for rate, each in accepted(found.points).items() if low < rate < high]
    limited = [each.rate for each in above if each.limited]
    is_open = any(each.verdict is SloVerdict.INCONCLUSIVE and not each.limited for each in above)
    told = list(_next(found, limited, is_open=is_open))
    return f"Next: {'; '.join(told)}." if told else ""


def _next(found: CapacityResult, limited: list[float], *, is_open: bool) -> Iterator[str]:
    if limited:
        yield "free the machine, or load from another one"
    if is_open:
        yield "a longer --duration, which decides more"
    if (limited or is_open) and found.holds is not None:
        yield f"--rate {found.holds:g}/s, to begin near what holds"
    elif limited:
        yield f"a --rate below {min(limited):g}/s"


def ascending(found: CapacityResult) -> list[CapacityPoint]:
    """The tries by their rates, those of one rate in their order."""
    return sorted(found.points, key=lambda each: each.rate)


# A try


def verdict(found: CapacityResult, point: CapacityPoint) -> str:
    """The verdict's words, with what is to be minded of it."""
    if point.limited:
        return LIMITED
    told = [point.verdict.value]
    if attempt(found, point) > 1:
        told.append(SECOND)
    if point.late:
        told.append(LATE)
    return ", ".join(told)


def header(found: CapacityResult) -> tuple[str, ...]:
    """The columns: rate, verdict, answers, each objective, and the percentile that is drawn if it
    is that of none."""
    drawn = () if found.limit_ms is not None else (found.drawn,)
    names = (f"{found.of}/s", "verdict", "good answers/s", *found.slos, *drawn)
    return tuple(map(printable, names))  # objectives name steps, which come from outside


def row(found: CapacityResult, point: CapacityPoint) -> tuple[str, ...]:
    """A try in words; no figure of latency or failure where the loader was at its limit."""
    drawn = () if found.limit_ms is not None else (quantile(point.latency),)
    return (
        figures.number(point.rate),
        verdict(found, point),
        figures.number(point.done),
        *(" ".join(filter(None, reversed(measured(point, each)))) for each in found.slos),
        *(figures.UNKNOWN if point.limited else each for each in drawn),
    )


def measured(point: CapacityPoint, slo: str) -> tuple[str, str]:
    """What was measured of an objective, and a word if it did not hold."""
    each = next((each for each in point.slos if each.text == slo), None)
    if each is None or point.limited:
        return figures.UNKNOWN, ""
    return _value(each), _AMISS.get(each.verdict, "")


def not_drawn(found: CapacityResult) -> str:
    """In a sentence which rates have no mark, and why."""
    limited = [each.rate for each in ascending(found) if each.limited]
    unknown = [
        each.rate
        for each in ascending(found)
        if not each.limited and (each.latency is None or each.latency.value_ms is None)
    ]
    told = []
    if limited:
        told.append(f"the loader was at its limit at {_rates(limited)}")
    if unknown:
        told.append(f"there is no {found.drawn} at {_rates(unknown)}")
    return f"Not drawn: {', and '.join(told)}." if told else ""


def _rates(rates: Sequence[float]) -> str:
    return ", ".join(f"{figures.number(each)}/s" for each in dict.fromkeys(rates))


# As it goes on


def so_far(points: Sequence[CapacityPoint]) -> str:
    """What is known of the limit by then, such as "80 holds, 160 does not"; nothing before the
    first try.

    >>> so_far([CapacityPoint(80, SloVerdict.PASS), CapacityPoint(160, SloVerdict.FAIL)])
    '80 holds, 160 does not'
    """
    tried = accepted(points)
    held = max((x.rate for x in tried.values() if x.verdict is SloVerdict.PASS), default=None)
    above = [rate for rate in tried if rate > (held or 0)]
    told = [] if held is None else [f"{figures.number(held)} holds"]
    if above:
        found = tried[min(above)]
        how = "is too much for the loader" if found.limited else _BEYOND[found.verdict]
        told.append(f"{figures.number(found.rate)} {how}")
    return ", ".join(told)


def outcome(point: CapacityPoint) -> str:
    """What became of a try: each objective with what was measured, or why it tells nothing."""
    if point.limited:
        return f"{LIMITED}: {' '.join(point.limited)} It is not tried again."
    of = f"{point.verdict}, although the loader was late" if point.late else point.verdict.value
    return f"{of}: {'; '.join(map(_objective, point.slos))}"


def _objective(found: SloResult) -> str:
    amiss = _AMISS.get(found.verdict)
    return f"{found.text} {_value(found)}" + (f" ({amiss})" if amiss else "")


def _value(found: SloResult) -> str:
    """What was measured, and what speaks against it in short."""
    told = found.measured
    for each in _LONG:
        told = told.replace(each, "")
    return told
