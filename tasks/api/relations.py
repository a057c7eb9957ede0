"""Labels, comments, dependencies and events of tasks over REST."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.urls import reverse
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from taskproject.api.parameters import row_id
from taskproject.tenancy.api.events import EventsViewSet
from taskproject.tenancy.api.permissions import MANAGE
from taskproject.tenancy.api.viewsets import TenantViewSet
from taskproject.tenancy.models import Role
from tasks import selectors
from tasks.api.listings import COMMENTS, DEPENDENCIES, EVENTS, LABELS
from tasks.api.parameters import TASK
from tasks.api.references import TaskReference
from tasks.api.serializers import CommentSerializer, DependencySerializer, LabelSerializer
from tasks.models import Comment
from tasks.services import relations as services


class LabelViewSet(TenantViewSet):
    """The labels of the tenant."""

    serializer_class = LabelSerializer
    listings: ClassVar = {"list": LABELS}
    kept: ClassVar = frozenset({"list"})
    requirements: ClassVar = dict.fromkeys(("create", "partial_update", "destroy"), MANAGE)
    places: ClassVar = {**TenantViewSet.places, "label_id": row_id("The label, by its id.")}

    def list(self, request: Request, **kwargs: Any) -> Response:
        """The labels by name."""
        return self.listed(LABELS)

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Make a label."""
        label = services.label_create(actor_id=self.actor_id, **self.valid())
        address = reverse("label-detail", args=[self.kwargs["tenant"], label.pk])
        return self.shown(label, status=201, location=address)

    def retrieve(self, request: Request, label_id: int, **kwargs: Any) -> Response:
        """One label."""
        return self.found(selectors.label_by_id, label_id=label_id)

    def partial_update(self, request: Request, label_id: int, **kwargs: Any) -> Response:
        """Change a label's name or colour."""
        return self.shown(
            services.label_update(
                label_id=label_id,
                actor_id=self.actor_id,
                if_version=self.if_version,
                **self.valid(partial=True),
            )
        )

    def destroy(self, request: Request, label_id: int, **kwargs: Any) -> Response:
        """Delete a label, and with it its place on every task."""
        services.label_delete(label_id=label_id, actor_id=self.actor_id, if_version=self.if_version)
        return Response(status=204)


_OF_TASK: Final = {**TenantViewSet.places, "task": TASK}


class TaskLabelViewSet(TenantViewSet):
    """The labels of a task."""

    serializer_class = LabelSerializer
    sparse: ClassVar = frozenset()
    weak: ClassVar = frozenset()
    answers: ClassVar = {"update": None}
    conditional: ClassVar = frozenset()
    places: ClassVar = {**_OF_TASK, **LabelViewSet.places}

    def list(self, request: Request, task: TaskReference, **kwargs: Any) -> Response:
        """The labels of a task by name: 20 at most, on one page."""
        task_id = task.find_id()
        labels = list(selectors.live_task_labels(task_id=task_id))
        if not labels:
            selectors.task_get(task_id=task_id)
        return Response({"results": self.shown_rows(labels), "next": None, "previous": None})

    def update(
        self, request: Request, task: TaskReference, label_id: int, **kwargs: Any
    ) -> Response:
        """Put a label on a task. Done again it changes nothing."""
        services.task_label_add(task_id=task.find_id(), label_id=label_id, actor_id=self.actor_id)
        return Response(status=204)

    def destroy(
        self, request: Request, task: TaskReference, label_id: int, **kwargs: Any
    ) -> Response:
        """Take a label off a task. Done again it changes nothing."""
        services.task_label_remove(
            task_id=task.find_id(), label_id=label_id, actor_id=self.actor_id
        )
        return Response(status=204)


