"""What may be kept of a statement's text: none of its values.

PostgreSQL puts `$1` in the place of values, except in statements that only control something. On
version 15 a DECLARE keeps those of its query. A statement that was running when its entry was reset
or evicted comes back with all of its values.
"""

from __future__ import annotations

from typing import Final

from perf.pg.redaction import cut, without_values

LONGEST: Final = 8_000  # characters


def kept_text(text: str) -> str:
    """The text without values.

    >>> kept_text("DECLARE c CURSOR FOR SELECT 1 FROM t WHERE name = 'secret' AND n = 42")
    'DECLARE c CURSOR FOR SELECT ? FROM t WHERE name = ? AND n = ?'
    >>> kept_text('SELECT "a1" FROM t WHERE n = $1')
    'SELECT "a1" FROM t WHERE n = $1'
    """
    return cut(without_values(text), LONGEST)
