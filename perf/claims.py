"""What a pair claims of its ways, in code, and what a run makes of it.

A claim on statements, blocks and plans is deterministic: it holds or is refuted by counting, and
the gate holds the code to it. A claim on time is refuted only where the whole interval is on the
wrong side.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from perf.engine.growth import FLAT, GROWTH_SIZES
from perf.engine.results import (
    ClaimResult,
    Counters,
    Finding,
    Growth,
    Interval,
    PairResult,
    SizeResult,
)

TIME: Final = "time"
BLOCKS: Final = "blocks"


@dataclass(frozen=True, slots=True)
class Claim(ABC):
    """One sentence about a pair that a run can check."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The claim as a sentence, without a full stop."""

    @property
    @abstractmethod
    def variants(self) -> tuple[str, ...]:
        """The ways that it speaks of."""

    @property
    def is_deterministic(self) -> bool:
        """Whether counting decides it, and not time."""
        return True

    def hindrance(self, efficient: str, sizes: Collection[int]) -> str | None:
        """Why no run of a pair with that efficient way and those sizes could ever judge it."""
        return None

    @abstractmethod
    def judge(self, pair: PairResult) -> tuple[Finding, str]:
        """What the run says of it, and what was measured."""

    def result(self, pair: PairResult) -> ClaimResult:
        """The claim with its finding."""
        finding, measured = self.judge(pair)
        return ClaimResult(self.text, finding, measured, self.is_deterministic)


@dataclass(frozen=True, slots=True)
class _Faster(Claim):
    variant: str
    than: str
    by: float
    at: int

    @property
    def text(self) -> str:
        return f"{self.variant} is at least {self.by:g} times as fast as {self.than} at {self.at:,}"

    @property
    def variants(self) -> tuple[str, ...]:
        return self.variant, self.than

    @property
    def is_deterministic(self) -> bool:
        return False

    def hindrance(self, efficient: str, sizes: Collection[int]) -> str | None:
        if self.variant != efficient or self.than == efficient:
            return f"only {efficient}, the efficient way, is compared with the others"
        return None if self.at in sizes else f"{self.at:,} is none of its sizes"

    def judge(self, pair: PairResult) -> tuple[Finding, str]:
        size = next((each for each in pair.sizes if each.size == self.at), None)
        found = size and size.comparison(self.than)
        if not found or found.ratio is None or found.efficient != self.variant:
            return Finding.NOT_MEASURED, (found and found.reason) or f"not at {self.at:,}"
        return _at_least(found.ratio, self.by), _times(found.ratio)


@dataclass(frozen=True, slots=True)
class _OfOneWay(Claim):
    """Base of claims about one way."""

    variant: str

    @property
    def variants(self) -> tuple[str, ...]:
        return (self.variant,)


@dataclass(frozen=True, slots=True)
class _OfGrowth(_OfOneWay):
    """Base of claims about how it grows."""

    of: str

    @property
    def is_deterministic(self) -> bool:
        return self.of == BLOCKS

    def growth(self, pair: PairResult) -> Growth | None:
        """What was found of it, if there were sizes enough."""
        wanted = self.variant, self.of
        return next((each for each in pair.growth if (each.variant, each.of) == wanted), None)


@dataclass(frozen=True, slots=True)
class _Flat(_OfGrowth):
    @property
    def text(self) -> str:
        return f"{self.variant} is flat in {self.of}"

    def judge(self, pair: PairResult) -> tuple[Finding, str]:
        found = self.growth(pair)
        if found is None:
            return Finding.NOT_MEASURED, "fewer than two sizes"
        measured = f"{_times(found.factor)} from {found.sizes[0]:,} to {found.sizes[-1]:,}"
        if found.is_flat:
            return Finding.HOLDS, measured
        # Equivalence is what is claimed: an interval that only reaches over the bound is no no.
        return (Finding.REFUTED if found.factor.low > FLAT else Finding.UNDECIDED), measured


@dataclass(frozen=True, slots=True)
class _Grows(_OfGrowth):
    exponent: float

    @property
    def text(self) -> str:
        return f"{self.variant} grows by N^{self.exponent:g} in {self.of}"

    def judge(self, pair: PairResult) -> tuple[Finding, str]:
        found = self.growth(pair)
        if found is None or len(found.sizes) < GROWTH_SIZES:
            return Finding.NOT_MEASURED, f"fewer than {GROWTH_SIZES} sizes"
        if found.is_flat:
            return Finding.REFUTED, f"flat: {_times(found.factor)} in all"
        if found.exponent is None:
            return Finding.UNDECIDED, f"no exponent: {_times(found.factor)} in all"
        measured = f"N^{_interval(found.exponent)}"
        least, most = (self.exponent * (1 + each) for each in (-TOLERANCE, TOLERANCE))
        if found.exponent.high < least or found.exponent.low > most:
            return Finding.REFUTED, measured
        # An interval that is wide enough has any exponent in it: that shows nothing.
        is_within = least <= found.exponent.low and found.exponent.high <= most
        return (Finding.HOLDS if is_within else Finding.UNDECIDED), measured


