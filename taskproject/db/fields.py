"""Column types that Django does not have."""

from __future__ import annotations

from typing import Any, Final

from django.db import models


class CurrentTransactionId(models.Func):
    """The 64-bit id of the current transaction; gives the transaction one if it has none yet."""

    function = "pg_current_xact_id"
    arity = 0
    output_field = models.BigIntegerField()


class TransactionIdField(models.Field):  # type: ignore[type-arg]
    """An `xid8`: the transaction that wrote the row, an int in Python, filled by the database."""

    description = "Transaction id"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("db_default", CurrentTransactionId())
        super().__init__(*args, **kwargs)

    def db_type(self, connection: Any) -> str:
        return "xid8"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> int | None:
        return None if value is None else int(value)

    def get_prep_value(self, value: Any) -> Any:
        # As text: PostgreSQL has no cast from bigint to xid8.
        value = super().get_prep_value(value)
        return str(value) if isinstance(value, int) else value


class SnapshotHorizon(models.Func):
    """The lowest transaction id that may still be running: everything below it has ended."""

    template = "pg_snapshot_xmin(pg_current_snapshot())"
    arity = 0
    output_field = TransactionIdField()


STOPS_EARLY: Final = "stops_early"


class StopsEarly(models.Func):
    """The number 1, by a function of which PostgreSQL expects a thousand rows and gets one.

    Annotated to the rows of a page as STOPS_EARLY, it makes PostgreSQL sure that the LIMIT ends the
    query long before the rows do: at any depth and by any statistics it reads them in order from an
    index, and does not fetch and sort all of them because it expects few. Nobody reads the value.
    """

    # The sub-select hides the 1: PostgreSQL would expect one row of generate_series(1, 1).
    template = "generate_series(1, (SELECT 1))"
    arity = 0
    set_returning = True
    output_field = models.IntegerField()


@models.TextField.register_lookup
class OctetLength(models.Transform):
    """The length of a text in bytes of UTF-8: `description__bytes__lte=…`."""

    function = "octet_length"
    lookup_name = "bytes"
    output_field = models.IntegerField()
