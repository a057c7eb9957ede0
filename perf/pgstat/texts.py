"""What may be kept of a statement's text: none of its values.

PostgreSQL puts `$1` in the place of values, except in statements that only control something. On
version 15 a DECLARE keeps those of its query.
"""

from __future__ import annotations

import re
from typing import Final

from perf.pg.redaction import cut, without_values

LONGEST: Final = 8_000  # characters
_PLANNED: Final = re.compile(
    r"\s*(?:/\*.*?\*/\s*)*(select|with|insert|update|delete|merge|values)\b", re.I | re.S
)


def kept_text(text: str) -> str:
    """The text without values.

    >>> kept_text("DECLARE c CURSOR FOR SELECT 1 FROM t WHERE name = 'secret' AND n = 42")
    'DECLARE c CURSOR FOR SELECT ? FROM t WHERE name = ? AND n = ?'
    >>> kept_text('SELECT "a1" FROM t WHERE n = $1')
    'SELECT "a1" FROM t WHERE n = $1'
    """
    return cut(text if _PLANNED.match(text) else without_values(text), LONGEST)
