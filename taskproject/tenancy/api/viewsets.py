"""What the views of every resource of a tenant share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from taskproject.api.conditional import entity_tag, expected_version, is_fresh
from taskproject.api.fields import StrictSerializer
from taskproject.api.pagination import Page, page_request, paginate
from taskproject.api.parameters import Parameter, matching, refuse_unknown
from taskproject.api.problems import VersionMismatch
from taskproject.api.registry import Listing
from taskproject.tenancy.api.authentication import identity_of
from taskproject.tenancy.api.permissions import Requirement
from taskproject.tenancy.api.throttling import RateLimitedView
from taskproject.tenancy.credentials import Identity
from taskproject.tenancy.models import SLUG_PATTERN
from taskproject.tenancy.services import OutOfReach

TENANT: Final = matching(
    SLUG_PATTERN.strip("^$"), "the slug of a tenant", "The tenant, by its slug.", example="acme"
)


class TenantViewSet(RateLimitedView, GenericViewSet[Any]):
    """A resource below /tenants/<tenant>/.

    `requirements` says by action what is needed beyond reading and writing; `listings` has the
    actions that show a list, and by which declaration. An action that is not in it takes only the
    query parameters of `parameters`.

    The OpenAPI document says of each action that it answers with `answers`, None for nothing, or
    with `serializer_class` if it is not named there; that it can answer with the `problems` that no
    other one has; that those in `conditional` honour `If-Match`; and what `places` says of the
    names in the address.
    """

    serializer_class: type[Serializer[Any]]
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
        if any("\0" in str(each) for each in kwargs.values()):
            raise NotFound  # PostgreSQL can't even compare such a text
        if self._is_unconditional and request.headers.get("If-Match", "*") != "*":
            raise VersionMismatch("What this changes has no entity tag: leave If-Match out.")
        # A method that the address does not take has no action: 405, whatever the query says.
        if self.action is not None and self.action not in self.listings:
            allowed = self.parameters.get(self.action, ())
            refuse_unknown(request.query_params, allowed=allowed)
        if self._takes_no_body:
            StrictSerializer(data=request.data).is_valid(raise_exception=True)

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
    def _takes_no_body(self) -> bool:
        return self._changes and self.action not in ("create", "partial_update")

    @property
    def _changes(self) -> bool:
        # A method that the address does not take has no action.
        return self.request.method not in SAFE_METHODS and self.action is not None

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
        query = self.request.query_params
        choice = listing.choose(query, actor_id=self.actor_id, place=place)
        binding = {
            "list": listing.name,
            "tenant": self.identity.tenant_id,
            "sort": choice.sort,
            "filters": dict(choice.asked.values),
            "place": self.kwargs,
        }
        page = paginate(
            choice.rows(),
            choice.keyset,
            page_request(query),
            binding=binding,
            within=choice.range,
            names=choice.access.names,
        )
        if not page.rows and unless_absent is not None:
            unless_absent()
        return self._page(page)

    def shown(
        self, row: Any, *, status: int = 200, location: str | None = None, **more: Any
    ) -> Response:
        """One object with its entity tag, or 304 if the client has it. No statement.

        `more` are further members of the body.
        """
        data = {**self._serialized(row).data, **more}
        headers = {"Location": location} if location else {}
        if (version := getattr(row, "version", None)) is not None:
            headers["ETag"] = entity_tag(data, version=version)
            if self.request.method in ("GET", "HEAD") and is_fresh(self.request, headers["ETag"]):
                return Response(status=304, headers=headers)
        return Response(data, status=status, headers=headers)

    def valid(self, *, partial: bool = False) -> dict[str, Any]:
        """What the body says, checked by the serializer; if `partial`, only what was sent.

        Raises `ValidationError` that points at each field which is not valid.
        """
        serializer = self.get_serializer(data=self.request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        return values

    def shown_rows(self, rows: Sequence[Any]) -> Any:
        """The rows of a list as they are shown. No statement but what a resource adds."""
        return self._serialized(rows, many=True).data

    def _serialized(self, shown: Any, **options: Any) -> Any:
        # By the class of what is shown; `get_serializer` takes that of what an action reads.
        return self.serializer_class(shown, context=self.get_serializer_context(), **options)

    def _page(self, page: Page[Any]) -> Response:
        links = {"next": self._link(page.next), "previous": self._link(page.previous)}
        body = {"results": self.shown_rows(page.rows), **links}
        header = ", ".join(
            f'<{url}>; rel="{"prev" if name == "previous" else name}"'
            for name, url in links.items()
            if url
        )
        return Response(body, headers={"Link": header} if header else None)

    def _link(self, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        query = self.request.query_params.copy()
        query["cursor"] = cursor
        return self.request.build_absolute_uri(f"{self.request.path}?{query.urlencode()}")
