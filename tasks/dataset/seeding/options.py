"""What a seed is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

UNTIL: Final = date(2026, 6, 30)
_PREFIX: Final = re.compile(r"(?:[a-z0-9][a-z0-9_-]{0,19})?")
_MOST: Final = {"tenants": 100_000, "tasks": 100_000_000, "seed": 2**63}


@dataclass(frozen=True, slots=True)
class SeedOptions:
    """Sizes and skew of a seed. Equal options make equal rows.

    `zipf` is the exponent of the tenants' sizes, 0 (all alike) to 4. `until` is the day that is
    today in the data: everything happened before it began, in UTC. `prefix` stands in front of
    slugs and user names, so that several seeds fit into one database.

    Raises `ValueError`, which names the option, the value and the range, for one outside of it.
    """

    tenants: int = 20
    tasks: int = 10_000
    zipf: Decimal = Decimal("1.1")
    seed: int = 1
    until: date = UNTIL
    prefix: str = ""

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            least = 1 if name == "tenants" else 0
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"--{name} {getattr(self, name)}: from {least} to {most:,}.")
        if not (self.zipf.is_finite() and 0 <= self.zipf <= 4):
            raise ValueError(f"--zipf {self.zipf}: from 0 (tenants all alike) to 4.")
        if not 1990 <= self.until.year <= 9000:
            raise ValueError(f"--until {self.until}: a day of the years 1990 to 9000.")
        if not _PREFIX.fullmatch(self.prefix):
            text = "up to 20 lower-case letters, digits, - and _, and a letter or digit first."
            raise ValueError(f"--prefix {self.prefix!r}: {text}")
