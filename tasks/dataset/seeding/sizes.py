"""How many tasks each tenant gets, and how any number is shared out by weights."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Final

FEW_TASKS: Final = 3

# Decimal and not float: `pow` of the C library may differ in its last digit between machines.
_EXACT: Final = Context(prec=28)


def zipf_weights(count: int, exponent: Decimal) -> list[int]:
    """The weights of `count` ranks by Zipf's law, as whole numbers: 10^18 · k^-s for k = 1, 2, ….

    The share of rank k is then k^-s / (1^-s + 2^-s + … + count^-s): the zeta distribution cut off
    at `count`. Source: M. E. J. Newman, "Power laws, Pareto distributions and Zipf's law",
    Contemporary Physics 46 (2005), https://arxiv.org/abs/cond-mat/0412004. With an exponent of 0
    all weigh the same; the larger it is, the more belongs to the first.

    >>> zipf_weights(3, Decimal(1))
    [1000000000000000000, 500000000000000000, 333333333333333333]
    """
    unit = Decimal(10**18)
    return [int(_EXACT.divide(unit, _EXACT.power(k, exponent))) for k in range(1, count + 1)]


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """`total` shared out by weights, to the last one, by largest remainders (Hamilton's method).

    Where weights fall, so do shares: equal remainders go to the first.

    >>> shares(10, [3, 1, 1, 1])
    [5, 2, 2, 1]
    """
    whole = sum(weights)
    counts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda k: -(total * weights[k] % whole))
    for k in by_remainder[: total - sum(counts)]:
        counts[k] += 1
    return counts


def tenant_sizes(tasks: int, tenants: int, exponent: Decimal) -> list[int]:
    """The tasks of each tenant, the largest first; they add up to `tasks`.

    Each tenant gets a few first (3, or as many as there are for all), and the rest is shared out
    by Zipf's law.
    """
    few = min(FEW_TASKS, tasks // tenants)
    rest = shares(tasks - few * tenants, zipf_weights(tenants, exponent))
    return [few + count for count in rest]
