"""All settings, top to bottom: core, databases, tasks, mail, API. Read from the environment by config/env.py.

Safe for production by default; `POPULACE_MODE=local` (set by `make run`) opts out, on loopback only.
"""

import os
from typing import Any

from config import engines, env, safety

VAR_DIR = env.var_dir()  # sockets, slots, metrics, spool of one machine
env.load_local(VAR_DIR / "local.env")

# Core

MODE = env.choice("POPULACE_MODE", "production", ("production", "local"))
LOCAL = MODE == "local"
PORT = env.integer("PORT", 8000, 1, 65535)
DEMO = env.integer("DEMO", 1000, 0, 1_000_000)  # demo people that `populace up` makes in an empty directory
BASE_DIR = env.ROOT
DEBUG = False
SECRET_KEY = env.text("POPULACE_SECRET_KEY")
SECRET_KEY_FALLBACKS = env.text("POPULACE_SECRET_KEY_FALLBACKS").split()
PUBLIC_URL = env.text("POPULACE_PUBLIC_URL", f"http://127.0.0.1:{PORT}" if LOCAL else "").rstrip("/")
if not LOCAL:
    safety.stated(
        {
            "POPULACE_SECRET_KEY": SECRET_KEY,
            "POPULACE_PUBLIC_URL": PUBLIC_URL,
            "POPULACE_TRUSTED_PROXIES": env.text("POPULACE_TRUSTED_PROXIES"),
        }
    )
    safety.strong("POPULACE_SECRET_KEY", [SECRET_KEY])
    safety.strong("POPULACE_SECRET_KEY_FALLBACKS", SECRET_KEY_FALLBACKS)
TRUSTED_PROXY_COUNT = env.integer("POPULACE_TRUSTED_PROXIES", 0, 0, 10)  # 0 is right where none is in front
PUBLIC_HOST = safety.host("POPULACE_PUBLIC_URL", PUBLIC_URL, https=not LOCAL) if PUBLIC_URL else ""
ALLOWED_HOSTS = ["127.0.0.1", "localhost"] if LOCAL else [PUBLIC_HOST]

INSTALLED_APPS = [
    "populace.console",  # each replaces templates of the next
    "unfold.apps.BasicAppConfig",
    "django.contrib.admin.apps.SimpleAdminConfig",  # console/urls.py registers, nothing is discovered
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "populace.infra.tasks",
    "populace.audit",
    "populace.users",
    "populace.groups",
    "populace.credentials",
    "populace.logins",
    "populace.bulk",
    "populace.api",
    "drf_spectacular_sidecar",  # static files alone
]
# All of it, for every path. What pages for browsers need besides, console/browser.py brings.
MIDDLEWARE = ["populace.api.middleware.ApiMiddleware"]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
CONTEXT = (
    "template.context_processors.request",
    "contrib.auth.context_processors.auth",
    "contrib.messages.context_processors.messages",
)
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": [f"django.{name}" for name in CONTEXT]},
    }
]
# An operator's own templates win over the shipped ones of the same name.
if template_dir := env.folder("POPULACE_TEMPLATES"):
    TEMPLATES[0]["DIRS"] = [template_dir]

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = True

# People

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = ["populace.logins.backends.PasswordBackend"]
# auth.W004: uniqueness lives in Identifier. admin.E408 to E410: that middleware runs in console/browser.py.
# models.W037, mysql.W003: MariaDB has its own partial indexes (infra/db/mariadb/partial.py) and long unique texts.
SILENCED_SYSTEM_CHECKS = ["auth.W004", "admin.E408", "admin.E409", "admin.E410", "models.W037", "mysql.W003"]
PASSWORD_HASHERS = [  # the first makes ours, the others check what imports bring
    "populace.credentials.hashers.Argon2Hasher",
    "populace.credentials.fast_hashers.WrappedHasher",
    "populace.credentials.fast_hashers.FastHasher",
    "populace.credentials.hashers.BcryptHasher",
    "populace.credentials.hashers.BcryptSha256Hasher",
    "populace.credentials.derived_hashers.Pbkdf2Hasher",
    "populace.credentials.derived_hashers.ScryptHasher",
    "populace.credentials.derived_hashers.FirescryptHasher",
]

