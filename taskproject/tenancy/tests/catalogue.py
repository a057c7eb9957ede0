"""What PostgreSQL's catalogue says about the walls: a list of complaints, empty when all stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from taskproject.db.isolation import CONDITION, POLICY
from taskproject.tenancy.grants import SHARED_TABLES
from taskproject.tenancy.tests.sql import Session

# As PostgreSQL writes `isolation.CONDITION` back.
EXPECTED_CONDITION = (
    "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::bigint)"
)
GRANTABLE = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
# Functions that run with the rights of the owner, whom no policy binds, and why each has to.
SECURITY_DEFINERS_ALLOWED = {
    "task_matches(tsquery,tsquery,integer)": (
        "`@@` is not leakproof: behind a policy no index finds words. It gives ids, of the active"
        " tenant's tasks only."
    ),
}

_TABLES = """
    SELECT c.oid, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity,
           pg_get_userbyid(c.relowner),
           coalesce(c.reloptions @> '{security_invoker=true}'
                    OR c.reloptions @> '{security_invoker=on}', false)
      FROM pg_class AS c
     WHERE c.relnamespace = 'public'::regnamespace
       AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
       AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
     ORDER BY c.relname
"""
_COLUMNS = """
    SELECT attnum, attname, format_type(atttypid, atttypmod), attnotnull
      FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
"""
# Of a column the name, of an expression its text.
_INDEXES = """
    SELECT i.relname, x.indisunique, x.indisprimary,
           array(SELECT pg_get_indexdef(x.indexrelid, k, true)
                   FROM generate_series(1, x.indnkeyatts) AS k)
      FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid WHERE x.indrelid = %s
"""
_FOREIGN_KEYS = """
    SELECT c.conname, t.relname,
           array(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k (n, place)
                   JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.n
                  ORDER BY place),
           array(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k (n, place)
                   JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.n
                  ORDER BY place)
      FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.confrelid
     WHERE c.contype = 'f' AND c.conrelid = %s
"""
_POLICIES = """
    SELECT polname, polcmd, polpermissive, polroles::regrole[]::text[],
           pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
      FROM pg_policy WHERE polrelid = %s
"""
# Everybody's rights count as the app role's, and so do those on single columns.
_GRANTS = """
    SELECT DISTINCT a.privilege_type FROM pg_class AS c, aclexplode(c.relacl) AS a
     WHERE c.oid = %(table)s AND (a.grantee = 0 OR a.grantee = %(role)s::regrole)
"""
_COLUMN_GRANTS = """
    SELECT DISTINCT t.attname FROM pg_attribute AS t, aclexplode(t.attacl) AS a
     WHERE t.attrelid = %(table)s AND (a.grantee = 0 OR a.grantee = %(role)s::regrole)
"""
_DEFINERS = """
    SELECT p.oid::regprocedure::text,
           p.proowner = (SELECT relowner FROM pg_class WHERE oid = 'public.tenant'::regclass),
           p.prosrc,
           'search_path=pg_catalog, pg_temp' = ANY (p.proconfig),
           array(SELECT a.grantee::regrole::text
                   FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
                  WHERE a.grantee <> p.proowner)
      FROM pg_proc AS p
     WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
       AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
"""
_DEFAULT_PRIVILEGES = """
    SELECT d.defaclobjtype, a.privilege_type
      FROM pg_default_acl AS d, aclexplode(d.defaclacl) AS a
     WHERE (a.grantee = 0 OR a.grantee = %(role)s::regrole) AND d.defaclobjtype IN ('r', 'S')
