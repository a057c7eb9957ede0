"""Answers with entity tags, and those that are kept: the part of the views that knows of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from msgspec import json
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from taskproject import answers
from taskproject.answers import Answer
from taskproject.api.conditional import is_fresh
from taskproject.api.rendering import WrittenJSON, WrittenResponse
from taskproject.caching import Found


class KeptAnswers(APIView):
    """A view that may have its answers kept.

    Actions in `weak` answer under a weak entity tag, a digest of what they say. Good answers of
    those in `kept` may be kept for whoever asks the same, and of those in `personal`, which depend
    on who asks, for the same token.
    """

    weak: ClassVar[frozenset[str]] = frozenset({"list"})
    kept: ClassVar[frozenset[str]] = frozenset()
    personal: ClassVar[frozenset[str]] = frozenset()
    _kept = False

    @property
    def _handler(self) -> Callable[..., Any]:
        """What answers the request: DRF looks for it, by the method, when all is checked."""
        found: Callable[..., Any] = getattr(self, str(self.request.method).lower())
        return found

    def _do_instead(self, handler: Callable[..., Any]) -> None:
        setattr(self, str(self.request.method).lower(), handler)

    def _answer_in(self, found: Found) -> Response | None:
        """The answer that was found, or that the client has it; None if it has to be made. No
        statement."""
        answer = answers.read(found)
        if answer is not None:
            response = self._unless_fresh(answer)
        elif found.state == "same" and "If-None-Match" in self.request.headers:
            response = Response(status=304, headers={"ETag": found.wanted.tag})
        else:
            return None
        response["Cache-Status"] = answers.cache_status(found, hit=True)
        return response

    def _have_kept(self, found: Found) -> None:
        """Have the action done unless another request does it now, and its answer kept if it is
        asked for often."""
        action = self._handler

        def once_for_all(request: Request, **kwargs: Any) -> Any:
            if (waited := answers.waited(found)) is not None:
                response = self._unless_fresh(waited)
            else:
                response = action(request, **kwargs)
                self._kept = answers.keep(found, getattr(response, "whole", None))
            response["Cache-Status"] = answers.cache_status(found, hit=waited is not None)
            return response

        self._do_instead(once_for_all)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """DRF's own, for every answer, a refusal too: whoever was to build one for the others, and
        did not, says so, or they would wait."""
        found: Found | None = getattr(request, "found_answer", None)
        if found is not None and found.state == "build" and not self._kept:
            answers.give_up(found)
        return super().finalize_response(request, response, *args, **kwargs)

    def told(self, said: Mapping[str, Any]) -> Response:
        """An answer that is no row and no list, under a weak entity tag. No statement."""
        return self._weak(json.encode(said))

    def _weak(self, body: bytes, *, link: str = "") -> Response:
        """What was asked for, under a weak entity tag; 304 if the client has it."""
        return self._unless_fresh(Answer(body, answers.tag_of(body), link))

    def _unless_fresh(self, answer: Answer) -> Response:
        """An answer, or 304 if the client has it. All of it stays at the response as `whole`, for
        those who have not."""
        headers = {"ETag": answer.tag, **({"Link": answer.link} if answer.link else {})}
        if is_fresh(self.request, answer.tag):
            response = Response(status=304, headers=headers)
        else:
            response = response_of(WrittenJSON(answer.body), headers=headers)
        response.whole = answer  # type: ignore[attr-defined]
        return response


def response_of(shown: Any, *, status: int = 200, headers: Mapping[str, str]) -> Response:
    """The answer that shows something; what is written already needs no renderer."""
    if isinstance(shown, WrittenJSON):
        written: Any = WrittenResponse(shown, status=status, headers=headers)
        answer: Response = written
        return answer
    return Response(shown, status=status, headers=headers)
