"""What an import tells: what it did, which lines it left out, and why it failed."""

from __future__ import annotations

from dataclasses import dataclass, field

from tasks.dataset.source import Line


class ImportFailed(Exception):
    """The database refused. The text says why, what was written, and the cure."""


class LinesRejected(Exception):
    """At least one line was rejected, so that those beside it were not written."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A line that is not imported, and why."""

    line: Line
    reason: str


@dataclass(slots=True)
class TenantCounts:
    """What an import did in one tenant: rows made, and records whose external key was there."""

    projects: int = 0
    members: int = 0
    labels: int = 0
    tasks: int = 0
    already_there: int = 0


@dataclass(slots=True)
class ImportSummary:
    """What an import did so far.

    Everything up to `committed_line` has been committed; 0 is nothing. `committing` is set while a
    transaction commits.
    """

    records: int = 0
    rejected: int = 0
    tenants_made: int = 0
    by_tenant: dict[str, TenantCounts] = field(default_factory=dict)
    committed_line: int = 0
    committing: bool = False

    def total(self, name: str) -> int:
        """The sum of one of the tenants' counts, by its name."""
        return sum(getattr(counts, name) for counts in self.by_tenant.values())

    def of(self, slug: str) -> TenantCounts:
        """The counts of a tenant, which start at zero."""
        return self.by_tenant.setdefault(slug, TenantCounts())

    @property
    def written(self) -> str:
        """What stays if it breaks off now, as a sentence."""
        if not self.committed_line:
            return "Nothing was written."
        return (
            f"The lines up to {self.committed_line:,} are imported and stay; run it again, "
            "and it goes on behind them."
        )
