"""A run as one HTML page: styles and drawings are in it, nothing is fetched, no script runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from perf.engine.results import Comparison, PairResult, Run, SizeResult
from perf.report import figures, html_pair, limits, plots_samples, summary
from perf.report import html_tables as tables
from perf.report.markup import Child, Markup, element, join
from perf.report.page import page
from perf.report.statements import blocks_text
from perf.report.summary import Row


def render(run: Run) -> str:
    """The whole page."""
    body = element(
        "body",
        element("header", _header(run)),
        element(
            "main",
            element("section", _summary(run), id="summary", aria_labelledby="summary-title"),
            (html_pair.section(each, run.controls) for each in run.pairs),
            element("section", _about(run), id="about", aria_labelledby="about-title"),
        ),
        element("footer", element("p", f"Run {run.id}, version {run.version} of its document.")),
    )
    return page(f"Lab run of {figures.moment(run.started_at)}", body)


def _header(run: Run) -> Iterator[Markup | None]:
    yield element("h1", "What the ways of asking cost")
    yield element("p", summary.headline(run), class_="lead")
    if broken := summary.broken_off(run):
        yield element("p", broken, class_="bad note-box")
    if run.note:
        yield element("p", run.note)
    yield element("p", f"On {summary.machine(run)}. {summary.method(run)}.", class_="sub")


# The summary


def _summary(run: Run) -> Iterator[Child]:
    yield element("h2", "Summary", id="summary-title")
    rows = list(summary.rows(run))
    if rows:
        yield element("p", _how_to_read(run))
        yield _matrix(run, rows)
    else:
        yield element("p", "Nothing was measured.")
    yield element("p", summary.controls(run), ".")
    yield _list((run.controls.complaints if run.controls else ()), "unsure")
    yield element("p", element("strong", summary.claims_line(run)))
    yield _amiss(run)
    skipped = summary.skipped(run)
    yield _list(f"{each.name} was skipped: {each.skipped}." for each in skipped)


def _how_to_read(run: Run) -> str:
    if not summary.is_anything_timed(run):
        return "Nothing was timed. All ways of a pair gave the same rows, but for those refused."
    return (
        "A figure is how many times as long the naive way takes, at so many rows; in brackets is "
        f"where the truth lies with {figures.percent(run.method.confidence)} confidence. All ways "
        "of a pair gave the same rows before they were timed."
    )


def _matrix(run: Run, rows: Iterable[Row]) -> Markup:
    sizes = sorted({size.size for pair in summary.measured(run) for size in pair.sizes})
    columns = (join((figures.size(each), " rows")) for each in sizes)
    of = summary.growth_kind(run)
    header = ("pair", *columns, f"growth of {of}", "pays from", "claims")
    return tables.table("All pairs", header, (_matrix_row(each, sizes, of) for each in rows))


def _matrix_row(row: Row, sizes: Iterable[int], of: str) -> list[Child]:
    pair = row.pair
    return [
        join(
            (
                element("a", pair.title, href=f"#{html_pair.anchor(pair)}"),
                element("small", f"{row.efficient} vs {row.naive.name}"),
            )
        ),
        *(_matrix_cell(row, size) for size in sizes),
        " / ".join(row.growths(of)),
        row.pays_from,
        _claims_of(pair),
    ]


def _matrix_cell(row: Row, at: int) -> Child:
    size = next((each for each in row.pair.sizes if each.size == at), None)
    seen = size.comparison(row.naive.name) if size else None
    if size is None or seen is None:
        return figures.UNKNOWN
    return join((_cell_figure(size, seen), tables.verdict(summary.verdict_word(size, seen))))


def _cell_figure(size: SizeResult, seen: Comparison) -> Child:
    """The ratio, or the blocks of both ways where there is none."""
    if seen.ratio:
        figure = element("b", figures.ratio(seen.ratio.estimate))
        return figure, element("small", figures.bounds(seen.ratio))
    both = [summary.counters_of(size.variant(name)) for name in (seen.efficient, seen.naive)]
    if size.refusal or not all(both):
        return None
    return element("small", " / ".join(map(blocks_text, both)), " blocks")


def _claims_of(pair: PairResult) -> str:
    holds = sum(each.finding == "holds" for each in pair.claims)
    return f"{holds} of {len(pair.claims)} hold" if pair.claims else "none"


def _amiss(run: Run) -> Markup | None:
    against = [
        element(
            "li",
            tables.finding(claim),
            " ",
            element("a", pair.name, href=f"#{html_pair.anchor(pair)}"),
            f": {claim.text}; measured: {claim.measured}",
        )
        for pair, claim in summary.claims_against(run)
    ]
    unmeasured = [element("li", f"Not measured: {x}.") for x in summary.claims_unmeasured(run)]
    return element("ul", against, unmeasured) if against or unmeasured else None


def _list(found: Iterable[str], style: str | None = None) -> Markup | None:
    items = [element("li", each) for each in found]
    return element("ul", items, class_=style) if items else None


# About the run


def _about(run: Run) -> Iterator[Child]:
    yield element("h2", "About this run", id="about-title")
    yield element("h3", "What no run shows")
    yield _list(limits.of_run(run))
    if steps := summary.next_steps(run):
        yield element("h3", "What to do next")
        yield _list(steps)
    if drawn := plots_samples.yardstick("yardstick", run.controls):
        caption = "What moves here is the machine, and not a way of asking."
        yield element("figure", drawn, element("figcaption", caption))
    if run.environment:
        yield tables.table("Environment", ("what", "is"), list(run.environment.items()), words=True)
