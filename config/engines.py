"""URLs in the environment to Django's settings of databases, tasks, mail and files."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote

from config import env
from config.env import ROOT, fail

# A request may not hold a statement, a lock or a transaction longer than this (milliseconds; design section 4).
TIMEOUTS_MS = {"statement_timeout": 5000, "lock_timeout": 2000, "idle_in_transaction_session_timeout": 10000}

# Each statement keeps one plan, made for no values in particular, which the plan tests look at. Left to itself,
# PostgreSQL would plan some lists anew in every request: it reckons the time of planning by the number of tables.
# And what it reckons to be expensive for values it does not know it would first compile to machine code, and start
# workers for: from a million people on both took longer than the look-up itself (make bench-full).
PLANS = {"plan_cache_mode": "force_generic_plan", "jit": "off", "max_parallel_workers_per_gather": "0"}

# Of a host that has vanished: seconds to connect, milliseconds that what was sent may stay unacknowledged, and seconds
# until an idle connection is known to be dead. Of one that is there and says nothing tells populace/infra/db/watch.py.
REACH = {
    "connect_timeout": 3,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def path_of(name: str, url: str) -> Path:
    """Return the file a URL names: `scheme://var/x` is in the project's folder, `scheme:///tmp/x` absolute."""
    rest = unquote(url.partition("://")[2].partition("?")[0])
    if not rest.strip("/"):
        fail(name, "names no file")
    return ROOT / rest


def sqlite(name: str, url: str) -> dict[str, Any]:
    """Return settings of an SQLite file; WAL and IMMEDIATE, so that readers never wait and writers wait in turn."""
    # sqlite:///var/x is the usual spelling of a relative path, sqlite:////tmp/x of an absolute one.
    path = path_of(name, url.replace("sqlite:///", "sqlite://", 1))
    env.make_folder(name, path.parent)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 4,  # seconds
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        },
        # Threads of one test share a file, not a connection.
        "TEST": {"NAME": path.with_suffix(".test.sqlite3")},
    }


def server(parts: SplitResult) -> dict[str, str]:
    """Return which database of which server a URL names, and as whom to go there."""
    return {
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
    }


def number(name: str, options: dict[str, Any], key: str, lowest: int, highest: int) -> int | None:
    """Take a whole number within the bounds out of a URL's query; None where it is not there."""
    text = options.pop(key, None)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and lowest <= int(text) <= highest):
        fail(name, f"{key} must be a whole number from {lowest} to {highest}")
    return int(text)


def pool(name: str, options: dict[str, Any]) -> dict[str, int]:
    """Take the bounds of the pool out of a URL's query (populace/infra/db/pool.py knows those that are not there)."""
    bounds = {
        "min": number(name, options, "pool_min", 0, 1000),
        "max": number(name, options, "pool_max", 1, 1000),
        "wait": number(name, options, "pool_wait", 0, 60),
    }
    stated = {key: value for key, value in bounds.items() if value is not None}
    if stated.get("min", 0) > stated.get("max", 1000):
        fail(name, "pool_min must not exceed pool_max")
    return stated


