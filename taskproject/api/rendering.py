"""JSON that PostgreSQL has written, and the answer that passes it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpResponse


@dataclass(frozen=True, slots=True)
class WrittenJSON:
    """JSON in UTF-8 that needs no more rendering."""

    text: bytes


class WrittenResponse(HttpResponse):
    """An answer of the API that no serializer and no renderer has seen."""

    def __init__(self, body: WrittenJSON, *, status: int, headers: Mapping[str, str]) -> None:
        length = str(len(body.text))
        headers = {"Content-Type": "application/json", "Content-Length": length, **headers}
        super().__init__(body.text, status=status, headers=headers)
