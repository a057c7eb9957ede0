"""All tasks of a tenant as a file, over REST."""

from __future__ import annotations

from typing import ClassVar

from django.http import StreamingHttpResponse
from rest_framework.request import Request

from taskproject.api.dispatch import Unnegotiated
from taskproject.tenancy.api.viewsets import TenantViewSet
from tasks.api.serializers import TaskSerializer
from tasks.dataset.forms import FORMS
from tasks.services.exports import streamed


class TaskExportViewSet(TenantViewSet):
    """The tasks of the tenant, as a file."""

    serializer_class = TaskSerializer
    content_negotiation_class = Unnegotiated
    files: ClassVar = {name: form.media_type for name, form in FORMS.items()}
    sparse: ClassVar = frozenset()

    def ndjson(self, request: Request, **kwargs: str) -> StreamingHttpResponse:
        """All live tasks, a JSON object on each line, as `import_tasks` reads them.

        They are of one moment, in the order of their making. What ends without its last line break,
        or whose connection breaks, is not whole.
        """
        return self._streamed()

    def csv(self, request: Request, **kwargs: str) -> StreamingHttpResponse:
        """All live tasks as rows below their names, as `import_tasks` reads them.

        Cells that a spreadsheet would take for a formula begin with an apostrophe.
        """
        return self._streamed()

    def _streamed(self) -> StreamingHttpResponse:
        slug = self.kwargs["tenant"]
        form = FORMS[self.action]
        return StreamingHttpResponse(
            streamed(slug, form),
            headers={
                "Content-Type": form.media_type,
                "Content-Disposition": f'attachment; filename="{slug}-tasks.{self.action}"',
            },
        )