"""


@dataclass(frozen=True, slots=True)
class _Table:
    oid: int
    name: str
    kind: str
    secured: bool
    forced: bool
    owner: str
    invoker: bool


def complaints(
    session: Session, *, app_role: str, shared: Iterable[str] = SHARED_TABLES
) -> list[str]:
    """A sentence for each thing in schema public that lets tenants meet, or might."""
    tables = [_Table(*row) for row in session.execute(_TABLES)]
    tenant_tables = {table.name for table in tables if _has_tenant(session, table)} - set(shared)
    found: list[str] = []
    for table in tables:
        if table.owner == app_role:
            found.append(f"{table.name}: belongs to the app role")
        if table.kind in "vmf":
            found += _of_view(session, table, app_role)
        elif table.kind == "S":
            continue
        elif table.name in shared:
            found += _of_shared(session, table, app_role)
        elif table.name in tenant_tables:
            found += _of_tenant_table(session, table, app_role, tenant_tables)
        else:
            found.append(f"{table.name}: neither tenant-first nor in SHARED_TABLES")
            found += [
                f"{table.name}: granted {right}" for right in _rights(session, table, app_role)
            ]
    found += _of_definers(session, app_role)
    for kind, right in session.execute(_DEFAULT_PRIVILEGES, {"role": app_role}):
        found.append(f"default privileges: {right} on new {kind}")
    return found


def _of_definers(session: Session, role: str) -> Iterator[str]:
    for name, is_owners, source, is_pinned, grantees in session.execute(_DEFINERS):
        if name not in SECURITY_DEFINERS_ALLOWED:
            yield f"{name}: SECURITY DEFINER"
            continue
        if not is_owners:
            yield f"{name}: belongs to another role than the tables"
        if not is_pinned:
            yield f"{name}: its search_path is not pinned"
        if CONDITION not in source:
            yield f"{name}: does not keep to the tenant as the policies do"
        for grantee in sorted(set(grantees) - {role}):
            yield f"{name}: {'PUBLIC' if grantee == '-' else grantee} may execute it"


def _has_tenant(session: Session, table: _Table) -> bool:
    return any(name == "tenant_id" for _, name, *_ in session.execute(_COLUMNS, [table.oid]))


def _rights(session: Session, table: _Table, role: str) -> set[str]:
    values = {"table": table.oid, "role": role}
    whole = {right for (right,) in session.execute(_GRANTS, values)}
    parts = {f"a right on column {name}" for (name,) in session.execute(_COLUMN_GRANTS, values)}
    return whole | parts


def _of_view(session: Session, table: _Table, role: str) -> Iterator[str]:
    if table.kind == "m":
        yield f"{table.name}: a materialized view has no row-level security"
    if table.kind == "f":
        yield f"{table.name}: a foreign table"
    if table.kind == "v" and not table.invoker:
        yield f"{table.name}: a view without security_invoker"


def _of_shared(session: Session, table: _Table, role: str) -> Iterator[str]:
    expected = {right.strip() for right in SHARED_TABLES[table.name][0].split(",")}
    if (rights := _rights(session, table, role)) != expected:
        yield f"{table.name}: granted {sorted(rights)}, not {sorted(expected)}"


def _of_tenant_table(
    session: Session, table: _Table, role: str, tenant_tables: set[str]
) -> Iterator[str]:
    columns = {name: (kind, full) for _, name, kind, full in session.execute(_COLUMNS, [table.oid])}
    if columns["tenant_id"] != ("bigint", True):
        yield f"{table.name}: tenant_id is not bigint NOT NULL"
    if not table.secured:
        yield f"{table.name}: row-level security is off"
    if not table.forced:
        yield f"{table.name}: row-level security is not forced"
    yield from _of_policies(session, table, role)
    yield from _of_indexes(session, table)
    yield from _of_foreign_keys(session, table, tenant_tables)
    for right in sorted(_rights(session, table, role) - GRANTABLE):
        yield f"{table.name}: granted {right}"


def _of_policies(session: Session, table: _Table, role: str) -> Iterator[str]:
    policies = session.execute(_POLICIES, [table.oid]).fetchall()
    expected = (POLICY, "*", True, [role], EXPECTED_CONDITION, EXPECTED_CONDITION)
    if not policies:
        yield f"{table.name}: no policy"
    for policy in policies:
        if policy != expected:
            yield f"{table.name}: policy {policy[0]} is not the one that IsolateTenant makes"
    if len(policies) > 1:
        yield f"{table.name}: {len(policies)} policies, which are joined by OR"


def _of_indexes(session: Session, table: _Table) -> Iterator[str]:
    primary: list[Any] = []
    for name, unique, is_primary, keys in session.execute(_INDEXES, [table.oid]):
        if is_primary:
            primary = keys
        if keys[0] != "tenant_id":
            kind = "unique index" if unique else "index"
            yield f"{table.name}: {kind} {name} does not begin with tenant_id"
    if primary != ["tenant_id", "id"]:
        yield f"{table.name}: the primary key is {primary}, not (tenant_id, id)"


def _of_foreign_keys(session: Session, table: _Table, tenant_tables: set[str]) -> Iterator[str]:
    by_target = defaultdict(list)
    for name, target, columns, targets in session.execute(_FOREIGN_KEYS, [table.oid]):
        by_target[target].append(columns)
        if target == "tenant":
            if (columns, targets) != (["tenant_id"], ["id"]):
                yield f"{table.name}: foreign key {name} is not tenant_id → tenant (id)"
        elif target not in tenant_tables | {"membership"}:
            yield f"{table.name}: foreign key {name} points to the shared table {target}"
        elif len(columns) < 2 or columns[0] != "tenant_id" or targets[0] != "tenant_id":
            yield f"{table.name}: foreign key {name} does not carry the tenant"
    if not by_target["tenant"]:
        yield f"{table.name}: no foreign key to tenant"
