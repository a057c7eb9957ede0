"""Projects over REST. Archiving them is a question about their tasks: see `tasks.api`."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from projects import selectors, services
from projects.api.listings import PROJECTS
from projects.api.serializers import ProjectChangeSerializer, ProjectSerializer
from projects.models import KEY_PATTERN, Project
from taskproject.api.parameters import matching
from taskproject.tenancy.api.permissions import MANAGE
from taskproject.tenancy.api.viewsets import TenantViewSet

PROJECT: Final = matching(
    KEY_PATTERN.strip("^$"), "the key of a project", "The project, by its key.", example="WEB"
)


class ProjectViewSet(TenantViewSet):
    """The projects of the tenant."""

    serializer_class = ProjectSerializer
    listings: ClassVar = {"list": PROJECTS}
    kept: ClassVar = frozenset({"list", "retrieve"})
    requirements: ClassVar = {"create": MANAGE, "partial_update": MANAGE}
    places: ClassVar = {**TenantViewSet.places, "key": PROJECT}

    def get_serializer_class(self) -> Any:
        return ProjectChangeSerializer if self.action == "partial_update" else ProjectSerializer

    def list(self, request: Request, **kwargs: Any) -> Response:
        """The projects by key, archived ones too."""
        return self.listed(PROJECTS)

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Make a project."""
        project = services.project_create(actor_id=self.actor_id, **_as_ids(self.valid()))
        return self.shown(project, status=201, location=_address(self.kwargs["tenant"], project))

    def retrieve(self, request: Request, **kwargs: Any) -> Response:
        """One project, by its key."""
        return self.found(selectors.project_by_key, key=self.kwargs["key"])

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """Change a project's name, description or lead: what is sent, and nothing else."""
        project = self.project()
        changed = services.project_update(
            project_id=project.pk,
            actor_id=self.actor_id,
            if_version=self.if_version,
            **_as_ids(self.valid(partial=True)),
        )
        return self.shown(changed)

    def project(self) -> Project:
        """The project that the address names. One statement. Raises `Project.DoesNotExist`."""
        return selectors.project_get(key=self.kwargs["key"])


def _as_ids(values: dict[str, Any]) -> dict[str, Any]:
    """What services take: ids of people."""
    if "lead" in values:
        lead = values.pop("lead")
        values["lead_id"] = lead.pk if lead else None
    return values


def _address(tenant: str, project: Project) -> str:
    return reverse("project-detail", args=[tenant, project.key])
