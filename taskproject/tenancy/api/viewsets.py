"""What the views of every resource of a tenant share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.encoding import iri_to_uri
from msgspec import json
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from taskproject.answers import Answer
from taskproject.api.bodies import BodyType, body_type
from taskproject.api.conditional import entity_tag, expected_version, is_fresh
from taskproject.api.dispatch import LeanAPIView, Negotiation
from taskproject.api.fields import StrictSerializer, only
from taskproject.api.pagination import Page, page_request, paginate, paginate_json
from taskproject.api.parameters import Parameter, matching, refuse_unknown
from taskproject.api.parsing import Body, BodyParser, members_of
from taskproject.api.problems import VersionMismatch
from taskproject.api.projection import Projection, projection_of, row_statement
from taskproject.api.registry import Listing
from taskproject.api.rendering import WrittenJSON
from taskproject.api.sparse import members_asked, sparse_parameters
from taskproject.caching import Found
from taskproject.db.slots import Slot, tenant_of_slots
from taskproject.db.statements import Statement, run
from taskproject.db.values import storable_id
from taskproject.tenancy.api.authentication import identity_of
from taskproject.tenancy.api.idempotency import done_once, key_of
from taskproject.tenancy.api.kept import KeptAnswers, response_of
from taskproject.tenancy.api.permissions import Requirement
from taskproject.tenancy.api.throttling import RateLimitedView
from taskproject.tenancy.credentials import Identity
from taskproject.tenancy.models import SLUG_PATTERN
from taskproject.tenancy.services import OutOfReach

TENANT: Final = matching(
    SLUG_PATTERN.strip("^$"), "the slug of a tenant", "The tenant, by its slug.", example="acme"
)


class TenantViewSet(KeptAnswers, LeanAPIView, RateLimitedView, GenericViewSet[Any]):
    """A resource below /tenants/<tenant>/.

    `requirements` says by action what is needed beyond reading and writing; `listings` has the
    actions that show a list, and by which declaration. An action that is not in it takes only the
    query parameters of `parameters`.

    The OpenAPI document says of each action that it answers with `answers`, None for nothing, or
    with `serializer_class` if it is not named there; that it can answer with the `problems` that no
    other one has; that those in `conditional` honour `If-Match`; and what `places` says of the
    names in the address.

    Actions of `with_body` read one; the others refuse any. Those in `batches` answer with the first
    status if all is well, with the second if each item is answered by itself; those in `files` with
    a file of that media type, such as the text behind it, whatever the client accepts. The rows
    that an action of `sparse` shows can be narrowed to some of their `members`.
    """

    serializer_class: type[Serializer[Any]]
    with_body: ClassVar[frozenset[str]] = frozenset({"create", "partial_update"})
    batches: ClassVar[Mapping[str, tuple[int, int]]] = {}
    files: ClassVar[Mapping[str, tuple[str, str]]] = {}
    sparse: ClassVar[frozenset[str]] = frozenset({"list", "retrieve"})
    members: tuple[str, ...] | None = None
    content_negotiation_class: type[BaseContentNegotiation] = Negotiation
    parser_classes = (BodyParser,)
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    requirements: ClassVar[Mapping[str, Requirement]] = {}
    listings: ClassVar[Mapping[str, Listing]] = {}
    parameters: ClassVar[Mapping[str, Mapping[str, Parameter]]] = {}
    answers: ClassVar[Mapping[str, type[Serializer[Any]] | None]] = {}
    problems: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    conditional: ClassVar[frozenset[str]] = frozenset({"partial_update", "destroy"})
    places: ClassVar[Mapping[str, Parameter]] = {"tenant": TENANT}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if "\0" in request._request.path_info:
            raise NotFound  # PostgreSQL can't even compare such a text
        found: Found | None = getattr(request, "found_answer", None)
        if found is not None and (answer := self._answer_in(found)) is not None:
            self._do_instead(lambda *_, **__: answer)
            return
        if self._is_unconditional and request.headers.get("If-Match", "*") != "*":
            raise VersionMismatch("What this changes has no entity tag: leave If-Match out.")
        # A method that the address does not take has no action: 405, whatever the query says.
        if self.action is not None and self.action not in self.listings:
            allowed = (*self.parameters.get(self.action, ()), *self._sparse_names)
            refuse_unknown(request.query_params, allowed=allowed)
        if self._sparse_names:
            self.members = members_asked(self._query, self.serializer_class)
        if self._takes_no_body:
            StrictSerializer(data=members_of(request.data)).is_valid(raise_exception=True)
        if self.action is not None and (key := key_of(request)) is not None:
            self._do_once(key)
        elif found is not None:
            self._have_kept(found)

    def _do_once(self, key: str) -> None:
        """Have the action done once for the key."""
        action = self._handler

        def once(request: Request, **kwargs: Any) -> Any:
            work = partial(action, request, **kwargs)
            return done_once(work, request, key=key, user_id=self.actor_id)

        self._do_instead(once)

    def finalize_response(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, *args, **kwargs)
        # What one reader may see, another may not: no cache may share it.
        response.headers.setdefault("Cache-Control", "private, no-cache")
        response.headers["Vary"] = "Authorization, Cookie"
        return response

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, OutOfReach):
            exc = PermissionDenied(" ".join(exc.messages))
        return super().handle_exception(exc)

    @property
    def _is_unconditional(self) -> bool:
        return self._changes and self.action not in self.conditional

    @property
    def _sparse_names(self) -> Collection[str]:
        return sparse_parameters(self.serializer_class) if self.action in self.sparse else ()

    @property
    def _takes_no_body(self) -> bool:
        return self._changes and self.action not in self.with_body

    @property
    def _changes(self) -> bool:
        # A method that the address does not take has no action.
        return self.request._request.method not in SAFE_METHODS and self.action is not None

    @property
    def identity(self) -> Identity:
        """Who sends the request. Raises `NotAuthenticated` for nobody."""
        return identity_of(self.request)

    @property
    def actor_id(self) -> int:
        """The user who sends the request."""
        return self.identity.user_id

    @property
    def if_version(self) -> int | None:
        """The version that `If-Match` asks for; None if it asks for none."""
        return expected_version(self.request)

    def listed(
        self,
        listing: Listing,
        *,
        place: Mapping[str, Any] | None = None,
        unless_absent: Callable[[], object] | None = None,
    ) -> Response:
        """A page of a list. One statement.

        `place` has what the address says of the list. A page without rows calls `unless_absent`,
        which raises what makes the whole list absent, such as `Task.DoesNotExist`.
        """
        query = self._query
        choice = listing.choose(query, actor_id=self.actor_id, place=place, also=self._sparse_names)
        binding = {
            "list": listing.name,
            "tenant": self.identity.tenant_id,
            "sort": choice.sort,
            "filters": dict(choice.asked.values),
            "place": self.kwargs,
        }
        wanted = page_request(query)
        page: Page[Any]
        if (projection := self.projection) is not None:
            page = paginate_json(choice, wanted, binding=binding, projection=projection)
        else:
            page = paginate(
                choice.rows(),
                choice.keyset,
                wanted,
                binding=binding,
                within=choice.range,
                names=choice.access.names,
            )
        if not page.rows and unless_absent is not None:
            unless_absent()
        return self._page(page)

    @property
    def projection(self) -> Projection | None:
        """How PostgreSQL writes what is shown; None where the serializer has to."""
        return projection_of(self.serializer_class, self.members)

    def found(self, selector: Callable[..., QuerySet[Any]], **values: Any) -> Response:
        """The one row that a selector finds by those values, as `shown` shows it. One statement.

        Raises `DoesNotExist` of its model if there is none.
        """
        if (projection := self.projection) is None:
            return self.shown(selector(**values).get())
        rows = []
        if all(storable_id(each) for each in values.values() if isinstance(each, int)):
            rows = run(_row_statement(projection, selector, tuple(values)), values)
        if not rows:
            raise projection.model.DoesNotExist  # type: ignore[attr-defined]
        body, *version = rows[0]
        shown = WrittenJSON(body or b"")
        return self._tagged(shown, version=int(version[0] or 0) if version else None)

    def shown(
        self, row: Any, *, status: int = 200, location: str | None = None, **more: Any
    ) -> Response:
        """One object with its entity tag, or 304 if the client has it. No statement.

        `more` are further members of the body.
        """
        return self._tagged(
            {**self._serialized(row).data, **more},
            version=getattr(row, "version", None),
            status=status,
            headers={"Location": location} if location else {},
        )

    def valid(self, *, partial: bool = False) -> dict[str, Any]:
        """What the body says, checked by the serializer; if `partial`, only what was sent.

        Raises `ValidationError` that points at each field which is not valid.
        """
        kind = self._body_type(partial=partial)
        if kind is not None and (sent := self.sent(partial=partial)) is not None:
            with suppress(ValidationError):  # a name that nobody has
                return kind.validated(sent)
        data = members_of(self.request.data)
        serializer = self.get_serializer(data=data, partial=partial)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        return values

    def sent(self, *, partial: bool = False) -> dict[str, Any] | None:
        """The good values that the body has, by field, with the names of rows as they were sent. No
        statement. None if only the serializer can tell whether they are good."""
        kind = self._body_type(partial=partial)
        body = self.request.data
        return kind.sent(body) if kind is not None and isinstance(body, Body) else None

    def _body_type(self, *, partial: bool) -> BodyType | None:
        serializer_class: Any = self.get_serializer_class()
        return body_type(serializer_class, partial=partial)

    def shown_rows(self, rows: Sequence[Any]) -> Any:
        """The rows of a list as they are shown. No statement but what a resource adds."""
        return self._serialized(rows, many=True).data

    def _serialized(self, shown: Any, **options: Any) -> Any:
        # By the class of what is shown; `get_serializer` takes that of what an action reads.
        context = self.get_serializer_context()
        return self.serializer_class(shown, context=context, **only(self.members), **options)

    def written(self, row: Any, *, status: int = 200, location: str | None = None) -> Response:
        """What PostgreSQL has written and answered with: its `json`, under the tag of its
        `version`."""
        headers = {"Location": location} if location else {}
        shown = WrittenJSON(row.json)
        return self._tagged(shown, version=row.version, status=status, headers=headers)

    def _tagged(
        self, shown: Any, *, version: int | None, status: int = 200, headers: Any = None
    ) -> Response:
        """An object, under its entity tag if its row has a version; 304 if the client has it."""
        headers = dict(headers or {})
        if version is not None:
            headers["ETag"] = entity_tag(shown, version=version)
            if self.request.method in ("GET", "HEAD"):
                if isinstance(shown, WrittenJSON):
                    return self._unless_fresh(Answer(shown.text, headers["ETag"]))
                if is_fresh(self.request, headers["ETag"]):
                    return Response(status=304, headers=headers)
        return response_of(shown, status=status, headers=headers)

    def _page(self, page: Page[Any]) -> Response:
        links = {"next": self._link(page.next), "previous": self._link(page.previous)}
        body: Any
        if isinstance(page.rows, bytes):
            ends = json.encode(links)
            body = WrittenJSON(b'{"results":[' + page.rows + b"]," + ends[1:])
        else:
            body = {"results": self.shown_rows(page.rows), **links}
        header = ", ".join(
            f'<{url}>; rel="{"prev" if name == "previous" else name}"'
            for name, url in links.items()
            if url
        )
        if isinstance(body, WrittenJSON):
            return self._weak(body.text, link=header)
        return response_of(body, headers={"Link": header} if header else {})

    def _link(self, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        query = [(name, text) for name, text in self._query.items() if name != "cursor"]
        asked: Any = self.request._request
        address = f"{iri_to_uri(asked.path)}?{urlencode([*query, ('cursor', cursor)])}"
        return f"{asked.scheme}://{asked.get_host()}{address}"

    @property
    def _query(self) -> QueryDict:
        return self.request._request.GET


@lru_cache(maxsize=500)
def _row_statement(
    projection: Projection, selector: Callable[..., QuerySet[Any]], names: tuple[str, ...]
) -> Statement:
    columns = {each.name for each in projection.model._meta.concrete_fields}
    with tenant_of_slots():
        rows = selector(**{name: Slot(name) for name in names})
        return row_statement(projection, rows, *({"version"} & columns))
