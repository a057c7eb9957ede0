"""How a way grows with the rows of the table, and from how many rows on another one pays.

Standard library only: `perf.claims` has its bounds from here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from perf.engine.curves import (
    LARGEST_EXPONENT,
    Costs,
    exponent_interval,
    fitted,
    geometric_means,
)
from perf.engine.results import Comparison, Growth, Interval, Payoff, Verdict
from perf.engine.student import student_interval

FLAT: Final = 1.25  # the factor that a flat way's interval ends below, over all sizes
GROWTH_SIZES: Final = 3  # of a curve with three unknowns
_NEAR: Final = 1e-3
_SHAPELESS: Final = 2.0  # up to this factor a curve is mostly its floor

_SHOWN_NOT: Final = (Verdict.EQUIVALENT, Verdict.NAIVE)


def growth_of(
    variant: str,
    of: str,
    sizes: Sequence[int],
    by_execution_per_size: Sequence[Costs],
    *,
    confidence: float = 0.95,
) -> Growth | None:
    """How `variant` grows from the smallest of `sizes`, which ascend, to the largest.

    `by_execution_per_size` has for each size one value of each execution: of="time" its median in
    nanoseconds, of="blocks" the blocks of 8 KiB of a draw. Values at one place are of one
    execution; the last one, if it was broken off, lacks sizes and is left out. A cost below 1
    counts as 1, as 0 blocks have no ratio.

    The factor is last / first, by Student's t on the logarithms of each execution. The exponent is
    None with fewer than 3 sizes, or where the factor may be 2 or less: noise and floor make any
    exponent fit then; and where the steepest of all curves fits best, as it does a step at the
    largest size. Nothing at all with fewer than two sizes or executions, of which no error can be
    told.
    """
    executions = _executions(sizes, by_execution_per_size)
    if len(sizes) < 2 or len(executions) < 2:
        return None
    factor = _factor(executions, confidence)
    exponent = floor = slope = None
    if len(sizes) >= GROWTH_SIZES and factor.low > _SHAPELESS:
        curve = fitted(sizes, geometric_means(executions))
        if curve.exponent < LARGEST_EXPONENT - _NEAR:
            exponent = exponent_interval(sizes, executions, confidence)
            floor, slope = curve.floor, curve.slope
    return Growth(
        variant=variant,
        of=of,
        sizes=tuple(sizes),
        factor=factor,
        is_flat=factor.high < FLAT,
        exponent=exponent,
        floor=floor,
        slope=slope,
    )


def payoff(naive: str, sizes: Sequence[int], comparisons: Sequence[Comparison | None]) -> Payoff:
    """From how many rows on the efficient way wins over `naive`, with a sentence for the report.

    `comparisons` belong to `sizes`, which ascend; None where a size was not measured. A size
    without a ratio, such as a refused one, is no win: wins before it do not count, and the sentence
    names it. Sizes without a ratio at the end say nothing either way, and the sentence says so.
    """
    known = [_ratio_is_known(each) for each in comparisons]
    if not any(known):
        return Payoff(naive, None, None, "no size was compared")
    measured = max(place for place, is_known in enumerate(known) if is_known) + 1
    first = measured
    while first and _wins(comparisons[first - 1]):
        first -= 1
    beyond = _not_compared(sizes[measured:])
    if first == measured:
        after = sizes[first - 1]
        text = _no_win(sizes[:measured], comparisons[:measured])
        return Payoff(naive, None, after, text + beyond)
    if first == 0:
        text = f"pays from the smallest size on (≤ {sizes[0]:,} rows)"
        return Payoff(naive, sizes[0], None, text + beyond)
    text = f"pays from {sizes[first]:,} rows on"
    before = _before(sizes[first - 1], comparisons[first - 1])
    return Payoff(naive, sizes[first], sizes[first - 1], text + before + beyond)


def _executions(sizes: Sequence[int], by_execution_per_size: Sequence[Costs]) -> list[list[float]]:
    if len(sizes) != len(by_execution_per_size) or list(sizes) != sorted(set(sizes)):
        raise ValueError(f"The sizes {list(sizes)} must ascend, with values for each of them.")
    together = zip(*by_execution_per_size, strict=False)
    return [[max(float(value), 1.0) for value in execution] for execution in together]


def _factor(executions: Sequence[Costs], confidence: float) -> Interval:
    logs = [math.log(costs[-1] / costs[0]) for costs in executions]
    found = student_interval(logs, confidence)
    return Interval(math.exp(found.estimate), math.exp(found.low), math.exp(found.high))


def _ratio_is_known(found: Comparison | None) -> bool:
    return found is not None and found.ratio is not None and found.verdict is not Verdict.REFUSED


def _wins(found: Comparison | None) -> bool:
    return found is not None and _ratio_is_known(found) and found.verdict is Verdict.EFFICIENT


def _before(size: int, found: Comparison | None) -> str:
    if found is None or not _ratio_is_known(found):
        return f"; {size:,} was not compared"
    return f"; at {size:,} {found.verdict}"


def _no_win(sizes: Sequence[int], comparisons: Sequence[Comparison | None]) -> str:
    """That the last of `sizes` is no win, and whether that was found or only not settled."""
    last = comparisons[-1]
    found = last is not None and last.verdict in _SHOWN_NOT
    text = (
        f"does not pay up to {sizes[-1]:,}" if found else f"is not shown to pay up to {sizes[-1]:,}"
    )
    wins = [f"{size:,}" for size, each in zip(sizes, comparisons, strict=True) if _wins(each)]
    return f"{text}, but at {', '.join(wins)}" if wins else text


def _not_compared(sizes: Sequence[int]) -> str:
    if not sizes:
        return ""
    names = ", ".join(f"{size:,}" for size in sizes)
    return f"; {names} {'was' if len(sizes) == 1 else 'were'} not compared"
