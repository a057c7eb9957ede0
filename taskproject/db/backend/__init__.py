"""Django's PostgreSQL backend with tenants: binding, the owner role, tenant keys."""
