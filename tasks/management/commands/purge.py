from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from taskproject.db.context import tenant_context
from taskproject.db.timeouts import statement_timeout
from taskproject.tenancy import purge
from taskproject.tenancy.idempotency import KEPT_FOR
from taskproject.tenancy.management.arguments import TaughtCommand, at_least
from taskproject.tenancy.management.lookups import find_tenant
from taskproject.tenancy.models import Tenant
from tasks.services.purge import tasks_purge


class Kind(NamedTuple):
    """What can be purged: by what, of what age if nothing is said, and by whom."""

    purge: Callable[..., int]
    days: int | None = None
    by_owner: bool = False


KINDS: Final = {
    "keys": Kind(purge.keys_purge, days=KEPT_FOR.days),
    "tasks": Kind(tasks_purge),
    "tokens": Kind(purge.tokens_purge, by_owner=True),
    "events": Kind(purge.events_purge, by_owner=True),
}
_HELP: Final = """\
Takes away for good what nobody needs any more, in every tenant:

  keys    idempotency keys that are older, 1 day unless --days says otherwise
  tasks   tasks that were deleted before, with their labels, comments and
          dependencies; their events stay, their parts lose their parent
  tokens  API tokens that had expired or been revoked before; events stay
  events  events that are older: history and feed begin later then

It goes in small transactions, and stops between two of them on Ctrl-C; what is
gone then stays gone, and the next run goes on. Tokens and events are the schema
owner's to delete: they need DATABASE_OWNER_URL.
"""
_EPILOG: Final = """\
examples:
  manage.py purge keys                     once a day, by cron
  manage.py purge tasks --days 90
  manage.py purge events --days 730 --tenant acme

exit codes: 0 done; 1 refused; 130 interrupted
"""


class Command(TaughtCommand):
    """Take away old keys, tasks, tokens or events for good."""

    help = _HELP
    examples = _EPILOG

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=KINDS, metavar="WHAT", help=", ".join(KINDS))
        parser.add_argument("--days", type=at_least(1), metavar="N", help="how old, in days")
        parser.add_argument("--tenant", metavar="SLUG", help="only of this one")
        parser.add_argument(
            "--batch-size",
            type=at_least(1),
            default=1_000,
            metavar="N",
            help="how many in a transaction (default: 1,000)",
        )

    def handle(
        self, *, what: str, days: int | None, tenant: str | None, batch_size: int, **options: Any
    ) -> None:
        kind = KINDS[what]
        if (days := days or kind.days) is None:
            raise CommandError(f"Say with --days how old {what} must be to be taken away for good.")
        before = timezone.now() - timedelta(days=days)
        tenants = [find_tenant(tenant)] if tenant else list(Tenant.objects.order_by("id"))
        total = 0
        owned: Any = connection
        try:
            with owned.as_owner() if kind.by_owner else nullcontext():
                for each in tenants:
                    with tenant_context(each):
                        while gone := self._batch(kind, before=before, limit=batch_size):
                            total += gone
                            self._progress(f"{each.slug}: {total:,} {what}")
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self._progress("")
            self.stderr.write(f"Interrupted. {total:,} {what} are gone; run it again for the rest.")
            sys.exit(130)
        self._progress("")
        of = tenants[0].slug if tenant else f"{len(tenants):,} tenants"
        self.stdout.write(f"Took away {total:,} {what} of {of}.")

    def _batch(self, kind: Kind, **values: Any) -> int:
        with statement_timeout(None):
            return kind.purge(**values)

    def _progress(self, text: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"{text:60}", ending="\r")
