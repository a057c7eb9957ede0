"""Load tests as files, in the folder `load` beside the runs of the lab; searches in one inside."""

from __future__ import annotations

from typing import Final

from perf.kept import LAST, NoSuchRun, Shelf, is_file
from perf.load.results import CapacityResult, LoadRun
from perf.report.load import documents

__all__ = [
    "LAST",
    "LOADS",
    "SEARCHES",
    "NoSuchRun",
    "all_ids",
    "either",
    "folder",
    "ids",
    "load",
    "save",
]

LOADS: Final = Shelf(documents.FORMAT, "load", "load test", "manage.py loadtest run")
SEARCHES: Final = Shelf(documents.SEARCH, "load/searches", "search", "manage.py loadtest capacity")

folder: Final = LOADS.folder
save: Final = LOADS.save
ids: Final = LOADS.ids


def all_ids() -> list[str]:
    """The ids of runs and searches, the newest last."""
    return sorted([*LOADS.ids(), *SEARCHES.ids()])


def load(name: str) -> LoadRun:
    """A run, as `Shelf.load` finds it. A search is none, and the message says so."""
    try:
        return LOADS.load(name)
    except (NoSuchRun, documents.DocumentError):
        if name == LAST or not (found := _search(name)):
            raise
        tried = ", ".join(dict.fromkeys(each.run for each in found.points if each.run))
        raise NoSuchRun(
            f"{name!r} is a search, and no run. It has made some: {tried or 'none that is known'}."
        ) from None


def either(name: str) -> LoadRun | CapacityResult:
    """A run or a search, by its id, the beginning of one, a file, or "last".

    Raises `NoSuchRun`, and `DocumentError` for a file that is none of them.
    """
    if is_file(name):
        try:
            return LOADS.load(name)
        except documents.DocumentError:
            if found := _search(name):
                return found
            raise
    chosen = LOADS.chosen(name, all_ids())
    return SEARCHES.load(chosen) if chosen in SEARCHES.ids() else LOADS.load(chosen)


def _search(name: str) -> CapacityResult | None:
    try:
        return SEARCHES.load(name)
    except (NoSuchRun, documents.DocumentError):
        return None
