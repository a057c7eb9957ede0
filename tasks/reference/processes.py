"""How much CPU processes have used, as Linux counts it for each of their threads."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

_PROC = Path("/proc")


def descendants(pid: int) -> list[int]:
    """A process with its children, their children and so on."""
    children = defaultdict(list)
    for each in _PROC.glob("[0-9]*/stat"):
        try:
            parent = int(each.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
        children[parent].append(int(each.parent.name))
    found, rest = [], [pid]
    while rest:
        found.append(rest.pop())
        rest += children[found[-1]]
    return found


def cpu_ns(pids: list[int]) -> dict[Path, int]:
    """The CPU time of each thread of those processes, in nanoseconds since it began."""
    found = {}
    for pid in pids:
        for each in _PROC.glob(f"{pid}/task/[0-9]*/schedstat"):
            try:
                found[each] = int(each.read_text().split()[0])
            except OSError:
                continue  # it has just ended
    return found


def cpu_seconds(before: dict[Path, int], after: dict[Path, int]) -> float:
    """What was used between two looks. A thread that began meanwhile counts, one that has ended
    does not."""
    return sum(used - before.get(thread, 0) for thread, used in after.items()) / 1e9