def session(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Take what stands between out of a URL's query, and return how sessions are used then.

    With PgBouncer in transaction mode the next statement may meet another session: nothing is prepared (by releases
    from 1.21 on it may be: `prepared=on`), no cursor outlives its transaction, and the limits, which belong to a
    session, are set by PgBouncer (deploy/pgbouncer/pgbouncer.ini).
    """
    pooler, kept = options.pop("pgbouncer", None), options.pop("prepared", None)
    if pooler not in (None, "transaction"):
        fail(name, "pgbouncer must be transaction (or not be there)")
    if kept not in (None, "on") or (kept and not pooler):
        fail(name, "prepared must be on, and goes with pgbouncer=transaction only")
    given = options.pop("options", "")
    limits = " ".join(f"-c {setting}={value}" for setting, value in (TIMEOUTS_MS | PLANS).items())
    settings = f"{'' if pooler else limits} {given}".strip()  # of one that is said twice, the last counts
    # Django passes prepare_threshold=None, which silently means "never prepared".
    own = {"prepare_threshold": None if pooler and not kept else 0} | ({"options": settings} if settings else {})
    return {"DISABLE_SERVER_SIDE_CURSORS": bool(pooler), "OPTIONS": own | REACH | options}


def postgresql(name: str, url: str) -> dict[str, Any]:
    """Return settings of a PostgreSQL server: a pool of connections, every statement prepared, all waits bounded."""
    parts = env.url(name, url)
    options: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not parts.path.strip("/") and "service" not in options:
        fail(name, "names no database: postgres://USER:PASSWORD@HOST:PORT/NAME")
    return {
        "ENGINE": "populace.infra.db.postgresql",
        **server(parts),
        "CONN_MAX_AGE": None,  # the pool keeps them
        "POOL": pool(name, options),
        **session(name, options),
    }


# The same for MariaDB, in seconds. A statement that waits for a table's definition, or for a row, counts as waiting.
MARIADB_S = {
    "max_statement_time": 5,
    "innodb_lock_wait_timeout": 2,
    "lock_wait_timeout": 2,
    "idle_transaction_timeout": 10,
}
MARIADB_SESSION = MARIADB_S | {
    "sql_mode": "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    "time_zone": "'+00:00'",
    "group_concat_max_len": 1 << 24,  # bytes of one nested list in a document: what one answer of the server may have
}
MARIADB_OPTIONS = {"connect_timeout": int, "ssl_ca": str, "ssl_cert": str, "ssl_key": str, "ssl_verify_identity": bool}
"""What a URL may say besides: seconds, and PyMySQL's words for TLS."""


def mariadb(name: str, url: str) -> dict[str, Any]:
    """Return settings of a MariaDB server: persistent connections, every wait bounded by the server and by us."""
    parts = env.url(name, url)
    if not parts.path.strip("/"):
        fail(name, "names no database: mysql://USER:PASSWORD@HOST:PORT/NAME")
    session = ", ".join(f"{setting} = {value}" for setting, value in MARIADB_SESSION.items())
    return {
        "ENGINE": "populace.infra.db.mariadb",
        **server(parts),
        "CONN_MAX_AGE": 3600,  # seconds: what a session has gathered on the server goes with it
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "isolation_level": "read committed",
            "collation": "utf8mb4_bin",  # of constants: as of what JSON functions return
            "init_command": f"SET SESSION {session}",
            "connect_timeout": 5,
            "read_timeout": 10,  # only where the server is silent: it ends a statement before that
            "write_timeout": 10,
        }
        | _options(name, parts.query),
        "TEST": {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_nopad_bin"},
    }


def _options(name: str, query: str) -> dict[str, Any]:
    """Return what the query of a mysql:// URL says; anything that is not known is an error."""
    options: dict[str, Any] = {}
    for option, value in parse_qsl(query, keep_blank_values=True):
        kind = MARIADB_OPTIONS.get(option)
        if kind is None:
            fail(name, f"knows no {option}; there are {', '.join(MARIADB_OPTIONS)}")
        if kind is bool and value not in ("true", "false"):
            fail(name, f"{option} must be true or false")
        if kind is int and not (value.isascii() and value.isdigit() and 0 < int(value) <= 60):
            fail(name, f"{option} must be a number of seconds, 1 to 60")
        options[option] = value == "true" if kind is bool else kind(value)
    return options


# Where a TASKS_URL may lead, and the package that goes there (an extra of pyproject.toml of the same name).
REDIS = ("redis", "rediss")
BROKERS = {"celery": (*REDIS, "amqp", "amqps"), "rq": REDIS, "q2": REDIS}
PACKAGES = {"celery": "celery", "rq": "rq", "q2": "django_q"}


def tasks(name: str, url: str) -> tuple[str, str]:
    """Return the name of the engine of background work, and the URL of its broker ("" for the database itself)."""
    engine, _, broker = env.url(name, url).scheme.partition("+")
    if engine == "database" and not broker:
        if url != "database://":
            fail(name, "database:// takes nothing more: it is the database of DATABASE_URL")
        return engine, ""
    if broker not in BROKERS.get(engine, ()):
        known = [f"{one}+{other}://" for one, others in BROKERS.items() for other in others]
        fail(name, f"must begin with one of database://, {', '.join(known)}")
    if find_spec(PACKAGES[engine]) is None:
        fail(name, f"needs a package that is not installed: pip install 'populace[{engine}]'")
    return engine, url.partition("+")[2]


def q2(url: str) -> dict[str, Any]:
    """Return what Django-Q2 reads: where its broker is. Timeout and retry are of its cluster, which does not run."""
    limits = "socket_connect_timeout=4&socket_timeout=10"  # seconds; what the URL says itself comes first and counts
    url = f"{url}{'&' if '?' in url else '?'}{limits}"
    return {"name": "populace", "redis": url, "workers": 1, "timeout": 60, "retry": 120}


ENGINES = {"mysql": mariadb, "sqlite": sqlite, "postgres": postgresql, "postgresql": postgresql}


def database(name: str, url: str) -> dict[str, Any]:
    """Return the Django settings of the database that variable `name` gives as `url`."""
    scheme = url.partition("://")[0]
    if scheme not in ENGINES:
        fail(name, f"must begin with one of {', '.join(f'{s}://' for s in sorted(ENGINES))}")
    return ENGINES[scheme](name, url)


def files(name: str, url: str) -> dict[str, Any]:
    """Return where files of jobs are kept: `file://`, a folder, or `s3://`, a bucket."""
    parts = env.url(name, url)
    if parts.scheme == "s3":
        return bucket(name, parts)
    if parts.scheme != "file":
        fail(name, "must begin with file:// or s3://")
    return {"folder": str(path_of(name, url))}


def bucket(name: str, parts: SplitResult) -> dict[str, str]:
    """Return how `s3://KEY:SECRET@HOST:PORT/BUCKET/PREFIX?tls=off&region=…` is reached; path and query may be short."""
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    place, _, prefix = unquote(parts.path).strip("/").partition("/")
    if not (parts.hostname and parts.username and parts.password and place):
        fail(name, "must name all of s3://KEY:SECRET@HOST:PORT/BUCKET")
    if unknown := set(options) - {"tls", "region"}:
        fail(name, f"knows no {min(unknown)}; there are tls, region")
    if options.get("tls", "on") not in ("on", "off"):
        fail(name, "tls must be on or off")
    if find_spec("boto3") is None:
        fail(name, "s3:// needs the package boto3 (docs/howto/files-in-a-bucket.md)")
    scheme = "http" if options.get("tls") == "off" else "https"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return {
        "endpoint": f"{scheme}://{host}{f':{parts.port}' if parts.port else ''}",
        "region": options.get("region") or "us-east-1",  # what servers that know none expect in a signature
        "bucket": place,
        "prefix": f"{prefix}/" if prefix else "",
        "key": unquote(parts.username),
        "secret": unquote(parts.password),
    }


def mailer(name: str, url: str) -> dict[str, Any]:
    """Return the Django settings of the mailer: `file://` (one file a mail) or `smtp://`."""
    parts = env.url(name, url)
    if parts.scheme == "file":
        return {
            "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "OPTIONS": {"file_path": str(path_of(name, url))},
        }
    if parts.scheme != "smtp" or not parts.hostname:
        fail(name, "must begin with file:// or smtp://HOST")
    return {
        "BACKEND": "populace.infra.mail.smtp.EmailBackend",
        "OPTIONS": {
            "host": parts.hostname,
            "port": parts.port or 25,
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "use_tls": "starttls" in dict(parse_qsl(parts.query, keep_blank_values=True)),
        },
    }
