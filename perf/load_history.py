"""Load tests as files, in the folder `load` beside the runs of the lab."""

from __future__ import annotations

from typing import Final

from perf.kept import LAST, NoSuchRun, Shelf
from perf.report.load import documents

__all__ = ["LAST", "LOADS", "NoSuchRun", "folder", "ids", "load", "save"]

LOADS: Final = Shelf(documents.FORMAT, "load", "load test", "manage.py loadtest run")

folder: Final = LOADS.folder
save: Final = LOADS.save
ids: Final = LOADS.ids
load: Final = LOADS.load
