"""One pair whole: each size, each way with the figures of the seed, what was counted, and plans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perf.engine.results import PairResult, SizeResult, VariantResult
from perf.report import figures, summary
from perf.report.painting import Look, paint
from perf.report.parts import (
    TONE_OF_FINDING,
    Column,
    Heading,
    Line,
    Part,
    Tone,
    Verbatim,
    table,
    tone_of,
)
from perf.report.statements import UNEXPLAINED, alike, blocks_range, shapes, statements_text

PLAIN: Final = Look()
_FIGURES: Final = ("n", "median", "mean", "stdev", "min", "max", "p95", "calls", "gc")
_COUNTS: Final = ("statements", "rows", "blocks", "wal", "peak memory")


def details(pair: PairResult, look: Look = PLAIN) -> str:
    """All that a run knows of a pair, as text that ends with a line break."""
    return paint(_parts(pair), look)


def _parts(pair: PairResult) -> Iterator[Part]:
    yield Line(f"{pair.name}: {pair.title}", Tone.STRONG)
    for way in summary.ordered_ways(pair):
        yield Line(way.says + (" (efficient)" if way.is_efficient else ""), key=way.name)
    yield Line(pair.caveat, key="Does not pay")
    if pair.skipped:
        yield Line(pair.skipped, Tone.UNSURE, "Skipped")
        return
    for size in pair.sizes:
        yield from _size(size)
    yield from _growth(pair)
    yield from _claims(pair)
    yield from _plans(pair)


def _size(size: SizeResult) -> Iterator[Part]:
    yield Heading(f"At {figures.plural(size.size, 'row')}")
    if size.refusal:
        yield Line(size.refusal, Tone.BAD, "Refused")
        return
    yield Line(f"{figures.plural(size.rows, 'row')} by each way, proven equal", Tone.QUIET)
    if any(each.summary for each in size.variants):
        yield from _comparisons(size)
        yield _figures(size)
    yield from (Line(each.note, Tone.UNSURE, each.name) for each in size.variants if each.note)
    yield _counts(size)


def _comparisons(size: SizeResult) -> Iterator[Part]:
    for each in size.comparisons:
        word = summary.verdict_word(size, each)
        parts = [word, figures.ratio_interval(each.ratio)] if each.ratio else [word]
        if each.saved_ns:
            parts.append(f"saves {figures.ns_interval(each.saved_ns)} a call")
        parts += summary.notes(size, each)
        key = f"{each.efficient}/{each.naive}"
        yield Line("; ".join(parts), tone_of(word), key)


def _figures(size: SizeResult) -> Part:
    columns = (Column("way", may_shrink=True), *(Column(each, right=True) for each in _FIGURES))
    return table(columns, (_figures_row(each) for each in size.variants))


def _figures_row(found: VariantResult) -> Iterator[str]:
    yield found.name
    seen = found.summary
    if seen is None:
        yield from (figures.UNKNOWN for _ in _FIGURES)
        return
    yield figures.count(seen.n)
    times = (seen.median_ns, seen.mean_ns, seen.stdev_ns, seen.min_ns, seen.max_ns, seen.p95_ns)
    yield from (figures.ns(each) for each in times)
    yield figures.count(found.calls)
    yield figures.percent(found.gc_share)


def _counts(size: SizeResult) -> Part:
    columns = (Column("way", may_shrink=True), *(Column(each, right=True) for each in _COUNTS))
    indexes = Column("indexes read", may_shrink=True)
    return table((*columns, indexes), (_counts_row(each) for each in size.variants))


def _counts_row(found: VariantResult) -> Iterator[str]:
    yield found.name
    counters = found.counters
    if counters is None:
        yield from (figures.UNKNOWN for _ in (*_COUNTS, "indexes read"))
        return
    yield statements_text(counters)
    yield figures.count(counters.rows)
    yield blocks_range(counters)
    yield figures.size_bytes(counters.wal_bytes)
    yield figures.size_bytes(counters.peak_bytes)
    yield ", ".join(counters.indexes) or "none"


def _growth(pair: PairResult) -> Iterator[Part]:
    is_timed = any(each.summary for size in pair.sizes for each in size.variants)
    if not pair.growth and not is_timed:
        return
    yield Heading("Growth")
    for each in pair.growth:
        text = f"{each.of}: {figures.growth(each)}; {figures.ratio_interval(each.factor)}"
        text += f" over {', '.join(figures.size(size) for size in each.sizes)} rows"
        if each.exponent:
            text += f"; exponent {figures.bounds(each.exponent)}"
        yield Line(text, key=each.variant)
    for payoff in pair.payoffs:
        yield Line(payoff.text, key=f"beside {payoff.naive}")


def _claims(pair: PairResult) -> Iterator[Part]:
    if pair.claims:
        yield Heading("Claims")
    for each in pair.claims:
        tone = TONE_OF_FINDING[each.finding]
        yield Line(f"{each.text}; measured: {each.measured}", tone, each.finding.value)


def _plans(pair: PairResult) -> Iterator[Part]:
    for way in summary.ordered_ways(pair):
        for shape in shapes(pair, way.name):
            yield Heading(f"{way.name} {shape.at}")
            for group in alike(shape.counters.statements):
                yield Line(group.cost, Tone.QUIET)
                yield Verbatim(group.first.sql)
                yield Verbatim("")
                yield Verbatim(group.first.plan or UNEXPLAINED)
