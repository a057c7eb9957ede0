"""The two database roles of the service, and the rights that make row-level security hold.

The owner runs migrations and bypasses row-level security; the app serves requests and cannot.
Needs psycopg alone, so that it also serves where Django is not set up.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

type _Connection = psycopg.Connection[TupleRow]

_LOCK_KEY = 7_236_421_903
_EXTENSIONS = ("pg_stat_statements", "btree_gin")
_OWNER_ATTRIBUTES = {
    "rolcanlogin": ("LOGIN", True),
    "rolsuper": ("NOSUPERUSER", False),
    "rolbypassrls": ("BYPASSRLS", True),
    "rolcreatedb": ("CREATEDB", True),
}
_APP_ATTRIBUTES = {
    "rolcanlogin": ("LOGIN", True),
    "rolsuper": ("NOSUPERUSER", False),
    "rolbypassrls": ("NOBYPASSRLS", False),
    "rolcreatedb": ("NOCREATEDB", False),
    "rolcreaterole": ("NOCREATEROLE", False),
    "rolreplication": ("NOREPLICATION", False),
    "rolinherit": ("NOINHERIT", False),
}


class RolesError(Exception):
    """The roles cannot be made safe; the text says why and which statement helps."""


@dataclass(frozen=True, slots=True)
class _Plan:
    database: str
    owner: str
    owner_password: str | None
    app: str
    app_password: str | None
    app_settings: dict[str, str]


def create_roles(
    superuser_url: str,
    *,
    database: str,
    owner: str,
    owner_password: str | None,
    app: str,
    app_password: str | None,
    statement_timeout: str = "5s",
    lock_timeout: str = "2s",
    idle_in_transaction_session_timeout: str = "10s",
    client_connection_check_interval: str = "2s",
    random_page_cost: str = "1.1",
) -> list[str]:
    """Create or correct the roles `owner` and `app`, `database` and its extensions.

    `superuser_url` may name any database of the server. A password of None leaves that role's
    password as it is. The last five arguments are settings of `app`, as PostgreSQL writes them.
    `random_page_cost` is the manual's figure for solid-state disks; with the default of 4, made for
    turning ones, a page of a list whose rows are underestimated is read whole and sorted
    (docs/decisions/0007). Returns a sentence for each thing changed, none with a password in it; a
    second call changes nothing but the passwords. Two calls at once wait for each other.

    Raises RolesError when `superuser_url` is not of a superuser, when `app` owns something in
    the database or keeps a membership, when somebody else owns the database, or when an
    extension is not installed on the server; psycopg.Error when the server cannot be reached.

    Does not grant `app` any table (each migration does, table by table) and sets no default
    privileges, so that a table nobody thought of stays closed.
    """
    plan = _Plan(
        database,
        owner,
        owner_password,
        app,
        app_password,
        {
            "statement_timeout": statement_timeout,
            "lock_timeout": lock_timeout,
            "idle_in_transaction_session_timeout": idle_in_transaction_session_timeout,
            "client_connection_check_interval": client_connection_check_interval,
            "random_page_cost": random_page_cost,
        },
    )
    _refuse_nonsense(plan)
    done: list[str] = []
    with _connect_for_lock(superuser_url) as cluster:
        _refuse_ordinary_user(cluster, plan)
        cluster.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        _ensure_role(cluster, owner, _OWNER_ATTRIBUTES, owner_password, done)
        _ensure_role(cluster, app, _APP_ATTRIBUTES, app_password, done)
        _revoke_memberships(cluster, app, done)
        _ensure_settings(cluster, plan, done)
        _ensure_database(cluster, plan, done)
        with _connect(superuser_url, database) as inside:
            _refuse_ownership(inside, plan)
            _ensure_schema(inside, plan, done)
            _ensure_extensions(inside, done)
    return done


def _refuse_nonsense(plan: _Plan) -> None:
    names = {"database": plan.database, "owner": plan.owner, "app": plan.app}
    for what, name in names.items():
        if not name or "\0" in name or len(name.encode()) > 63:
            raise RolesError(f"The {what} is named {name!r}; it needs 1 to 63 bytes.")
    if plan.owner == plan.app:
        raise RolesError(
            f"Owner and app are both named {plan.app!r}; they have to be two roles, because the "
            "owner bypasses row-level security."
        )
    if "" in (plan.owner_password, plan.app_password):
        raise RolesError("A password is empty; nobody could log in with it.")


def _connect(superuser_url: str, database: str) -> _Connection:
    return psycopg.connect(make_conninfo(superuser_url, dbname=database), autocommit=True)


def _connect_for_lock(superuser_url: str) -> _Connection:
    """Connect where every caller does: an advisory lock only holds within one database."""
    try:
        return _connect(superuser_url, "postgres")
    except psycopg.OperationalError:
        named = conninfo_to_dict(superuser_url).get("dbname")
        if not named or named == "postgres":
            raise
        return _connect(superuser_url, str(named))


def _refuse_ordinary_user(cluster: _Connection, plan: _Plan) -> None:
    name, is_superuser = _one(
        cluster, "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = session_user"
    )
    if not is_superuser:
        raise RolesError(f"{name!r} is not a superuser, so it cannot create a role that BYPASSRLS.")
    if name in (plan.owner, plan.app):
        raise RolesError(
            f"{name!r} is the superuser this connection uses; give owner and app other names."
        )


def _one(connection: _Connection, query: str, *values: object) -> TupleRow:
    """Return the only row of `query`, a tuple of None values when there is none."""
    cursor = connection.execute(query, values)
    row: TupleRow | None = cursor.fetchone()
    return row if row is not None else (None,) * len(cursor.description or ())


def _ensure_role(
    cluster: _Connection,
    role: str,
    attributes: dict[str, tuple[str, bool]],
    password: str | None,
    done: list[str],
) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, attributes))
    query = sql.SQL("SELECT {} FROM pg_roles WHERE rolname = %s").format(columns)
    found = cluster.execute(query, [role]).fetchone()
    if found is None:
        wrong = [words for words, _ in attributes.values()]
        verb = "CREATE"
    else:
        wrong = [
            words
            for (words, wanted), value in zip(attributes.values(), found, strict=True)
            if value != wanted
        ]
        verb = "ALTER"
    if wrong or found is None:
        _run(cluster, f"{verb} ROLE {{}} {' '.join(wrong)}", sql.Identifier(role))
        done.append(f"{verb} ROLE {role} {' '.join(wrong)}")
    if password is not None:
        _run(
            cluster,
            "ALTER ROLE {} PASSWORD {}",
            sql.Identifier(role),
            sql.Literal(_scram_verifier(cluster, role, password)),
        )
        done.append(f"Password of role {role} set")


def _scram_verifier(cluster: _Connection, role: str, password: str) -> str:
    """Hash the password here, so that it reaches neither a log nor pg_stat_statements."""
    encrypted = cluster.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return encrypted.decode()


def _run(connection: _Connection, statement: str, *parts: sql.Composable) -> None:
    connection.execute(sql.SQL(statement).format(*parts))


def _revoke_memberships(cluster: _Connection, app: str, done: list[str]) -> None:
    """Take `app` out of every role: SET ROLE reaches even what NOINHERIT holds back."""
    query = (
        "SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid "
        "JOIN pg_roles a ON a.oid = m.member WHERE a.rolname = %s ORDER BY 1"
    )
    for (group,) in cluster.execute(query, [app]).fetchall():
        _run(cluster, "REVOKE {} FROM {} CASCADE", sql.Identifier(group), sql.Identifier(app))
        done.append(f"REVOKE {group} FROM {app}")
    left = [group for (group,) in cluster.execute(query, [app]).fetchall()]
    if left:
        raise RolesError(
            f"{app!r} is still a member of {', '.join(left)}, granted by somebody else than this "
            "superuser. Take it away with REVOKE ... GRANTED BY ..."
        )


def _ensure_settings(cluster: _Connection, plan: _Plan, done: list[str]) -> None:
    (found,) = _one(
        cluster,
        "SELECT setconfig FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole "
        "WHERE s.setdatabase = 0 AND r.rolname = %s",
        plan.app,
    )
    for name, value in plan.app_settings.items():
        if f"{name}={value}" not in (found or ()):
            _run(
                cluster,
                "ALTER ROLE {} SET {} = {}",
                sql.Identifier(plan.app),
                sql.Identifier(name),
                sql.Literal(value),
            )
            done.append(f"ALTER ROLE {plan.app} SET {name} = {value}")


def _ensure_database(cluster: _Connection, plan: _Plan, done: list[str]) -> None:
    (owned_by,) = _one(
        cluster,
        "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s",
        plan.database,
    )
    database, owner, app = map(sql.Identifier, (plan.database, plan.owner, plan.app))
    if owned_by is None:
        _run(
            cluster,
            "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'",
            database,
            owner,
        )
        done.append(f"CREATE DATABASE {plan.database} OWNER {plan.owner}")
    elif owned_by != plan.owner:
        raise RolesError(
            f"Database {plan.database!r} belongs to {owned_by!r}. If that is meant to change: "
            f"{sql.SQL('ALTER DATABASE {} OWNER TO {}').format(database, owner).as_string(cluster)}"
        )
    rights_before = _database_rights(cluster, plan)
    _run(cluster, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
    _run(cluster, "REVOKE ALL ON DATABASE {} FROM {}", database, app)
    _run(cluster, "GRANT CONNECT ON DATABASE {} TO {}", database, app)
    if _database_rights(cluster, plan) != rights_before:
        done.append(f"Database {plan.database}: {plan.app} may connect, PUBLIC may nothing")


def _database_rights(cluster: _Connection, plan: _Plan) -> object:
    query = "SELECT datacl::text FROM pg_database WHERE datname = %s"
    return _one(cluster, query, plan.database)[0]


def _refuse_ownership(inside: _Connection, plan: _Plan) -> None:
    """Raise when `app` owns anything here: owners are exempt from row-level security."""
    owned = inside.execute(
        "SELECT pg_describe_object(classid, objid, objsubid) FROM pg_shdepend d "
        "JOIN pg_roles r ON r.oid = d.refobjid JOIN pg_database b ON b.datname = %s "
        "WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND r.rolname = %s "
        "AND (d.dbid = b.oid OR d.dbid = 0 AND d.objid = b.oid) ORDER BY 1 LIMIT 5",
        [plan.database, plan.app],
    ).fetchall()
    if owned:
        reassign = sql.SQL("REASSIGN OWNED BY {} TO {}").format(
            sql.Identifier(plan.app), sql.Identifier(plan.owner)
        )
        raise RolesError(
            f"{plan.app!r} owns {', '.join(name for (name,) in owned)} in {plan.database!r}; an "
            f"owner is exempt from row-level security. Run in that database: "
            f"{reassign.as_string(inside)}"
        )


def _ensure_schema(inside: _Connection, plan: _Plan, done: list[str]) -> None:
    owner, app = sql.Identifier(plan.owner), sql.Identifier(plan.app)
    before = _schema_state(inside)
    _run(inside, "CREATE SCHEMA IF NOT EXISTS public AUTHORIZATION {}", owner)
    _run(inside, "ALTER SCHEMA public OWNER TO {}", owner)
    _run(inside, "REVOKE CREATE ON SCHEMA public FROM PUBLIC, {}", app)
    _run(inside, "GRANT USAGE ON SCHEMA public TO {}", app)
    if _schema_state(inside) != before:
        done.append(f"Schema public: {plan.owner} owns it, {plan.app} may use it, nobody create")


def _schema_state(inside: _Connection) -> TupleRow:
    return _one(inside, "SELECT nspowner, nspacl::text FROM pg_namespace WHERE nspname = 'public'")


def _ensure_extensions(inside: _Connection, done: list[str]) -> None:
    for name in _EXTENSIONS:
        if _one(inside, "SELECT 1 FROM pg_extension WHERE extname = %s", name)[0]:
            continue
        try:
            _run(inside, "CREATE EXTENSION {} SCHEMA public", sql.Identifier(name))
        except (psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported) as error:
            raise RolesError(
                f"The server has no extension {name}; install PostgreSQL's contrib package there."
            ) from error
        done.append(f"CREATE EXTENSION {name}")
