"""The addresses inside a tenant's pages, below the prefix that names the tenant."""

from __future__ import annotations

from django.urls import path

from taskproject.tenancy.webadmin.sites import tenant_site

urlpatterns = [path("", tenant_site.urls)]
