"""The checks of the section indexes: unused, redundant, invalid, missing for a foreign key, not led
by the tenant, of low value."""
