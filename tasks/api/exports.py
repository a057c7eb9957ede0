"""All tasks of a tenant as a file, over REST."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, ClassVar, Final, cast

from django.http import FileResponse
from rest_framework.request import Request

from taskproject.api.dispatch import Unnegotiated
from taskproject.api.problems import RateLimited
from taskproject.tenancy.api.viewsets import TenantViewSet
from tasks.api.serializers import TaskSerializer
from tasks.dataset.forms import EXAMPLE, FORMS, Form
from tasks.services.exports import ExportRuns, tasks_export

_IN_MEMORY_BYTES: Final = 1024 * 1024
_BLOCK_BYTES: Final = 64 * 1024
_WAIT_S: Final = 5
_TIMEOUT: Final = timedelta(minutes=1)


class TaskExportViewSet(TenantViewSet):
    """The tasks of the tenant, as a file.

    It is written to the end, to a temporary file, before it is sent: so its length is known, and
    what breaks off can't be taken for the whole; and no transaction waits for a slow client.
    """

    serializer_class = TaskSerializer
    content_negotiation_class = Unnegotiated
    files: ClassVar = {
        name: (form.media_type, (form.head + form.encode([EXAMPLE])).decode())
        for name, form in FORMS.items()
    }
    answers: ClassVar = dict.fromkeys(FORMS)  # no object, a file
    sparse: ClassVar = frozenset()

    def ndjson(self, request: Request, **kwargs: Any) -> FileResponse:
        """All live tasks, a JSON object on each line, as `import_tasks` reads them.

        They are of one moment, in the order of their making.
        """
        return self._file()

    def csv(self, request: Request, **kwargs: Any) -> FileResponse:
        """All live tasks as rows below their names, as `import_tasks` reads them.

        They are of one moment, in the order of their making. Cells that a spreadsheet would take
        for a formula begin with an apostrophe.
        """
        return self._file()

    def _file(self) -> FileResponse:
        slug, form = self.kwargs["tenant"], FORMS[self.action]
        name = f"{slug}-tasks.{self.action}"
        response = FileResponse(
            _written(slug, form), as_attachment=True, filename=name, content_type=form.media_type
        )
        response.block_size = _BLOCK_BYTES
        return response


def _written(slug: str, form: Form) -> BinaryIO:
    """The file, open at its beginning: in memory up to a MiB, or one that ends when it is closed.
    Raises `RateLimited` while another one of the tenant is made."""
    with ExitStack() as stack:
        file: Any = stack.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES))
        try:
            tasks_export(file, form, tenant_slug=slug, timeout=_TIMEOUT, alone=True)
        except ExportRuns:
            raise RateLimited(_WAIT_S) from None
        size_bytes = file.tell()
        file.seek(0)
        if size_bytes <= _IN_MEMORY_BYTES:
            return BytesIO(file.read())
        stack.pop_all()
        return cast(BinaryIO, file)
