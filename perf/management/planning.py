"""Which pairs are meant, and how they are to be measured."""

from __future__ import annotations

import fnmatch
import random
import shlex
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.core.management.base import CommandError
from django.db import Error as DatabaseError

from perf import catalogue, history
from perf.catalogue import LARGE, PairSpec
from perf.engine.results import Method
from perf.management.progress import watching
from perf.management.subcommands import INTERRUPTED, REFUSED, USAGE
from perf.pg.databases import NotMade
from perf.runner import COUNTED_SEED, Plan, Runner, chosen_sizes
from perf.workers import WorkerDied

CONFIDENCE: Final = 0.95
MARGIN: Final = 0.1


@dataclass(frozen=True, slots=True)
class Mode:
    """How thorough a run is."""

    executions: int
    rounds: int
    draws: int
    sample_ms: float
    slowest_call_s: float  # a way that takes longer is counted, and not timed
    at_most: int | None = None  # rows, where no sizes are asked for
    one_size: bool = False  # the largest of them only


USUAL: Final = Mode(executions=10, rounds=3, draws=5, sample_ms=20.0, slowest_call_s=1.0)
QUICK: Final = Mode(
    executions=6,
    rounds=2,
    draws=2,
    sample_ms=5.0,
    slowest_call_s=0.1,
    at_most=10_000,
    one_size=True,
)
RIGOROUS: Final = Mode(executions=10, rounds=10, draws=5, sample_ms=20.0, slowest_call_s=1.0)


def chosen(
    names: Sequence[str],
    tags: Sequence[str] = (),
    modules: Sequence[str] = (),
    *,
    large: bool = False,
) -> tuple[PairSpec, ...]:
    """The pairs of those names, in which * stands for anything, and with one of those tags.

    Large ones are among them where a name fits, with their tag, or with `large`.

    Raises `CommandError` for a name or a tag that no pair has, and for a module that is not there
    or can't be imported.
    """
    try:
        known = catalogue.discover(modules)
    except Exception as error:
        told = traceback.format_exception_only(error)[-1].strip()
        raise CommandError(told, returncode=USAGE) from error
    for name in names:
        if not any(fnmatch.fnmatchcase(each.name, name) for each in known):
            raise CommandError(
                f"No pair is named {name!r}: see `benchmark list`.", returncode=USAGE
            )
    if unknown := set(tags) - {tag for each in known for tag in each.tags}:
        raise CommandError(f"No pair has the tag {', '.join(sorted(unknown))}.", returncode=USAGE)
    with_large = large or bool(names) or LARGE in tags
    return tuple(
        each
        for each in known
        if (with_large or not each.is_large)
        and (not names or any(fnmatch.fnmatchcase(each.name, name) for name in names))
        and (not tags or set(tags) & set(each.tags))
    )


def planned(
    specs: tuple[PairSpec, ...],
    *,
    mode: Mode = USUAL,
    sizes: Sequence[int] | None = None,
    large: bool = False,
    seed: int | None = None,
    budget_s: float | None = None,
    controls: int = 1,
    margin: float = MARGIN,
    modules: Sequence[str] = (),
    cold: bool = False,
    superuser_url: str = "",
) -> Plan:
    """A plan; without `seed` arguments are drawn anew for timing, and the same ones counted."""
    at_most = None if sizes else mode.at_most
    found_sizes = chosen_sizes(specs, sizes, large=large, at_most=at_most)
    if mode.one_size and not sizes:
        found_sizes = {name: found[-1:] for name, found in found_sizes.items()}
    return Plan(
        specs=specs,
        sizes=found_sizes,
        method=Method(
            executions=mode.executions,
            rounds=mode.rounds,
            draws=mode.draws,
            sample_ms=mode.sample_ms,
            confidence=CONFIDENCE,
            margin=margin,
            cache="cold" if cold else "warm",
            seed=random.SystemRandom().randrange(2**31) if seed is None else seed,
        ),
        command=_command(superuser_url),
        budget_s=budget_s,
        slowest_call_s=mode.slowest_call_s,
        controls=controls,
        modules=tuple(modules),
        superuser_url=superuser_url,
        counted_seed=COUNTED_SEED if seed is None else seed,
    )


def _command(superuser_url: str) -> str:
    """The command as it is kept with its run, without the password that a URL may hold."""
    arguments = sys.argv[1:]
    if superuser_url:
        arguments = [each.replace(superuser_url, "URL") for each in arguments]
    return shlex.join(["manage.py", *arguments])


def made(plan: Plan, *, timed: bool, quiet: bool) -> tuple[Runner, int]:
    """What ran the plan, and the exit code of what ended it early, or 0: what there was by then can
    be had of it.

    Raises `CommandError` while another run is being made, and what hinders one before anything was
    found.
    """
    try:
        with history.alone(), watching(quiet=quiet) as watcher:
            runner = Runner(plan, watcher)
            try:
                runner.run(timed=timed)
            except KeyboardInterrupt:
                return runner, INTERRUPTED
            except (OSError, DatabaseError, NotMade, WorkerDied) as error:
                if not runner.has_found:
                    raise
                runner.stopped(f"It could not go on: {' '.join(str(error).split())}")
                return runner, REFUSED
            return runner, 0
    except history.Busy as error:
        raise CommandError(str(error), returncode=REFUSED) from error
