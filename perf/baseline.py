"""The gate's baseline: what calls are known to cost in statements, plans, blocks and WAL.

Such counts repeat exactly where data, arguments and PostgreSQL's version are the same: a gate on
them needs no patience, and is never unlucky. Times are in none of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from perf.comparison import Change, Count, Difference, count_of, counted_changes
from perf.engine.results import Finding, Run

VERSION: Final = 1
SEED: Final = 1  # of the arguments: the same ones each time


class BaselineError(ValueError):
    """The baseline can't be read, or not be compared with. The message says why."""


class Baseline(msgspec.Struct, frozen=True):
    """The counts of pairs by name, size and way, on one major version of PostgreSQL."""

    version: int
    postgresql: str
    accepted: str  # why these counts are right
    pairs: dict[str, dict[str, dict[str, Count]]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate found: what is worse or other, what is only to be known, and refusals. It is
    red if anything but `notes` is there."""

    regressions: tuple[Difference, ...]
    notes: tuple[str, ...]
    gone: tuple[str, ...]  # pairs and ways that the baseline has and the code has no more
    refuted: tuple[str, ...]
    rows_differ: tuple[str, ...]


def baseline_of(run: Run, accepted: str) -> Baseline:
    """The counts of a run, to be kept."""
    return Baseline(
        version=VERSION,
        postgresql=major(run),
        accepted=accepted,
        pairs={
            pair.name: {
                str(size.size): {
                    each.name: count_of(each.counters)
                    for each in size.variants
                    if each.counters is not None
                }
                for size in pair.sizes
                if not size.refusal
            }
            for pair in run.pairs
            if not pair.skipped
        },
    )


def only(found: Baseline, run: Run) -> Baseline:
    """The part of a baseline that knows of the pairs of that run."""
    names = {pair.name for pair in run.pairs}
    return msgspec.structs.replace(
        found, pairs={name: each for name, each in found.pairs.items() if name in names}
    )


def merged(known: Baseline, found: Baseline) -> Baseline:
    """The counts in `found`, and those of the pairs that only `known` has.

    Raises `BaselineError` where the two are of other versions of PostgreSQL.
    """
    if known.postgresql != found.postgresql:
        raise BaselineError(
            f"The baseline is of PostgreSQL {known.postgresql}, and this is {found.postgresql}: "
            "accept all pairs at once."
        )
    return msgspec.structs.replace(found, pairs={**known.pairs, **found.pairs})


def major(run: Run) -> str:
    """The major version of PostgreSQL: plans and counts change with it."""
    return run.environment.get("PostgreSQL", "").partition(".")[0]


def write(path: Path, found: Baseline) -> None:
    """Write a baseline so that a change of it can be read as a diff."""
    document: Any = msgspec.to_builtins(found)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document, order="sorted")) + b"\n")


def read(path: Path) -> Baseline:
    """Read a baseline. Raises `BaselineError` for a file that is none."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except OSError as error:
        raise BaselineError(f"There is no baseline {path}: make one with --accept.") from error
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BaselineError(f"{path} is no baseline: {error}") from error
    if found.version != VERSION:
        raise BaselineError(f"{path} is of version {found.version}; {VERSION} can be read here.")
    return found


def judge(found: Baseline, run: Run) -> Judged:
    """Compare a run with the baseline. Raises `BaselineError` for another version of PostgreSQL.

    Of a run of some pairs give `only` what it knows of them: a pair of the baseline that the run
    has not was taken away, and nobody holds the code to it any more.
    """
    if found.postgresql != major(run):
        raise BaselineError(
            f"The baseline is of PostgreSQL {found.postgresql}, and this is {major(run)}: plans "
            "and counts change with the version."
        )
    if not any(
        size.refusal or str(size.size) in found.pairs.get(each.name, {})
        for each in run.pairs
        for size in each.sizes
    ):
        raise BaselineError(
            "Nothing that was counted is in the baseline, so nothing is compared: "
            "--accept puts it there."
        )
    differences = list(_differences(found, run))
    return Judged(
        regressions=tuple(e for e in differences if e.change is not Change.BETTER),
        notes=tuple(_notes(found, run, differences)),
        gone=tuple(_gone(found, run)),
        refuted=tuple(
            f"{pair.name}: {claim.text}; measured: {claim.measured}"
            for pair in run.pairs
            for claim in pair.claims
            if claim.is_deterministic and claim.finding is Finding.REFUTED
        ),
        rows_differ=tuple(
            f"{pair.name} at {size.size:,}: {size.refusal}"
            for pair in run.pairs
            for size in pair.sizes
            if size.refusal
        ),
    )


def _differences(found: Baseline, run: Run) -> Iterator[Difference]:
    for pair in run.pairs:
        for size in pair.sizes:
            known = found.pairs.get(pair.name, {}).get(str(size.size), {})
            for each in size.variants:
                if each.counters is None or each.name not in known:
                    continue
                for what, change, text in counted_changes(
                    known[each.name], count_of(each.counters)
                ):
                    yield Difference(pair.name, size.size, each.name, what, change, text)


def _notes(found: Baseline, run: Run, differences: list[Difference]) -> Iterator[str]:
    for each in differences:
        if each.change is Change.BETTER:
            yield f"{each.pair} at {each.size:,}: {each.variant} has fewer {each.what}, {each.text}"
    measured = {pair.name for pair in run.pairs if not pair.skipped}
    for name in sorted(measured - set(found.pairs)):
        yield f"{name} is not in the baseline"
    for place in _unknown(found, run):
        yield f"{place} is not in the baseline"
    for name in sorted({pair.name for pair in run.pairs if pair.skipped} & set(found.pairs)):
        yield f"{name} is in the baseline and was not counted"


def _gone(found: Baseline, run: Run) -> Iterator[str]:
    """Pairs of the baseline that are there no more, and ways that a pair no longer has."""
    yield from sorted(set(found.pairs) - {pair.name for pair in run.pairs})
    for pair in run.pairs:
        for size, known in found.pairs.get(pair.name, {}).items():
            for name in known.keys() - {each.name for each in pair.variants}:
                yield f"{pair.name} at {int(size):,}, {name}"


def _unknown(found: Baseline, run: Run) -> Iterator[str]:
    """Sizes and ways of known pairs that the baseline lacks."""
    for pair in run.pairs:
        for size in pair.sizes if pair.name in found.pairs and not pair.skipped else ():
            known = found.pairs[pair.name].get(str(size.size))
            if known is None:
                yield f"{pair.name} at {size.size:,}"
                continue
            for each in size.variants:
                if each.counters is not None and each.name not in known:
                    yield f"{pair.name} at {size.size:,}, {each.name},"
