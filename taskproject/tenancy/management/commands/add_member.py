from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from taskproject.tenancy.management.lookups import find_tenant, find_user
from taskproject.tenancy.models import Role, User
from taskproject.tenancy.services import member_add


class Command(BaseCommand):
    """Make a user a member of a tenant."""

    help = (
        "Make a user a member of a tenant, or bring a former member back.\n"
        "Example: manage.py add_member acme alice --role admin"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("username")
        parser.add_argument(
            "--role", choices=Role.labels, default=Role.MEMBER.label, help="default: %(default)s"
        )
        parser.add_argument(
            "--create",
            action="store_true",
            help="make the user if there is none, without a password: see manage.py changepassword",
        )

    @transaction.atomic
    def handle(
        self, *, tenant: str, username: str, role: str, create: bool, **options: Any
    ) -> None:
        found = find_tenant(tenant)
        try:
            user = _user(username) if create else find_user(username)
            member_add(tenant=found, user=user, role=_role(role))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(self.style.SUCCESS(f"{username} is now {role} of {tenant}."))


def _user(username: str) -> User:
    user = User.objects.filter(username=username).first()
    if user is None:
        user = User(username=username)
        user.set_unusable_password()
        user.full_clean()
        user.save()
    return user


def _role(label: str) -> Role:
    return next(role for role in Role if role.label == label)
