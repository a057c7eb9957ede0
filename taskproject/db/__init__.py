"""What stands between Django and PostgreSQL: the backend, tenant keys, keyset, timeouts, roles."""
