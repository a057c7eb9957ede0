"""What a run does not show: said in each report, so that nobody reads more out of it."""

from __future__ import annotations

from collections.abc import Iterator

from perf.engine.results import PairResult, Run
from perf.report import figures, summary


def of_run(run: Run) -> Iterator[str]:
    """What holds for all pairs of a run."""
    yield (
        "Other data. The rows are made up: where yours are spread otherwise, plans and times are "
        "other ones."
    )
    yield "Load. One call ran at a time; what ways cost each other in a crowd is not here."
    if run.method.cache == "warm":
        yield "Disks. All blocks were in memory before; a first reading costs more."
    yield "A network. Each statement goes to PostgreSQL and back; with you that may take longer."
    yield "Other machines. Ratios carry over better than times, and both are of this one."
    if run.controls is None and summary.is_anything_timed(run):
        yield "How much of it is noise. Too few controls were run."


def of_pair(pair: PairResult) -> Iterator[str]:
    """What holds for one pair besides."""
    measured = sorted(each.size for each in pair.sizes if not each.refusal)
    if len(measured) == 1:
        yield f"How it grows: {figures.count(measured[0])} rows were measured, and no other size."
    elif measured:
        low, high = figures.count(measured[0]), figures.count(measured[-1])
        yield f"Fewer rows than {low}, or more than {high}."
    for size in pair.sizes:
        if size.refusal:
            yield f"{figures.plural(size.size, 'row')}, which was refused: {size.refusal}."
            continue
        for each in size.variants:
            if each.note:
                yield f"{each.name} at {figures.plural(size.size, 'row')}: {each.note}."
    if any(not summary.growth_of(pair, each.name) for each in pair.variants) and len(measured) > 1:
        yield "The growth of a way that was timed at fewer than two sizes."