SEARCH_PARTS = env.choice("POPULACE_SEARCH_PARTS", "on", ("on", "off")) == "on"  # `populace migrate` makes the index

# Databases

DATABASES = {"default": engines.database("DATABASE_URL", env.text("DATABASE_URL", "sqlite:///var/populace.sqlite3"))}
if owner := env.text("DATABASE_OWNER_URL"):  # may create tables and partitions; requests never use it
    DATABASES["owner"] = engines.database("DATABASE_OWNER_URL", owner)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Tasks and mail

TASKS = {
    "default": {
        "BACKEND": "populace.infra.tasks.backend.DatabaseBackend",
        "QUEUES": ["mail", "default", "bulk"],  # lanes, most urgent first
    }
}
FILES = engines.files("FILES_URL", env.text("FILES_URL", "file://var/files"))  # of jobs: sent in, and made
TASKS_ENGINE, TASKS_BROKER = engines.tasks("TASKS_URL", env.text("TASKS_URL", "database://"))
if TASKS_ENGINE == "q2":
    Q_CLUSTER = engines.q2(TASKS_BROKER)
MAILERS = {"default": engines.mailer("EMAIL_URL", env.text("EMAIL_URL", "file://var/mail"))}
DEFAULT_FROM_EMAIL = env.text("POPULACE_MAIL_FROM", "Populace <noreply@localhost>")

# API

BODY_LIMIT = 1 << 20  # bytes; larger bodies are 413 before they are parsed
DATA_UPLOAD_MAX_MEMORY_SIZE = BODY_LIMIT
REST_FRAMEWORK = {
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%fZ",
    "EXCEPTION_HANDLER": "populace.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
    "DEFAULT_AUTHENTICATION_CLASSES": ["populace.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["populace.api.authentication.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["populace.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

# Console

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_MAX_AGE = 600  # seconds: names hold no digest, and an upgrade should be seen
SESSION_ENGINE = "populace.logins.sessions"
SESSION_COOKIE_AGE = 12 * 3600  # seconds from sign-in, however much it is used
SESSION_COOKIE_NAME = "populace_session" if LOCAL else "__Host-session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not LOCAL
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_NAME = "populace_csrf" if LOCAL else "__Host-csrf"
CSRF_COOKIE_AGE = None  # ends with the browser
CSRF_TRUSTED_ORIGINS = ["/".join(PUBLIC_URL.split("/")[:3])]  # the proxy that ends TLS speaks plain HTTP to us
CSRF_FAILURE_VIEW = "populace.console.browser.csrf_failure"
FILE_UPLOAD_TEMP_DIR = VAR_DIR / "spool"  # infra/scratch.py says why
env.make_folder("POPULACE_VAR_DIR", FILE_UPLOAD_TEMP_DIR, 0o700)
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"  # a GET that shows one writes no session
UNFOLD = {
    "SITE_TITLE": "Populace",
    "SITE_HEADER": "Populace",
    "SITE_SYMBOL": "groups",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/console/favicon.svg"}],
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COMMAND": {"search_models": False},
    "SIDEBAR": {"show_search": False, "navigation": "populace.console.navigation.menu"},
    "ACCOUNT": {"navigation": "populace.console.navigation.own_pages"},
}

# Capacity

WEB_PROCESSES = env.integer("POPULACE_WEB_PROCESSES", min(os.cpu_count() or 1, 256), 1, 256)
HASH_WAITING = env.integer("POPULACE_HASH_WAITING", 2, 0, 64)  # requests of one process that may wait for a hash slot
WEB_THREADS = env.integer("POPULACE_WEB_THREADS", 2 + HASH_WAITING, 1, 64)
RATE_LIMIT = env.integer("POPULACE_RATE_LIMIT", 100, 0, 1_000_000)  # API calls a second and person; 0: no limit

# Telemetry

LOGGING_CONFIG = "populace.infra.telemetry.logs.configure"
LOGGING = {"level": "INFO"}
# prometheus_client reads this when it is first imported (infra/telemetry/metrics.py).
METRICS_DIR = VAR_DIR / "metrics"
env.make_folder("POPULACE_VAR_DIR", METRICS_DIR)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(METRICS_DIR)

env.finish(private=not LOCAL)
