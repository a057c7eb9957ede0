"""All settings, from the environment. docs/settings.md explains each under its own heading.

What is not set has a default that suits `make run` on one's own machine: embedded PostgreSQL and
Valkey in .local/, plain HTTP on this machine only. With DATABASE_URL set, nothing is embedded.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from taskproject import embedded
from taskproject.env import Env, database_parts

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()

# --- Where things run ---------------------------------------------------------------------------

DEBUG = env.boolean("DEBUG", False)
HOST = env.text("HOST", "127.0.0.1")
PORT = env.integer("PORT", 8000, minimum=1, maximum=65_535)
SITE_URL = env.url("SITE_URL", f"http://{HOST}:{PORT}", schemes=("http", "https")).rstrip("/")
WEB_WORKERS = env.integer("WEB_WORKERS", 2, minimum=1, maximum=64)
WEB_THREADS = env.integer("WEB_THREADS", 4, minimum=1, maximum=64)
BEHIND_PROXY = env.boolean("BEHIND_PROXY", False)

_site = urlsplit(SITE_URL)
_https = _site.scheme == "https"
_database_url = env.secret("DATABASE_URL", "")
_instance = embedded.default_instance(base=BASE_DIR)
LOCAL_DIR = _instance.folder
# The embedded servers' URLs and secret; None when the database is somebody else's server, or when
# nothing has been started yet.
EMBEDDED = None if _database_url else embedded.urls(_instance)

# --- Secrets ------------------------------------------------------------------------------------

# Before the first start there is nothing to sign, only commands to run: any secret will do.
_local_secret = EMBEDDED.secret_key if EMBEDDED else secrets.token_urlsafe(50)
SECRET_KEY = env.secret("SECRET_KEY", None if _database_url else _local_secret)
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS")
if _database_url and (len(SECRET_KEY) < 50 or SECRET_KEY.startswith("django-insecure-")):
    raise ImproperlyConfigured(
        "SECRET_KEY must be a secret of at least 50 characters. Make one with: "
        "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
    )

# --- Database and cache -------------------------------------------------------------------------

_app_url = _database_url or (EMBEDDED.app if EMBEDDED else "")
_owner_url = env.secret("DATABASE_OWNER_URL", EMBEDDED.owner if EMBEDDED else "")
TENANT_BINDING = env.choice("TENANT_BINDING", "session", choices=("session", "transaction"))
_pool_max_size = env.integer("DATABASE_POOL_MAX_SIZE", WEB_THREADS, minimum=1, maximum=200)
DATABASE_POOL = {
    "min_size": env.integer("DATABASE_POOL_MIN_SIZE", 1, minimum=0, maximum=_pool_max_size),
    "max_size": _pool_max_size,
    "timeout": env.seconds("DATABASE_POOL_TIMEOUT_S", 2, minimum=0.1, maximum=60),
    "max_waiting": env.integer(
        "DATABASE_POOL_MAX_WAITING", 4 * _pool_max_size, minimum=1, maximum=10_000
    ),
    "max_lifetime": env.seconds("DATABASE_POOL_MAX_LIFETIME_S", 1800, minimum=1, maximum=86_400),
    "max_idle": env.seconds("DATABASE_POOL_MAX_IDLE_S", 300, minimum=1, maximum=86_400),
    "reconnect_timeout": env.seconds(
        "DATABASE_POOL_RECONNECT_TIMEOUT_S", 1, minimum=0.1, maximum=300
    ),
    "num_workers": 2,
}


def _database() -> dict[str, Any]:
    if not _app_url:
        # Commands that need no database still work; the others are told what to do.
        return {"ENGINE": "taskproject.db.backend", "NAME": "", "USER": "", "OWNER": None}
    parts: dict[str, Any] = database_parts("DATABASE_URL", _app_url)
    parts["OPTIONS"] |= {"pool": DATABASE_POOL, "connect_timeout": 2}
    owner: dict[str, Any] | None = None
    if _owner_url:
        owner_parts: dict[str, Any] = database_parts("DATABASE_OWNER_URL", _owner_url)
        owner = {"USER": owner_parts["USER"], "PASSWORD": owner_parts["PASSWORD"]}
    return parts | {
        "ENGINE": "taskproject.db.backend",
        "OWNER": owner,
        "TENANT_BINDING": TENANT_BINDING,
        "DISABLE_SERVER_SIDE_CURSORS": TENANT_BINDING == "transaction",
    }


DATABASES = {"default": _database()}
# Runs of the lab, a file each.
PERF_DIR = LOCAL_DIR / "perf"
PERF_BASELINE = BASE_DIR / ".ci" / "benchmark-baseline.json"
# The lab empties PostgreSQL's buffers as it, when asked to.
PERF_SUPERUSER_URL = EMBEDDED.superuser if EMBEDDED else ""
# `pgstat` looks through it: a role that sees more than the application's.
DATABASE_STATS_URL = env.secret("DATABASE_STATS_URL", PERF_SUPERUSER_URL)
# What all web processes together may open.
PERF_DEMANDED_CONNECTIONS = WEB_WORKERS * _pool_max_size
# Findings of `pgstat health` that are meant: docs/indexes.md says of each why.
PERF_IGNORE = [
    {
        "check": "IX4",
        "object": f"{name}_fk",
        "reason": "memberships are deactivated, and deleted with their tenant only",
        "until": "2028-12-31",
    }
    for name in (
        *("api_token_user", "comment_author", "event_actor"),
        *("project_lead", "task_assignee", "task_creator"),
    )
]
# A checkout in another folder finds the servers of this one by it.
PERF_ENVIRONMENT = {"LOCAL_DIR": str(LOCAL_DIR)}
# What `loadtest` starts with --serve, and for whom it plays scenarios.
PERF_LOAD_SERVICE = "taskproject.management.load.SERVICE"
PERF_MONITOR: dict[str, Any] = {
    "ENABLED": env.boolean("QUERY_MONITOR", True),
    "SLOW_MS": env.integer("QUERY_MONITOR_SLOW_MS", 100, minimum=0, maximum=3_600_000),
    "TENANT": "taskproject.telemetry.tenant_of",
    # What all apps ask through: it is the caller that one wants to know.
    "SKIP": (
        *("taskproject.db", "taskproject.api", "taskproject.telemetry", "taskproject.browsers"),
        *("taskproject.tenancy.scoping", "taskproject.tenancy.api.viewsets"),
        "taskproject.tenancy.middleware",
    ),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.secret("REDIS_URL", EMBEDDED.redis if EMBEDDED else "")
if REDIS_URL and urlsplit(REDIS_URL).scheme not in ("redis", "rediss", "unix"):
    raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://.")
_redis: dict[str, Any] = {
    "BACKEND": "django_redis.cache.RedisCache",
    "LOCATION": REDIS_URL,
    "KEY_PREFIX": "tp",
    "OPTIONS": {
        # Never pickle: what stands in a cache must not be able to run.
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        "SOCKET_CONNECT_TIMEOUT": 0.2,
        "SOCKET_TIMEOUT": 0.2,
    },
}
CACHES = {
    "default": _redis if REDIS_URL else {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
}

# --- Applications -------------------------------------------------------------------------------

INSTALLED_APPS = [
    # Ours first: tenancy overrides commands of Django (migrate, flush, dumpdata, loaddata).
    "taskproject.apps.TaskprojectConfig",
    "taskproject.tenancy",
    "projects",
    "tasks",
    "perf",
    "taskproject.apps.WebAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "taskproject.telemetry.TelemetryMiddleware",
    "perf.monitor.middleware.QueryMonitor",
    "taskproject.api.lengths.LengthRequired",
    "django.middleware.security.SecurityMiddleware",
    "taskproject.tenancy.middleware.TenantMiddleware",
    "taskproject.browsers.TokensPassBy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "taskproject.api.addresses.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "taskproject.browsers.Innermost",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
ROOT_URLCONF = "taskproject.urls"
WSGI_APPLICATION = "taskproject.wsgi.application"
AUTH_USER_MODEL = "tenancy.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # The first one says in WWW-Authenticate how to come in.
        "taskproject.tenancy.api.authentication.TokenAuthentication",
        "taskproject.tenancy.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["taskproject.tenancy.api.permissions.MemberPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["taskproject.api.parsing.JSONParser"],
    "EXCEPTION_HANDLER": "taskproject.api.failures.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "taskproject.api.schema.ApiSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "taskproject",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVERS": [{"url": "/"}],
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["taskproject.api.schema_document.complete"],
}
RATE_LIMIT_TOKEN_PER_MINUTE = env.integer(
    "RATE_LIMIT_TOKEN_PER_MINUTE", 600, minimum=0, maximum=1_000_000
)
RATE_LIMIT_TENANT_PER_MINUTE = env.integer(
    "RATE_LIMIT_TENANT_PER_MINUTE", 6000, minimum=0, maximum=1_000_000
)

# --- Security -----------------------------------------------------------------------------------

ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", (_site.hostname or "127.0.0.1", "localhost"))
CSRF_TRUSTED_ORIGINS = [SITE_URL]
SECURE_SSL_REDIRECT = _https
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SECURE_HSTS_SECONDS = (
    env.integer("HSTS_SECONDS", 3600, minimum=0, maximum=63_072_000) if _https else 0
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.boolean("HSTS_INCLUDE_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD = env.boolean("HSTS_PRELOAD", False)
SESSION_COOKIE_SECURE = _https
SESSION_COOKIE_AGE = 12 * 3600  # seconds
CSRF_COOKIE_SECURE = _https
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024  # bytes

# --- The rest -----------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = "taskproject.formats"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "static"
# Serve what collectstatic gathered, and without it the files of the installed packages.
WHITENOISE_USE_FINDERS = True
LOGIN_URL = "admin:login"
CSRF_FAILURE_VIEW = "taskproject.errors.csrf_failure"
LOGIN_REDIRECT_URL = "admin:index"
MESSAGE_STORAGE = "taskproject.tenancy.webadmin.messages.TenantCookieStorage"

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.choice("LOG_FORMAT", "line", choices=("line", "json"))
SERVER_TIMING = env.boolean("SERVER_TIMING", False)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "taskproject.telemetry.LineFormatter"},
        "json": {"()": "taskproject.telemetry.JSONFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # The line of the request says each 4xx already.
        "django.request": {"level": "ERROR"},
        # Anybody can send a wrong Host or too much of something: a traceback each would be theirs
        # to fill a disk with. Why a form was refused is worth its one line.
        "django.security": {"level": "CRITICAL"},
        "django.security.csrf": {"level": "WARNING"},
        # Each reconnection attempt would be a line: the 503s say it already.
        "psycopg.pool": {"level": "ERROR"},
    },
}

if DEBUG and "pytest" not in sys.modules:
    INSTALLED_APPS.append("debug_toolbar")
    MIDDLEWARE.insert(0, "debug_toolbar.middleware.DebugToolbarMiddleware")
    INTERNAL_IPS = ["127.0.0.1"]
