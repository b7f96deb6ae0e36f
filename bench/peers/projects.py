"""The other projects: how each is installed and started, who is in its database, and what it is asked.

Unlike work is not compared: each request says what it does, and only those that `compares` stand in a ratio.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import people
from bench.cases import BASE, PERSON, USERS_BY_ID, only, some

HERE = Path(__file__).parent

GET, LIST, CREATE, HASHED = "get by id", "list of 20", "create", "sign-up with its own hashing"
PASSWORD = "long enough to be one"


@dataclass(frozen=True, slots=True)
class Request:
    """One kind of request to one project. `paths` is SQL, asked of its own database."""

    paths: str
    does: str
    method: str = "GET"
    status: int = 200
    body: str = ""


@dataclass(frozen=True, slots=True)
class Project:
    """Another project. `install` and `prepare` run in a folder of its own; `serve` may hold {port}.

    `prepare` prints the token that opens it, `scheme` stands before that; `fill` makes {rows} people.
    """

    name: str
    folder: str
    install: tuple[tuple[str, ...], ...]
    prepare: tuple[str, ...]
    serve: tuple[str, ...]
    fill: tuple[str, ...]
    scheme: str
    requests: Mapping[str, Request]
    variables: Mapping[str, str]
    plain: Mapping[str, str]  # variables of the server that hashes no passwords

    @property
    def files(self) -> Path:
        return HERE / self.folder


POPULACE = {
    GET: Request(USERS_BY_ID, "token by one statement with the person and their groups"),
    LIST: Request(only(BASE), "as get, newest first, with the links to the pages beside"),
    CREATE: Request(
        only(BASE),
        "no password; token; person, three identifiers, event, outbox row",
        "POST",
        201,
        PERSON,
    ),
}

PYTHON = ("{uv}", "venv", "--quiet", "--python", "{python}", "venv")
PACKAGES = ("{uv}", "pip", "install", "--quiet", "--python", "venv", "-r", "requirements.txt")
NAMES = (
    f"generate_series(1, {{rows}}) n CROSS JOIN LATERAL (SELECT {people.USERNAME} AS username, {people.EMAIL} AS email,"
)
NAMES += f" {people.FIRST_NAME} AS first_name, {people.LAST_NAME} AS last_name) p"

FASTAPI_USERS = Project(
    "fastapi-users",
    "fastapi_users",
    (PYTHON, PACKAGES),
    ("venv/bin/python", "prepare.py"),
    ("venv/bin/uvicorn", "app:app", "--port", "{port}", "--log-level", "warning", "--no-access-log"),
    (
        f"""INSERT INTO "user" (id, email, hashed_password, is_active, is_superuser, is_verified)
        SELECT gen_random_uuid(), email, '!', true, false, true FROM {NAMES}""",
    ),
    "Bearer",
    {
        GET: Request(some('"user"', "'/users/' || id"), "JWT, its owner read, then the user"),
        CREATE: Request(
            only("/auth/register"),
            "no hashing; no token asked for; user looked up by e-mail, one row",
            "POST",
            201,
            f'{{"email":"NAME@example.com","password":"{PASSWORD}"}}',
        ),
        HASHED: Request(
            only("/auth/register"),
            "Argon2id of 64 MiB, t=3, p=4 (pwdlib's)",
            "POST",
            201,
            f'{{"email":"NAME@example.com","password":"{PASSWORD}"}}',
        ),
    },
    {},
    {"PEER_HASHING": "none"},
)

GRANIAN = ("venv/bin/granian", "--interface", "wsgi", "--workers", "1", "--blocking-threads", "1")
GRANIAN += ("--runtime-threads", "1", "--no-ws", "--no-access-log", "--log-level", "warning", "--host", "127.0.0.1")

DJOSER = Project(
    "djoser",
    "djoser",
    (PYTHON, PACKAGES),
    ("venv/bin/python", "prepare.py"),
    (*GRANIAN, "--port", "{port}", "wsgi:application"),
    (
        f"""INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
            date_joined)
        SELECT '!', false, username, first_name, last_name, email, false, true, now() FROM {NAMES}""",
    ),
    "Token",
    {
        GET: Request(some("auth_user", "'/auth/users/' || id || '/'"), "token and its owner, then the user"),
        LIST: Request(only("/auth/users/"), "as get, newest first, by cursor"),
        CREATE: Request(
            only("/auth/users/"),
            "MD5 in place of hashing; token; user looked up by name, one row",
            "POST",
            201,
            f'{{"username":"NAME","email":"NAME@example.com","password":"{PASSWORD}"}}',
        ),
        HASHED: Request(
            only("/auth/users/"),
            "PBKDF2-SHA256, Django's number of rounds",
            "POST",
            201,
            f'{{"username":"NAME","email":"NAME@example.com","password":"{PASSWORD}"}}',
        ),
    },
    {"DJANGO_SETTINGS_MODULE": "settings"},
    {"PEER_HASHING": "none"},
)

BETTER_AUTH = Project(
    "better-auth",
    "better_auth",
    (("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"),),
    ("node", "prepare.mjs"),
    ("node", "server.mjs"),
    (
        f"""INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt", role)
        SELECT md5('person' || n), first_name || ' ' || last_name, email, true, now(), now(), 'user' FROM {NAMES}""",
        """INSERT INTO account (id, "accountId", "providerId", "userId", password, "createdAt", "updatedAt")
        SELECT md5('account' || id), id, 'credential', id, '!', now(), now() FROM "user" WHERE name <> 'Admin'""",
    ),
    "Bearer",
    {
        GET: Request(
            some('"user"', "'/api/auth/admin/get-user?id=' || id"),
            "session and its user, then the user",
        ),
        LIST: Request(
            only("/api/auth/admin/list-users?limit=20"),
            "as get, in no order, and a count of all",
        ),
        CREATE: Request(
            only("/api/auth/admin/create-user"),
            "no password; session; user looked up by e-mail, one row",
            "POST",
            200,
            '{"email":"NAME@example.com","name":"Zoë Nguyễn"}',
        ),
        HASHED: Request(
            only("/api/auth/sign-up/email"),
            "scrypt; user, account and session: three rows",
            "POST",
            200,
            f'{{"email":"NAME@example.com","name":"Zoë Nguyễn","password":"{PASSWORD}"}}',
        ),
    },
    {"NODE_ENV": "production", "PORT": "{port}"},
    {},
)

PROJECTS = [FASTAPI_USERS, DJOSER, BETTER_AUTH]
