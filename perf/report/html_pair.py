"""The section of one pair on the page."""

from __future__ import annotations

from collections.abc import Iterator

from perf.engine.results import Controls, PairResult, SizeResult
from perf.report import html_tables as tables
from perf.report import limits, plots_growth, plots_ratio, plots_samples, summary
from perf.report.markup import Child, Markup, element, join, prose
from perf.report.statements import UNEXPLAINED, Alike, Shape, alike, shapes
from perf.report.summary import Row


def anchor(pair: PairResult) -> str:
    """The id of its section, also what stands after "#"."""
    return "pair-" + "".join(each if each.isalnum() or each in "._" else "-" for each in pair.name)


def section(pair: PairResult, controls: Controls | None) -> Markup:
    key = anchor(pair)
    inner: Child = element("p", f"Skipped: {pair.skipped}.", class_="bad note-box")
    if not pair.skipped:
        inner = (
            _findings(pair),
            _does_not_pay(pair),
            _plots(key, pair, controls),
            _tables(key, pair),
        )
    return element(
        "section",
        element("h2", pair.title, id=f"{key}-title"),
        element("p", element("code", pair.name), _page(pair), class_="sub"),
        _ways(pair),
        inner,
        tables.claims(pair),
        (_plans(pair), _limits(pair)) if not pair.skipped else _does_not_pay(pair),
        element("p", element("a", "To the summary", href="#summary"), class_="up"),
        id=key,
        class_="pair",
        aria_labelledby=f"{key}-title",
    )


def _page(pair: PairResult) -> Markup | None:
    if not pair.page:
        return None
    return join((", explained in ", element("code", f"docs/patterns/{pair.page}.md")))


def _ways(pair: PairResult) -> Markup:
    ways = (
        (
            element("dt", tables.way_name(pair, way.name)),
            element("dd", prose(way.says), " – the efficient way" if way.is_efficient else None),
        )
        for way in summary.ordered_ways(pair)
    )
    return element("dl", ways, class_="ways")


def _findings(pair: PairResult) -> Markup:
    """A sentence for each naive way, and from where on it pays."""
    rows = [summary.row_of(pair, each) for each in summary.naive_ways(pair)]
    items: Child = map(_finding, rows)
    if all(each.verdict == summary.NOT_TIMED for each in rows):
        items = element("li", "All ways gave the same rows. Nothing was timed.")
    refused = (
        element("li", f"Refused at {size.size:,} rows: {size.refusal}.", class_="bad")
        for size in pair.sizes
        if size.refusal
    )
    return element("ul", items, refused, class_="findings")


def _finding(row: Row) -> Markup:
    payoff = summary.payoff_of(row.pair, row.naive.name)
    told = f" {payoff.text[:1].upper()}{payoff.text[1:]}." if payoff else ""
    return element("li", tables.verdict(row.verdict), " ", summary.sentence(row), told)


def _does_not_pay(pair: PairResult) -> Markup:
    return element(
        "p", element("strong", "When it does not pay: "), prose(pair.caveat), class_="caveat"
    )


# Drawings


def _plots(key: str, pair: PairResult, controls: Controls | None) -> Markup:
    drawn = (
        _figure(
            plots_growth.growth_of_time(f"{key}-time", pair),
            "Median over all samples as marks, of each execution as dots; the band holds the "
            "middle half of the executions. Dashed: a + b·N^k as fitted.",
        ),
        _figure(
            plots_ratio.ratio_over_sizes(f"{key}-ratio", pair, controls),
            "Above 1 the efficient way is faster. Bars are intervals; within the grey band is what "
            "this machine calls a difference without there being one.",
        ),
        _figure(
            plots_growth.growth_of_blocks(f"{key}-blocks", pair),
            "What PostgreSQL read, counted and not timed; the dots are single draws. None at all "
            "has no place here.",
        ),
    )
    largest = _largest(pair)
    return element("div", drawn, _in_order(key, pair, largest) if largest else None, class_="plots")


def _largest(pair: PairResult) -> SizeResult | None:
    """The largest size that was not refused and has samples."""
    good = (each for each in pair.sizes if not each.refusal)
    timed = (each for each in good if any(way.samples for way in each.variants))
    return max(timed, key=lambda each: each.size, default=None)


def _in_order(key: str, pair: PairResult, size: SizeResult) -> Markup | None:
    return _figure(
        plots_samples.samples_in_order(f"{key}-order-{size.size}", pair, size),
        f"All samples at {size.size:,} rows, in the order of executions and rounds. A slope or a "
        "step is the machine; all ways share it.",
    )


def _distribution(key: str, pair: PairResult, size: SizeResult) -> Markup | None:
    return _figure(
        plots_samples.distribution(f"{key}-spread-{size.size}", pair, size),
        f"All samples at {size.size:,} rows, by their time.",
    )


def _figure(drawn: Markup | None, caption: str) -> Markup | None:
    return element("figure", drawn, element("figcaption", caption)) if drawn else None


# Tables and plans


def _tables(key: str, pair: PairResult) -> Iterator[Markup | None]:
    if pair.sizes:
        yield tables.measured(pair)
    yield tables.growth(pair)
    if pair.sizes:
        yield _folded("All figures of all samples", tables.all_figures(pair))
        yield _more_samples(key, pair)


def _more_samples(key: str, pair: PairResult) -> Markup | None:
    largest = _largest(pair)
    drawn = [
        part
        for size in pair.sizes
        for part in (
            _in_order(key, pair, size) if size is not largest else None,
            _distribution(key, pair, size),
        )
        if part
    ]
    if not drawn:
        return None
    plots = element("div", drawn, class_="plots")
    return _folded("Samples at other sizes, and by their time", plots, "screen")


def _folded(title: str, child: Child, style: str | None = None) -> Markup:
    return element("details", element("summary", title), child, class_=style)


def _plans(pair: PairResult) -> Markup | None:
    """The ways beside each other, each with its statements and their plans."""
    columns = [
        element("div", element("h4", tables.way_name(pair, way.name)), map(_shape, found))
        for way in summary.ordered_ways(pair)
        if (found := shapes(pair, way.name))
    ]
    if not columns:
        return None
    return join((element("h3", "Statements and plans"), element("div", columns, class_="plans")))


def _shape(found: Shape) -> Markup:
    told = element("p", found.at[0].upper() + found.at[1:], class_="sub")
    return element("div", told, map(_statement, alike(found.counters.statements)), class_="shape")


def _statement(found: Alike) -> Markup:
    plan = found.first.plan
    return join(
        (
            element("p", found.cost, class_="cost"),
            element("pre", found.first.sql, class_="sql", tabindex="0", aria_label="Statement"),
            element("pre", plan or UNEXPLAINED, class_="plan", tabindex="0", aria_label="Plan"),
        )
    )


def _limits(pair: PairResult) -> Markup | None:
    found = list(limits.of_pair(pair))
    if not found:
        return None
    items = (element("li", each) for each in found)
    return join((element("h3", "What this does not show"), element("ul", items)))
