"""How a long command tells how far it is: a line that is rewritten, or one every 3 seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

REWRITE_S: Final = 0.2
NEXT_LINE_S: Final = 3.0
_BAR_WIDTH: Final = 24
_CLEAR_LINE: Final = "\r\x1b[K"


class ProgressLine:
    """Hands texts to `tell` when it is time to: rewritten in place on a terminal, else on lines of
    their own. Nothing is told unless `shown`."""

    def __init__(self, tell: Callable[[str], object], *, rewrites: bool, shown: bool) -> None:
        self._tell = tell
        self._rewrites = rewrites
        self._shown = shown
        self._started = self._told = time.monotonic()

    def update(self, text: Callable[[float], str]) -> None:
        """Tell what `text` makes of the seconds since the start, if it is time to."""
        now = time.monotonic()
        if self._shown and now - self._told >= (REWRITE_S if self._rewrites else NEXT_LINE_S):
            self._told = now
            line = text(now - self._started)
            self._tell(f"{_CLEAR_LINE}{line}" if self._rewrites else f"{line}\n")

    def end(self) -> None:
        """Clear the line that was rewritten."""
        if self._shown and self._rewrites:
            self._tell(_CLEAR_LINE)


def bar(ratio: float, seconds: float) -> str:
    """A bar for the part that is done, 0 to 1, with the time that the rest takes at this rate."""
    done = "#" * round(ratio * _BAR_WIDTH)
    text = f"[{done:.<{_BAR_WIDTH}}] {ratio:4.0%}"
    if not 0 < ratio < 1:
        return text
    left = round(seconds * (1 - ratio) / ratio)
    return f"{text}, {left // 60}:{left % 60:02} left,"
