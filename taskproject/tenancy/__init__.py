"""Tenants, their members and tokens, the event log, and the walls between tenants."""
