"""What the lab keeps as files: one JSON document each, in `PERF_DIR` of the settings (`.perf`) or a
folder in it. The files are the truth; what else knows of them is made from them.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from django.conf import settings

from perf.report.formats import DocumentError, Format

LAST: Final = "last"
_SUFFIXES: Final = (".json", ".json.gz")
ID: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")  # what else lies there is no run


class NoSuchRun(LookupError):
    """No run has that name, or several have. The message says which there are."""


class Named(Protocol):
    """What can be kept: the file is called after its id."""

    @property
    def id(self) -> str: ...


def is_file(name: str) -> bool:
    """Whether a name is that of a file, which need not be there."""
    return name.endswith(_SUFFIXES)


def folder() -> Path:
    """Where all is kept. It need not be there."""
    return Path(getattr(settings, "PERF_DIR", ".perf"))


class Shelf[R: Named]:
    """Results of one kind. `inside` is their folder in `PERF_DIR`, `name` is what messages call
    one, `maker` the command that makes one.
    """

    def __init__(self, form: Format[R], inside: str, name: str, maker: str) -> None:
        self._form = form
        self._inside = inside
        self._name = name
        self._maker = maker

    def folder(self) -> Path:
        """Where they are kept. It need not be there."""
        return folder() / self._inside

    def save(self, found: R) -> Path:
        """Keep one, whole or broken off; its file."""
        home = self.folder()
        home.mkdir(parents=True, exist_ok=True)
        path = home / f"{found.id}.json"
        partial = path.with_suffix(".partial")
        try:
            partial.write_bytes(self._form.encode(found))
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)  # where the disk is full, not even half of one is left
            raise
        return path

    def ids(self) -> list[str]:
        """The ids of all that are kept, the newest last."""
        return sorted(x.stem for x in self.folder().glob("*.json") if ID.fullmatch(x.stem))

    def load(self, name: str) -> R:
        """One by its id, the beginning of one, a file, or "last".

        Raises `NoSuchRun`, and `DocumentError` for a file that is none of them.
        """
        path = self._path(name)
        try:
            found = path.read_bytes()
            return self._form.decode(gzip.decompress(found) if path.suffix == ".gz" else found)
        except (DocumentError, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DocumentError(f"{path}: {error}") from error

    def _path(self, name: str) -> Path:
        if not is_file(name):
            return self.folder() / f"{self.chosen(name, self.ids())}.json"
        if not Path(name).is_file():
            raise NoSuchRun(f"There is no file {name}.")
        return Path(name)

    def chosen(self, name: str, known: Sequence[str]) -> str:
        """The one of the ids `known` that a name means. Raises `NoSuchRun`."""
        found = list(known[-1:]) if name == LAST else [x for x in known if x.startswith(name)]
        if len(found) == 1:
            return found[0]
        if not known:
            where = f"There is no {self._name} yet in {self.folder()}"
            raise NoSuchRun(f"{where}: `{self._maker}` makes one.")
        if found:
            begin = f"{len(found)} {self._name}s begin with {name!r}"
            raise NoSuchRun(f"{begin}: {', '.join(found[:5])}.")
        raise NoSuchRun(f"No {self._name} is named {name!r}; the last one is {known[-1]}.")
