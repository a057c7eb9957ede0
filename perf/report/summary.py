"""What all reports say of a run, in words: headline, rows of the summary, what went amiss."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from perf.engine.results import (
    ClaimResult,
    Comparison,
    Counters,
    Finding,
    Growth,
    Interval,
    Method,
    PairResult,
    Payoff,
    Run,
    SizeResult,
    VariantInfo,
    VariantResult,
    Verdict,
)
from perf.report import figures

NOT_MEASURED: Final = "not measured"
NOT_TIMED: Final = "not timed"
_NAMED: Final = 3  # pairs, where more are only counted
TIME: Final = "time"
BLOCKS: Final = "blocks"
DETECTED: Final = (Verdict.EFFICIENT, Verdict.NAIVE)
UNSETTLED: Final = (Verdict.INCONCLUSIVE, Verdict.TOO_NOISY)
# Of the environment, in this order; the rest is told where there is room.
_ON: Final = ("PostgreSQL", "Python", "Django", "psycopg")
_CPUS: Final = ("cpus", "cpucount", "cores")


@dataclass(frozen=True, slots=True)
class Row:
    """A naive way beside the efficient one at the largest size at which they could be compared.

    `size` and `comparison` are None where they never were.
    """

    pair: PairResult
    naive: VariantInfo
    size: SizeResult | None
    comparison: Comparison | None

    @property
    def efficient(self) -> str:
        return efficient_of(self.pair)

    @property
    def verdict(self) -> str:
        return verdict_word(self.size, self.comparison)

    @property
    def at(self) -> int | None:
        return self.size.size if self.size else None

    @property
    def ratio(self) -> Interval | None:
        return self.comparison.ratio if self.comparison else None

    @property
    def saved_ns(self) -> float | None:
        saved = self.comparison.saved_ns if self.comparison else None
        return saved.estimate if saved else None

    @property
    def both(self) -> tuple[VariantResult | None, VariantResult | None]:
        """The results of the efficient way and of the naive one."""
        if self.size is None:
            return None, None
        return self.size.variant(self.efficient), self.size.variant(self.naive.name)

    def growths(self, of: str) -> tuple[str, str]:
        """How the efficient way and the naive one grow, in a word each."""
        both = (growth_of(self.pair, name, of) for name in (self.efficient, self.naive.name))
        first, second = map(figures.growth, both)
        return first, second

    @property
    def pays_from(self) -> str:
        return pays_from(self.pair, self.naive.name)


def efficient_of(pair: PairResult) -> str:
    """The name of the efficient way; empty where the pair declares none."""
    return next((each.name for each in pair.variants if each.is_efficient), "")


def ordered_ways(pair: PairResult) -> tuple[VariantInfo, ...]:
    """The ways, the efficient one first: its colour and place are the same in each pair."""
    return tuple(sorted(pair.variants, key=lambda each: not each.is_efficient))


def naive_ways(pair: PairResult) -> tuple[VariantInfo, ...]:
    return tuple(each for each in pair.variants if not each.is_efficient)


def growth_of(pair: PairResult, variant: str, of: str = TIME) -> Growth | None:
    return next((each for each in pair.growth if (each.variant, each.of) == (variant, of)), None)


def payoff_of(pair: PairResult, naive: str) -> Payoff | None:
    return next((each for each in pair.payoffs if each.naive == naive), None)


def is_timed(size: SizeResult | None, found: Comparison) -> bool:
    """Whether both ways have samples at a size."""
    both = (size.variant(name) for name in (found.efficient, found.naive)) if size else ()
    return all(each is not None and each.samples for each in both)


def verdict_word(size: SizeResult | None, found: Comparison | None) -> str:
    """The verdict in a word or two: nothing is inconclusive of what was not timed at all."""
    if found is None:
        return NOT_MEASURED
    if found.verdict is Verdict.INCONCLUSIVE and not is_timed(size, found):
        return NOT_TIMED
    return found.verdict.value


def notes(size: SizeResult, found: Comparison) -> tuple[str, ...]:
    """Reason and advice, but for a reason that only repeats what verdict and ratio say."""
    word = verdict_word(size, found)
    is_plain_win = found.verdict in DETECTED and not {",", ";"} & set(found.reason)
    reason = "" if is_plain_win or found.reason.endswith(word) else found.reason
    advice = found.advice if found.verdict in UNSETTLED else ""
    return tuple(each for each in (reason, advice) if each)


def pays_from(pair: PairResult, naive: str) -> str:
    """From which size on it pays, in a word. "Not by 1M" tells nothing of larger sizes."""
    found = payoff_of(pair, naive)
    if found is None or found.size is None:
        return f"not by {figures.size(found.after)}" if found and found.after else figures.UNKNOWN
    return figures.size(found.size)


def measured(run: Run) -> tuple[PairResult, ...]:
    """The pairs that were not skipped: what a skipped one has of sizes is empty."""
    return tuple(each for each in run.pairs if not each.skipped)


def rows(run: Run) -> Iterator[Row]:
    """The rows of the summary: one for each naive way of each pair that was not skipped."""
    for pair in measured(run):
        yield from (row_of(pair, naive) for naive in naive_ways(pair))


def row_of(pair: PairResult, naive: VariantInfo) -> Row:
    """Prefers the largest size with a ratio to a larger one that was refused."""
    found = [(size, seen) for size in pair.sizes if (seen := size.comparison(naive.name))]
    if not found:
        return Row(pair, naive, None, None)
    size, seen = max(found, key=lambda each: (each[1].ratio is not None, each[0].size))
    return Row(pair, naive, size, seen)


def sentence(row: Row) -> str:
    """What the run found of a naive way, for one who reads no table.

    The bound nearest to 1 is what is promised, and not the estimate.
    """
    if row.comparison is None or row.ratio is None:
        reason = (row.comparison.reason if row.comparison else "") or NOT_MEASURED
        return f"{row.efficient} and {row.naive.name} could not be compared: {reason}."
    return f"At {figures.count(row.at)} rows {_finding(row, row.comparison.verdict, row.ratio)}."


def _finding(row: Row, verdict: Verdict, found: Interval) -> str:
    one, other, told = row.efficient, row.naive.name, figures.ratio_interval(found)
    if verdict is Verdict.EFFICIENT:
        return f"{one} is at least {figures.number(found.low)} times as fast as {other}: {told}"
    if verdict is Verdict.NAIVE:
        # Naive to efficient is below 1 here: turned round, the upper bound is the lower one.
        least = figures.number(1 / found.high if found.high > 0 else None)
        return f"{other} is at least {least} times as fast as {one}: {told}"
    if verdict is Verdict.EQUIVALENT:
        return f"{one} and {other} take the same time, within the margin: {told}"
    return f"it is not settled between {one} and {other}: {told}"


def median_ns(found: VariantResult | None) -> float | None:
    return found.summary.median_ns if found and found.summary else None


def counters_of(found: VariantResult | None) -> Counters | None:
    return found.counters if found else None


def headline(run: Run) -> str:
    """What was measured and when, in a line."""
    pairs = measured(run)
    compared = sum(len(size.comparisons) for pair in pairs for size in pair.sizes)
    what = f"{figures.plural(len(pairs), 'pair')}, {figures.plural(compared, 'comparison')}"
    if not pairs:
        what = "Nothing was measured"
    took = f", in {figures.duration(run.started_at, run.ended_at)}" if run.ended_at else ""
    return f"{what}: run {run.id} of {figures.moment(run.started_at)}{took}"


def broken_off(run: Run) -> str:
    """What to know of a run that has no end; empty for a whole one."""
    if run.ended_at is not None:
        return ""
    return "Broken off: what is here is valid, and what is not here was not measured."


def machine(run: Run) -> str:
    """What it ran on: versions and processors, as far as the run knows."""
    known = {_plain(key): value for key, value in run.environment.items()}
    parts = [f"{name} {known[_plain(name)]}" for name in _ON if known.get(_plain(name))]
    cpus = next((known[key] for key in _CPUS if known.get(key)), "")
    if cpus:
        parts.append(figures.plural(int(cpus), "CPU") if cpus.isdecimal() else cpus)
    if known.get("commit", "unknown") != "unknown":
        changed = " with changes" if known.get(_plain("changed since the commit")) == "yes" else ""
        parts.append(f"commit {known['commit']}{changed}")
    return ", ".join(parts) or "an unknown machine"


def _plain(key: str) -> str:
    return "".join(each for each in key.lower() if each.isalnum()).removesuffix("version")


def method(run: Run) -> str:
    """How it was measured, in a line."""
    large = _sampling(run.method.of_large) if any(each.is_large for each in run.pairs) else ()
    told = _method(run.method)
    return f"{told}; large pairs: {', '.join(large)}" if large else told


def method_of(pair: PairResult, run: Run) -> str:
    """How one pair was measured, in a line."""
    return _method(run.method.of_large if pair.is_large else run.method)


def _method(found: Method) -> str:
    parts = (
        *_sampling(found),
        f"{found.cache} cache",
        f"{figures.percent(found.confidence)} confidence",
        f"margin {figures.percent(found.margin)}",
        f"seed {found.seed}",
    )
    return ", ".join(parts)


def _sampling(found: Method) -> tuple[str, ...]:
    rounds = figures.plural(found.rounds, "round")
    calls = f"{figures.number(found.sample_ms)} ms" if found.sample_ms else "one call"
    return (
        f"{figures.plural(found.executions, 'execution')} × {rounds}",
        f"{figures.plural(found.draws, 'draw')} of arguments",
        f"samples of {calls}",
    )


def controls(run: Run) -> str:
    """What the run can see, in a line."""
    found = run.controls
    if found is None and not is_anything_timed(run):
        return "No controls were run, as nothing was timed."
    if found is None:
        return "Too few controls were run to say anything: how much of this is noise is not known."
    delayed = "found" if found.delayed_verdict in DETECTED else "NOT found"
    return (
        f"Noise floor {figures.excess(found.noise_floor)}, resolves "
        f"{figures.excess(found.resolves)}; A/A {figures.near_one(found.same)}, "
        f"{found.same_verdict.value}; injected delay of {figures.percent(found.delay_ratio)} "
        f"{delayed}; the harness takes {figures.ns(found.harness_ns)} of a call"
    )


def refusals(run: Run) -> Iterator[tuple[PairResult, SizeResult, str]]:
    """Each size, or comparison of it, that was refused, and why."""
    for pair in measured(run):
        for size in pair.sizes:
            if size.refusal:
                yield pair, size, size.refusal
                continue
            for each in size.comparisons:
                if each.verdict is Verdict.REFUSED:
                    yield pair, size, f"{each.efficient} and {each.naive}: {each.reason}"


def untimed(run: Run) -> Iterator[tuple[PairResult, SizeResult, VariantResult]]:
    """Each way that was not timed at a size, though that size was not refused."""
    for pair in measured(run):
        for size in pair.sizes:
            if not size.refusal:
                yield from ((pair, size, each) for each in size.variants if each.note)


def skipped(run: Run) -> tuple[PairResult, ...]:
    return tuple(each for each in run.pairs if each.skipped)


def claims(run: Run) -> Iterator[tuple[PairResult, ClaimResult]]:
    for pair in run.pairs:
        yield from ((pair, each) for each in pair.claims)


def claims_amiss(run: Run) -> tuple[tuple[PairResult, ClaimResult], ...]:
    """The claims that don't hold, refuted ones first."""
    order = list(Finding)
    amiss = [each for each in claims(run) if each[1].finding is not Finding.HOLDS]
    return tuple(sorted(amiss, key=lambda each: order.index(each[1].finding)))


