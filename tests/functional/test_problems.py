"""Whatever goes wrong is told as RFC 9457 says, and tells nothing else."""

import html
import json
import logging
import re
import sqlite3
from contextlib import closing
from importlib.metadata import version

import pytest
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpResponse
from django.test import Client
from prometheus_client import REGISTRY

from populace.api import problems, views
from populace.api.kinds import KINDS
from populace.api.middleware import HOSTS_MAX, ApiMiddleware
from tests.support.endpoints import endpoints

pytestmark = pytest.mark.django_db

UNKNOWN = "/api/v1/users/0b84b00b-9065-4b38-9316-6349271532c4"


def check(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/problems/{code}")
    assert body["title"] == KINDS[code].title
    assert body["instance"] == response["X-Request-ID"]
    assert response["X-Content-Type-Options"] == "nosniff"
    return body


def test_a_path_nobody_serves(client):
    for path in ("/nope", "/api/", "/api/v1/nope", "/api/v1/users/a/b/c", "//api/v1/users", "/.env"):
        check(client.get(path), 404, "not_found")


def test_a_method_that_is_not_there(client):
    response = client.put(UNKNOWN, {})
    check(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD, PATCH, DELETE"
    check(client.options(UNKNOWN), 405, "method_not_allowed")
    check(client.generic("BREW", UNKNOWN), 405, "method_not_allowed")
    check(client.delete("/api/v1/users"), 405, "method_not_allowed")
    check(client.post("/livez"), 405, "method_not_allowed")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "a b", "127.0.0.1:x", "[::1", ""])
def test_a_foreign_host_is_refused_everywhere(client, host):
    for path in (UNKNOWN, "/livez", "/metrics", "/nope"):
        check(client.get(path, headers={"Host": host}), 400, "invalid_host")


def test_a_host_spelt_in_ever_new_ways_is_answered_but_not_remembered(rf):
    """populace/api/middleware.py:ApiMiddleware.is_ours"""
    middleware = ApiMiddleware(lambda request: HttpResponse())
    for port in range(1, HOSTS_MAX + 10):
        assert middleware.is_ours(rf.get("/", headers={"Host": f"127.0.0.1:{port}"}))
    assert len(middleware.hosts) == HOSTS_MAX


def test_in_production_probes_come_by_any_host(settings):
    settings.LOCAL = False
    probe = Client(headers={"Host": "10.0.0.7:8000"})
    assert probe.get("/livez").status_code == 200
    assert probe.get("/readyz").status_code == 200
    check(probe.get("/metrics"), 401, "unauthenticated")
    check(probe.get(UNKNOWN), 400, "invalid_host")


def test_a_query_is_refused_where_it_would_be_ignored(client):
    check(client.get(UNKNOWN + "?fields=id"), 400, "unknown_parameter")


def test_our_own_fault_tells_nothing_but_the_log_does(client, monkeypatch, capfd):
    def broken(*args):
        raise RuntimeError("broken at /srv/x")

    monkeypatch.setattr(views, "uuid_or_none", broken)
    response = client.get(UNKNOWN)
    check(response, 500, "internal")
    assert b"broken" not in response.content
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    [told] = [line for line in lines if line["event"] == "internal"]
    assert told["request_id"] == response["X-Request-ID"]
    assert told["trace"][0] == "builtins.RuntimeError: broken at /srv/x"


def test_an_exception_outside_our_views_is_a_problem_too(client, monkeypatch):
    client.raise_request_exception = False
    monkeypatch.setattr("populace.api.health._is_migrated", lambda: 1 / 0)
    check(client.get("/readyz"), 500, "internal")


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_gone_is_503_and_counted(client, monkeypatch, error):
    def gone(*args, **kwargs):
        raise error("connection to 10.0.0.1 failed")

    monkeypatch.setattr("populace.infra.db.compiled.Compiled.row", gone)
    before = REGISTRY.get_sample_value("db_connection_errors_total")
    response = client.get(UNKNOWN)
    check(response, 503, "unavailable")
    assert response["Retry-After"] == "1"
    assert b"10.0.0.1" not in response.content
    assert REGISTRY.get_sample_value("db_connection_errors_total") == before + 1


