"""How numbers are written, in every report alike: three significant digits, units, one dash for
what is not known. Zeros at the end of a fraction are left out.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from perf.engine.results import Growth, Interval

UNKNOWN: Final = "–"
DIGITS: Final = 3
_TIMES: Final = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
_BYTES: Final = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_SIZES: Final = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))
# Outside of these a number is told by its power of ten: nobody counts that many zeros.
_SMALLEST: Final = 1e-4
_LARGEST: Final = 1e15


def number(value: float | None) -> str:
    """Three significant digits, with thousands separators.

    >>> number(1234.5), number(7.90), number(0.01234)
    ('1,230', '7.9', '0.0123')
    """
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if not _SMALLEST <= abs(value) < _LARGEST:
        return f"{value:.{DIGITS}g}"
    rounded = float(f"{value:.{DIGITS}g}")
    decimals = max(0, DIGITS - 1 - math.floor(math.log10(abs(rounded))))
    text = f"{rounded:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def ns(value: float | None) -> str:
    """A time given in nanoseconds.

    >>> ns(312_000), ns(4_213_000), ns(1.3e9), ns(None)
    ('312 µs', '4.21 ms', '1.3 s', '–')
    """
    return _with_unit(value, _TIMES)


def ns_interval(found: Interval | None) -> str:
    """A time with its bounds, all in one unit.

    >>> ns_interval(Interval(3.9e6, 3.7e6, 4.1e6))
    '3.9 ms [3.7, 4.1]'
    """
    if found is None:
        return UNKNOWN
    scale, unit = _unit(_magnitude(found), _TIMES)
    scaled = Interval(found.estimate / scale, found.low / scale, found.high / scale)
    estimate, low, high = _alike(scaled)
    return f"{estimate} {unit} [{low}, {high}]"


def size_bytes(value: float | None) -> str:
    """A number of bytes, in units of 1024.

    >>> size_bytes(1536), size_bytes(0)
    ('1.5 KiB', '0 B')
    """
    return _with_unit(value, _BYTES)


def ratio(value: float | None) -> str:
    """A factor.

    >>> ratio(7.94)
    '7.94×'
    """
    return UNKNOWN if value is None else f"{number(value)}×"


def ratio_interval(found: Interval | None) -> str:
    """A factor with its bounds.

    >>> ratio_interval(Interval(7.9, 7.2, 8.6)), ratio_interval(Interval(1.064, 1.021, 1.098))
    ('7.9× [7.2, 8.6]', '1.06× [1.02, 1.10]')
    """
    if found is None:
        return UNKNOWN
    estimate, low, high = _alike(found)
    return f"{estimate}× [{low}, {high}]"


def bounds(found: Interval | None) -> str:
    """The bounds alone.

    >>> bounds(Interval(7.9, 7.2, 8.6))
    '[7.2, 8.6]'
    """
    return UNKNOWN if found is None else "[{1}, {2}]".format(*_alike(found))


def near_one(found: Interval) -> str:
    """A factor that should be 1, to the hundredth: there "1 [0.983, 1.03]" is hard to read.

    >>> near_one(Interval(1.003, 0.983, 1.031))
    '1.00 [0.98, 1.03]'
    """
    return f"{found.estimate:.2f} [{found.low:.2f}, {found.high:.2f}]"


def count(value: int | None) -> str:
    """A number of things, all digits.

    >>> count(1234567)
    '1,234,567'
    """
    return UNKNOWN if value is None else f"{value:,}"


def size(value: int | None) -> str:
    """A number of rows, short where nothing is lost by it.

    >>> size(1_000), size(2_500_000), size(1_234_567), size(50)
    ('1k', '2.5M', '1,234,567', '50')
    """
    if value is None:
        return UNKNOWN
    for scale, unit in _SIZES:
        if abs(value) >= scale and value * 100 % scale == 0:
            return f"{value / scale:g}{unit}"
    return count(value)


def percent(share: float | None) -> str:
    """A share of 0 to 1.

    >>> percent(0.123), percent(0.04), percent(1)
    ('12.3%', '4%', '100%')
    """
    return UNKNOWN if share is None else f"{number(share * 100)}%"


def excess(factor: float | None) -> str:
    """How far a factor is over 1.

    >>> excess(1.04)
    '4%'
    """
    # Subtraction leaves digits behind the tenth of a percent that are none of the factor's.
    return UNKNOWN if factor is None else percent(round(factor - 1, 6))


def growth(found: Growth | None) -> str:
    """How a way grows, in a word: "flat", by which power of N, or by which factor in all.

    >>> growth(None)
    '–'
    """
    if found is None:
        return UNKNOWN
    if found.is_flat:
        return "flat"
    if found.exponent is None:
        return ratio(found.factor.estimate)
    return f"N^{number(found.exponent.estimate)}"


def plural(many: int, one: str, more: str = "") -> str:
    """A count with its noun.

    >>> plural(1, "pair"), plural(2_000, "pair"), plural(0, "query", "queries")
    ('1 pair', '2,000 pairs', '0 queries')
    """
    return f"{count(many)} {one if many == 1 else more or one + 's'}"


def moment(iso: str | None) -> str:
    """A time of ISO 8601, to the minute; as it stands if it is none.

    >>> moment("2026-11-26T14:05:31+00:00")
    '2026-11-26 14:05 UTC'
    """
    found = _parsed(iso)
    if found is None:
        return iso or UNKNOWN
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def duration(start: str, end: str | None) -> str:
    """The time between two moments.

    >>> duration("2026-11-26T14:05:31Z", "2026-11-26T14:09:41Z")
    '4 min 10 s'
    """
    first, last = _parsed(start), _parsed(end)
    if first is None or last is None:
        return UNKNOWN
    return span((last - first).total_seconds())


def span(seconds: float) -> str:
    """A length of time, to the second; a dash for one without end.

    >>> span(90), span(7_200), span(0)
    ('1 min 30 s', '2 h', '0 s')
    """
    if not math.isfinite(seconds):
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{many} {unit}" for many, unit in parts if many) or "0 s"


def _parsed(iso: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(iso or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _with_unit(value: float | None, units: tuple[tuple[float, str], ...]) -> str:
    if value is None or math.isnan(value):
        return UNKNOWN
    scale, unit = _unit(value, units)
    return f"{number(value / scale)} {unit}"


def _magnitude(found: Interval) -> float:
    """What decides how finely an interval is told: the estimate, or half of a greater width."""
    return max(abs(found.estimate), abs(found.high - found.low) / 2)


def _alike(found: Interval) -> tuple[str, str, str]:
    """The estimate and its bounds with as many decimals each, as few as say the same."""
    three, magnitude = (found.estimate, found.low, found.high), _magnitude(found)
    if not (_SMALLEST <= magnitude < _LARGEST and all(map(math.isfinite, three))):
        return number(three[0]), number(three[1]), number(three[2])
    decimals = DIGITS - 1 - math.floor(math.log10(float(f"{magnitude:.{DIGITS}g}")))
    rounded = [round(each, decimals) for each in three]
    while decimals > 0 and all(each == round(each, decimals - 1) for each in rounded):
        decimals -= 1
    # A bound of -0.0 is 0.
    estimate, low, high = (f"{each + 0.0:,.{max(decimals, 0)}f}" for each in rounded)
    return estimate, low, high


def _unit(value: float, units: tuple[tuple[float, str], ...]) -> tuple[float, str]:
    # Rounded first: 999.6 µs are 1 ms, and not 1,000 µs.
    for scale, unit in units:
        if float(f"{abs(value) / scale:.{DIGITS}g}") >= 1:
            return scale, unit
    return units[-1]