def claims_against(run: Run) -> tuple[tuple[PairResult, ClaimResult], ...]:
    """Those of them that were measured: refuted and undecided."""
    return tuple(each for each in claims_amiss(run) if each[1].finding is not Finding.NOT_MEASURED)


def claims_unmeasured(run: Run) -> Iterator[str]:
    """Why claims were not measured, each reason once: of a run that only counts there are many."""
    reasons: dict[str, list[str]] = {}
    for pair, claim in claims(run):
        if claim.finding is Finding.NOT_MEASURED:
            reasons.setdefault(claim.measured, []).append(pair.name)
    for reason, names in reasons.items():
        yield f"{figures.plural(len(names), 'claim')} of {_named(names)}: {reason}"


def _named(pairs: Iterable[str]) -> str:
    """The names of pairs, each once, or how many they are."""
    found = list(dict.fromkeys(pairs))
    return ", ".join(found) if len(found) <= _NAMED else figures.plural(len(found), "pair")


def growth_kind(run: Run) -> str:
    """Of what a summary tells the growth: of time, or of blocks where no time was taken."""
    kinds = {each.of for pair in measured(run) for each in pair.growth}
    return BLOCKS if kinds == {BLOCKS} else TIME


def is_anything_timed(run: Run) -> bool:
    return any(way.samples for p in run.pairs for size in p.sizes for way in size.variants)


