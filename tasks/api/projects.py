"""Archiving projects over REST, which their tasks have a say in."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from projects.api.serializers import ProjectSerializer
from projects.api.viewsets import PROJECT
from projects.selectors import project_get
from projects.services import project_set_archived
from taskproject.tenancy.api.permissions import MANAGE
from taskproject.tenancy.api.viewsets import TenantViewSet
from tasks.services.tasks import project_archive


class ProjectArchiveViewSet(TenantViewSet):
    """Archiving a project, and bringing it back."""

    serializer_class = ProjectSerializer
    requirements: ClassVar = {"archive": MANAGE, "unarchive": MANAGE}
    conditional: ClassVar = frozenset({"archive", "unarchive"})
    places: ClassVar = {**TenantViewSet.places, "key": PROJECT}

    def archive(self, request: Request, key: str, **kwargs: Any) -> Response:
        """Archive a project: it takes no new tasks. Refused while it has active ones."""
        project = project_archive(
            project_id=project_get(key=key).pk,
            actor_id=self.actor_id,
            if_version=self.if_version,
        )
        return self.shown(project)

    def unarchive(self, request: Request, key: str, **kwargs: Any) -> Response:
        """Bring an archived project back."""
        project = project_set_archived(
            project_id=project_get(key=key).pk,
            archived=False,
            actor_id=self.actor_id,
            if_version=self.if_version,
        )
        return self.shown(project)