def locked_sqlite():
    """Return the error of a second writer."""
    uri = "file:locked?mode=memory&cache=shared"
    one, other = (sqlite3.connect(uri, uri=True, timeout=0) for _ in range(2))
    with closing(one), closing(other):
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as raised:
            other.execute("BEGIN IMMEDIATE")
    return raised.value


def test_a_writer_that_waited_too_long_for_sqlite_is_told_to_come_back():
    """populace/api/problems.py:problem_of"""
    try:
        raise OperationalError("database is locked") from locked_sqlite()
    except OperationalError as error:
        problem = problems.problem_of(error)
    assert (problem.code, problem.headers) == ("db_lock_timeout", {"Retry-After": "1"})


def test_every_code_has_a_page_for_anybody(client_of):
    """populace/api/problem_pages.py:problem_page"""
    reader = client_of(None)
    index = reader.get("/problems/").text
    for code, kind in KINDS.items():
        page = reader.get(f"/problems/{code}")
        assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert page["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
        assert kind.title in page.text
        shown = html.unescape(re.sub(r"</?(?:code|span)>", "", page.text))
        assert kind.page.replace("`", "") in shown
        assert kind.remedy.replace("`", "") in shown
        assert f'href="/problems/{code}"' in index
    check(reader.get("/problems/nope"), 404, "not_found")
    check(reader.post("/problems/invalid"), 405, "method_not_allowed")


def test_no_call_ignores_a_parameter_that_it_does_not_know(client):
    """Guards: populace/api/views.py:LeanView.check_query, populace/api/paging.py:parameters_of"""
    for endpoint in endpoints():
        response = client.generic(endpoint.method, endpoint.at() + "?nonsense=1", "{}", content_type="application/json")
        assert response.status_code == 400, endpoint
        assert endpoint.method == "HEAD" or response.json()["code"] == "unknown_parameter", endpoint


def test_an_unknown_parameter_is_told_with_the_nearest(client):
    """populace/api/paging.py:unknown"""
    told = check(client.get("/api/v1/users?usrname=ada"), 400, "unknown_parameter")
    assert "username" in told["detail"]
    assert told["errors"][0]["pointer"] == "/usrname"


@pytest.mark.parametrize("given", ["abc-1_2.3", "A" * 64])
def test_the_callers_request_id_is_kept(client, given):
    assert client.get("/livez", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a\nb", 'a"b', "é", "\x1b[31m"])
def test_a_request_id_that_could_forge_something_is_replaced(client, given):
    made = client.get("/livez", headers={"X-Request-ID": given})["X-Request-ID"]
    assert len(made) == 32
    assert made != given


def test_a_line_of_the_log_is_one_object_whatever_the_path_holds(client, capfd):
    client.get("/a%0Ab%1B[31m\u2028{}?token=SECRET")
    [line] = capfd.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["event"], told["path"], told["status"]) == ("request", "/a\nb\x1b[31m\u2028{}", 404)
    assert "SECRET" not in line


def test_libraries_log_in_the_same_form_without_what_databases_tell(capfd):
    try:
        try:
            raise OperationalError("Failing row contains (argon2$SECRET)")
        except OperationalError as error:
            raise ValueError("outer") from error
    except ValueError:
        logging.getLogger("some.library").exception("it failed\nhere")
    told = json.loads(capfd.readouterr().err)
    assert (told["event"], told["level"], told["logger"]) == ("it failed\nhere", "error", "some.library")
    assert told["trace"][0] == "builtins.ValueError: outer"
    assert f"  {__file__}:" in told["trace"][1]
    assert "django.db.utils.OperationalError" in told["trace"]
    assert "SECRET" not in json.dumps(told)


def test_no_answer_names_what_it_is_made_of(client):
    for response in (client.get("/livez"), client.get("/nope"), client.get(UNKNOWN)):
        assert version("django") not in str(response.headers)
        assert "Server" not in response


def test_what_the_engine_cannot_store_is_the_callers_fault_and_is_not_repeated():
    """populace/api/problems.py:problem_of; a net below the checks, which should leave nothing to it."""
    problem = problems.problem_of(DataError("value too long: s3cr3t"))
    assert (problem.code, problem.status_code) == ("invalid", 400)
    assert "s3cr3t" not in str(problem.detail)
