"""The OpenAPI document: each operation, as its view declares it. No view describes itself twice.

An action takes a body if it is one of `view.with_body`: that of `get_serializer_class`. It answers
with `view.answers[action]`, None for nothing, and where it is not named there, with
`view.serializer_class`; one of `view.batches` with either status that stands there; one of
`view.files` with a file of that media type. `list` answers with a page. Query parameters come from
`view.listings` and `view.parameters`, those of the address from `view.places`, scope and role from
the permission; what can go wrong from what the action does, and from `view.problems`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any, Final

import uritemplate
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, append_meta
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS

from taskproject.api.fields import WordField, included_in
from taskproject.api.included import IncludedRows
from taskproject.api.items import MAX_ITEMS, ItemsField, PartField
from taskproject.api.pagination import MAX_LIMIT
from taskproject.api.schema_answers import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    RATE_LIMIT_HEADERS,
    Traits,
    problem_responses,
    response_headers,
)
from taskproject.api.schema_lists import (
    access_table,
    accesses_of,
    documented,
    filters_of,
    paging_of,
)
from taskproject.api.sparse import sparse_parameters

_JSON: Final = "application/json"
_SENTENCE_END: Final = re.compile(r"(?<=\.)\s+")
LINE_END: Final = re.compile(r"(?<!\n)\n(?!\n)")
_PAGE_LINK: Final = "https://tasks.example/api/v1/tenants/acme/{}?cursor=q5wf8Kk2"

Schema = dict[str, Any]


class ApiSchema(AutoSchema):
    """Describes one operation. drf-spectacular calls it for each method of each address."""

    view: Any  # a view set with the class variables that are named above

    # --- What kind of operation it is -----------------------------------------------------------

    @property
    def action(self) -> str:
        return str(self.view.action)

    @property
    def _answer(self) -> serializers.Serializer[Any] | None:
        """The serializer of the answer; None if there is nothing to say."""
        nothing = None if self.action == "destroy" else self.view.serializer_class
        chosen = self.view.answers.get(self.action, nothing)
        return _with_all_members(chosen) if chosen else None

    @property
    def _is_sparse(self) -> bool:
        return self.action in self.view.sparse

    @property
    def _traits(self) -> Traits:
        listing = self.view.listings.get(self.action)
        writes = self.method not in SAFE_METHODS
        return Traits(
            writes=writes,
            reads_body=self.action in self.view.with_body,
            filters=listing is not None,
            pages=listing is not None and self.action == "list",
            matches=listing is not None and any(each.matches for each in listing.accesses),
            weakly=self.action in self.view.weak,
            tagged=self.action != "list" and _has_version(self._answer),
            conditional=writes and self.action in self.view.conditional,
            validates=writes and self.action != "destroy",
            keyed=self.method in ("POST", "PATCH"),
            limited=bool(self.view.get_throttles()),
            more=self.view.problems.get(self.action, ()),
        )

    # --- What it is called ----------------------------------------------------------------------

    def get_operation_id(self) -> str:
        return f"{self.view.basename}_{self.action}".replace("-", "_")

    def get_tags(self) -> list[str]:
        return [resource_of(self.view)]

    def get_summary(self) -> str:
        return self._docstring[0].removesuffix(".").replace("`", "")

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        required = self._requirement
        needs = f"Needs the scope `{required.scope}` and at least the role `{required.role.label}`."
        table = ""
        if listing := self.view.listings.get(self.action):
            table = access_table(listing, paged=self._traits.pages)
        return "\n\n".join(filter(None, [self._docstring[1], needs, table]))

    @property
    def _docstring(self) -> tuple[str, str]:
        """The first sentence of the action's docstring, and the others."""
        text = text_of(getattr(self.view, self.action))
        first, *others = _SENTENCE_END.split(text, maxsplit=1)
        return first, "".join(others)

    # --- Who may --------------------------------------------------------------------------------

    @property
    def _requirement(self) -> Any:
        permission = next(p for p in self.view.get_permissions() if hasattr(p, "requirement"))
        return permission.requirement(self.view, self.method)

    def get_auth(self) -> list[Schema]:
        by_session: Schema = {"session": []}
        if self.method not in SAFE_METHODS:
            by_session["csrf"] = []
        return [{"token": []}, by_session]

    def get_extensions(self) -> Schema:
        required = self._requirement
        found: Schema = {
            "x-requires": {"scope": str(required.scope), "role": required.role.label},
        }
        if listing := self.view.listings.get(self.action):
            found["x-access"] = accesses_of(listing, paged=self._traits.pages)
        return found

    # --- What it takes --------------------------------------------------------------------------

    def _get_parameters(self) -> list[Schema]:
        in_address = [
            documented(name, self.view.places[name], place="path")
            for name in uritemplate.variables(self.path)
        ]
        traits = self._traits
        found = [*in_address, *filters_of(self.view.parameters.get(self.action, {}))]
        if listing := self.view.listings.get(self.action):
            found += filters_of(listing.filters)
            found += paging_of(listing) if traits.pages else []
        if self._is_sparse:
            found += filters_of(sparse_parameters(self.view.serializer_class))
        if traits.conditional:
            found.append(IF_MATCH)
        if traits.keyed:
            found.append(IDEMPOTENCY_KEY)
        if traits.weakly or (traits.tagged and not traits.writes):
            found.append(IF_NONE_MATCH)
        return found

    def _get_request_body(self, direction: Any = "request") -> Schema | None:
        if not self._traits.reads_body:
            return None
        body: Schema = super()._get_request_body(direction)
        (content,) = body["content"].values()
        serializer = self.get_request_serializer()
        sent = self._map_serializer(serializer, "request")["properties"]
        content["example"] = {k: v for k, v in _example_of(serializer).items() if k in sent}
        return body

    # --- What it answers ------------------------------------------------------------------------

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Schema]:
        traits = self._traits
        found = dict(self._good_answers(traits))
        for status, name, response in problem_responses(traits):
            found[str(status)] = self._component("responses", name, response)
        return found

    def _good_answers(self, traits: Traits) -> dict[str, Schema]:
        headers = ["X-Request-Id", *(RATE_LIMIT_HEADERS if traits.limited else ())]
        headers += ["Idempotency-Replayed"] if traits.keyed else []
        if self.action in self.view.files:
            media_type, example = self.view.files[self.action]
            content = {media_type: {"schema": {"type": "string"}, "example": example}}
            file = {"description": "The file.", "headers": response_headers(headers)}
            return {"200": {**file, "content": content}}
        answer = self._answer
        if answer is None:
            return {"204": {"description": "Done.", "headers": response_headers(headers)}}
        headers += ["Cache-Status"] if self.action in self.view.kept else []
        headers += ["WeakETag"] if traits.weakly else ["ETag"] if traits.tagged else []
        if self.action == "list":
            page = [*headers, *(["Link"] * traits.pages)]
            found = {"200": _response("A page.", self._page(answer), page)}
            return found | (_unchanged(headers) if traits.weakly else {})
        headers += ["Link"] if "next" in answer.fields else []
        body = {
            "schema": self._shown(answer),
            "example": _example_of(answer),
        }
        if self.action == "create":
            made = ["Location"] if hasattr(self.view, "retrieve") else []
            return {"201": _response("Made.", body, [*headers, *made])}
        if self.action in self.view.batches:
            done, partly = self.view.batches[self.action]
            return {
                str(done): _response("All of it is done.", body, headers),
                str(partly): _response("Each item by itself: see `results`.", body, headers),
            }
        found = {"200": _response("As it is now.", body, headers)}
        if traits.weakly or (traits.tagged and not traits.writes):
            found |= _unchanged(headers)
        return found

    def _page(self, answer: serializers.Serializer[Any]) -> Schema:
        component = self.resolve_serializer(answer, "response")
        link = {"type": ["string", "null"], "format": "uri"}
        page = {
            "type": "object",
            "description": "Rows in the order of the list, and the addresses of the pages beside "
            "this one; null where there is none.",
            "properties": {
                "results": {
                    "type": "array",
                    "items": self._shown(answer),
                    "maxItems": MAX_LIMIT,
                },
                "next": link,
                "previous": link,
            },
            "required": ["results", "next", "previous"],
        }
        ref = self._component("schemas", f"{component.name}Page", page)
        following = _PAGE_LINK.format(self.path.rpartition("}/")[2])
        example = {"results": [_example_of(answer)], "next": following, "previous": None}
        return {"schema": ref, "example": example}

    def _shown(self, answer: serializers.Serializer[Any]) -> Schema:
        """An object: whole, or in an answer that can be sparse also a part of one."""
        whole = self.resolve_serializer(answer, "response")
        if not self._is_sparse:
            ref: Schema = whole.ref
            return ref
        part = {
            "type": "object",
            "description": f"The members of a {whole.name} that `fields` asked for.",
            "properties": whole.schema["properties"],
            "minProperties": 1,
        }
        return {"anyOf": [whole.ref, self._component("schemas", f"{whole.name}Part", part)]}

    # --- What bodies are made of ----------------------------------------------------------------

    def _map_serializer_field(
        self, field: Any, direction: Any, bypass_extensions: bool = False
    ) -> Any:
        meta = self._get_serializer_field_meta(field, direction)
        if direction == "response":
            meta.pop("default", None)
        if isinstance(field, WordField):
            return append_meta(self._word(field), meta)
        if isinstance(field, ItemsField):
            item = self.resolve_serializer(field.item(), "request").ref
            return {"type": "array", "items": item, "minItems": 1, "maxItems": MAX_ITEMS}
        if isinstance(field, PartField):
            return self.resolve_serializer(field.item(partial=True), "request").ref
        if isinstance(field, IncludedRows):
            rows = self.resolve_serializer(field.serializer_class(), "response").ref
            said = {"description": "Only where `include` asks for it.", "readOnly": True}
            return {"type": "array", "items": rows, "maxItems": field.max_length, **said}
        if isinstance(field, serializers.ChoiceField):
            return append_meta({"type": "string", "enum": list(field.choices)}, meta)
        # A field says by itself what it takes and shows if DRF does not know it.
        if (schema := getattr(field, "schema", None)) is not None:
            return append_meta(dict(schema), meta)
        return super()._map_serializer_field(field, direction, bypass_extensions)

    def _word(self, field: WordField) -> Schema:
        words = field.choices
        schema = {"type": "string", "enum": list(words.labels), "description": text_of(words)}
        return self._component("schemas", words.__name__, schema)

    def _get_serializer_name(
        self, serializer: Any, direction: Any, bypass_extensions: bool = False
    ) -> str:
        """`Task` for what is shown, `NewTask` and `TaskChange` for what is sent."""
        if given := getattr(serializer, "schema_name", ""):
            return str(given)
        name = type(serializer).__name__.removesuffix("Serializer")
        if direction == "response":
            return name
        name = name.removeprefix("New").removesuffix("Change")
        return f"{name}Change" if serializer.partial else f"New{name}"

    def _postprocess_serializer_schema(
        self, schema: Schema, serializer: Any, direction: Any
    ) -> Any:
        found: Schema = super()._postprocess_serializer_schema(schema, serializer, direction)
        found["description"] = text_of(type(serializer))
        if direction == "request":
            found["additionalProperties"] = False  # a misspelt member is refused
        else:
            more = included_in(serializer.__class__)
            # Each answer has them all, but for what is only there if it was asked for.
            found["required"] = [name for name in found["properties"] if name not in more]
        return found

    def _component(self, kind: str, name: str, content: Schema) -> Schema:
        """Keep content under a name, and refer to it."""
        component = ResolvedComponent(name=name, type=kind, schema=content, object=name)
        self.registry.register_on_missing(component)
        ref: Schema = component.ref
        return ref


def text_of(documented: Any) -> str:
    """A docstring without the ends of its lines, which are there for readers of code."""
    return LINE_END.sub(" ", inspect.getdoc(documented) or "")


def resource_of(view: Any) -> str:
    """The name of what a view shows."""
    name: str = view.serializer_class.__name__
    return name.removesuffix("Serializer")


def _with_all_members(serializer_class: Any) -> Any:
    """A serializer with what it can be asked to show."""
    whole = serializer_class()
    more = included_in(serializer_class)
    return serializer_class(members=(*whole.fields, *more)) if more else whole


def _has_version(serializer: Any) -> bool:
    return "version" in getattr(serializer, "fields", ())


def _example_of(serializer: Any) -> Mapping[str, Any]:
    example: Mapping[str, Any] = getattr(serializer, "example", {})
    return {name: example[name] for name in serializer.fields if name in example}


def _unchanged(headers: list[str]) -> dict[str, Schema]:
    return {"304": {"description": "The client has it.", "headers": response_headers(headers)}}


def _response(description: str, body: Schema, headers: list[str]) -> Schema:
    return {
        "description": description,
        "headers": response_headers(headers),
        "content": {_JSON: body},
    }
