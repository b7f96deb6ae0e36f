"""The floor: what Python can do at best on Populace's own tables. No framework, no checks but the token.

One prepared statement by psycopg per request; the database makes the JSON, so Python only carries bytes. Not a
server anybody should run: no validation, no errors worth the name, no log.
"""

import hashlib
import json
import os
import threading
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import psycopg

from bench.limit.statements import CREATE, FIRST, LIST, READ, USERS
from populace.infra.db.ids import new_id

UNICODE = unicodedata.unidata_version

_threads = threading.local()


def one(statement: str, values: list[Any]) -> bytes | None:
    """Run `statement`, prepared, on this thread's own connection and return its one value, undecoded."""
    if not hasattr(_threads, "cursor"):
        connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=0)
        _threads.cursor = psycopg.RawCursor(connection)
    result = _threads.cursor.execute(statement, values, prepare=True).pgresult
    return result.get_value(0, 0) if result.ntuples else None


def create(digest: str, body: Any) -> bytes | None:
    person = json.load(body)
    username, email = person["username"], person["email"]
    username_normal, email_normal = username.casefold(), email.casefold()
    first_name, last_name = person["first_name"], person["last_name"]
    user_id, event_id = new_id(), new_id()
    changes = {name: {"old": "", "new": value} for name, value in person.items()}
    values = [digest, user_id, username, username_normal, email, email_normal, email_normal.partition("@")[2]]
    values += [first_name, first_name.casefold(), last_name, last_name.casefold()]
    values += [f"email:{email_normal}", f"username:{username_normal}", UNICODE, event_id]
    values += [json.dumps({"changes": changes, "address": "127.0.0.1", "user_agent": ""})]
    return one(CREATE, values)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    digest = hashlib.sha256(environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ").encode()).hexdigest()
    path = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] == "POST":
        status, document = "201 Created", create(digest, environ["wsgi.input"])
    elif path == USERS:
        behind = environ["QUERY_STRING"].removeprefix("cursor=")  # only the way forward is served
        status, document = "200 OK", one(LIST, [digest, *(behind.split(",") if behind else FIRST)])
    else:
        status, document = "200 OK", one(READ, [digest, UUID(path.removeprefix(USERS + "/"))])
    if document is None:
        status, document = "404 Not Found", b""
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(document)))])
    return [document]
