"""How values of a look are written, by their units."""

from __future__ import annotations

from typing import Any, Final

from perf.pgstat.results import CheckResult, Finding, Severity, Status, Window
from perf.report import figures
from perf.report.parts import Tone

TONE_OF_STATUS: Final = {
    Status.OK: Tone.GOOD,
    Status.FINDING: Tone.BAD,
    Status.SKIPPED: Tone.UNSURE,
    Status.INSUFFICIENT: Tone.UNSURE,
    Status.ERROR: Tone.BAD,
}
TONE_OF_SEVERITY: Final = {
    Severity.CRITICAL: Tone.BAD,
    Severity.WARNING: Tone.BAD,
    Severity.INFO: Tone.SAME,
}
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_IDS: Final = ("pid", "queryid")
_WHOLE: Final = ("count", "rows", "calls", "blocks", "xids")


def value(found: Any, unit: str) -> str:
    """A value in its unit; a dash where it is not known.

    >>> value(0.9812, "1"), value(1536, "bytes"), value(None, "count"), value(93_784, "s")
    ('98.1 %', '1.5 KiB', '–', '1 d 2 h')
    """
    if found is None:
        return figures.UNKNOWN
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, list):
        return ", ".join(map(str, found))
    if isinstance(found, str):
        return moment(found) if unit == "time" else found
    return _number(found, unit)


def evidence(finding: Finding) -> list[str]:
    """What a finding rests on, as texts: each with its name, which ends with its unit."""
    known = {name: each for name, each in finding.evidence.items() if each is not None}
    return [
        f"{name} {value(each, 'id' if name in _IDS else 'count')}" for name, each in known.items()
    ]


def _number(found: float, unit: str) -> str:
    match unit:
        case "1":
            return f"{found:.1%}".replace("%", " %")
        case "%":
            return f"{found:.1f} %"
        case "bytes":
            return figures.size_bytes(found)
        case "bytes/s":
            return f"{figures.size_bytes(found)}/s"
        case "bytes/day":
            sign = "-" if found < 0 else ""  # a table can shrink
            return f"{sign}{figures.size_bytes(abs(found))}/day"
        case "s":
            return duration(found)
        case "ms":
            return figures.ns(found * 1e6)
        case "id":
            return str(found)
        case _ if unit in _WHOLE and float(found).is_integer():
            return f"{int(found):,}"
    return figures.number(found)


def duration(seconds: float) -> str:
    """A time in the two largest units that it has.

    >>> duration(0.25), duration(61), duration(7_260), duration(1_209_600)
    ('250 ms', '1 min 1 s', '2 h 1 min', '14 d')
    """
    if seconds < _MINUTE:
        return figures.ns(seconds * 1e9)
    for size, name, below, smaller in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            left = int(rest // below)
            return f"{int(whole)} {name}" + (f" {left} {smaller}" if left else "")
    raise AssertionError


def moment(text: str) -> str:
    """A time of ISO 8601 to the second, in UTC."""
    return text[:19].replace("T", " ")


def window(found: Window) -> str:
    """The window in a sentence."""
    if found.source == "now":
        return f"As it was at {moment(found.until)} UTC."
    if found.since is None:
        return "Counters are of all time since their statistics began, which nobody knows."
    length = f" ({duration(found.seconds)})" if found.seconds is not None else ""
    since, until = moment(found.since), moment(found.until)
    kind = "told from snapshots" if found.source == "snapshots" else "since the last reset"
    return f"Counters are of {since} to {until} UTC{length}, {kind}."


def outcome(check: CheckResult) -> str:
    """What came of a check, in a sentence."""
    match check.status:
        case Status.OK:
            told = "ok"
        case Status.FINDING:
            told = f"{len(check.findings)} found"
        case _:
            told = f"{check.status}: {check.reason or 'no reason is known'}"
    return told + (f" ({check.ignored} ignored)" if check.ignored else "")
