"""A run in Markdown: a comment for a pull request, and the measured table of a page of the docs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from perf.engine.results import Comparison, Finding, PairResult, Run, SizeResult, VariantInfo
from perf.report import figures, summary
from perf.report.statements import blocks_text, statements_text
from perf.report.summary import Row
from perf.report.texts import printable

# What Markdown or HTML would take for markup.
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~&])")
# GitHub looks for "@name" after it has taken the backslashes away: only a break in it calls nobody.
_NOBODY: Final = "@\u200b"
_MARKS: Final = {
    Finding.HOLDS: "✅",
    Finding.REFUTED: "❌",
    Finding.UNDECIDED: "❔",
    Finding.NOT_MEASURED: "➖",
}


def render(run: Run) -> str:
    """The run as a comment: the summary in full view, the rest to fold out."""
    sections = (_head(run), _summary(run), _amiss(run), _claims(run), _controls(run), _about(run))
    return "\n\n".join("\n".join(each) for each in map(list, sections) if each) + "\n"


def pattern_table(pair: PairResult, run: Run) -> str:
    """What was measured of one pair, at each size, with what it takes to repeat it."""
    if pair.skipped:
        return f"Not measured: {text(pair.skipped)}.\n"
    sections = (_sizes(pair), _findings(pair), _pair_claims(pair), _origin(pair, run))
    return "\n\n".join("\n".join(each) for each in map(list, sections) if each) + "\n"


def text(found: str) -> str:
    """Any text on one line, as itself: nothing in it is markup.

    >>> text("a|b <c>\\nd")
    'a\\\\|b \\\\<c\\\\> d'
    """
    return _SPECIAL.sub(r"\\\1", " ".join(printable(found).split())).replace("@", _NOBODY)


def code(found: str) -> str:
    """A name as code, in a cell too.

    >>> code("tasks.deep_page"), code("a`b|c")
    ('`tasks.deep_page`', "`a'b¦c`")
    """
    # No escape works inside of code, and a bar ends the cell even there.
    plain = " ".join(printable(found).split()).replace("`", "'").replace("|", "¦")
    return f"`{plain}`" if plain else figures.UNKNOWN


def rows(header: Sequence[str], body: Iterable[Sequence[str]], right: int = 1) -> Iterator[str]:
    """A table; the columns from `right` on are numbers."""
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join('---:' if at >= right else '---' for at in range(len(header)))}|"
    for each in body:
        yield f"| {' | '.join(each)} |"


# A comment


def _head(run: Run) -> Iterator[str]:
    yield f"### {text(summary.headline(run))}"
    if broken := summary.broken_off(run):
        yield f"\n**{broken}**"
    if run.note:
        yield f"\n{text(run.note)}"


def _summary(run: Run) -> Iterator[str]:
    of = summary.growth_kind(run)
    header = (
        "pair", "ways", "at", "verdict", "naive : efficient", "saved a call", "medians",
        "blocks", "statements", "growth of " + of, "pays from",
    )  # fmt: skip
    found = [_summary_row(each, of) for each in summary.rows(run)]
    return rows(header, found, 4) if found else iter(())


def _summary_row(row: Row, of: str) -> tuple[str, ...]:
    first, second = row.both
    both = (summary.counters_of(first), summary.counters_of(second))
    return (
        code(row.pair.name),
        f"{code(row.efficient)} / {code(row.naive.name)}",
        figures.size(row.at),
        _verdict(row.verdict),
        figures.ratio_interval(row.ratio),
        figures.ns(row.saved_ns),
        f"{figures.ns(summary.median_ns(first))} / {figures.ns(summary.median_ns(second))}",
        " / ".join(blocks_text(each) for each in both),
        " / ".join(statements_text(each) for each in both),
        " / ".join(row.growths(of)),
        row.pays_from,
    )


def _verdict(word: str) -> str:
    return f"**{word}**" if word.endswith("wins") else word


def _amiss(run: Run) -> Iterator[str]:
    for pair, size, why in summary.refusals(run):
        yield f"- **Refused**: {code(pair.name)} at {figures.size(size.size)}: {text(why)}"
    for pair, size, way in summary.untimed(run):
        at = f"{code(pair.name)} at {figures.size(size.size)}"
        yield f"- Not timed: {at}, {code(way.name)}: {text(way.note)}"
    for pair in summary.skipped(run):
        yield f"- Skipped: {code(pair.name)}: {text(pair.skipped)}"


def _claims(run: Run) -> Iterator[str]:
    yield f"**{summary.claims_line(run)}**"
    for pair, claim in summary.claims_against(run):
        told = f"{code(pair.name)}: {text(claim.text)}; measured: {text(claim.measured)}"
        yield f"- {_MARKS[claim.finding]} {claim.finding.value}: {told}"
    for each in summary.claims_unmeasured(run):
        yield f"- {_MARKS[Finding.NOT_MEASURED]} {Finding.NOT_MEASURED.value}: {text(each)}"


def _controls(run: Run) -> Iterator[str]:
    yield text(summary.controls(run))
    for each in run.controls.complaints if run.controls else ():
        yield f"- ⚠️ {text(each)}"


def _about(run: Run) -> Iterator[str]:
    yield f"<details><summary>{text(summary.machine(run))}</summary>\n"
    if run.environment:
        known = ((text(key), text(value)) for key, value in run.environment.items())
        yield from rows(("on", "is"), known, right=2)
    yield f"\n{text(summary.method(run))}\n"
    yield from (f"- {text(each)}" for each in summary.next_steps(run))
    yield "</details>"


# A page of the docs


def _sizes(pair: PairResult) -> Iterator[str]:
    header = (
        "rows", "way", "median", "naive : efficient", "verdict", "blocks", "statements", "memory",
    )  # fmt: skip
    body = (
        _size_row(size, way, size.comparison(way.name))
        for size in pair.sizes
        for way in summary.ordered_ways(pair)
    )
    return rows(header, body, 2)


def _size_row(size: SizeResult, way: VariantInfo, seen: Comparison | None) -> tuple[str, ...]:
    result = size.variant(way.name)
    counters = summary.counters_of(result)
    verdict = "" if way.is_efficient else summary.verdict_word(size, seen)
    return (
        figures.count(size.size),
        code(way.name),
        figures.ns(summary.median_ns(result)),
        "1" if way.is_efficient else figures.ratio_interval(seen.ratio if seen else None),
        verdict,
        blocks_text(counters),
        statements_text(counters),
        figures.size_bytes(counters.peak_bytes if counters else None),
    )


def _findings(pair: PairResult) -> Iterator[str]:
    for size in pair.sizes:
        if size.refusal:
            yield f"- Refused at {figures.count(size.size)} rows: {text(size.refusal)}."
    for way in summary.ordered_ways(pair):
        told = [
            f"{figures.growth(found)} in {of} ({figures.ratio_interval(found.factor)} in all)"
            for of in (summary.TIME, summary.BLOCKS)
            if (found := summary.growth_of(pair, way.name, of))
        ]
        if told:
            yield f"- {code(way.name)}: {text(', '.join(told))}."
    for payoff in pair.payoffs:
        yield f"- Beside {code(payoff.naive)}: {text(payoff.text)}."


def _pair_claims(pair: PairResult) -> Iterator[str]:
    if pair.claims:
        body = (
            (text(each.text), f"{_MARKS[each.finding]} {each.finding.value}", text(each.measured))
            for each in pair.claims
        )
        yield from rows(("claim", "finding", "measured"), body, right=3)


def _origin(pair: PairResult, run: Run) -> Iterator[str]:
    yield f"Measured on {text(summary.machine(run))}; {text(summary.method_of(pair, run))}."
    broken = " It was broken off." if run.ended_at is None else ""
    yield f"Run {code(run.id)} of {figures.moment(run.started_at)}.{broken}"
    if run.command:
        yield f"\n```\n{printable(run.command)}\n```"
