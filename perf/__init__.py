"""The lab: a library that measures a Django and PostgreSQL project. It imports none of this one."""
