"""Bodies of requests on their good path: read by a msgspec type that is compiled from a serializer.

The serializer stays the one truth, and words every error. What is refused here, or might be read in
two ways, is read again by `parse_object` and the serializer; what is taken here they would have
taken too, with the same values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Protocol, runtime_checkable

import msgspec
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import (
    MaxLengthValidator,
    MinLengthValidator,
    ProhibitNullCharactersValidator,
    RegexValidator,
)
from rest_framework import serializers
from rest_framework.fields import ProhibitSurrogateCharactersValidator, empty  # type: ignore[attr-defined]

from taskproject.api.fields import (
    FlagField,
    IdField,
    InstantField,
    StrictSerializer,
    TextField,
    WordField,
)
from taskproject.api.parsing import MAX_INTEGER, UNSTORABLE_ESCAPE, Body

_ID: Final = re.compile(rb"[1-9][0-9]{0,15}")
# Nowhere inside of a text: a quote is escaped there. Each member has one.
_MEMBER: Final = re.compile(rb'"[ \t\r\n]*:')
_UNSTORABLE: Final = re.compile(UNSTORABLE_ESCAPE.encode())
_REFUSALS: Final = (
    msgspec.MsgspecError,
    UnicodeDecodeError,
    serializers.ValidationError,
    DjangoValidationError,
    ValueError,
    RecursionError,
)


@runtime_checkable
class Named(Protocol):
    """A field whose text names a row. Which one, is asked of the database by whoever needs it."""

    names_a_row: bool


@dataclass(frozen=True, slots=True)
class BodyType:
    """The msgspec type of a serializer's body, and what makes its values of what was sent."""

    decoder: Any
    fields: Mapping[str, Any]
    read: Mapping[str, Callable[[Any], Any]]
    partial: bool

    def sent(self, body: Body) -> dict[str, Any] | None:
        """The values that were sent, by field; of a `Named` one the text. None if the serializer
        has to have a look."""
        if _UNSTORABLE.search(body.raw):
            return None
        try:
            found = self.decoder.decode(body.raw)
            values = {
                name: None if value is None else self.read[name](value)
                for name in self.fields
                if (value := getattr(found, name)) is not msgspec.UNSET
            }
        except _REFUSALS:
            return None
        # A name that stands there twice has two colons and one value.
        return values if len(_MEMBER.findall(body.raw)) == len(values) else None

    def validated(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """What the serializer's `validated_data` would be, of what was sent. A statement for each
        name of a row.

        Raises `ValidationError` of DRF for a name that nobody has.
        """
        values: dict[str, Any] = {}
        for name, field in self.fields.items():
            if name in sent:
                value = sent[name]
                is_name = value is not None and isinstance(field, Named)
                values[field.source] = field.to_internal_value(value) if is_name else value
            elif not self.partial and field.default is not empty:
                values[field.source] = field.get_default()
        return values


@cache
def body_type(serializer_class: Any, *, partial: bool) -> BodyType | None:
    """The type of a serializer's body; `partial` if all may be left out.

    None if the serializer has a rule, or a field, that is not known here.
    """
    if not _is_plain(serializer_class):
        return None
    fields = {name: each for name, each in serializer_class().fields.items() if not each.read_only}
    kinds = {name: _KNOWN.get(type(each), _name_of_row) for name, each in fields.items()}
    for name, each in fields.items():
        unknown = kinds[name] is _name_of_row and not isinstance(each, Named)
        if unknown or len(each.source_attrs) != 1:
            return None
    try:
        compiled = {name: kinds[name](each) for name, each in fields.items()}  # type: ignore[no-untyped-call]
    except _UnknownRule:
        return None
    members = [_member(name, compiled[name][0], fields[name], optional=partial) for name in fields]
    struct = msgspec.defstruct(
        serializer_class.__name__, members, forbid_unknown_fields=True, kw_only=True
    )
    read = {name: each for name, (_, each) in compiled.items()}
    return BodyType(msgspec.json.Decoder(struct), fields, read, partial)


class _UnknownRule(Exception):
    """A field has a validator that is not known here."""


def _is_plain(serializer_class: Any) -> bool:
    stock = serializers.Serializer
    return (
        issubclass(serializer_class, StrictSerializer)
        and serializer_class.run_validation is StrictSerializer.run_validation
        and serializer_class.validate is stock.validate
        and serializer_class.to_internal_value is stock.to_internal_value
        and not any(
            name.startswith("validate_") for name in set(dir(serializer_class)) - set(dir(stock))
        )
    )


def _member(name: str, kind: Any, field: Any, *, optional: bool) -> tuple[Any, ...]:
    if field.allow_null and kind is not msgspec.Raw:
        kind = kind | None
    if field.required and not optional:
        return name, kind
    return name, kind | msgspec.UnsetType, msgspec.UNSET


def _text(field: TextField) -> tuple[Any, Callable[[str], str]]:
    patterns = []
    for validator in field.validators:
        if isinstance(validator, RegexValidator) and not validator.inverse_match:
            patterns.append(re.compile(validator.regex).search)
        elif type(validator) not in _LENGTHS:
            raise _UnknownRule
    if field.trim_whitespace:
        raise _UnknownRule
    limits = msgspec.Meta(min_length=field.min_length or 0, max_length=field.max_length)

    def read(text: str) -> str:
        if not (field.allow_blank or text.strip()) or not all(fits(text) for fits in patterns):
            raise ValueError
        return text

    return Annotated[str, limits], read


# What a text has of validators besides its patterns; unstorable characters are looked for before.
_LENGTHS: Final = frozenset(
    {
        MaxLengthValidator,
        MinLengthValidator,
        ProhibitNullCharactersValidator,
        ProhibitSurrogateCharactersValidator,
    }
)


def _word(field: WordField) -> tuple[Any, Callable[[str], Any]]:
    return str, field.to_internal_value


def _instant(field: InstantField) -> tuple[Any, Callable[[str], Any]]:
    return str, field.to_internal_value


def _flag(field: FlagField) -> tuple[Any, Callable[[bool], bool]]:
    return bool, bool


def _row_id(field: IdField) -> tuple[Any, Callable[[Any], int | None]]:
    def read(raw: msgspec.Raw) -> int | None:
        text = bytes(raw)
        if text == b"null" and field.allow_null:
            return None
        if not _ID.fullmatch(text) or (found := int(text)) > MAX_INTEGER:  # 1.0 is a number too
            raise ValueError
        return found

    return msgspec.Raw, read


def _name_of_row(field: Any) -> tuple[Any, Callable[[str], str]]:
    return str, str


_KNOWN: Final[Mapping[type, Callable[[Any], tuple[Any, Callable[[Any], Any]]]]] = {
    TextField: _text,
    WordField: _word,
    InstantField: _instant,
    FlagField: _flag,
    IdField: _row_id,
}
