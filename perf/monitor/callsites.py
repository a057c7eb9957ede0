"""Where in the application a statement comes from: the innermost frame that is its own.

Frames are walked as they are; a traceback would be made of them at thirty times the cost.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import lru_cache
from types import FrameType
from typing import Any, Final

from django.core.signals import setting_changed

from perf.monitor.options import SETTING, options

Place = tuple[str, int, str]  # file, line, function

DEPTH_MAX: Final = 150  # frames that are looked at; Django's ORM takes ten to twenty
_PACKAGES: Final = ("site-packages", "dist-packages")
_LIBRARIES: Final = tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib"))
# By the names of their modules, since a library may be installed from a checkout of its own.
_NEVER_OWN: Final = ("django", "rest_framework", "psycopg", "asgiref", "perf.monitor")

_own: Final[dict[str, bool]] = {}  # by file


def _forget(*, setting: str = "", **kwargs: Any) -> None:
    if setting == SETTING:
        _own.clear()


setting_changed.connect(_forget, dispatch_uid="perf.monitor.callsites")


def call_site(frame: FrameType | None) -> Place | None:
    """The first frame from `frame` outwards that is the application's; None if none is."""
    for _ in range(DEPTH_MAX):
        if frame is None:
            return None
        code = frame.f_code
        is_own = _own.get(code.co_filename)
        if is_own or (is_own is None and _judged(code.co_filename, frame)):
            return code.co_filename, frame.f_lineno, code.co_qualname
        frame = frame.f_back
    return None


def awaited_site(coroutine: Any) -> Place | None:
    """The innermost frame of a waiting coroutine that is the application's.

    Django's ORM works in another thread, whose frames do not lead back to who awaits it.
    """
    found = None
    for _ in range(DEPTH_MAX):
        frame = _first(coroutine, "cr_frame", "ag_frame", "gi_frame")
        if frame is None:
            break
        code = frame.f_code
        if _judged(code.co_filename, frame):
            found = code.co_filename, frame.f_lineno, code.co_qualname
        coroutine = _first(coroutine, "cr_await", "ag_await", "gi_yieldfrom")
    return found


def _first(value: Any, *names: str) -> Any:
    return next((found for name in names if (found := getattr(value, name, None))), None)


def _judged(path: str, frame: FrameType) -> bool:
    module, nobodys = frame.f_globals.get("__name__", ""), _NEVER_OWN + options().skip
    _own[path] = is_own = not (
        path.startswith(("<", *_LIBRARIES))
        or any(f"{os.sep}{name}{os.sep}" in path for name in _PACKAGES)
        or any(module == name or module.startswith(f"{name}.") for name in nobodys)
    )
    return is_own


def shown(place: Place | None) -> str:
    """A place for people: "shop/views.py:42 basket"; "unknown" where no frame was the
    application's."""
    if place is None:
        return "unknown"
    path, line, function = place
    return f"{_short(path)}:{line} {function.replace('.<locals>', '')}"


@lru_cache(maxsize=1_000)
def _short(path: str) -> str:
    roots = (os.path.abspath(each or os.curdir) + os.sep for each in sys.path)
    fitting = [root for root in roots if path.startswith(root)]
    return path[len(max(fitting, key=len)) :] if fitting else path
