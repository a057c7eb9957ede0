"""From what the workers told to what a run found: statistics, verdicts, growth and claims."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from perf.catalogue import PairSpec
from perf.claims import BLOCKS, TIME
from perf.engine.growth import growth_of, payoff
from perf.engine.results import (
    Comparison,
    Controls,
    Growth,
    Interval,
    Method,
    PairResult,
    Payoff,
    SizeResult,
    VariantInfo,
    VariantResult,
    Verdict,
)
from perf.engine.samples import summary
from perf.engine.statistics import ratio_of
from perf.engine.verdicts import noise_floor, resolves, verdict
from perf.messages import Controlled, Counted, Failed, Lost, Message, Timed

UNQUIET_RATIO: Final = 1.15  # between two executions' yardsticks: something else had the processor
_NO_FLOOR: Final = 1.0

Place = tuple[str, int]


@dataclass(slots=True)
class Collected:
    """The messages of a run by pair and size."""

    counted: dict[Place, Counted] = field(default_factory=dict)
    timed: dict[Place, list[Timed]] = field(default_factory=dict)
    failed: dict[Place, str] = field(default_factory=dict)  # why nothing is believed of it
    controlled: list[Controlled] = field(default_factory=list)

    def add(self, message: Message) -> None:
        """Keep a message."""
        match message:
            case Counted():
                self.counted[message.pair, message.size] = message
            case Timed():
                self.timed.setdefault((message.pair, message.size), []).append(message)
            case Failed():
                why = f"it raised an error: {message.error.partition('\n')[0]}"
                self.failed.setdefault((message.pair, message.size), why)
            case Lost():
                why = f"the process that it ran in {message.how}"
                self.failed.setdefault((message.pair, message.size), why)
            case Controlled():
                self.controlled.append(message)

    def refusal(self, place: Place) -> str:
        """Why nothing is said of a pair at a size, or an empty text."""
        if place in self.failed:
            return self.failed[place]
        counted = self.counted.get(place)
        refusals = [counted.refusal if counted else ""]
        refusals += [each.refusal for each in self.timed.get(place, ())]
        refusals.append(self._plan_change(place))
        return next((each for each in refusals if each), "")

    def _plan_change(self, place: Place) -> str:
        plans: dict[str, str] = {}
        for each in self.timed.get(place, ()):
            for name, plan in each.plans.items():
                if plans.setdefault(name, plan) != plan:
                    return f"the plan of {name} changed between executions: {plans[name]} / {plan}"
        return ""


def controls(
    collected: Collected, method: Method, delay_ratio: float, number: int = 0
) -> Controls | None:
    """What the `number`th controls say of the run; None before there are enough to say anything."""
    found = [each for each in collected.controlled if each.number == number]
    found.sort(key=lambda each: each.execution)
    ours = [each.ours for each in found]
    same = _ratio([each.same for each in found], ours, method)
    delayed = _ratio([each.delayed for each in found], ours, method)
    if same is None or delayed is None:
        return None
    floor = noise_floor(same)
    yardsticks = tuple(each.yardstick_ns for each in found)
    same_verdict, _ = verdict(same, noise_floor=_NO_FLOOR, margin=method.margin)
    delayed_verdict, _ = verdict(delayed, noise_floor=floor, margin=method.margin)
    return Controls(
        same=same,
        same_verdict=same_verdict,
        delayed=delayed,
        delayed_verdict=delayed_verdict,
        delay_ratio=delay_ratio,
        noise_floor=floor,
        resolves=resolves(same, len(found), confidence=method.confidence),
        harness_ns=median(each.harness_ns for each in found),
        yardstick=yardsticks,
        complaints=tuple(_complaints(collected, yardsticks, delayed_verdict, method)),
    )


def _ratio(
    naive: Sequence[Sequence[float]], efficient: Sequence[Sequence[float]], method: Method
) -> Interval | None:
    return ratio_of(naive, efficient, confidence=method.confidence, seed=method.seed).ratio


def _complaints(
    collected: Collected, yardsticks: Sequence[float], delayed: Verdict, method: Method
) -> Iterator[str]:
    if max(yardsticks) > UNQUIET_RATIO * min(yardsticks):
        share = max(yardsticks) / min(yardsticks) - 1
        yield (
            f"The machine was not quiet: a fixed piece of work took {share:.0%} longer in one "
            "execution than in another."
        )
    if len(yardsticks) == 1:
        yield "One execution was made: how much one differs from another is in no interval."
    if delayed is not Verdict.EFFICIENT:
        yield "An injected delay was not found: this run can't tell small differences."
    fetched = sum(each.fetched_blocks for one in collected.timed.values() for each in one)
    if fetched and method.cache == "warm":
        yield f"{fetched:,} blocks came from outside of PostgreSQL's memory while it was timed."


def pair_result(
    spec: PairSpec,
    sizes: Sequence[int],
    collected: Collected,
    method: Method,
    found: Controls | None,
) -> PairResult:
    """All that was found of one pair."""
    floor = found.noise_floor if found else _NO_FLOOR
    results = tuple(_size_result(spec, size, collected, method, floor) for size in sizes)
    skipped = [each.skipped for each in collected.counted.values() if each.pair == spec.name]
    skipped = skipped if all(skipped) else []  # a pair may be too large for the smallest size only
    result = PairResult(
        name=spec.name,
        title=spec.title,
        page=spec.page,
        caveat=spec.caveat,
        variants=tuple(VariantInfo(v.name, v.is_efficient, v.says) for v in spec.variants),
        sizes=results,
        growth=tuple(_growths(spec, results, method)),
        payoffs=tuple(_payoffs(spec, results)),
        claims=(),
        skipped=next((each for each in skipped if each), ""),
        is_large=spec.is_large,
    )
    return dataclasses.replace(result, claims=tuple(each.result(result) for each in spec.claims))


def _size_result(
    spec: PairSpec, size: int, collected: Collected, method: Method, floor: float
) -> SizeResult:
    place = spec.name, size
    counted = collected.counted.get(place)
    refusal = collected.refusal(place)
    timed = sorted(collected.timed.get(place, ()), key=lambda each: each.execution)
    timed = [each for each in timed if not each.refusal]
    return SizeResult(
        size=size,
        rows=counted.rows if counted else 0,
        digest=counted.digest if counted else "",
        variants=tuple(_variant_result(each.name, counted, timed) for each in spec.variants),
        comparisons=tuple(
            _comparison(
                spec.efficient.name,
                each.name,
                timed,
                method,
                floor,
                refusal,
                counted.skipped if counted else "",
            )
            for each in spec.naive
        ),
        refusal=refusal,
    )


def _variant_result(name: str, counted: Counted | None, timed: Sequence[Timed]) -> VariantResult:
    samples = tuple(each.samples[name] for each in timed if name in each.samples)
    all_samples = [each for rounds in samples for each in rounds]
    notes = [each.notes[name] for each in timed if name in each.notes]
    shares = [each.gc_shares[name] for each in timed if name in each.gc_shares]
    return VariantResult(
        name=name,
        counters=counted.counters.get(name) if counted else None,
        calls=timed[0].calls.get(name, 0) if timed else 0,
        samples=samples,
        summary=summary(all_samples) if all_samples else None,
        gc_share=sum(shares) / len(shares) if shares else 0.0,
        note=next(iter(notes), ""),
    )


def _comparison(
    efficient: str,
    naive: str,
    timed: Sequence[Timed],
    method: Method,
    floor: float,
    refusal: str,
    skipped: str,
) -> Comparison:
    if refusal:
        return Comparison(efficient, naive, Verdict.REFUSED, reason=refusal)
    both = [each for each in timed if efficient in each.samples and naive in each.samples]
    if not both:
        notes: Mapping[str, str] = timed[0].notes if timed else {}
        reason = notes.get(naive) or notes.get(efficient) or skipped or "it was not timed"
        return Comparison(efficient, naive, Verdict.INCONCLUSIVE, reason=reason)
    estimate = ratio_of(
        [each.samples[naive] for each in both],
        [each.samples[efficient] for each in both],
        confidence=method.confidence,
        seed=method.seed,
    )
    found, reason = verdict(
        estimate.ratio, noise_floor=floor, margin=method.margin, agrees=estimate.agrees
    )
    return Comparison(
        efficient,
        naive,
        found,
        ratio=estimate.ratio,
        saved_ns=estimate.saved_ns,
        reason=reason,
        advice=estimate.advice,
    )


def _growths(spec: PairSpec, sizes: Sequence[SizeResult], method: Method) -> Iterator[Growth]:
    good = [each for each in sizes if not each.refusal]
    for variant in spec.variants:
        for of in (TIME, BLOCKS):
            values = [(each.size, _values(each, variant.name, of)) for each in good]
            values = [(size, each) for size, each in values if each]
            found = growth_of(
                variant.name,
                of,
                [size for size, _ in values],
                [each for _, each in values],
                confidence=method.confidence,
            )
            if found is not None:
                yield found


def _values(size: SizeResult, name: str, of: str) -> list[float]:
    """A value for each execution of a way's time, or for each draw of its blocks."""
    found = size.variant(name)
    if found is None:
        return []
    if of == TIME:
        return [median(rounds) for rounds in found.samples]
    return [float(each) for each in found.counters.blocks_by_draw] if found.counters else []


def _payoffs(spec: PairSpec, sizes: Sequence[SizeResult]) -> Iterator[Payoff]:
    for each in spec.naive:
        found = [(size.size, size.comparison(each.name)) for size in sizes]
        known = [(size, one) for size, one in found if one is not None]
        if known:
            yield payoff(each.name, [size for size, _ in known], [one for _, one in known])
