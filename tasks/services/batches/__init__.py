"""Changes of many tasks for the price of a few statements, in the active tenant.

A batch is one JSON text that PostgreSQL takes apart: the statements are the same for one task and
for ten thousand, and are prepared once. All rules of `tasks.services.tasks` hold for each task.
"""
