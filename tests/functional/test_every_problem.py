"""Each code of problems that the server knows, provoked over HTTP, told as the schema says, with a page that opens."""

import fcntl
import itertools
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from time import sleep
from uuid import uuid4

import httpx
import pytest

from populace.api.kinds import KINDS
from populace.bulk.actions import OPEN_MAX
from populace.credentials.hashing import SLOTS
from tests.support.activity import waiting
from tests.support.database import BROKEN, FULL, GONE, SLOW, destroy, no_writes, refuse_addresses
from tests.support.installation import Installation
from tests.support.missing import missing
from tests.support.openapi import Contract
from tests.support.plugin import ENGINE, Session
from tests.support.processes import wait_until

USERS, GROUPS, TOKENS, SCHEMA = "/api/v1/users", "/api/v1/groups", "/api/v1/tokens", "/api/v1/attribute-schema"
PASSWORD = "correct horse battery staple"


class Site:
    """A running Populace and what the provocations make in it."""

    def __init__(self, server: Installation) -> None:
        self.server, self.http, self.database = server, server.http, server.env["DATABASE_URL"]
        self.get, self.post, self.patch = self.http.get, self.http.post, self.http.patch
        self.numbers = itertools.count(1)

    def make(self, collection: str, **values) -> dict:
        response = self.post(collection, json=values)
        assert response.status_code == 201, response.text
        return response.json()

    def person(self, **values) -> str:
        return f"{USERS}/{self.make(USERS, username=f'person{next(self.numbers)}', **values)['id']}"

    def group(self, **values) -> dict:
        return self.make(GROUPS, **{"name": f"group{next(self.numbers)}", **values})

    def as_(self, scope: str, **token) -> dict:
        """Return the header of a caller whose token has this scope."""
        secret = self.make(TOKENS, name="t", scopes=[scope], **token)["secret"]
        return {"Authorization": f"Bearer {secret}"}

    def raw(self, body: bytes, media: str = "application/json") -> httpx.Response:
        return self.post(USERS, content=body, headers={"Content-Type": media})


PROVOKED: dict[str, Callable[[Site], httpx.Response]] = {}


def provokes(code):
    return lambda provocation: PROVOKED.setdefault(code, provocation)


def taken(field: str, value: str, other: str) -> Callable[[Site], httpx.Response]:
    """Return the provocation of two people who want one identifier, spelt in two ways."""

    def provocation(site: Site) -> httpx.Response:
        site.make(USERS, **{field: value})
        return site.post(USERS, json={field: other})

    return provocation


PROVOKED |= {
    "malformed": lambda site: site.raw(b'{"username": NaN}'),
    "duplicate_key": lambda site: site.raw(b'{"username": "a", "username": "b"}'),
    "invalid": lambda site: site.post(USERS, json={"email": "nobody"}),
    "unknown_parameter": lambda site: site.get(f"{USERS}?usrname=ada"),
    "too_many": lambda site: site.get(USERS, params={"q": "a b c d e"}),
    "invalid_cursor": lambda site: site.get(f"{USERS}?cursor=abc"),
    "order_not_served": lambda site: site.get(f"{USERS}?is_active=true&order=email"),
    "not_indexed": lambda site: site.get(f"{USERS}?attributes.shoe=44"),
    "invalid_host": lambda site: site.get(USERS, headers={"Host": "elsewhere.example"}),
    "unauthenticated": lambda site: site.get(USERS, headers={"Authorization": "Bearer pop_wrong"}),
    "scope": lambda site: site.post(USERS, json={"username": "x"}, headers=site.as_("users:read")),
    "not_found": lambda site: site.get(f"{USERS}/{uuid4()}"),
    "method_not_allowed": lambda site: site.http.put(USERS, json={}),
    "email_taken": taken("email", "one@example.com", "ONE@example.com"),
    "username_taken": taken("username", "ada", "ADA"),
    "phone_taken": taken("phone", "+4312345678", "+43 1 234 5678"),
    "external_id_taken": taken("external_id", "hr-1", "hr-1"),
    "confusable": taken("username", "coco", "сосо"),
    "identifier_taken": lambda site: site.post(USERS, json={"email": GONE.partition(":")[2]}),
    "internal": lambda site: site.post(USERS, json={"email": BROKEN.partition(":")[2]}),
    "query_timeout": lambda site: site.post(USERS, json={"email": SLOW.partition(":")[2]}),
    "storage_full": lambda site: site.post(USERS, json={"email": FULL.partition(":")[2]}),
    "last_owner": lambda site: site.post(f"{USERS}/{site.server.administrator_id}/deactivate"),
    "too_large": lambda site: site.raw(b'{"username": "%s"}' % (b"x" * (1 << 20))),
    "unsupported_media_type": lambda site: site.raw(b"<username>ada</username>", "application/xml"),
}


@provokes("forbidden")
def _(site):
    owner = site.make(USERS, username="nobody-special")["id"]
    return site.get(USERS, headers=site.as_("users:read", owner=owner))


@provokes("name_taken")
def _(site):
    return site.post(GROUPS, json={"name": site.group()["name"].upper()})


@provokes("cycle")
def _(site):
    above = site.group()
    below = site.group(parents=[above["id"]])
    return site.patch(f"{GROUPS}/{above['id']}", json={"parents": [below["id"]]})


@provokes("not_confirmed")
def _(site):
    site.server.populace("seed", "1001")
    return site.post("/api/v1/bulk-actions", json={"action": "deactivate", "filter": {}})