def claims_line(run: Run) -> str:
    """How many claims hold, in a line."""
    every = [each.finding for _, each in claims(run)]
    if not every:
        return "Nothing was claimed."
    if all(each is Finding.HOLDS for each in every):
        return "The claim holds." if len(every) == 1 else f"All {len(every):,} claims hold."
    counted = ((every.count(finding), finding) for finding in Finding)
    told = ", ".join(f"{many:,} {_of_many(finding)}" for many, finding in counted if many)
    return f"Of {figures.plural(len(every), 'claim')}: {told}."


def _of_many(finding: Finding) -> str:
    return "hold" if finding is Finding.HOLDS else finding.value


def next_steps(run: Run) -> tuple[str, ...]:
    """What a user may do now, most pressing first, each once."""
    return tuple(dict.fromkeys(_steps(run)))


def _steps(run: Run) -> Iterator[str]:
    if run.controls and run.controls.delayed_verdict not in DETECTED:
        yield "Believe no time of this run: it missed a delay that was there. Its counts are sound."
    refuted = [each for each in claims(run) if each[1].finding is Finding.REFUTED]
    for name in dict.fromkeys(pair.name for pair, _ in refuted):
        yield f"See what refutes a claim: manage.py benchmark history --show {run.id} {name}"
    for advice, names in _advice(run).items():
        yield f"{advice}, to settle {_named(names)}"
    if run.command:
        yield f"Repeat the run: {run.command}"


def _advice(run: Run) -> dict[str, list[str]]:
    """What would settle what is not, without its figures, and the pairs that it would help."""
    found: dict[str, list[str]] = {}
    for pair in measured(run):
        for each in (seen for size in pair.sizes for seen in size.comparisons):
            if each.advice and each.verdict in UNSETTLED:
                found.setdefault(each.advice.partition(":")[0], []).append(pair.name)
    return found
