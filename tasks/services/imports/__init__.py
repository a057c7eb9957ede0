"""The import of tasks from records, into as many tenants as these name."""
