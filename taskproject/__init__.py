"""A multi-tenant task service on Django and PostgreSQL that proves its own speed."""

__version__ = "0.1.0"
