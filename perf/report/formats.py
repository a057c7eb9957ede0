"""Results as JSON documents of a version: written, read, and described by a JSON Schema."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_INDENT: Final = 1


class DocumentError(ValueError):
    """A document is of another kind, or of another version. The message says which and where."""


class _Head(msgspec.Struct):
    version: int


_encoder: Final = msgspec.json.Encoder(order="deterministic")
_head: Final = msgspec.json.Decoder(_Head)


class Format[R]:
    """How results of one type are written and read; `name` is what messages call one of them."""

    def __init__(self, kind: type[R], version: int, name: str, urn: str) -> None:
        self._kind = kind
        self._version = version
        self._name = name
        self._urn = urn
        self._decoder = msgspec.json.Decoder(kind)

    def encode(self, found: R) -> bytes:
        """The result as JSON, with line breaks; equal ones give equal bytes.

        Raises `DocumentError` for one that would be read as another: JSON has no infinity.
        """
        document = msgspec.json.format(_encoder.encode(found), indent=_INDENT) + b"\n"
        if self.decode(document) != found:
            raise DocumentError(
                f"This {self._name} holds a number that JSON can't: infinite, or none at all."
            )
        return document

    def decode(self, document: bytes | str) -> R:
        """The result of a document. Fields that this version doesn't know are passed over.

        Raises `DocumentError` for another version, and for any other document.
        """
        try:
            version = _head.decode(document).version
            if version != self._version:
                raise DocumentError(
                    f"This {self._name} is of version {version}; {self._version} can be read here."
                )
            return self._decoder.decode(document)
        except msgspec.ValidationError as error:
            raise DocumentError(f"This is no {self._name} of the lab: {error}.") from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise DocumentError(f"This is no JSON: {error}.") from error

    def schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of the document."""
        found = msgspec.json.schema(self._kind)
        found["$defs"][self._kind.__name__]["properties"]["version"] = {"const": self._version}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"{self._urn}:{self._version}",
            "title": f"A {self._name} of the lab",
            "version": self._version,
            **found,
        }

    def schema_document(self) -> bytes:
        """The schema as its file has it."""
        return msgspec.json.format(msgspec.json.encode(self.schema()), indent=2) + b"\n"