@dataclass(frozen=True, slots=True)
class _Counted(_OfOneWay):
    """Base of claims about the counters of one way, at one size or at each."""

    def judge(self, pair: PairResult) -> tuple[Finding, str]:
        found = list(self._counters(pair))
        if not found:
            return Finding.NOT_MEASURED, "nothing was counted"
        for size, counters in found:
            if (wrong := self._wrong(counters)) is not None:
                return Finding.REFUTED, f"{wrong} at {size:,}"
        return Finding.HOLDS, self._measured(found[-1][1])

    def _counters(self, pair: PairResult) -> Iterator[tuple[int, Counters]]:
        for size in pair.sizes:
            found = size.variant(self.variant)
            if found is not None and found.counters is not None and self._is_meant(size):
                yield size.size, found.counters

    def _is_meant(self, size: SizeResult) -> bool:
        return True

    @abstractmethod
    def _wrong(self, counters: Counters) -> str | None: ...

    @abstractmethod
    def _measured(self, counters: Counters) -> str: ...


@dataclass(frozen=True, slots=True)
class _Blocks(_Counted):
    at_most: int

    @property
    def text(self) -> str:
        return f"{self.variant} reads at most {self.at_most:,} blocks"

    def _wrong(self, counters: Counters) -> str | None:
        most = max(counters.blocks_by_draw)
        return f"{most:,} blocks" if most > self.at_most else None

    def _measured(self, counters: Counters) -> str:
        return f"at most {max(counters.blocks_by_draw):,}"


@dataclass(frozen=True, slots=True)
class _UsesIndex(_Counted):
    index: str
    from_size: int

    @property
    def text(self) -> str:
        since = f" from {self.from_size:,} rows on" if self.from_size else ""
        return f"{self.variant} reads {self.index}{since}"

    def hindrance(self, efficient: str, sizes: Collection[int]) -> str | None:
        return None if self.from_size <= max(sizes) else "all of its sizes are smaller"

    def _is_meant(self, size: SizeResult) -> bool:
        return size.size >= self.from_size

    def _wrong(self, counters: Counters) -> str | None:
        if self.index in counters.indexes:
            return None
        return f"{', '.join(counters.indexes) or 'no index'} instead"

    def _measured(self, counters: Counters) -> str:
        return ", ".join(counters.indexes)


@dataclass(frozen=True, slots=True)
class _Queries(_Counted):
    number: int

    @property
    def text(self) -> str:
        plural = "" if self.number == 1 else "s"
        return f"{self.variant} sends {self.number:,} statement{plural}"

    def _wrong(self, counters: Counters) -> str | None:
        found = counters.sent
        return f"{found:,} statements" if found != self.number else None

    def _measured(self, counters: Counters) -> str:
        return f"{counters.sent:,}"


# Nothing is N to exactly 1: with counts that repeat to the unit the interval is a point.
TOLERANCE: Final = 0.1


def faster(variant: str, *, than: str, by: float, at: int) -> Claim:
    """`variant`, the efficient way, is at least `by` times as fast as `than` at `at` rows.

    Refuted only where the whole interval lies below.
    """
    return _Faster(variant, than, by, at)


def flat(variant: str, *, of: str = BLOCKS) -> Claim:
    """From the smallest size to the largest, `of` "time" or "blocks" the interval of the factor
    ends below `FLAT`: shown not to grow, and not only not shown to. Raises `ValueError` for an `of`
    that is neither."""
    return _Flat(variant, _kind(of))


def grows(variant: str, *, exponent: float, of: str = BLOCKS) -> Claim:
    """`variant` grows like a + b·N^`exponent`, the whole interval within a tenth of it, `of` "time"
    or "blocks". Refuted where it lies wholly elsewhere, or the way is flat. Raises `ValueError` for
    another `of`, and for an exponent of 0 or less."""
    if exponent <= 0:
        raise ValueError(f"exponent is {exponent:g}: what does not grow is claimed by `flat`.")
    return _Grows(variant, _kind(of), exponent)


def blocks(variant: str, *, at_most: int) -> Claim:
    """No draw at any size asks for more than so many blocks of 8 KiB."""
    return _Blocks(variant, at_most)


def uses_index(variant: str, index: str, *, from_size: int = 0) -> Claim:
    """An index is read at each size from `from_size` on: a small table is read whole, rightly."""
    return _UsesIndex(variant, index, from_size)


def queries(variant: str, number: int) -> Claim:
    """`variant` sends so many statements at each size."""
    return _Queries(variant, number)


def _kind(of: str) -> str:
    if of not in (TIME, BLOCKS):
        raise ValueError(f"of is {of!r}, and must be {TIME!r} or {BLOCKS!r}.")
    return of


def _at_least(ratio: Interval, by: float) -> Finding:
    if ratio.low >= by:
        return Finding.HOLDS
    return Finding.REFUTED if ratio.high < by else Finding.UNDECIDED


def _times(found: Interval) -> str:
    return f"{_interval(found)} times"


def _interval(found: Interval) -> str:
    return f"{_figure(found.estimate)} [{_figure(found.low)}, {_figure(found.high)}]"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
