"""The wall of the web admin: the pages of a tenant, for its active members and nobody else.

The tenant stands in the address, so that two tabs in two tenants are two addresses and nothing
about the tenant is kept in the session. The tenant's site is mounted under
`/admin/tenants/<slug>/` as an application is under a prefix of its server (SCRIPT_NAME): each
address that Django's admin makes begins with it, and none can lead into another tenant.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import (
    get_script_prefix,
    get_urlconf,
    resolve,
    reverse,
    set_script_prefix,
    set_urlconf,
)

from taskproject.db.context import tenant_context
from taskproject.tenancy import selectors
from taskproject.tenancy.models import Membership

URLCONF: Final = "taskproject.tenancy.webadmin.tenant_urls"


def tenant_pages(request: HttpRequest, slug: str, rest: str) -> HttpResponseBase:
    """Any page of a tenant's site. One statement before it, for the membership.

    Who is not logged in is asked to, whatever the slug. Raises `Http404` for an absent tenant, a
    stranger and a former member alike.
    """
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    try:
        membership = selectors.membership_of(slug=slug, user_id=request.user.pk)
    except Membership.DoesNotExist:
        raise Http404 from None
    request.membership = membership  # type: ignore[attr-defined]
    # The way out, which addresses made inside can't name.
    request.chooser_url = reverse("admin:index")  # type: ignore[attr-defined]
    prefix = reverse("tenant-pages", kwargs={"slug": slug})
    with tenant_context(membership.tenant_id), _mounted(request, prefix, rest):
        return _answer(request)


def _answer(request: HttpRequest) -> HttpResponseBase:
    match = resolve(request.path_info, URLCONF)
    request.resolver_match = match
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    if isinstance(response, SimpleTemplateResponse):
        # Templates run queries and make addresses: both need the tenant, which ends here.
        response.render()
    return response


@contextmanager
def _mounted(request: HttpRequest, prefix: str, rest: str) -> Iterator[None]:
    outer = get_script_prefix(), get_urlconf(), request.path_info
    set_script_prefix(prefix)
    set_urlconf(URLCONF)
    request.urlconf = URLCONF
    request.path_info = f"/{rest}"
    try:
        yield
    finally:
        set_script_prefix(outer[0])
        set_urlconf(outer[1])
        request.path_info = outer[2]
        del request.urlconf
