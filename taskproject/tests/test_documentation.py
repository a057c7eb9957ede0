"""The addresses of the OpenAPI document and of the pages that show it, without a browser."""

from __future__ import annotations

import json

from django.test import Client

from taskproject.api.documentation import generate


def test_it_is_served_to_everybody_without_the_database():
    response = Client().get("/api/v1/schema/")

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "public, max-age=300"
    assert response.json() == json.loads(json.dumps(generate()))
    again = Client().get("/api/v1/schema/", headers={"if-none-match": response["ETag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_the_pages_that_show_it_are_open_to_everybody_without_the_database():
    for address in ("/api/v1/docs/", "/api/v1/redoc/"):
        response = Client().get(address)
        assert response.status_code == 200
        assert 'data-document="/api/v1/schema/"' in response.content.decode()


def test_only_redoc_may_make_styles_and_with_a_nonce_of_its_own():
    usual = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; "
    usual += "frame-ancestors 'none'"
    swagger, redoc, again, other = (
        Client().get(f"/api/v1/{page}/")["Content-Security-Policy"]
        for page in ("docs", "redoc", "redoc", "schema")
    )

    assert swagger == other == usual
    assert redoc.startswith(f"{usual}; style-src 'self' 'nonce-")
    assert redoc.endswith("; worker-src blob:")
    assert "unsafe" not in redoc
    assert again != redoc
