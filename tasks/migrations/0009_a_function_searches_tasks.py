"""The one function that runs with the owner's rights: see "Search" in docs/indexes.md."""

from __future__ import annotations

from typing import Any

from django.db import migrations

# It passes row-level security, so it keeps to the tenant itself, as the policy does; without one no
# row comes. The cast is what the index needs: a tenant_id of another integer type does not narrow
# it. `words` is what the index is asked for. `phrases`, which only a row can answer, is tested on
# the `cap` rows that come back at most, so that what a search reads is bounded.
# The sub-select hides the words from the planner: whatever is sought and whoever seeks, it takes
# the index. If it knew a word to be common it would rather read the tenant row by row until enough
# of them match, and read all of them in a tenant that does not use the word.
_CREATE = """
    CREATE FUNCTION public.task_matches(words tsquery, phrases tsquery, cap integer)
    RETURNS TABLE (id bigint, has_phrases boolean)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
        SELECT task.id, numnode(phrases) = 0 OR task.search @@ phrases
          FROM public.task
         WHERE task.tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::bigint
           AND task.deleted_at IS NULL
           AND task.search @@ (SELECT words)
         LIMIT cap
    $$
"""
_NAME = "public.task_matches(tsquery, tsquery, integer)"


def create(apps: Any, schema_editor: Any) -> None:
    role = schema_editor.quote_name(schema_editor.connection.app_role)
    schema_editor.execute(_CREATE)
    schema_editor.execute(f"REVOKE ALL ON FUNCTION {_NAME} FROM PUBLIC")
    schema_editor.execute(f"GRANT EXECUTE ON FUNCTION {_NAME} TO {role}")


def drop(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute(f"DROP FUNCTION {_NAME}")


class Migration(migrations.Migration):
    dependencies = [("tasks", "0008_indexes_list_by_priority_and_work")]

    operations = [migrations.RunPython(create, drop)]
