"""Writes of tasks and what hangs on them. Callers import the module they need."""