class CommentViewSet(TenantViewSet):
    """The comments on a task."""

    serializer_class = CommentSerializer
    listings: ClassVar = {"list": COMMENTS}
    places: ClassVar = {**_OF_TASK, "comment_id": row_id("The comment, by its id.")}

    def list(self, request: Request, task: TaskReference, **kwargs: Any) -> Response:
        """The comments on a task, the oldest first."""
        task_id = task.find_id()
        return self.listed(
            COMMENTS,
            place={"task": task_id},
            unless_absent=lambda: selectors.task_get(task_id=task_id),
        )

    def create(self, request: Request, task: TaskReference, **kwargs: Any) -> Response:
        """Say something about a task."""
        comment = services.comment_add(
            task_id=task.find_id(), actor_id=self.actor_id, **self.valid()
        )
        comment.author = self.request.user
        address = reverse(
            "comment-detail", args=[self.kwargs["tenant"], comment.task_id, comment.pk]
        )
        return self.shown(comment, status=201, location=address)

    def retrieve(
        self, request: Request, task: TaskReference, comment_id: int, **kwargs: Any
    ) -> Response:
        """One comment."""
        return self.found(selectors.comment_by_id, task_id=task.find_id(), comment_id=comment_id)

    def partial_update(
        self, request: Request, task: TaskReference, comment_id: int, **kwargs: Any
    ) -> Response:
        """Say it in other words. Only its author may."""
        comment = self._comment(task, comment_id)
        if comment.author_id != self.actor_id:
            raise PermissionDenied("Only its author may edit a comment.")
        edited = services.comment_edit(
            comment_id=comment.pk,
            actor_id=self.actor_id,
            if_version=self.if_version,
            **self.valid(partial=True),
        )
        edited.author = self.request.user
        return self.shown(edited)

    def destroy(
        self, request: Request, task: TaskReference, comment_id: int, **kwargs: Any
    ) -> Response:
        """Take a comment away for good. Its author may, and admins."""
        comment = self._comment(task, comment_id)
        if comment.author_id != self.actor_id and self.identity.role < Role.ADMIN:
            raise PermissionDenied("Only its author or an admin may delete a comment.")
        services.comment_delete(
            comment_id=comment.pk, actor_id=self.actor_id, if_version=self.if_version
        )
        return Response(status=204)

    def _comment(self, task: TaskReference, comment_id: int) -> Comment:
        return selectors.comment_by_id(task_id=task.find_id(), comment_id=comment_id).get()


class DependencyViewSet(TenantViewSet):
    """What a task waits for."""

    serializer_class = DependencySerializer
    listings: ClassVar = {"list": DEPENDENCIES}
    conditional: ClassVar = frozenset()
    places: ClassVar = {
        **_OF_TASK,
        "blocker_id": row_id("The task that it waits for, by its id."),
    }

    def list(self, request: Request, task: TaskReference, **kwargs: Any) -> Response:
        """What the task waits for; with `direction=blocks`, what waits for it."""
        task_id = task.find_id()
        return self.listed(
            DEPENDENCIES,
            place={"task": task_id},
            unless_absent=lambda: selectors.task_get(task_id=task_id),
        )

    def create(self, request: Request, task: TaskReference, **kwargs: Any) -> Response:
        """Say that the task can't be done before another one. A cycle is refused."""
        blocker_id = self.valid()["blocker_id"]
        blocked_id = task.find_id()
        try:
            services.dependency_add(
                blocker_id=blocker_id, blocked_id=blocked_id, actor_id=self.actor_id
            )
        except services.BlockerAbsent as error:
            raise ValidationError({"blocker": [str(error)]}) from error
        made = selectors.dependencies_of(blocked_id=blocked_id).get(blocker_id=blocker_id)
        return self.shown(made, status=201)

    def destroy(
        self, request: Request, task: TaskReference, blocker_id: int, **kwargs: Any
    ) -> Response:
        """Take a dependency back."""
        services.dependency_remove(
            blocker_id=blocker_id, blocked_id=task.find_id(), actor_id=self.actor_id
        )
        return Response(status=204)


class TaskEventViewSet(EventsViewSet):
    """What happened to a task."""

    places: ClassVar = _OF_TASK
    listings: ClassVar = {"list": EVENTS}

    def list(self, request: Request, task: TaskReference, **kwargs: Any) -> Response:
        """What happened to a task, the oldest first; also of a deleted one, named by its id."""
        task_id = task.find_id()
        return self.listed(
            EVENTS,
            place={"task": task_id},
            unless_absent=lambda: selectors.task_require(task_id=task_id),
        )