@provokes("not_undoable")
def _(site):
    job = site.post("/api/v1/bulk-actions", json={"action": "erase", "filter": {"domain": "nobody.example"}}).json()
    return site.post(f"/api/v1/jobs/{job['id']}/undo")


@provokes("precondition_failed")
def _(site):
    person = site.person()
    read = site.get(person).headers["ETag"]
    site.patch(person, json={"first_name": "Somebody else was faster"})
    return site.patch(person, json={"last_name": "Late"}, headers={"If-Match": read})


@provokes("quota")
def _(site):
    files = {"file": ("people.csv", "email\na@example.com\n", "text/csv")}
    answers = (site.post("/api/v1/imports", files=files) for _ in range(OPEN_MAX + 1))  # no worker runs
    return next(answer for answer in answers if answer.status_code != 202)


@provokes("idempotency_mismatch")
def _(site):
    key = {"Idempotency-Key": "one-order"}
    site.post(USERS, json={"username": "first-order"}, headers=key)
    return site.post(USERS, json={"username": "second-order"}, headers=key)


@provokes("idempotency_in_flight")
def _(site):
    call = {"json": {"username": "in-flight"}, "headers": {"Idempotency-Key": "in-flight"}}
    with ThreadPoolExecutor(1) as other, no_writes(site.database):
        first = other.submit(httpx.post, site.server.url + USERS, **with_token(site, call), timeout=20)
        sleep(0.3)  # the first has begun; it cannot end
        second = site.post(USERS, **call)
    first.result()
    return second


def with_token(site, call):
    return call | {"headers": {**site.http.headers, **call["headers"]}}


@provokes("overloaded")
def _(site):
    with every_hash_slot(site.server.var / "run" / "hash"):
        return site.post(USERS, json={"username": "has-to-wait-longer", "password": PASSWORD})


@contextmanager
def every_hash_slot(folder):
    """Hold all the slots of password hashing, as busy processes do."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for number in range(SLOTS):
            fcntl.flock(held.enter_context((folder / str(number)).open("w")), fcntl.LOCK_EX)
        yield


@provokes("db_lock_timeout")
def _(site):
    with no_writes(site.database):
        return site.post(USERS, json={"username": "has-to-wait"})


@provokes("db_pool_exhausted")
def _(site):
    call = {"json": {"username": "holds-a-connection"}, "headers": {}}
    with ThreadPoolExecutor(3) as others, no_writes(site.database):
        for _ in range(3):  # as many as there are connections; each waits two seconds for the lock
            others.submit(httpx.post, site.server.url + USERS, **with_token(site, call), timeout=20)
        wait_until(lambda: waiting(site.database) == 3, "all connections wait")
        return site.get(USERS)


@provokes("rate_limited")
def _(site):
    answers = (site.get(f"{USERS}?limit=1") for _ in range(20))  # 10 are granted
    return next(answer for answer in answers if answer.status_code != 200)


@provokes("storage_unavailable")
def _(site):
    site.server.start_worker()
    job = site.post("/api/v1/exports", json={"format": "csv"}).headers["Location"]
    link = wait_until(lambda: site.get(job).json()["result_url"], "the export")
    folder = site.server.var / "files" / "jobs" / job.rpartition("/")[2]
    shutil.rmtree(folder)
    folder.write_bytes(b"no folder any more")
    return site.get(link)


@provokes("unavailable")
def _(site):
    destroy(site.database)
    return site.get(USERS)


ELSEWHERE = {
    "sqlite": {"db_pool_exhausted", "query_timeout", "storage_full"},
    "mariadb": {"db_pool_exhausted"},
}
"""Codes that nobody can meet there: SQLite opens a file, ends no statement, and fills up with its disk alone; on
MariaDB every thread has a connection of its own."""

SETTINGS = {"rate_limited": {"POPULACE_RATE_LIMIT": "1"}, "unavailable": {}, "storage_unavailable": {}}
"""Codes that need a server of their own."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return `installed(**settings) -> Site`, running."""
    if Session.missing:
        missing(Session.missing)
    running = []

    def make(**settings):
        server = Installation(tmp_path_factory.mktemp("site"), POPULACE_WEB_PROCESSES="1", **settings)
        running.append(server)
        refuse_addresses(server.env["DATABASE_URL"])
        server.start_web()
        server.http.timeout = 30
        return Site(server)

    yield make
    for server in running:
        server.stop()


@pytest.fixture(scope="module")
def shared(installed):
    return installed()


def test_every_code_has_a_provocation():
    assert set(PROVOKED) == set(KINDS)


@pytest.mark.parametrize("code", [code for code in KINDS if code not in ELSEWHERE.get(ENGINE, ())])
def test_each_code_is_provoked_and_told_as_the_schema_says(code, installed, shared):
    """populace/api/problems.py:problem_of, populace/api/schema/document.py:_codes"""
    site = installed(**SETTINGS[code]) if code in SETTINGS else shared
    contract = Contract(site.get("/api/v1/openapi.json").json())
    response = PROVOKED[code](site)
    told = response.json()
    assert (told["code"], told["status"], response.status_code) == (code, KINDS[code].status, KINDS[code].status)
    assert response.headers["Content-Type"] == "application/problem+json"
    request = response.request
    contract.check(request.method, request.url.path, response.status_code, response.headers, response.content)
    page = site.get(told["type"])
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert KINDS[code].title in page.text
