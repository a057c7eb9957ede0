"""Tables and small pieces of the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from perf.engine.results import (
    ClaimResult,
    Comparison,
    Finding,
    PairResult,
    SizeResult,
    VariantInfo,
    VariantResult,
    Verdict,
)
from perf.report import figures, summary
from perf.report.markup import Child, Markup, element, join
from perf.report.parts import TONE_OF_FINDING, Tone, tone_of
from perf.report.statements import blocks_range, statements_text
from perf.report.svg import key_mark

# A sign and a word beside the colour: nobody needs the colour.
_SIGNS: Final[dict[str, str]] = {
    Verdict.EFFICIENT: "▲",
    Verdict.NAIVE: "▼",
    Verdict.EQUIVALENT: "=",
    Verdict.INCONCLUSIVE: "?",
    Verdict.TOO_NOISY: "≈",
    Verdict.REFUSED: "✕",
}
_FINDING_SIGNS: Final = {
    Finding.HOLDS: "✓",
    Finding.REFUTED: "✕",
    Finding.UNDECIDED: "?",
    Finding.NOT_MEASURED: "–",
}


def badge(sign: str, word: str, tone: Tone) -> Markup:
    """A word in a colour, with a sign."""
    return element("span", f"{sign} {word}", class_=f"badge {tone.value or 'plain'}")


def verdict(word: str) -> Markup:
    """A verdict's words, or those for none."""
    return badge(_SIGNS.get(word, figures.UNKNOWN), word, tone_of(word))


def finding(found: ClaimResult) -> Markup:
    return badge(_FINDING_SIGNS[found.finding], found.finding.value, TONE_OF_FINDING[found.finding])


def table(
    caption: str, header: Sequence[Child], body: Iterable[Sequence[Child]], *, words: bool = False
) -> Markup:
    """A table that scrolls to the side by itself where it is too wide; the first cell of each row
    is its heading. Its cells are kept in one line unless they are `words`."""
    head = element("tr", (element("th", each, scope="col") for each in header))
    rows = (
        element("tr", element("th", row[0], scope="row"), (element("td", each) for each in row[1:]))
        for row in body
    )
    drawn = element(
        "table",
        element("caption", caption),
        element("thead", head),
        element("tbody", rows),
        class_="words" if words else None,
    )
    return element("div", drawn, class_="wide", role="region", tabindex="0", aria_label=caption)


def way_name(pair: PairResult, name: str) -> Markup:
    """A way with its marker, as in the drawings."""
    names = [each.name for each in summary.ordered_ways(pair)]
    mark = key_mark(names.index(name)) if name in names else None
    return element("span", mark, element("code", name), class_="way")


# Of one pair


def measured(pair: PairResult) -> Markup:
    """Each size and way: time, ratio, verdict and counts."""
    header = (
        "rows", "way", "median", "naive : efficient", "saved a call", "verdict", "blocks",
        "statements",
    )  # fmt: skip
    body = (_measured(pair, size, way) for size in pair.sizes for way in summary.ordered_ways(pair))
    return table("Measured, with the blocks of the least and the greatest draw", header, body)


def _measured(pair: PairResult, size: SizeResult, way: VariantInfo) -> tuple[Child, ...]:
    result, seen = size.variant(way.name), size.comparison(way.name)
    counters = summary.counters_of(result)
    return (
        figures.count(size.size),
        way_name(pair, way.name),
        figures.ns(summary.median_ns(result)),
        "1" if way.is_efficient else figures.ratio_interval(seen.ratio if seen else None),
        "" if way.is_efficient else figures.ns_interval(seen.saved_ns if seen else None),
        "efficient" if way.is_efficient else _explained(size, seen),
        blocks_range(counters),
        statements_text(counters),
    )


def _explained(size: SizeResult, seen: Comparison | None) -> Markup:
    notes = summary.notes(size, seen) if seen else ()
    word = verdict(summary.verdict_word(size, seen))
    return join((word, (element("small", each, class_="why") for each in notes)))


def growth(pair: PairResult) -> Markup | None:
    """How the ways grow, and what was fitted."""
    if not pair.growth:
        return None
    header = ("way", "of", "growth", "factor in all", "exponent k", "a", "b", "sizes")
    return table("Growth, by a + b·N^k", header, _growths(pair))


def _growths(pair: PairResult) -> Iterator[tuple[Child, ...]]:
    for each in pair.growth:
        told = figures.ns if each.of == summary.TIME else figures.number
        exponent = each.exponent
        yield (
            way_name(pair, each.variant),
            each.of,
            figures.growth(each),
            figures.ratio_interval(each.factor),
            f"{figures.number(exponent.estimate)} {figures.bounds(exponent)}" if exponent else "–",
            told(each.floor),
            told(each.slope),
            ", ".join(figures.size(size) for size in each.sizes),
        )


def claims(pair: PairResult) -> Markup | None:
    """What the pair claims, and what became of it."""
    if not pair.claims:
        return None
    body = (
        (each.text, finding(each), each.measured, "counts" if each.is_deterministic else "time")
        for each in pair.claims
    )
    return table("Claims", ("claim", "finding", "measured", "decided by"), body, words=True)


def all_figures(pair: PairResult) -> Markup:
    """The plain figures of all samples, and what was counted beside."""
    header = (
        "rows", "way", "n", "median", "mean", "stdev", "min", "max", "p95", "calls a sample",
        "collector", "rows asked", "WAL", "peak memory",
    )  # fmt: skip
    body = (
        (figures.count(size.size), way_name(pair, each.name), *_figures(each))
        for size in pair.sizes
        for each in size.variants
    )
    return table("All figures", header, body)


def _figures(found: VariantResult) -> Iterator[str]:
    seen, counters = found.summary, found.counters
    yield figures.count(seen.n if seen else None)
    times = (
        (seen.median_ns, seen.mean_ns, seen.stdev_ns, seen.min_ns, seen.max_ns, seen.p95_ns)
        if seen
        else (None,) * 6
    )
    yield from (figures.ns(each) for each in times)
    yield figures.count(found.calls if seen else None)
    yield figures.percent(found.gc_share if seen else None)
    yield figures.count(counters.rows if counters else None)
    yield figures.size_bytes(counters.wal_bytes if counters else None)
    yield figures.size_bytes(counters.peak_bytes if counters else None)
