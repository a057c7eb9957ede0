"""A seed as files that psql can load, and as fingerprints. No database."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tasks.dataset.seeding.loading import copy_statement, set_sequence
from tasks.dataset.seeding.tables import COLUMNS, Block

SCRIPT: Final = "load.sql"
_HEAD: Final = """\
-- Loads the files beside this one, as the schema's owner, into a database without any rows:
--   cd <this folder> && psql -X -q -f load.sql "$DATABASE_OWNER_URL"
\\set ON_ERROR_STOP on
\\encoding UTF8
begin;
"""


class Digests:
    """A SHA-256 for each table, of its rows as COPY text in the order in which they are sent."""

    def __init__(self) -> None:
        self._hashes = {table: hashlib.sha256() for table in COLUMNS}

    def add(self, block: Block) -> None:
        """Take a block in."""
        self._hashes[block.table].update(block.text)

    def lines(self) -> Iterator[str]:
        """`<digest>  <table>`, as sha256sum prints them."""
        return (f"{each.hexdigest()}  {table}" for table, each in self._hashes.items())


def write_files(blocks: Iterable[Block], folder: Path) -> Generator[Block, None, None]:
    """Write each block to its table's file while it passes, and `load.sql` at the end.

    The folder is made, and removed again if not all blocks pass. Raises `FileExistsError` if it is
    there already, `OSError` if it can't be written.
    """
    folder.mkdir(parents=True)
    try:
        last_ids = dict.fromkeys(COLUMNS, 0)
        yield from _written(blocks, folder, last_ids)
        (folder / SCRIPT).write_text(_script(last_ids), encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder)
        raise


def _written(blocks: Iterable[Block], folder: Path, last_ids: dict[str, int]) -> Iterator[Block]:
    with ExitStack() as stack:
        files = {
            table: stack.enter_context((folder / _file(table)).open("wb")) for table in COLUMNS
        }
        for block in blocks:
            files[block.table].write(block.text)
            last_ids[block.table] += block.rows
            yield block


def _file(table: str) -> str:
    return f"{table}.copy"


def _script(last_ids: dict[str, int]) -> str:
    copies = [
        f"\\{copy_statement(table).replace('COPY', 'copy').replace('STDIN', repr(_file(table)))}\n"
        for table in COLUMNS
    ]
    # As `load` does, so that both take the same steps.
    sequences = [
        f"{set_sequence(table, last)} \\g /dev/null\n" for table, last in last_ids.items() if last
    ]
    return "".join([_HEAD, *copies, *sequences, "commit;\n"])
